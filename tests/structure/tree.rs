//! Finds the modules of a crate by following its `mod` items, as the compiler does.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenTree;
use syn::{Attribute, Item};

/// One module with what it holds itself; modules inside it are entries of their own.
pub struct Module {
    /// Its path from the crate's root: empty for the library's root, `["main"]` for the binary's.
    pub path: Vec<String>,
    /// The file it stands in.
    pub file: String,
    /// Its items, without those that only tests see.
    pub items: Vec<Item>,
}

/// Returns all modules of the crate, given its files by path (`src/lib.rs`, …), and what is wrong with the tree.
///
/// What only tests see is left out: a test may name anything.
pub fn modules(files: &BTreeMap<String, String>) -> (Vec<Module>, Vec<String>) {
    let mut walk = Walk {
        files,
        seen: BTreeSet::new(),
        modules: Vec::new(),
        violations: Vec::new(),
    };
    walk.file("src/lib.rs", Vec::new(), "src", false);
    walk.file("src/main.rs", vec!["main".to_owned()], "src", false);
    for file in files.keys().filter(|file| !walk.seen.contains(file.as_str())) {
        walk.violations
            .push(format!("{file}:1: no `mod` item leads to this file"));
    }
    (walk.modules, walk.violations)
}

struct Walk<'a> {
    files: &'a BTreeMap<String, String>,
    seen: BTreeSet<&'a str>,
    modules: Vec<Module>,
    violations: Vec<String>,
}

impl Walk<'_> {
    /// Reads a file as a module; `folder` is where files of its modules are, `test` whether only tests see it.
    fn file(&mut self, file: &str, path: Vec<String>, folder: &str, test: bool) {
        let Some((file, source)) = self.files.get_key_value(file) else {
            return;
        };
        self.seen.insert(file);
        match syn::parse_file(source) {
            Ok(parsed) => self.items(file, path, folder, parsed.items, test || only_for_tests(&parsed.attrs)),
            Err(error) => self
                .violations
                .push(format!("{file}:{}: {error}", error.span().start().line)),
        }
    }

    fn items(&mut self, file: &str, path: Vec<String>, folder: &str, items: Vec<Item>, test: bool) {
        let mut own = Vec::new();
        for item in items {
            let Item::Mod(module) = item else {
                if !only_for_tests(attributes(&item)) {
                    own.push(item);
                }
                continue;
            };
            let test = test || only_for_tests(&module.attrs);
            let name = module.ident.to_string();
            if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
                self.violations.push(format!(
                    "{file}:{}: `#[path]` hides where a module is",
                    module.ident.span().start().line
                ));
            }
            let inner = [path.as_slice(), std::slice::from_ref(&name)].concat();
            let folder = format!("{folder}/{name}");
            match module.content {
                Some((_, items)) => self.items(file, inner, &folder, items, test),
                None => {
                    let candidates = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
                    for candidate in &candidates {
                        self.file(candidate, inner.clone(), &folder, test);
                    }
                }
            }
        }
        if !test {
            self.modules.push(Module {
                path,
                file: file.to_owned(),
                items: own,
            });
        }
    }
}

/// Whether attributes say `#[cfg(test)]`, `#[cfg(all(test, …))]` or `#[test]`.
fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return attribute.path().is_ident("test");
        };
        let words: Vec<String> = list
            .tokens
            .clone()
            .into_iter()
            .flat_map(|token| match token {
                TokenTree::Group(group) => group.stream().into_iter().map(|token| token.to_string()).collect(),
                token => vec![token.to_string()],
            })
            .collect();
        attribute.path().is_ident("cfg")
            && words.iter().any(|word| word == "test")
            && !words.iter().any(|word| word == "not" || word == "any")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
