//! The table: what each module is, which modules it may use, and where each effect has its home.

/// A module of the crate, at its top level.
pub struct Layer {
    /// Its name, as in `crate::NAME`.
    pub module: &'static str,
    /// Whether it is pure: nothing async, no effects.
    pub core: bool,
    /// The modules it may use, or single items of them (`config::Cloud`).
    pub uses: &'static [&'static str],
}

const fn core(module: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer {
        module,
        core: true,
        uses,
    }
}

const fn edge(module: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer {
        module,
        core: false,
        uses,
    }
}

/// Every top-level module, each using only modules above it; a single item may be elsewhere, and says why.
#[rustfmt::skip]
pub const LAYERS: &[Layer] = &[
    core("diagnostic", &[]),
    core("model", &[]),
    core("diff", &[]),
    core("yaml", &["diagnostic"]),
    core("manifest", &["diagnostic", "yaml"]),
    core("rules", &["diagnostic", "manifest"]),
    core("catalog", &["model", "diagnostic"]),
    core("config", &["model", "diagnostic", "yaml", "rules", "catalog"]),
    core("kinds", &["model", "diff"]),
    core("render", &["model", "diagnostic", "diff", "catalog", "config", "kinds"]),
    core("observed", &["model", "diff", "kinds"]),
    core("rollout", &["model", "diagnostic", "config"]),
    core("adoption", &["model", "catalog", "kinds", "observed"]),
    core("evidence", &["model", "catalog", "config", "kinds", "observed", "rollout"]),
    core("coverage", &["model", "manifest", "kinds", "observed", "rollout", "evidence"]),
    core("compliance", &["model", "rollout", "evidence"]),
    core("promotion", &["model", "diff", "yaml", "config", "kinds", "observed", "rollout"]),
    core("pipeline", &["config"]),
    core("remark", &["model", "kinds"]),
    core("lock", &["model", "diagnostic", "diff", "catalog", "config", "remark"]),
    core("desired", &[
        "model", "diagnostic", "diff", "catalog", "config", "lock", "kinds", "render", "observed", "rollout", "remark",
    ]),
    core("plan", &["model", "diagnostic", "diff", "evidence", "kinds", "observed", "rollout", "remark", "desired"]),
    core("drift", &["model", "diff", "kinds", "observed", "rollout", "plan"]),
    core("report", &["model", "config", "kinds", "observed", "rollout", "coverage", "compliance", "desired"]),
    core("preflight", &["model", "kinds", "observed", "plan"]),
    core("egress", &["model", "config"]),
    core("runtime", &["model"]),
    core("remediation", &["model", "diff", "catalog", "config", "kinds", "observed"]),
    core("admission", &["model", "diagnostic", "diff", "manifest", "rules", "catalog", "lock"]),
    edge("clock", &["model"]),
    edge("store", &["model", "diagnostic"]),
    edge("journal", &["model", "store"]),
    edge("arm", &["model", "clock", "config::Cloud"]),
    // The interface of the rule engine and nothing else of it: who is meant by a rule, the sandbox decides on its own.
    edge("sandbox", &[
        "store", "clock",
        "rules::Template", "rules::Rule", "rules::Inventory", "rules::Evaluation", "rules::Violation",
    ]),
    edge("observe", &["model", "catalog", "config", "evidence", "lock", "kinds", "observed", "egress", "runtime", "arm"]),
    edge("apply", &["model", "diff", "kinds", "observed", "plan", "clock", "arm", "observe"]),
    edge("view", &[
        "model", "diagnostic", "diff", "catalog", "config", "adoption", "evidence", "lock", "kinds", "observed", "rollout", "remark",
        "desired",
        "plan", "drift", "coverage", "compliance", "report", "pipeline", "preflight", "egress", "runtime", "remediation", "promotion",
        "admission", "journal",
        // A page of HTML is made from a template; what templates may do is known in one place.
        "render::HtmlTemplate", "render::HtmlError",
        // The lines of a file as they were counted, and values as a file says them; what became of each step, and how many calls
        // it took.
        "yaml", "apply", "arm::CallCounts",
        // What came of tests of rules.
        "rules::suite",
    ]),
    edge("commands", &[
        "model", "diagnostic", "diff", "yaml", "manifest", "rules", "catalog", "config", "adoption", "evidence", "lock", "kinds", "render",
        "observed", "rollout", "desired", "plan", "drift", "coverage", "compliance", "report", "pipeline", "preflight", "egress", "runtime",
        "remediation", "promotion", "admission", "clock", "store", "journal", "arm", "sandbox",
        "observe", "apply", "view",
    ]),
    // The binary: another crate, which names the library `aksgate`.
    edge("main", &["commands", "view"]),
];

/// Something that only some modules may name.
pub struct Home {
    /// The paths meant, each with all that is below it.
    pub paths: &'static [&'static str],
    /// The modules that may name them, each with all that is below it.
    pub homes: &'static [&'static str],
    /// Why nobody else may.
    pub reason: &'static str,
}

const fn home(paths: &'static [&'static str], homes: &'static [&'static str], reason: &'static str) -> Home {
    Home { paths, homes, reason }
}

