//! Finds what a module names: every path in its code, its macros and its attributes, as a full path.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Spacing, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree};

/// Something a module names.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// The path from a crate's root: `crate::model::Scope`, `std::fs::read`; `x!` for a macro called by one name.
    pub path: Vec<String>,
    /// The line.
    pub line: usize,
}

/// Returns what items name, if they stand in the module `module`.
///
/// `use` is followed (`use std::fs as f; f::read()` is `std::fs::read`); a path whose first word means nothing here is
/// taken for one from a crate of that name. `async` is named as `async!`.
pub fn named(module: &[String], items: &[Item]) -> Vec<Named> {
    let mut imports = Imports {
        scope: Scope {
            module,
            aliases: BTreeMap::new(),
        },
        found: Vec::new(),
    };
    items.iter().for_each(|item| imports.visit_item(item));
    let Imports { scope, found } = imports;
    let mut names = Names { scope, found };
    items.iter().for_each(|item| names.visit_item(item));
    names.found
}

struct Scope<'a> {
    module: &'a [String],
    aliases: BTreeMap<String, Vec<String>>,
}

impl Scope<'_> {
    /// Returns a path from a crate's root.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let (Some(first), rest) = (path.first(), path.get(1..).unwrap_or_default()) else {
            return Vec::new();
        };
        let here = || {
            std::iter::once("crate".to_owned())
                .chain(self.module.iter().cloned())
                .collect::<Vec<_>>()
        };
        let mut base = match first.as_str() {
            // The binary calls the library by its name.
            "aksgate" => vec!["crate".to_owned()],
            "crate" | "$crate" => vec!["crate".to_owned()],
            "self" => here(),
            "super" => {
                let mut parent = here();
                let ups = path.iter().take_while(|word| *word == "super").count();
                parent.truncate(parent.len().saturating_sub(ups).max(1));
                parent.extend(path.iter().skip(ups).cloned());
                return parent;
            }
            name => match self.aliases.get(name) {
                Some(target) if target.first() != Some(first) || target.len() > 1 => target.clone(),
                _ => vec![name.to_owned()],
            },
        };
        base.extend(rest.iter().filter(|word| *word != "self").cloned());
        base
    }
}

/// Reads the `use` items, wherever they stand in a module.
struct Imports<'a> {
    scope: Scope<'a>,
    found: Vec<Named>,
}

impl Imports<'_> {
    fn tree(&mut self, tree: &UseTree, mut prefix: Vec<String>) {
        let mut name = |ident: &proc_macro2::Ident, alias: &proc_macro2::Ident, mut prefix: Vec<String>| {
            if ident != "self" || prefix.is_empty() {
                prefix.push(ident.to_string());
            }
            let path = self.scope.resolve(&prefix);
            let alias = if alias == "self" {
                path.last().cloned().unwrap_or_default()
            } else {
                alias.to_string()
            };
            self.found.push(Named {
                path: path.clone(),
                line: ident.span().start().line,
            });
            self.scope.aliases.insert(alias, path);
        };
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
            }
            UseTree::Name(item) => name(&item.ident, &item.ident, prefix),
            UseTree::Rename(item) => name(&item.ident, &item.rename, prefix),
            UseTree::Glob(glob) => {
                let mut path = self.scope.resolve(&prefix);
                path.push("*".to_owned());
                self.found.push(Named {
                    path,
                    line: glob.star_token.spans[0].start().line,
                });
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, prefix.clone())),
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, Vec::new());
    }
}

/// Reads everything but the `use` items.
struct Names<'a> {
    scope: Scope<'a>,
    found: Vec<Named>,
}

impl Names<'_> {
    fn path(&mut self, words: &[String], span: Span) {
        // One word is a local name, or was imported and seen there.
        if words.len() > 1 {
            let path = self.scope.resolve(words);
            self.found.push(Named {
                path,
                line: span.start().line,
            });
        }
    }

    fn call(&mut self, name: &str, span: Span) {
        let path = match self.scope.aliases.get(name) {
            Some(target) => target.last().cloned().unwrap_or_default(),
            None => name.to_owned(),
        };
        self.found.push(Named {
            path: vec![format!("{path}!")],
            line: span.start().line,
        });
    }

    /// Reads paths and calls of macros out of tokens, which nobody has parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut words: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    if words.is_empty() || colons != 2 {
                        self.path(&words, start);
                        words.clear();
                        start = ident.span();
                    }
                    words.push(ident.to_string());
                    colons = 0;
                    if ident == "async" || ident == "await" {
                        self.found.push(Named {
                            path: vec!["async!".to_owned()],
                            line: ident.span().start().line,
                        });
                    }
                }
                TokenTree::Punct(punct)
                    if punct.as_char() == ':' && (colons == 1 || punct.spacing() == Spacing::Joint) =>
                {
                    colons += 1;
                }
                TokenTree::Punct(punct) if punct.as_char() == '!' => {
                    if let Some(name) = words.last().cloned() {
                        self.call(&name, punct.span());
                    }
                    self.path(&words, start);
                    words.clear();
                }
                _ => {
                    // `a::{b, c}` in a macro: each inner path is taken with the outer one before it.
                    if let (TokenTree::Group(group), 2) = (&token, colons)
                        && group.delimiter() == Delimiter::Brace
                    {
                        for inner in group.stream() {
                            if let TokenTree::Ident(ident) = inner {
                                let whole = [words.as_slice(), &[ident.to_string()]].concat();
                                self.path(&whole, ident.span());
                            }
                        }
                    }
                    self.path(&words, start);
                    words.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = token {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&words, start);
    }
}

fn words(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn span(path: &syn::Path) -> Span {
    path.segments
        .first()
        .map_or_else(Span::call_site, |segment| segment.ident.span())
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.found.push(Named {
            path: vec!["extern crate!".to_owned()],
            line: item.ident.span().start().line,
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(&words(path), span(path));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.path(&words(&call.path), span(&call.path));
        if let Some(name) = call.path.segments.last() {
            self.call(&name.ident.to_string(), name.ident.span());
        }
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        self.path(&words(attribute.path()), span(attribute.path()));
        if let syn::Meta::List(list) = &attribute.meta {
            // Names of lints look like paths.
            if !["expect", "allow", "warn", "deny", "forbid"]
                .iter()
                .any(|lint| list.path.is_ident(lint))
            {
                self.tokens(list.tokens.clone());
            }
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(word) = signature.asyncness {
            self.found.push(Named {
                path: vec!["async!".to_owned()],
                line: word.span.start().line,
            });
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.found.push(Named {
            path: vec!["async!".to_owned()],
            line: block.async_token.span.start().line,
        });
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if let Some(word) = closure.asyncness {
            self.found.push(Named {
                path: vec!["async!".to_owned()],
                line: word.span.start().line,
            });
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_await(&mut self, wait: &'ast syn::ExprAwait) {
        self.found.push(Named {
            path: vec!["async!".to_owned()],
            line: wait.await_token.span.start().line,
        });
        visit::visit_expr_await(self, wait);
    }
}
