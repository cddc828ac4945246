//! What the gates say of one object: the way of a request through an API server and Gatekeeper, without either.
//!
//! Owns the order of the steps: nothing that is null, a namespace, an API server's defaults, the request, whether a rule is about
//! it, what the rule says. Must not know files or threads; every thread has a judge of its own.

use super::judge_place::{meant, text};
use super::report::{About, At, Finding, Member, Object, Outcome, Place, Position, Silence, Subject, Verdict};
use super::{GateRule, NotJudged, RuleBody, TemplateRef, Templates};
use crate::diagnostic::Span;
use crate::diff::digest;
use crate::manifest::{Manifest, Step, place};
use crate::model::Effect;
use crate::rules::defaults::{Defaults, fill};
use crate::rules::expansion::pods_of;
use crate::rules::{
    Constraint, Evaluation, Input, Inventory, Match, Operation, Origin, Review, Rule, Template, strip_nulls,
};
use serde_json::Value;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a rule of a gate is at each position: the rule, and its effects.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleAt {
    /// The rule as it is at the furthest position that has it.
    pub rule: GateRule,
    /// Its effect at each position.
    pub effects: At<Effect>,
}

/// What an object is judged with, besides rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of an object that names none.
    pub namespace: String,
    /// What is done to the objects.
    pub operation: Operation,
    /// Who does it: `userInfo` of a request.
    pub user: Option<Value>,
    /// The objects as they are before a change, by what identifies them.
    pub old: BTreeMap<Identity, Value>,
    /// The defaults of an API server that are filled in.
    pub defaults: Defaults,
    /// The Namespaces that are known, by name.
    pub namespaces: BTreeMap<String, Value>,
    /// The other objects of a cluster; none if nobody gave them.
    pub inventory: Option<Inventory>,
}

/// What identifies an object: group, kind, namespace, name.
pub type Identity = (String, String, String, String);

/// Returns what identifies an object.
pub fn identity(object: &Value, namespace: &str) -> Identity {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let own = text("/metadata/namespace");
    let namespace = if own.is_empty() { namespace } else { own };
    (
        group.to_owned(),
        text("/kind").to_owned(),
        namespace.to_owned(),
        text("/metadata/name").to_owned(),
    )
}

/// A rule that is ready to be asked.
#[derive(Clone, Debug)]
struct Asked {
    member: usize,
    verdict: Verdict,
    matching: Match,
    /// Whether it is only about what Gatekeeper itself derives from an object.
    generated: bool,
    /// Whether it selects namespaces by their labels.
    by_namespace: bool,
    /// The rule, or why it cannot be asked.
    rule: Result<Ready, String>,
}

/// A rule with its parameters.
#[derive(Clone, Debug)]
struct Ready {
    rule: Rule,
    parameters: Input,
    /// The parts of a request that it can see, if the object's name is in none of them: requests that are equal there get one answer.
    sight: Option<Vec<String>>,
    /// Whether it looks at other objects than the one it is asked about.
    referential: bool,
}

/// Everything that is asked of an object.
#[derive(Clone, Debug)]
pub struct Judge {
    rules: Vec<Asked>,
    settings: Arc<Settings>,
    none: Inventory,
    /// Answers by member and by what it saw.
    known: RefCell<BTreeMap<(usize, String), Evaluation>>,
}

/// How many answers are remembered.
const MOST_KNOWN: usize = 10_000;

/// A document with the file that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file, as it was named.
    pub file: &'a str,
    /// All of the file.
    pub content: &'a [u8],
    /// Where the document stands in it.
    pub span: Span,
}

/// Joins what the rules are at each position: by gate and member, in their order.
pub fn by_position(rules: At<&[GateRule]>) -> Vec<RuleAt> {
    let mut joined: Vec<RuleAt> = Vec::new();
    // The furthest position first: its rule is the one that is asked.
    for position in Position::ALL.into_iter().rev() {
        for rule in rules.get(position).unwrap_or_default() {
            let same = |one: &&mut RuleAt| (&one.rule.gate, &one.rule.reference_id) == (&rule.gate, &rule.reference_id);
            let at = match joined.iter_mut().find(same) {
                Some(at) => at,
                None => {
                    joined.push(RuleAt {
                        rule: rule.clone(),
                        effects: At::default(),
                    });
                    match joined.last_mut() {
                        Some(at) => at,
                        None => continue,
                    }
                }
            };
            // What is denied at some location is denied.
            let denied = rule.elsewhere.iter().any(|(_, effect)| *effect == Effect::Deny);
            let effect = Some(if denied { Effect::Deny } else { rule.effect });
            match position {
                Position::Now => at.effects.now = effect,
                Position::Next => at.effects.next = effect,
                Position::Target => at.effects.target = effect,
            }
        }
    }
    joined
}

