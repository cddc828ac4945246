//! Compares what modules name with the table.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::{HOMES, LAYERS, Layer, PRINTING};
use crate::paths::{Named, named};
use crate::tree::{Module, modules};

/// Returns every breach of the table in a crate, given its files by path, as `FILE:LINE: what and why`.
pub fn violations(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let (modules, violations) = modules(files);
    let mut violations: BTreeSet<String> = violations.into_iter().collect();
    for module in &modules {
        let listed = |name: &String| LAYERS.iter().any(|layer| layer.module == name);
        if let Some(name) = module.path.first().filter(|name| !listed(name)) {
            // All else that could be said of it follows from this.
            violations.insert(format!(
                "{}:1: `{name}` is in no layer: say in tests/structure/layers.rs which modules it may use",
                module.file
            ));
            continue;
        }
        for named in named(&module.path, &module.items) {
            if let Some(breach) = breach(module, &named) {
                violations.insert(format!("{}:{}: {breach}", module.file, named.line));
            }
        }
    }
    violations
}

fn breach(module: &Module, named: &Named) -> Option<String> {
    let own = module.path.join("::");
    let path = named.path.join("::");
    let layer = module
        .path
        .first()
        .and_then(|name| LAYERS.iter().find(|layer| layer.module == name));
    let who = if own.is_empty() { "lib.rs" } else { own.as_str() };

    if let Some(name) = path.strip_suffix('!') {
        let (printing, homes) = PRINTING;
        return match name {
            "async" if layer.is_some_and(|layer| layer.core) => Some(format!("`{who}` is core and must not be async")),
            "include" => Some(format!("`{who}` includes code that no check reads")),
            "extern crate" => Some(format!("`{who}` names a crate in a way that no check follows")),
            name if printing.contains(&name) && !homes.iter().any(|home| is_within(&own, home)) => Some(format!(
                "`{who}` must not use `{name}!`: only `{}` prints",
                homes.join("`, `")
            )),
            _ => None,
        };
    }

    if let Some(home) = HOMES.iter().find(|home| {
        home.paths.iter().any(|guarded| is_within(&path, guarded) || path == star_of(guarded))
            && !home.homes.iter().any(|home| is_within(&own, home))
            // A module names itself freely.
            && !(path.starts_with("crate::") && is_within(&path, &format!("crate::{}", first(&own))))
    }) {
        return Some(format!("`{who}` must not use `{path}`: {}", home.reason));
    }

    let target = path.strip_prefix("crate::")?;
    if target == "*" {
        return Some(format!("`{who}` imports all of the crate's root: name the modules"));
    }
    if first(target) == first(&own) {
        return None;
    }
    let allowed = layer.map(|layer: &Layer| layer.uses).unwrap_or_default();
    if allowed.iter().any(|allowed| is_within(target, allowed)) {
        return None;
    }
    let words = if allowed.is_empty() {
        "nothing".to_owned()
    } else {
        format!("`{}`", allowed.join("`, `"))
    };
    Some(format!("`{who}` must not use `crate::{target}`: it may use {words}"))
}

