//! The files of rules, `initiatives/SET/NAME.yaml` with NAME.rego or NAME.json beside it: what they say, and what is wrong.

use super::draft::Exposed;
use super::rule::{self, Logic, MOST_PARAMETERS, OUR_PARAMETERS, Rule, RuleParameter};
use super::walk::{Fields, Spanned, Value as Walked};
use super::{INITIATIVES, Parsed, keys, near, parameters, policy_rule, rego};
use crate::catalog::{Parameter, ParameterType, VersionFacts};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::model::{Effect, Meaning};
use crate::yaml::Node;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest kind of constraint without its hash: as a label of Kubernetes a kind has 63 characters, eight of them the hash.
const LONGEST_KIND: usize = 55;

/// A rule as far as it could be read.
pub(super) struct CheckedRule {
    /// The rule; none if something in it is wrong.
    pub rule: Option<Rule>,
    /// What is known of it; none if that is not sure.
    pub facts: Option<VersionFacts>,
}

/// The rules of an estate by set and name.
pub(super) struct Rules {
    rules: BTreeMap<String, BTreeMap<String, CheckedRule>>,
}

impl Rules {
    /// Returns the rule of a set.
    pub fn get(&self, set: &str, name: &str) -> Option<&CheckedRule> {
        self.rules.get(set)?.get(name)
    }

    /// Returns the hint for a name that is no rule of a set.
    pub fn near(&self, set: &str, name: &str) -> String {
        let names: Vec<&str> = self
            .rules
            .get(set)
            .into_iter()
            .flat_map(|rules| rules.keys())
            .map(String::as_str)
            .collect();
        near(name, &names, &format!("there is no rule in `{INITIATIVES}{set}/` yet"))
    }
}

/// The files below the folders of sets.
#[derive(Default)]
pub(super) struct RuleFiles {
    /// The rule files, each with the name of its set.
    pub rules: Vec<(String, Parsed)>,
    /// The `.rego` and `.json` files by path; none for one that is not UTF-8.
    pub codes: BTreeMap<String, Option<String>>,
}

impl RuleFiles {
    /// Takes a file at `initiatives/SET/NAME`; says whether it is one.
    pub fn take_code(&mut self, path: &str, content: &[u8], diagnostics: &mut Vec<Diagnostic>) {
        let text = String::from_utf8(content.to_vec()).ok();
        if text.is_none() {
            diagnostics.push(Diagnostic::file_error("file is not UTF-8", path).hint("save it as UTF-8"));
        }
        self.codes.insert(path.to_owned(), text);
    }

    /// Checks every rule; `used` are those that a member of a set names.
    pub fn check(&self, used: &BTreeSet<(String, String)>, diagnostics: &mut Vec<Diagnostic>) -> Rules {
        let mut rules: BTreeMap<String, BTreeMap<String, CheckedRule>> = BTreeMap::new();
        let mut with_rule = BTreeSet::new();
        for (set, parsed) in &self.rules {
            let before = errors(diagnostics);
            let fields = parsed.walk(&keys::RULE, diagnostics);
            let bare = format!("{INITIATIVES}{set}/{}", parsed.name);
            with_rule.insert(bare.clone());
            if !used.contains(&(set.clone(), parsed.name.clone())) {
                let warning = Diagnostic::file_error("unused rule", &parsed.file).warning();
                diagnostics.push(warning.hint(format!(
                    "no member in {INITIATIVES}{set}.yaml says `rule: {}`",
                    parsed.name
                )));
            }
            let check = Check {
                files: self,
                file: &parsed.file,
                name: &parsed.name,
                bare,
                before,
                diagnostics,
            };
            let checked = check.rule(&fields);
            rules
                .entry(set.clone())
                .or_default()
                .insert(parsed.name.clone(), checked);
        }
        for path in self.codes.keys() {
            let bare = path.rsplit_once('.').map_or(path.as_str(), |(bare, _)| bare);
            if !with_rule.contains(bare) {
                let warning = Diagnostic::file_error("file is not read", path).warning();
                diagnostics.push(warning.hint(format!("it needs a rule file beside it: {bare}.yaml")));
            }
        }
        Rules { rules }
    }
}