/// Makes rules ready: returns what they are, for the report, and the judge that asks them.
pub fn prepare(
    rules: Vec<RuleAt>,
    templates: &Templates,
    settings: Settings,
    judged: Position,
) -> (Vec<Member>, Judge) {
    let (mut members, mut asked) = (Vec::new(), Vec::new());
    for RuleAt { rule, effects } in rules {
        let mut member = Member {
            gate: rule.gate.clone(),
            reference_id: rule.reference_id.clone(),
            definition: rule.definition.clone(),
            version: rule.version.clone(),
            title: rule.title.clone(),
            effects,
            warn: rule.warn,
            silent: None,
            concerned: 0,
        };
        let silence = |reason: String, about| Some(Silence { reason, about });
        match &rule.body {
            RuleBody::NotJudged(why) => member.silent = silence(why.to_string(), about(why)),
            RuleBody::Constraint {
                template,
                matching,
                parameters,
            } => match Match::new(Some(matching)) {
                Err(error) => member.silent = silence(format!("its constraint is refused: {error}"), About::Any),
                Ok(found) => {
                    let ready = ready(template, matching, parameters, templates).and_then(|ready| {
                        match ready.referential && settings.inventory.is_none() {
                            true => Err(NO_INVENTORY.to_owned()),
                            false => Ok(ready),
                        }
                    });
                    if let Err(reason) = &ready {
                        member.silent = silence(reason.clone(), About::Counted);
                    }
                    if let Some(verdict) = member.verdict(judged) {
                        asked.push(Asked {
                            member: members.len(),
                            verdict,
                            matching: found,
                            generated: matching.get("source").and_then(Value::as_str) == Some("Generated"),
                            by_namespace: matching.get("namespaceSelector").is_some(),
                            rule: ready,
                        });
                    }
                }
            },
        }
        members.push(member);
    }
    let judge = Judge {
        rules: asked,
        settings: Arc::new(settings),
        none: Inventory::default(),
        known: RefCell::default(),
    };
    (members, judge)
}

const NO_INVENTORY: &str = "it looks at other objects of the cluster, and `--inventory` gives none";

/// Returns what is known of the objects that a rule would judge which cannot be judged here.
fn about(why: &NotJudged) -> About {
    match why {
        NotJudged::Mutation | NotJudged::AzureResources | NotJudged::Defender => About::None,
        _ => About::Any,
    }
}

/// Loads a rule and fits its parameters.
fn ready(template: &TemplateRef, matching: &Value, parameters: &Value, templates: &Templates) -> Result<Ready, String> {
    let template: &Template = match template {
        TemplateRef::Own(template) => template,
        TemplateRef::Published { url } => templates.get(url)?,
    };
    let document = serde_json::json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": template.kind(),
        "metadata": {"name": "check"},
        "spec": {"match": matching, "parameters": parameters},
    });
    let constraint = Constraint::from_document(&document, template)
        .map_err(|error| format!("its constraint is refused: {error}"))?;
    let rule = Rule::new(template).map_err(|error| format!("its template is refused: {error}"))?;
    Ok(Ready {
        rule,
        parameters: Input::new(constraint.parameters().clone()),
        sight: template.sight().without_name().map(widened),
        referential: template.is_referential(),
    })
}

/// Returns a sight in which all of an object's `spec` is one part: most rules then share it, and it is looked at once.
fn widened(paths: &[String]) -> Vec<String> {
    let wide = |path: &String| match path.starts_with("/object/spec/") {
        true => "/object/spec".to_owned(),
        false => path.clone(),
    };
    let paths: BTreeSet<String> = paths.iter().map(wide).collect();
    paths.into_iter().collect()
}

/// A request, and what it means for the object that was given.
struct Request {
    review: Review,
    /// What rules see of it, made when the first of them asks.
    input: OnceCell<Input>,
    /// The digests of its parts, by what a rule sees.
    digests: RefCell<BTreeMap<Vec<String>, String>>,
    subject: Subject,
    /// Where the request's object stands in the document.
    path: Vec<Step>,
    is_pod: bool,
}

impl Request {
    /// Returns the digest of what a rule sees of the request.
    fn digest(&self, sight: &[String]) -> String {
        if let Some(known) = self.digests.borrow().get(sight) {
            return known.clone();
        }
        let request = self.review.request();
        // What is not there is told from what is null.
        let parts: Vec<Value> = sight
            .iter()
            .map(|path| {
                request
                    .pointer(path)
                    .map_or(Value::Bool(false), |part| Value::from(vec![part.clone()]))
            })
            .collect();
        let digest = digest(&Value::Array(parts));
        self.digests.borrow_mut().insert(sight.to_vec(), digest.clone());
        digest
    }
}

