//! Reads the estate.
//!
//! Owns what the files may say and every mistake in them that can be told offline: the table of keys, the checks across
//! files, and the JSON Schemas. What it returns needs no further checking. Must not know Azure as it is now, nor how a
//! mistake is shown.

mod clusters;
mod content;
mod crossing;
mod defender;
mod draft;
mod estate;
mod exemptions;
mod format;
mod gates;
mod images;
mod keys;
mod parameters;
mod policy_rule;
mod rego;
mod rollout;
mod rule;
mod rule_file;
pub mod schema;
mod walk;

pub use clusters::knows_security_gating;
pub use estate::*;
pub use rule::{CLUSTER_TYPES, KUBERNETES_MODE, Logic, MANAGED_NAMESPACES, Rule, RuleParameter};

use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Severity, Span, did_you_mean};
use crate::yaml;
use draft::{EnvironmentDraft, EstateDraft, InitiativeDraft};
use rule_file::RuleFiles;
use std::collections::{BTreeMap, BTreeSet};
use walk::list;

/// A file of the estate as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path below the estate's folder, with `/` between its parts, such as `environments/dev.yaml`.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The file that makes a folder an estate.
pub const ESTATE_FILE: &str = "aksgate.yaml";
/// The folder of the environments.
pub const ENVIRONMENTS: &str = "environments/";
/// The folder of the initiatives.
pub const INITIATIVES: &str = "initiatives/";
/// The folder of the templates.
pub const TEMPLATES: &str = "templates/";

const TEMPLATE_ENDING: &str = ".json.hbs";
const TO_BEGIN: &str = "`aksgate init` writes an estate to begin with";

/// Reads an estate from all its files, in any order; files that are no part of an estate are left alone.
///
/// The diagnostics are ordered by file and place. There is an estate exactly if none of them is an error.
pub fn load(files: &[SourceFile], catalog: &Catalog) -> (Option<Estate>, Vec<Diagnostic>) {
    read(files, Some(catalog))
}

/// Reads an estate as [`load`] does, but takes built-ins and their parameters as they are named: what Azure has is asked later.
pub fn outline(files: &[SourceFile]) -> (Option<Estate>, Vec<Diagnostic>) {
    read(files, None)
}

fn read(files: &[SourceFile], catalog: Option<&Catalog>) -> (Option<Estate>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let sorted: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|file| (file.path.as_str(), file.content.as_slice()))
        .collect();
    let mut files = Files::default();
    for (path, content) in sorted {
        files.take(path, content, &mut diagnostics);
    }
    let estate = files.check(catalog, &mut diagnostics);
    diagnostics.sort_by(|one, two| place(one).cmp(&place(two)));
    let failed = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    (estate.filter(|_| !failed), diagnostics)
}

/// Returns what is wrong with a text as the name of an environment, gate or initiative; none if it is one.
pub fn name_mistake(text: &str) -> Option<String> {
    format::Format::Name.mistake(text).map(|mistake| mistake.label)
}

/// Returns the resource types whose api-version an estate may name.
pub fn api_versioned() -> impl Iterator<Item = &'static str> {
    keys::api_versioned()
}

type Place<'a> = (&'a str, Option<Span>, Severity, &'a str, &'a str);

fn place(diagnostic: &Diagnostic) -> Place<'_> {
    let Diagnostic {
        file,
        span,
        severity,
        summary,
        label,
        ..
    } = diagnostic;
    (file, *span, *severity, summary, label)
}

/// A file with its tree.
struct Parsed {
    file: String,
    /// The name that the file gives: its own without folder and ending.
    name: String,
    /// None if there is nothing to walk.
    document: Option<yaml::Document>,
}