struct Check<'a, 'd> {
    files: &'a RuleFiles,
    file: &'a str,
    name: &'a str,
    /// The path without ending.
    bare: String,
    /// How many errors were told before this rule.
    before: usize,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Check<'_, '_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn error(&self, summary: &str, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(summary, self.file, span, label)
    }

    fn rule(mut self, fields: &Fields<'_>) -> CheckedRule {
        let kubernetes = match (fields.says("kinds"), fields.says("mode")) {
            (true, false) => true,
            (false, true) => false,
            // Which of the two it is cannot be told; that is said already.
            _ => {
                return CheckedRule {
                    rule: None,
                    facts: None,
                };
            }
        };
        let kind = rule::constraint_kind(self.name);
        if kubernetes && kind.len() > LONGEST_KIND {
            let mut error = Diagnostic::file_error("rule name too long", self.file);
            error.label =
                format!("its constraints would be called `{kind}` and a hash, more than Kubernetes' 63 characters");
            self.report(error.hint(format!(
                "name the file in at most {} letters",
                LONGEST_KIND - "Aksgate".len()
            )));
        }
        let parameters = self.parameters(fields, kubernetes);
        let effects = self.effects(fields, kubernetes);
        let not_enforceable = self.enforceable(fields);
        let logic = match kubernetes {
            true => self.kubernetes(fields, not_enforceable.is_none()),
            false => self.azure(fields, &parameters),
        };
        // What stands in a wrong file may be what the author meant: a member is not measured by it.
        let sound = errors(self.diagnostics) == self.before;
        let rule = fields
            .text("displayName")
            .zip(logic)
            .filter(|_| sound)
            .map(|(title, logic)| Rule {
                name: self.name.to_owned(),
                display_name: title.value.to_owned(),
                description: fields
                    .text("description")
                    .map_or(String::new(), |text| text.value.to_owned()),
                logic,
                parameters,
                effects,
                not_enforceable,
            });
        let facts = rule.as_ref().map(Rule::facts);
        CheckedRule { rule, facts }
    }

    /// Returns why the rule cannot be enforced; none if it can.
    fn enforceable(&mut self, fields: &Fields<'_>) -> Option<String> {
        let reason = fields.text("reason");
        let span = fields.key_span("enforceable").or(fields.key_span("reason"));
        match (fields.denies("enforceable"), reason) {
            (true, Some(reason)) => return Some(reason.value.to_owned()),
            (true, None) if !fields.says("reason") => {
                let error = self.error(
                    "missing key",
                    span.unwrap_or_default(),
                    "a rule that is not enforced has a `reason`",
                );
                self.report(error.hint("say in a sentence why admission cannot decide it"));
                return Some(String::new());
            }
            (true, None) => return Some(String::new()),
            (false, Some(_)) => {
                let error = self.error(
                    "key out of place",
                    span.unwrap_or_default(),
                    "`reason` says why a rule is not enforced",
                );
                self.report(error.hint("remove it, or say `enforceable: false`"));
            }
            (false, None) => {}
        }
        None
    }

    fn parameters(&mut self, fields: &Fields<'_>, kubernetes: bool) -> BTreeMap<String, RuleParameter> {
        let ours = if kubernetes { OUR_PARAMETERS.len() } else { 1 };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut read = BTreeMap::new();
        for (name, value) in fields.map("parameters") {
            if let Some(reserved) = OUR_PARAMETERS.iter().find(|ours| ours.eq_ignore_ascii_case(name.value)) {
                let label = format!("every rule has a parameter `{reserved}` that aksgate adds");
                let error = self.error("reserved parameter", name.span, label);
                self.report(error.hint("give it another name"));
            }
            if let Some(line) = seen.insert(name.value.to_ascii_lowercase(), name.span.line) {
                let label = format!("`{}` differs from the one on line {line} in case only", name.value);
                let error = self.error("duplicate parameter", name.span, label);
                self.report(error.hint("Azure does not tell the two apart: give it another name"));
            }
            if let Walked::Fields(fields) = &value.value
                && let Some(parameter) = self.parameter(name.value, fields)
            {
                read.insert(name.value.to_owned(), parameter);
            }
        }
        let count = fields.map("parameters").len() + ours;
        if count > MOST_PARAMETERS {
            let span = fields.key_span("parameters").unwrap_or_default();
            let label = format!("{count} with the {ours} that aksgate adds; Azure takes {MOST_PARAMETERS}");
            let error = self.error("too many parameters", span, label);
            self.report(error.hint("join some of them in a list or a mapping"));
        }
        read
    }