impl Judge {
    /// Returns whether a rule selects namespaces by their labels, so that Namespaces have to be known before objects are judged.
    pub fn selects_namespaces(&self) -> bool {
        self.rules.iter().any(|asked| asked.by_namespace)
    }

    /// Returns the judge with these Namespaces known as well.
    pub fn knowing(self, namespaces: BTreeMap<String, Value>) -> Judge {
        let mut settings = (*self.settings).clone();
        settings.namespaces.extend(namespaces);
        Judge {
            settings: Arc::new(settings),
            ..self
        }
    }

    /// Returns how many answers are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.known.borrow().len()
    }

    /// Judges a document.
    ///
    /// # Errors
    /// It is no Kubernetes object; the text says what it is.
    pub fn judge(&self, source: Source<'_>, manifest: Manifest) -> Result<(Object, Outcome), String> {
        let mut outcome = Outcome::default();
        let (requests, object) = self.requests(manifest.value, &mut outcome)?;
        let text_of = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let name = match text_of("/metadata/name") {
            "" => text_of("/metadata/generateName"),
            name => name,
        };
        let identity = Object {
            file: source.file.to_owned(),
            line: source.span.line,
            column: source.span.column,
            api_version: text_of("/apiVersion").to_owned(),
            kind: text_of("/kind").to_owned(),
            namespace: Some(text_of("/metadata/namespace").to_owned()).filter(|namespace| !namespace.is_empty()),
            name: name.to_owned(),
        };
        let mut places = Places {
            source,
            found: BTreeMap::new(),
        };
        for asked in &self.rules {
            let mut findings = Vec::new();
            let mut meant_at_all = false;
            let mut gap = None;
            for request in &requests {
                match self.says(asked, request) {
                    Answer::NotMeant => {}
                    Answer::Unknown(reason) => gap = Some(reason),
                    Answer::Says(evaluation, subject) => {
                        meant_at_all = true;
                        for violation in evaluation.violations {
                            let place = places.of(request, &violation.message);
                            findings.push(Finding {
                                member: asked.member,
                                verdict: asked.verdict,
                                subject,
                                message: violation.message,
                                failed: evaluation.failed,
                                place,
                            });
                        }
                    }
                }
            }
            match (gap, findings.is_empty()) {
                // What was found counts, whatever else could not be looked at.
                (Some(reason), true) => outcome.not_evaluated.push((asked.member, reason)),
                (_, false) => outcome.asked.push((asked.member, Some(asked.verdict))),
                (None, true) if meant_at_all => outcome.asked.push((asked.member, None)),
                (None, true) => {}
            }
            outcome.findings.append(&mut findings);
        }
        Ok((identity, outcome))
    }

    /// Returns the requests that become of a document, and the object that it is about.
    fn requests(&self, mut value: Value, outcome: &mut Outcome) -> Result<(Vec<Request>, Value), String> {
        let settings = &self.settings;
        if Review::is_review(&value) {
            let review = Review::of_review(&value).map_err(|error| error.to_string())?;
            let shown = review.request();
            let deleted = shown.get("operation").and_then(Value::as_str) == Some("DELETE");
            let name = match shown.get("object").is_some_and(|object| !object.is_null()) && !deleted {
                true => "object",
                false => "oldObject",
            };
            let object = shown.get(name).cloned().unwrap_or_default();
            let path = vec![Step::Key("request".to_owned()), Step::Key(name.to_owned())];
            let mut requests = vec![Request {
                review,
                input: OnceCell::new(),
                digests: RefCell::default(),
                subject: Subject::Object,
                is_pod: is_pod(&object),
                path: path.clone(),
            }];
            if !deleted {
                requests.extend(self.pods(&object, &path, outcome));
            }
            return Ok((requests, object));
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        match (text("apiVersion"), text("kind")) {
            ("", "") => return Err("it has neither `apiVersion` nor `kind`".to_owned()),
            ("", _) => return Err("it has no `apiVersion`".to_owned()),
            (_, "") => return Err("it has no `kind`".to_owned()),
            (version, kind) if version.starts_with("kustomize.config.k8s.io/") => {
                return Err(format!("`{kind}` is read by kustomize, not by a cluster"));
            }
            (version, "Suite") if version.starts_with("test.gatekeeper.sh/") => {
                return Err("it is a suite of tests for rules".to_owned());
            }
            _ => {}
        }
        strip_nulls(&mut value);
        let acted = fill(&mut value, &settings.defaults, Some(&settings.namespace));
        outcome.defaults.extend(acted.into_iter().map(|default| default.name()));
        let old = match settings.operation {
            Operation::Create => None,
            Operation::Update => settings.old.get(&identity(&value, "")),
            Operation::Delete => Some(&value),
        };
        let review = Review::new(Some(&value), old, settings.operation, settings.user.as_ref());
        let mut requests = vec![Request {
            review,
            input: OnceCell::new(),
            digests: RefCell::default(),
            subject: Subject::Object,
            path: Vec::new(),
            is_pod: is_pod(&value),
        }];
        if settings.operation != Operation::Delete {
            requests.extend(self.pods(&value, &[], outcome));
        }
        Ok((requests, value))
    }

    /// Returns the request with which the Pods of a workload will be made.
    fn pods(&self, object: &Value, path: &[Step], outcome: &mut Outcome) -> Option<Request> {
        let mut derived = pods_of(object)?;
        strip_nulls(&mut derived.object);
        let acted = fill(
            &mut derived.object,
            &self.settings.defaults,
            Some(&self.settings.namespace),
        );
        outcome.defaults.extend(acted.into_iter().map(|default| default.name()));
        let steps = derived.template_path.iter().map(|name| Step::Key((*name).to_owned()));
        Some(Request {
            review: derived.review(),
            input: OnceCell::new(),
            digests: RefCell::default(),
            subject: Subject::Pods,
            path: path.iter().cloned().chain(steps).collect(),
            is_pod: true,
        })
    }

    /// Returns what a rule says of a request.
    fn says(&self, asked: &Asked, request: &Request) -> Answer {
        let known = |name: &str| self.settings.namespaces.get(name).cloned();
        // What Gatekeeper derives itself is refused together with what it is derived from.
        let (origin, subject) = match (asked.generated, request.subject) {
            (true, Subject::Pods) => (Origin::Generated, Subject::Object),
            (_, subject) => (Origin::Original, subject),
        };
        match request.review.is_meant(&asked.matching, &known, origin) {
            Ok(false) => return Answer::NotMeant,
            Ok(true) => {}
            Err(error) => return Answer::Unknown(error.to_string()),
        }
        let ready = match &asked.rule {
            Err(reason) => return Answer::Unknown(reason.clone()),
            Ok(ready) => ready,
        };
        let key = ready.sight.as_ref().map(|sight| (asked.member, request.digest(sight)));
        if let Some(known) = key.as_ref().and_then(|key| self.known.borrow().get(key).cloned()) {
            return Answer::Says(known, subject);
        }
        let input = request
            .input
            .get_or_init(|| Input::new(request.review.request().clone()));
        let inventory = self.settings.inventory.as_ref().unwrap_or(&self.none);
        let evaluation = ready.rule.ask(&ready.parameters, input, inventory);
        // An error may be one of time, and come out otherwise the next time.
        if let Some(key) = key.filter(|_| !evaluation.failed) {
            let mut known = self.known.borrow_mut();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(key, evaluation.clone());
        }
        Answer::Says(evaluation, subject)
    }
}