impl Parsed {
    /// Walks the tree; a file without one says nothing.
    fn walk(&self, table: &'static keys::Table, diagnostics: &mut Vec<Diagnostic>) -> walk::Fields<'_> {
        match &self.document {
            None => walk::Fields::default(),
            Some(document) => walk::walk(&self.file, document, table, diagnostics),
        }
    }

    /// Returns whether the tree is the whole file.
    fn complete(&self) -> bool {
        self.document.as_ref().is_some_and(|document| document.complete)
    }
}

#[derive(Default)]
struct Files {
    estate: Option<Parsed>,
    environments: Vec<Parsed>,
    initiatives: Vec<Parsed>,
    rules: RuleFiles,
    templates: BTreeMap<String, String>,
}

impl Files {
    /// Puts a file where it belongs.
    fn take(&mut self, path: &str, content: &[u8], diagnostics: &mut Vec<Diagnostic>) {
        if path == ESTATE_FILE {
            self.estate = Some(parse(path, "aksgate", content, diagnostics));
            return;
        }
        let folder = [ENVIRONMENTS, INITIATIVES, TEMPLATES]
            .into_iter()
            .find_map(|folder| Some((folder, path.strip_prefix(folder)?)));
        let Some((folder, name)) = folder else {
            if path == "aksgate.yml" {
                diagnostics.push(not_read(path).hint(format!("rename it to `{ESTATE_FILE}`")));
            }
            return;
        };
        if name.split('/').any(|part| part.starts_with('.')) {
            return;
        }
        if let (INITIATIVES, Some((set, name))) = (folder, name.split_once('/')) {
            self.take_rule(path, set, name, content, diagnostics);
            return;
        }
        let mut parse = |name: &str| parse(path, name, content, diagnostics);
        let ending = if folder == TEMPLATES { TEMPLATE_ENDING } else { ".yaml" };
        let stem = name.strip_suffix(ending).filter(|stem| !stem.contains('/'));
        match (folder, stem) {
            (TEMPLATES, Some(_)) => match String::from_utf8(content.to_vec()) {
                Ok(text) => {
                    self.templates.insert(name.to_owned(), text);
                }
                Err(_) => diagnostics.push(Diagnostic::file_error("file is not UTF-8", path).hint("save it as UTF-8")),
            },
            (_, Some(stem)) => {
                let parsed = parse(stem);
                diagnostics.extend(wrong_name(path, stem));
                match folder {
                    ENVIRONMENTS => self.environments.push(parsed),
                    _ => self.initiatives.push(parsed),
                }
            }
            (_, None) => {
                let bare = name.split_once('.').map_or(name, |(bare, _)| bare);
                let hint = match folder {
                    _ if name.contains('/') => format!("only files directly in `{folder}` are"),
                    TEMPLATES => format!("only files that end in `{ending}` are"),
                    _ if name.ends_with(".yml") => format!("rename it to `{bare}{ending}`"),
                    _ => format!("only files that end in `{ending}` are"),
                };
                diagnostics.push(not_read(path).hint(hint));
            }
        }
    }

    /// Puts a file of a set's folder where it belongs; what lies deeper, such as a rule's tests, is no part of the estate.
    fn take_rule(&mut self, path: &str, set: &str, name: &str, content: &[u8], diagnostics: &mut Vec<Diagnostic>) {
        match name.rsplit_once('.') {
            _ if name.contains('/') => {}
            Some((stem, "yaml")) => {
                diagnostics.extend(wrong_name(path, stem));
                let parsed = parse(path, stem, content, diagnostics);
                self.rules.rules.push((set.to_owned(), parsed));
            }
            Some((_, "rego" | "json")) => self.rules.take_code(path, content, diagnostics),
            Some((stem, "yml")) => diagnostics.push(not_read(path).hint(format!("rename it to `{stem}.yaml`"))),
            _ => diagnostics.push(not_read(path).hint("a rule is a `.yaml` with a `.rego` or a `.json` beside it")),
        }
    }

