//! Where suites of tests lie, what they may read, and the rules that they test.

use super::context::Context;
use super::error::CommandError;
use crate::config::{ESTATE_FILE, INITIATIVES, Initiative, MemberDefinition, SourceFile};
use crate::diagnostic::Diagnostic;
use crate::manifest;
use crate::rules::Template;
use crate::rules::suite::{self, Files, Selection, Suite};
use crate::store;
use crate::view::verify::{Report, Verified};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What stands in every suite.
const MARK: &[u8] = b"test.gatekeeper.sh";
/// The longest file of a suite that is read, in bytes.
const LONGEST_FILE: usize = 32 << 20;

/// The rules of an estate by set and name, or why there are none.
type Rules = Result<BTreeMap<(String, String), Option<Template>>, String>;

/// Finds suites and runs them.
pub(super) struct Verifier<'a> {
    context: &'a Context,
    selection: Selection,
    /// The rules of each estate.
    rules: RefCell<BTreeMap<PathBuf, Rules>>,
    /// What came of the suites.
    pub report: Report,
    /// The files with mistakes.
    pub sources: Vec<SourceFile>,
}

impl<'a> Verifier<'a> {
    /// Returns one that has seen nothing yet.
    pub(super) fn new(context: &'a Context, selection: Selection) -> Verifier<'a> {
        Verifier {
            context,
            selection,
            rules: RefCell::default(),
            report: Report::default(),
            sources: Vec::new(),
        }
    }

    /// Runs the suites at a path.
    pub(super) fn look(&mut self, path: &Path) -> Result<(), CommandError> {
        let below = store::files_below(path, &manifest::EXTENSIONS).map_err(|error| {
            CommandError::failed(format!("`{}` cannot be read", path.display())).detail(error.to_string())
        })?;
        for (path, error) in &below.refused {
            self.unreadable(path, &error.to_string());
        }
        for file in &below.files {
            self.file(file, file == path, path);
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, why: &str) {
        let mut mistake = Diagnostic::file_error("file cannot be read", &shown(path));
        mistake.label = why.to_owned();
        self.report.mistakes.push(mistake);
    }

    /// Runs a file if it is a suite; one that is `named` has to be.
    fn file(&mut self, path: &Path, named: bool, below: &Path) {
        let content = match store::read_start(path, LONGEST_FILE as u64 + 1) {
            Ok(Some(content)) => content,
            Ok(None) => return self.unreadable(path, "it is gone"),
            Err(error) => return self.unreadable(path, &error.to_string()),
        };
        if !named && !content.windows(MARK.len()).any(|bytes| bytes == MARK) {
            return;
        }
        if content.len() > LONGEST_FILE {
            return self.unreadable(path, &too_large());
        }
        let file = shown(path);
        if !named
            && manifest::read(&file, &content).is_ok_and(|found| !found.iter().any(|one| Suite::is_suite(&one.value)))
        {
            return;
        }
        match Suite::parse(&file, &content) {
            Ok(suite) => {
                let result = self.suite(&suite, path, below);
                // What the choice leaves nothing of is no result.
                if !result.tests.is_empty() {
                    let name = suite.name;
                    self.report.suites.push(Verified { file, name, result });
                }
            }
            Err(mistakes) => {
                self.report.mistakes.extend(mistakes);
                self.sources.push(SourceFile { path: file, content });
            }
        }
    }

    fn suite(&self, suite: &Suite, path: &Path, below: &Path) -> suite::SuiteResult {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let estate = store::find_upwards(folder, ESTATE_FILE);
        let root = estate.clone().unwrap_or_else(|| self.root(folder, below));
        let read = |file: &str| {
            // A path that starts with `/` starts at the suite, as it does for gator.
            let path = folder.join(file.trim_start_matches('/'));
            let content = store::read_below(&root, &path, LONGEST_FILE as u64 + 1);
            match content.map_err(|error| error.to_string())? {
                None => Err("no such file".to_owned()),
                Some(content) if content.len() > LONGEST_FILE => Err(too_large()),
                Some(content) => Ok(content),
            }
        };
        let template = |file: &str| {
            let estate = estate.as_deref()?;
            let real = store::resolve(&folder.join(file.trim_start_matches('/'))).ok()?;
            let is_template = |content: Vec<u8>| {
                let found = manifest::read(file, &content).unwrap_or_default();
                found
                    .iter()
                    .any(|one| one.value.get("kind").is_some_and(|kind| kind == "ConstraintTemplate"))
            };
            let rule = rule_of(estate, &real)?;
            if read(file).is_ok_and(is_template) {
                return None;
            }
            Some(self.rule(estate, rule))
        };
        let files = Files {
            read: &read,
            template: &template,
        };
        suite::run(suite, &files, &self.selection)
    }

    /// Returns the folder that the files of a suite outside of an estate may lie in.
    fn root(&self, folder: &Path, below: &Path) -> PathBuf {
        let working = self.context.working_dir();
        let real = |path: &Path| store::resolve(path).ok();
        match (real(folder), real(&working)) {
            (Some(folder), Some(working)) if folder.starts_with(&working) => working,
            _ if store::is_folder(below) => below.to_path_buf(),
            _ => folder.to_path_buf(),
        }
    }

    /// Returns the template that is made of a rule of an estate.
    fn rule(&self, estate: &Path, rule: (String, String)) -> Result<Template, String> {
        let mut known = self.rules.borrow_mut();
        let rules = known
            .entry(estate.to_path_buf())
            .or_insert_with(|| rules_of(self.context, estate));
        match rules.as_ref().map_err(Clone::clone)?.get(&rule) {
            Some(Some(template)) => Ok(template.clone()),
            Some(None) => Err("this rule is for Azure resources, and suites are about Kubernetes objects".to_owned()),
            None => Err(format!("no member of `{}` is this rule", rule.0)),
        }
    }
}

fn too_large() -> String {
    format!("it has more than {LONGEST_FILE} bytes, and that is the longest that is read")
}

/// Returns a path as it is shown, with `/` between its parts.
fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Returns the set and the name of the rule that a file of an estate would be of.
fn rule_of(estate: &Path, file: &Path) -> Option<(String, String)> {
    let relative = file.strip_prefix(estate).ok()?.to_str()?.replace('\\', "/");
    let (set, file) = relative.strip_prefix(INITIATIVES)?.split_once('/')?;
    let (name, extension) = file.rsplit_once('.')?;
    let is_rule = !name.contains('/') && ["yaml", "rego", "json"].contains(&extension);
    is_rule.then(|| (set.to_owned(), name.to_owned()))
}

fn rules_of(context: &Context, estate: &Path) -> Rules {
    let mistaken = || "the estate has mistakes: `aksgate validate` tells them".to_owned();
    let checked = context
        .check_estate_in(estate.to_path_buf())
        .map_err(|error| error.summary)?;
    let (estate, _) = checked.loaded.ok_or_else(mistaken)?;
    let mut rules = BTreeMap::new();
    for (set, initiative) in &estate.initiatives {
        let Initiative::Own { members, .. } = initiative else {
            continue;
        };
        for member in members {
            if let MemberDefinition::Rule(rule) = &member.definition {
                rules.insert((set.clone(), rule.name.clone()), rule.template());
            }
        }
    }
    Ok(rules)
}