/// What comes of asking a rule.
enum Answer {
    /// It is not about the object.
    NotMeant,
    /// It cannot be told, and why.
    Unknown(String),
    /// What it says, and of what.
    Says(Evaluation, Subject),
}

fn is_pod(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Pod")
}

/// The places in a document that were looked up.
struct Places<'a> {
    source: Source<'a>,
    found: BTreeMap<String, Place>,
}

impl Places<'_> {
    /// Returns the place that a message about a request means.
    fn of(&mut self, request: &Request, message: &str) -> Place {
        let shown = request.review.request();
        let old = || shown.get("oldObject");
        let object = shown.get("object").filter(|object| !object.is_null()).or_else(old);
        let inner = object.map(|object| meant(object, request.is_pod, message));
        let steps: Vec<Step> = match inner {
            Some(inner) if !inner.is_empty() => request.path.iter().cloned().chain(inner).collect(),
            // A template is a place too: what is wrong is wrong in the Pod as a whole.
            _ => request.path.clone(),
        };
        let path = text(&steps);
        if let Some(place) = self.found.get(&path) {
            return place.clone();
        }
        let found = self.look_up(path.clone(), &steps);
        self.found.insert(path, found.clone());
        found
    }

    fn look_up(&self, path: String, steps: &[Step]) -> Place {
        let Source { content, span, .. } = self.source;
        let start = Place {
            path: String::new(),
            line: span.line,
            column: span.column,
            end_column: None,
        };
        if steps.is_empty() {
            return start;
        }
        match place(content, span, steps) {
            None => start,
            Some(found) => {
                let text = content
                    .get(found.start..found.end)
                    .and_then(|text| std::str::from_utf8(text).ok());
                let length = text
                    .filter(|text| !text.is_empty() && !text.contains('\n'))
                    .map(|text| text.chars().count());
                Place {
                    path,
                    line: found.line,
                    column: found.column,
                    end_column: length.map(|length| found.column + length),
                }
            }
        }
    }
}