    /// Checks every file and all of them together.
    fn check(self, catalog: Option<&Catalog>, diagnostics: &mut Vec<Diagnostic>) -> Option<Estate> {
        if self.estate.is_none() {
            diagnostics.push(Diagnostic::file_error("no estate file", ESTATE_FILE).hint(TO_BEGIN));
        }
        if self.environments.is_empty() {
            diagnostics.push(Diagnostic::file_error("no environment", ENVIRONMENTS).hint(TO_BEGIN));
        }
        let estate_complete = self.estate.as_ref().is_some_and(Parsed::complete);
        let estate = self
            .estate
            .as_ref()
            .map(|parsed| EstateDraft::read(&parsed.walk(&keys::ESTATE, diagnostics)));
        let initiatives: Vec<InitiativeDraft<'_>> = self
            .initiatives
            .iter()
            .map(|parsed| {
                InitiativeDraft::read(&parsed.file, &parsed.name, &parsed.walk(&keys::INITIATIVE, diagnostics))
            })
            .collect();
        let estate = estate.unwrap_or_default();
        gates::twice(ESTATE_FILE, &estate.exclude_namespaces, diagnostics);
        let environments: Vec<EnvironmentDraft<'_>> = self
            .environments
            .iter()
            .map(|parsed| {
                EnvironmentDraft::read(
                    &parsed.file,
                    &parsed.name,
                    parsed.complete(),
                    &parsed.walk(&keys::ENVIRONMENT, diagnostics),
                    &estate,
                )
            })
            .collect();

        let used: BTreeSet<(String, String)> = initiatives.iter().flat_map(InitiativeDraft::rules).collect();
        let rules = self.rules.check(&used, diagnostics);
        let gates = environments.iter().flat_map(|environment| &environment.gates);
        let asked: BTreeSet<&str> = gates.filter_map(|gate| Some(gate.initiative?.value)).collect();
        let contents: BTreeMap<&str, content::Content<'_>> = initiatives
            .iter()
            .map(|initiative| {
                let asked = asked.contains(initiative.name);
                let content = content::check(initiative, catalog, &rules, asked, diagnostics);
                (initiative.name, content)
            })
            .collect();
        for environment in &environments {
            if estate_complete {
                crossing::missing_defaults(environment, diagnostics);
            }
            crossing::own_scopes(environment, diagnostics);
            crossing::location(environment, diagnostics);
            defender::check(environment, diagnostics);
            rollout::check(environment, diagnostics);
            exemptions::check(environment, &contents, diagnostics);
            clusters::check(environment, &contents, catalog, diagnostics);
            for gate in &environment.gates {
                gates::check(environment, gate, &contents, diagnostics);
            }
            gates::renamed(environment, diagnostics);
            defender::twice(environment, &contents, diagnostics);
            defender::two_writers(environment, &contents, diagnostics);
        }
        crossing::between(&environments, diagnostics);
        rollout::promotions(&environments, diagnostics);

        let mut read = Estate {
            owner: estate.owner?,
            environments: BTreeMap::new(),
            initiatives: BTreeMap::new(),
            guides: BTreeMap::new(),
            expiry_warning: estate.expiry_warning.unwrap_or(draft::EXPIRY_WARNING),
            templates: self.templates,
        };
        for initiative in initiatives {
            let content = contents.get(initiative.name)?.initiative.clone()?;
            let guide = initiative.guide.map(|guide| (initiative.name.to_owned(), guide));
            read.guides.extend(guide);
            read.initiatives.insert(initiative.name.to_owned(), content);
        }
        for environment in environments {
            read.environments.insert(
                environment.name.to_owned(),
                environment.finish(&estate.exclude_namespaces, &contents)?,
            );
        }
        Some(read)
    }
}

fn parse(path: &str, name: &str, content: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Parsed {
    let (document, mistakes) = yaml::parse(path, content);
    diagnostics.extend(mistakes);
    Parsed {
        file: path.to_owned(),
        name: name.to_owned(),
        document,
    }
}

/// Says that the name of a file cannot be a name in the estate.
fn wrong_name(path: &str, stem: &str) -> Option<Diagnostic> {
    let mistake = format::Format::Name.mistake(stem)?;
    let mut error = Diagnostic::file_error("invalid file name", path);
    error.label = format!(
        "the file's name without `.yaml` is a name in the estate: {}",
        mistake.label
    );
    error
        .hints
        .extend(format::near_name(stem).map(|name| format!("rename it to `{name}.yaml`")));
    Some(error)
}

fn not_read(path: &str) -> Diagnostic {
    Diagnostic::file_error("file is not read", path).warning()
}

/// Returns the hint for a name that is none of those there are.
fn near(name: &str, names: &[&str], none: &str) -> String {
    match did_you_mean(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => none.to_owned(),
        None => format!("known: {}", list(names.iter().copied())),
    }
}

#[cfg(test)]
mod tests;