    fn parameter(&mut self, name: &str, fields: &Fields<'_>) -> Option<RuleParameter> {
        let ty = ParameterType::parse(fields.text("type")?.value)?;
        let mut allowed = Vec::new();
        for item in fields.list("allowed") {
            let Walked::Parameter(node) = item.value else { continue };
            // What is allowed of a list is what its items may be.
            let one = Parameter {
                allowed: None,
                ..bare(if ty == ParameterType::Array { any_type(node) } else { ty })
            };
            parameters::check(self.file, name, &one, node, self.diagnostics);
            allowed.extend(parameters::value(node));
        }
        let allowed = fields.says("allowed").then_some(allowed);
        let default = fields.parameter("default");
        if let Some(node) = default {
            let parameter = Parameter {
                allowed: allowed.clone(),
                ..bare(ty)
            };
            parameters::check(self.file, name, &parameter, node, self.diagnostics);
        }
        Some(RuleParameter {
            ty,
            description: fields
                .text("description")
                .map_or(String::new(), |text| text.value.to_owned()),
            default: default.and_then(parameters::value),
            allowed,
            meaning: self.meaning(ty, fields),
        })
    }

    /// What a parameter is to its rule; a value of another type than the meaning is of could never be compared.
    fn meaning(&mut self, ty: ParameterType, fields: &Fields<'_>) -> Option<Meaning> {
        let stated = fields.text("meaning")?;
        let meaning = Meaning::parse(stated.value)?;
        let fits = match meaning {
            Meaning::AllowsPattern => ty == ParameterType::String,
            Meaning::Permits | Meaning::Demands => ty == ParameterType::Boolean,
            Meaning::Allows | Meaning::Excludes | Meaning::Refuses | Meaning::Selects => ty == ParameterType::Array,
        };
        if !fits {
            let label = format!("a parameter of type {ty} has no such meaning");
            let error = self.error("meaning of another type", stated.span, label);
            self.report(error.hint(
                "lists allow, exclude, refuse or select; a String is an `allows-pattern`; a Boolean permits or demands",
            ));
        }
        fits.then_some(meaning)
    }

    fn effects(&mut self, fields: &Fields<'_>, kubernetes: bool) -> Vec<Effect> {
        if !fields.says("effects") {
            return vec![Effect::Audit, Effect::Deny, Effect::Disabled];
        }
        let span = fields.key_span("effects").unwrap_or_default();
        let said: Vec<Effect> = fields
            .list("effects")
            .iter()
            .filter_map(|item| match &item.value {
                Walked::Text(text) => Effect::parse(text.value),
                _ => None,
            })
            .collect();
        let has = |effect| said.contains(&effect);
        let audits = [Effect::Audit, Effect::AuditIfNotExists];
        let (summary, label, hint) = if kubernetes && has(Effect::AuditIfNotExists) {
            let label = "`AuditIfNotExists` is for Azure resources: an object in a cluster has no related resource";
            ("effect out of place", label, "write `Audit`")
        } else if has(Effect::AuditIfNotExists) && (has(Effect::Audit) || has(Effect::Deny)) {
            let label =
                "one rule cannot be both: `AuditIfNotExists` looks at a related resource, and these at the resource";
            (
                "effect out of place",
                label,
                "leave `AuditIfNotExists` out, or keep it and `Disabled` alone",
            )
        } else if !audits.into_iter().any(has) {
            let label = "a gate begins in audit, and this rule has no effect for it";
            ("missing effect", label, "add `Audit`")
        } else if !has(Effect::Disabled) {
            (
                "missing effect",
                "a rule that cannot be turned off cannot be taken back",
                "add `Disabled`",
            )
        } else {
            let order = [Effect::Audit, Effect::AuditIfNotExists, Effect::Deny, Effect::Disabled];
            return order.into_iter().filter(|effect| has(*effect)).collect();
        };
        let error = self.error(summary, span, label);
        self.report(error.hint(hint));
        said
    }