fn first(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

/// Returns the glob that would bring a path in: `std::*` for `std::fs`; nothing for a crate, nor for our own modules.
fn star_of(path: &str) -> String {
    match path.rsplit_once("::") {
        Some((parent, _)) if parent != "crate" => format!("{parent}::*"),
        _ => String::new(),
    }
}

/// Whether a path is another one or below it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sources;

    #[test]
    fn every_module_keeps_to_its_layer() {
        let violations = violations(&sources());
        let list: Vec<String> = violations.into_iter().collect();
        assert!(list.is_empty(), "\n{}\n", list.join("\n"));
    }

    /// Returns the breaches in a crate with one file besides its root, without the file's name.
    fn breaches(module: &str, source: &str) -> Vec<String> {
        let mut files = BTreeMap::from([("src/lib.rs".to_owned(), String::new())]);
        let mut folder = "src".to_owned();
        let names: Vec<&str> = module.split("::").collect();
        for (index, name) in names.iter().enumerate() {
            let parent = if index == 0 {
                "src/lib.rs".to_owned()
            } else {
                format!("{folder}.rs")
            };
            if module != "main" {
                files.entry(parent).or_default().push_str(&format!("mod {name};\n"));
            }
            folder = format!("{folder}/{name}");
            files.insert(
                format!("{folder}.rs"),
                if index + 1 == names.len() {
                    source.to_owned()
                } else {
                    String::new()
                },
            );
        }
        let prefix = format!("{folder}.rs:");
        violations(&files)
            .iter()
            .map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned())
            .collect()
    }

    #[track_caller]
    fn allowed(module: &str, source: &str) {
        assert_eq!(breaches(module, source), Vec::<String>::new(), "{module}: {source}");
    }

    #[track_caller]
    fn refused(module: &str, source: &str, expected: &str) {
        let found = breaches(module, source);
        let [breach] = found.as_slice() else {
            panic!("{module}: {source}: {found:?}")
        };
        assert!(breach.contains(expected), "{module}: {source}: {breach}");
    }

    #[test]
    fn a_core_module_does_not_reach_the_edge() {
        refused(
            "plan",
            "use crate::arm::Client;",
            "1: `plan` must not use `crate::arm::Client`: it may use `model`",
        );
        refused(
            "plan::step",
            "\nfn f(_: super::super::arm::Client) {}",
            "2: `plan::step` must not use `crate::arm::Client`",
        );
        refused(
            "model",
            "use crate::{diagnostic, model::x};",
            "`crate::diagnostic`: it may use nothing",
        );
        refused("diff", "fn f() { crate::view::x(); }", "`crate::view::x`");
        refused("render", "use super::store;", "`crate::store`");
        refused("render", "use super::*;", "imports all of the crate's root");
        refused(
            "render",
            "fn f() { use crate as c; c::store::x(); }",
            "`crate::store::x`",
        );
        refused("desired", "type X = Vec<crate::store::Y>;", "`crate::store::Y`");
        refused("plan", "use aksgate::arm;", "`crate::arm`");
        allowed(
            "plan",
            "use crate::{model, diff::Difference}; use super::desired; use self::step::Step; use super::plan::x;",
        );
        allowed(
            "plan",
            "#[cfg(test)] mod tests { use super::*; use crate::arm; fn f() { println!(); } }",
        );
        allowed(
            "plan",
            "#[cfg(test)] use crate::arm; #[cfg(all(test, unix))] fn f() { crate::arm::g() }",
        );
        refused("plan", "#[cfg(not(test))] use crate::arm;", "`crate::arm`");
        refused("plan", "#[cfg(any(test, unix))] use crate::arm;", "`crate::arm`");
        refused("plan", "fn f() { mod x { use crate::arm; } }", "`crate::arm`");
    }

    #[test]
    fn one_item_of_a_module_is_not_all_of_it() {
        allowed(
            "arm",
            "use crate::config::Cloud; use crate::{model::Scope, clock::Sleeper};",
        );
        refused("arm", "use crate::config;", "`crate::config`");
        refused("arm", "use crate::config::{Cloud, Estate};", "`crate::config::Estate`");
        refused("arm", "use crate::config::*;", "`crate::config::*`");
        refused("arm", "use crate::plan::Step;", "`crate::plan::Step`");
    }

    #[test]
    fn the_sandbox_is_named_in_two_places() {
        allowed("commands::context", "use crate::sandbox::Sandbox;");
        allowed("commands::sandbox", "use crate::sandbox;");
        allowed(
            "sandbox::policy",
            "use crate::sandbox::json; use super::state; use super::super::sandbox::x;",
        );
        refused(
            "commands::apply",
            "use crate::sandbox;",
            "must not know whether it speaks to the sandbox",
        );
        refused(
            "commands",
            "use crate::{sandbox::Sandbox};",
            "must not know whether it speaks to the sandbox",
        );
        refused(
            "commands",
            "use super::{sandbox as s, view};",
            "must not know whether it speaks to the sandbox",
        );
        refused(
            "arm",
            "fn f() { crate::sandbox::g() }",
            "must not know whether it speaks to the sandbox",
        );
        refused("sandbox", "use crate::model;", "it may use `store`, `clock`");
        refused("sandbox::serve", "use azure_core::http::Url;", "one place sends");
        allowed("sandbox::transport", "use azure_core::http::HttpClient;");
        refused(
            "sandbox::transport",
            "use azure_core::time::OffsetDateTime;",
            "times are",
        );
    }

    #[test]
    fn effects_have_a_home_however_they_are_named() {
        let files = "files are read and written in one place";
        refused("config", "use std::fs;", files);
        refused("config", "fn f() { std::fs::read(\"x\"); }", files);
        refused("config", "fn f() { ::std::fs::read(\"x\"); }", files);
        refused("config", "use std::{collections::BTreeMap, fs::{self as f}};", files);
        refused("config", "use std::*;", files);
        refused(
            "commands",
            "fn f() { format!(\"{}\", x.map(|x| std::fs::read(x))); }",
            "`std::fs::read`",
        );
        refused("config", "fn f() { vec![{ let x = std::fs::read(1); }]; }", files);
        refused("config", "macro_rules! m { () => { std::fs::read(1) } }", files);
        refused("config", "fn f() { mac!(use std::{fs, fmt};); }", files);
        refused("config", "use std as s; fn f() { s::fs::read(1); }", files);
        allowed("store", "use std::fs; fn f() { fs::read(1); }");
        refused("plan", "use std::io::Write;", "the core takes and gives values");
        refused("arm", "fn f() { std::io::stdout(); }", "`view` prints and asks");
        refused(
            "commands::plan",
            "fn f() { std::env::var(\"X\"); }",
            "the environment is read in one place",
        );
        refused(
            "commands::plan",
            "fn f() { std::process::exit(1) }",
            "only `main` ends the process",
        );
        allowed(
            "main",
            "fn main() -> std::process::ExitCode { std::process::exit(aksgate::commands::run()) }",
        );
        refused(
            "main",
            "use aksgate::sandbox;",
            "must not know whether it speaks to the sandbox",
        );
        refused(
            "rollout",
            "#[derive(clap::Args)] struct X;",
            "only the rim knows the command line",
        );
        refused("desired", "use granit_parser as g;", "YAML is read in one place");
        refused(
            "view",
            "use handlebars::Handlebars;",
            "checked before they are rendered",
        );
        refused("plan", "use similar::TextDiff;", "text is compared in one place");
        allowed(
            "plan",
            "fn f(similar: bool, time: u8) -> bool { similar && time == std::time::Duration::ZERO.as_secs() }",
        );
        refused(
            "arm",
            "fn f() { std::time::Instant::now(); }",
            "now and waiting are injected",
        );
        refused(
            "arm",
            "async fn f() { tokio::time::sleep(x).await }",
            "now and waiting are injected",
        );
    }

    #[test]
    fn the_core_is_neither_async_nor_printing() {
        refused("plan", "async fn f() {}", "`plan` is core and must not be async");
        refused(
            "plan",
            "fn f() { let x = async { 1 }; }",
            "`plan` is core and must not be async",
        );
        refused(
            "plan",
            "fn f() { x!(async move { 1 }); }",
            "`plan` is core and must not be async",
        );
        refused("commands::plan", "fn f() { println!(\"x\"); }", "only `view` prints");
        refused(
            "arm",
            "fn f() { vec![1].iter().map(|x| vec![eprint!(\"{x}\")]); }",
            "only `view` prints",
        );
        refused(
            "arm",
            "use std::println as say; fn f() { say!(); }",
            "only `view` prints",
        );
        allowed("view", "fn f() { println!(\"x\"); }");
        allowed("arm", "async fn f() { g().await }");
    }

    #[test]
    fn no_code_escapes_the_check() {
        refused("elsewhere", "use crate::arm; fn f() {}", "`elsewhere` is in no layer");
        refused("plan", "include!(\"x.rs\");", "no check reads");
        allowed("plan", "const X: &str = include_str!(\"x.json\");");
        refused("plan", "extern crate std as s;", "no check follows");
        refused("plan", "#[path = \"../arm.rs\"] mod x;", "hides where a module is");
        refused("plan", "fn f(x) {}", "expected");
        refused("plan", "fn f( {}", "cannot parse");
        let files = [
            ("src/lib.rs", "mod plan;"),
            ("src/plan.rs", ""),
            ("src/plan/step.rs", "use crate::arm;"),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let expected = "src/plan/step.rs:1: no `mod` item leads to this file".to_owned();
        assert_eq!(violations(&files), BTreeSet::from([expected]));
    }
}