/// What has a home. A path may be in several rows; all of them hold.
#[rustfmt::skip]
pub const HOMES: &[Home] = &[
    home(&["crate::sandbox"], &["commands::context", "commands::sandbox"],
        "the rest of the tool must not know whether it speaks to the sandbox"),
    home(&["granit_parser"], &["yaml"],
        "YAML is read in one place, with positions and limits"),
    home(&["regorus"], &["rules"],
        "rules are evaluated behind the normaliser, which makes the engine agree with Gatekeeper"),
    home(&["cel"], &["rules"],
        "CEL is evaluated where it is checked, and made to answer as Kubernetes does"),
    home(&["handlebars"], &["render"],
        "templates are checked before they are rendered"),
    home(&["similar"], &["view", "diff"],
        "text is compared in one place"),
    home(&["annotate_snippets", "indicatif"], &["view"],
        "what people see is made in one place"),
    home(&["anstream", "anstyle", "terminal_size"], &["view", "commands", "main"],
        "only the rim knows the terminal"),
    home(&["clap", "clap_complete", "clap_mangen"], &["commands", "main", "view::printer"],
        "only the rim knows the command line"),
    home(&["azure_identity", "typespec", "typespec_client_core"], &["arm"],
        "one place signs in and sends"),
    home(&["azure_core"], &["arm", "sandbox::transport", "commands::context", "commands::sign_in"],
        "one place sends; the sandbox offers itself as a transport, and the context puts the two together"),
    home(&["azure_core::time", "time"], &["arm"],
        "times are `model::Timestamp` everywhere else"),
    home(&["reqwest"], &["arm"],
        "`arm` is the only HTTP client"),
    home(&["hyper", "hyper_util", "http_body_util", "tokio_rustls", "rcgen"], &["sandbox"],
        "the sandbox is the only server"),
    home(&["rustls"], &["arm", "sandbox"],
        "TLS belongs to those who send and serve"),
    home(&["tokio", "futures", "async_trait"], &["arm", "observe", "apply", "clock", "sandbox", "commands", "main"],
        "only what waits for the outside is async"),
    home(&["std::fs", "std::os", "tokio::fs", "tempfile"], &["store"],
        "files are read and written in one place, which keeps to the estate"),
    // All of `std::env` but its constants.
    home(&[
            "std::env::var", "std::env::var_os", "std::env::vars", "std::env::vars_os", "std::env::args", "std::env::args_os",
            "std::env::current_dir", "std::env::current_exe", "std::env::home_dir", "std::env::temp_dir",
            "std::env::set_var", "std::env::remove_var", "std::env::set_current_dir",
        ], &["commands::context", "main"],
        "the environment is read in one place"),
    home(&["std::io", "tokio::io"], &["arm", "store", "journal", "sandbox", "view", "commands", "main"],
        "the core takes and gives values"),
    home(&[
            "std::io::stdout", "std::io::stderr", "std::io::stdin", "std::io::Stdout", "std::io::Stderr", "std::io::Stdin",
        ], &["view", "commands", "main"],
        "`view` prints and asks"),
    home(&["std::net", "tokio::net"], &["arm", "sandbox"],
        "`arm` and the sandbox are the only network"),
    home(&["std::process"], &["store", "commands", "main"],
        "the core does not know that it is a process"),
    home(&["std::process::exit", "std::process::abort"], &["main"],
        "only `main` ends the process"),
    home(&["std::thread", "std::process::Command", "tokio::process", "tokio::signal"], &["commands", "main"],
        "only the rim runs things"),
    home(&[
            "std::time::SystemTime", "std::time::Instant", "tokio::time", "jiff::Zoned::now", "jiff::Timestamp::now",
        ], &["clock"],
        "now and waiting are injected"),
];

/// Macros that print, and the module that may.
pub const PRINTING: (&[&str], &[&str]) = (&["print", "println", "eprint", "eprintln", "dbg"], &["view"]);

/// Files that may be longer than [`LONGEST_FILE`], as tables or generated data.
pub const LONG_FILES: &[&str] = &[];

/// How many lines a source file may have.
pub const LONGEST_FILE: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_uses_only_modules_above_it() {
        for (index, layer) in LAYERS.iter().enumerate() {
            for used in layer.uses {
                let (name, item) = used.split_once("::").unwrap_or((used, ""));
                let known = if item.is_empty() { index } else { LAYERS.len() };
                let other = LAYERS.iter().take(known).find(|other| other.module == name);
                let other = other.unwrap_or_else(|| panic!("`{}` uses `{used}`, which is not above it", layer.module));
                assert!(
                    other.core || !layer.core,
                    "`{}` is core and uses the edge `{used}`",
                    layer.module
                );
            }
        }
    }

    #[test]
    fn no_effect_has_its_home_in_the_core() {
        // What these do is pure; they have a home so that it is done in one way.
        let pure = ["granit_parser", "regorus", "cel", "handlebars", "similar"];
        for home in HOMES {
            for module in home.homes {
                let name = module.split("::").next().unwrap_or_default();
                let layer = LAYERS.iter().find(|layer| layer.module == name);
                let layer = layer.unwrap_or_else(|| panic!("there is no module `{module}`"));
                let effect = home.paths.iter().any(|path| !pure.contains(path));
                assert!(!layer.core || !effect, "`{module}` is core and has {:?}", home.paths);
            }
        }
    }
}