    /// Returns the text beside the rule file; says so if there is none or one of the other sort.
    fn code(&mut self, ending: &str, other: &str) -> Option<(String, String)> {
        let (path, wrong) = (format!("{}.{ending}", self.bare), format!("{}.{other}", self.bare));
        let there = self.files.codes.get(&path);
        if self.files.codes.contains_key(&wrong) {
            let what = if ending == "rego" {
                "Kubernetes objects"
            } else {
                "Azure resources"
            };
            let mut error = Diagnostic::file_error("file of another sort of rule", &wrong);
            error.label = format!("{} is a rule for {what}, which stands in a `.{ending}`", self.file);
            self.report(error.hint("remove it, or give it a rule file of its own"));
        } else if there.is_none() {
            let mut error = Diagnostic::file_error("rule without code", self.file);
            error.label = format!("there is no `{path}`");
            self.report(error.hint(match ending {
                "rego" => "write the rule in Rego, with `violation[{\"msg\": msg}]`",
                _ => "write the rule as Azure's `policyRule`: an object with `if` and `then`",
            }));
        }
        Some((path, there?.clone()?))
    }

    fn kubernetes(&mut self, fields: &Fields<'_>, enforceable: bool) -> Option<Logic> {
        let (path, text) = self.code("rego", "json")?;
        rego::check(&path, &text, enforceable, self.diagnostics);
        Some(Logic::Kubernetes {
            kinds: texts(fields, "kinds"),
            api_groups: texts(fields, "apiGroups"),
            rego: text,
        })
    }

    fn azure(&mut self, fields: &Fields<'_>, parameters: &BTreeMap<String, RuleParameter>) -> Option<Logic> {
        let (path, text) = self.code("json", "rego")?;
        let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
        let policy_rule = policy_rule::check(&path, &text, &names, self.diagnostics)?;
        let mode = fields.text("mode")?.value.to_owned();
        Some(Logic::Azure { mode, policy_rule })
    }
}

/// Returns how many errors there are.
fn errors(diagnostics: &[Diagnostic]) -> usize {
    let is_error = |found: &&Diagnostic| found.severity == Severity::Error;
    diagnostics.iter().filter(is_error).count()
}

/// Reads the rule that a member names; says so if there is none.
pub(super) fn of_member<'r>(
    file: &str,
    set: &str,
    name: Spanned<&str>,
    rules: &'r Rules,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'r CheckedRule> {
    let found = rules.get(set, name.value);
    if found.is_none() {
        let label = format!("there is no `{INITIATIVES}{set}/{}.yaml`", name.value);
        let error = Diagnostic::error("unknown rule", file, name.span, label);
        diagnostics.push(error.hint(rules.near(set, name.value)));
    }
    found
}

/// Says that a member shows a parameter of a rule which no assignment has.
pub(super) fn exposed_in_vain(file: &str, exposed: &[Exposed<'_>]) -> Vec<Diagnostic> {
    let names = exposed.iter().map(|Exposed { name, .. }| {
        let label = "the rule is not sent to Azure, so no gate can set this";
        let error = Diagnostic::error("parameter of a rule that is not enforced", file, name.span, label);
        error.hint("give it a fixed value under `parameters`")
    });
    names.collect()
}

fn texts(fields: &Fields<'_>, key: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let texts = fields.list(key).iter().filter_map(|item| match &item.value {
        Walked::Text(text) => Some(text.value.to_owned()),
        _ => None,
    });
    texts.filter(|text| seen.insert(text.clone())).collect()
}

fn bare(ty: ParameterType) -> Parameter {
    Parameter {
        ty,
        allowed: None,
        default: None,
        schema: None,
        strong_type: None,
        assign_permissions: false,
        deprecated: false,
    }
}

/// Returns the type that a node has, so that only what cannot be told for sure is a mistake.
fn any_type(node: &Node) -> ParameterType {
    match parameters::value(node) {
        Some(Value::Bool(_)) => ParameterType::Boolean,
        Some(Value::Number(_)) => ParameterType::Float,
        Some(Value::Array(_)) => ParameterType::Array,
        Some(Value::Object(_)) => ParameterType::Object,
        _ => ParameterType::String,
    }
}
