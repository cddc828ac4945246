//! From the documents of a gate to the rules that it puts into the clusters, in the order in which Azure does it: the assignment's
//! parameters, the set's, the member's values, the definition's version and defaults, its effect and its constraint, and what overrides
//! make of the effect.

use super::expression::{NotUnderstood, Parameters, resolved};
use super::{GateRule, NotJudged, RuleBody, TemplateRef};
use crate::catalog::{Catalog, ConstraintForm, PinResolution, VersionFacts, VersionPin};
use crate::manifest;
use crate::model::{Effect, Stage};
use crate::rules::Template;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The namespaces that the add-on always leaves out, whatever a definition says (Azure Policy for Kubernetes).
const ALWAYS_EXCLUDED: [&str; 3] = ["kube-system", "gatekeeper-system", "azure-arc"];
const DATA_MODE: &str = "Microsoft.Kubernetes.Data";

/// Where definitions and sets come from.
pub struct Definitions<'a> {
    /// The built-in ones.
    pub catalog: &'a Catalog,
    /// Those that are not built in, by their id in lower case: documents with `properties`, as ARM takes and answers them.
    pub documents: &'a BTreeMap<String, Value>,
    /// The exact version that a built-in definition with a name and a pin is locked at; none if it is not locked.
    pub locked: &'a dyn Fn(&str, &VersionPin) -> Option<String>,
}

/// Why the rules of a gate cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The assignment names no definition.
    #[error("the assignment names no policy definition")]
    NoDefinition,
    /// The set is not known.
    #[error("the policy set definition `{0}` is not known; `aksgate lock` fetches its facts")]
    Set(String),
    /// A parameter of the set cannot be had.
    #[error("the expression `{0}` of the policy set definition is not understood")]
    Expression(String),
}

/// Returns the rules of a gate's assignment, member by member.
///
/// With a stage, the assignment is put there as a gate's step does it, by its parameter `effect`; without one its effects are
/// taken as they stand, overrides and enforcement mode included.
///
/// # Errors
/// The assignment or its set cannot be read. What is wrong with a single member is told in its rule.
pub fn gate_rules(
    gate: &str,
    assignment: &Value,
    stage: Option<Stage>,
    definitions: &Definitions<'_>,
) -> Result<Vec<GateRule>, ResolveError> {
    let properties = assignment.get("properties").unwrap_or(&Value::Null);
    let id = text(properties, "/policyDefinitionId").ok_or(ResolveError::NoDefinition)?;
    let mut given = Map::new();
    for (name, entry) in fields(properties.get("parameters")) {
        given.extend(entry.get("value").map(|value| (name.clone(), value.clone())));
    }
    let site = Site {
        gate,
        stage,
        properties,
        definitions,
    };
    if !id.to_ascii_lowercase().contains("/policysetdefinitions/") {
        let member = Member {
            reference_id: String::new(),
            definition: id.to_owned(),
            pin: text(properties, "/definitionVersion").map(str::to_owned),
            values: given,
        };
        return Ok(vec![site.rule(&member, &Parameters::default())]);
    }
    let set = site.set(id)?;
    let mut parameters = Parameters::default();
    for (name, default) in &set.defaults {
        parameters.set(name, default.clone());
    }
    for (name, value) in given {
        parameters.set(&name, value);
    }
    let effect = stage.and_then(|stage| stage.effect().spelling(set.effects.iter().map(String::as_str)));
    if let Some(effect) = effect {
        parameters.set("effect", Value::from(effect));
    }
    Ok(set
        .members
        .iter()
        .map(|member| site.rule(member, &parameters))
        .collect())
}

/// A policy set definition.
struct Set {
    /// The defaults of its parameters.
    defaults: Vec<(String, Value)>,
    /// What its parameter `effect` may be.
    effects: Vec<String>,
    members: Vec<Member>,
}

/// A member of a set.
struct Member {
    reference_id: String,
    /// An id, or the name of a built-in.
    definition: String,
    pin: Option<String>,
    /// Values of the definition's parameters, or expressions over the set's.
    values: Map<String, Value>,
}

/// A definition at its version, whether it is built in or not.
struct Known {
    name: String,
    version: Option<String>,
    title: String,
    mode: String,
    defaults: Vec<(String, Value)>,
    effect: Value,
    form: Option<ConstraintForm>,
    template: Result<TemplateRef, NotJudged>,
    details: Map<String, Value>,
}

/// What the members of one assignment have in common.
struct Site<'a> {
    gate: &'a str,
    stage: Option<Stage>,
    /// The assignment's properties.
    properties: &'a Value,
    definitions: &'a Definitions<'a>,
}

impl Site<'_> {
    fn set(&self, id: &str) -> Result<Set, ResolveError> {
        if let Some(document) = self.definitions.documents.get(&id.to_ascii_lowercase()) {
            return Ok(set_of_document(document));
        }
        let name = id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let unknown = || ResolveError::Set(id.to_owned());
        let set = self.definitions.catalog.initiative(&name).ok_or_else(unknown)?;
        let facts = match text(self.properties, "/definitionVersion") {
            Some(pin) => set.facts_at(pin),
            None => set.current(),
        };
        let effects = facts
            .parameters
            .get("effect")
            .and_then(|effect| effect.allowed.as_deref());
        let members = facts.members.iter().map(|member| Member {
            reference_id: member.reference_id.clone(),
            definition: member.definition.clone(),
            pin: member.version.map(|pin| pin.to_string()),
            values: member.parameters.clone().into_iter().collect(),
        });
        Ok(Set {
            defaults: facts
                .parameters
                .iter()
                .filter_map(|(name, parameter)| Some((name.clone(), parameter.default.clone()?)))
                .collect(),
            effects: effects.map(strings).unwrap_or_default(),
            members: members.collect(),
        })
    }

    /// Returns the rule of a member; `set` are the values of the set's parameters.
    fn rule(&self, member: &Member, set: &Parameters) -> GateRule {
        let known = self.known(member);
        let name = member.definition.rsplit('/').next().unwrap_or_default();
        // What cannot be told is taken to be as closed as it may be.
        let worst = self.stage.map_or(Effect::Deny, Stage::effect);
        let mut rule = GateRule {
            gate: self.gate.to_owned(),
            reference_id: member.reference_id.clone(),
            definition: known.as_ref().map_or(name.to_owned(), |known| known.name.clone()),
            version: known.as_ref().ok().and_then(|known| known.version.clone()),
            title: known.as_ref().map_or(name.to_owned(), |known| known.title.clone()),
            effect: worst,
            warn: false,
            elsewhere: Vec::new(),
            body: RuleBody::NotJudged(NotJudged::AzureResources),
        };
        let known = match known {
            Ok(known) => known,
            Err(why) => return silent(rule, why),
        };
        let mut parameters = Parameters::default();
        for (name, default) in &known.defaults {
            parameters.set(name, default.clone());
        }
        for (name, value) in &member.values {
            match resolved(value, set) {
                Ok(value) => parameters.set(name, value),
                Err(NotUnderstood(text)) => return silent(rule, NotJudged::Expression { text }),
            }
        }
        let effect = match resolved(&known.effect, &parameters) {
            Ok(effect) => effect,
            Err(NotUnderstood(text)) => return silent(rule, NotJudged::Expression { text }),
        };
        let effect = effect.as_str().unwrap_or_default();
        let Some(effect) = Effect::parse(effect) else {
            let what = format!("the effect `{effect}` is not known");
            return silent(rule, NotJudged::Unknown { what });
        };
        let effects = self.overridden(&member.reference_id, effect);
        rule.effect = effects.0;
        rule.elsewhere = effects.1;
        if !known.mode.eq_ignore_ascii_case(DATA_MODE) {
            return silent(rule, NotJudged::AzureResources);
        }
        match known.form {
            Some(ConstraintForm::Template) => {}
            Some(ConstraintForm::Mutation) => return silent(rule, NotJudged::Mutation),
            Some(ConstraintForm::Legacy) => return silent(rule, NotJudged::Legacy),
            None => {
                let what = "how its parameters become a constraint is not known".to_owned();
                return silent(rule, NotJudged::Unknown { what });
            }
        }
        let template = match known.template {
            Ok(template) => template,
            Err(why) => return silent(rule, why),
        };
        match constraint(&known.details, &parameters) {
            Ok((matching, values, warn)) => {
                rule.warn = warn;
                rule.body = RuleBody::Constraint {
                    template,
                    matching,
                    parameters: values,
                };
                rule
            }
            Err(NotUnderstood(text)) => silent(rule, NotJudged::Expression { text }),
        }
    }

    fn known(&self, member: &Member) -> Result<Known, NotJudged> {
        if let Some(document) = self.definitions.documents.get(&member.definition.to_ascii_lowercase()) {
            return Ok(known_of_document(document, &member.definition));
        }
        let name = member
            .definition
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let unknown = |what: String| NotJudged::Unknown { what };
        let definition = self.definitions.catalog.definition(&name);
        let definition = definition.ok_or_else(|| unknown(format!("the policy definition `{name}` is not known")))?;
        let overridden = self.version_override(&member.reference_id);
        let pin = overridden.or(member.pin.clone());
        let pin = match &pin {
            Some(text) => Some(
                VersionPin::parse(text).ok_or_else(|| unknown(format!("`{text}` is no version that can be pinned")))?,
            ),
            // Azure takes the newest major version where nobody says which.
            None => definition.current_pin(),
        };
        let Some(pin) = pin else {
            return Err(unknown(format!("no version of `{name}` is known")));
        };
        let without_facts = |version: &str| unknown(format!("version {version} of `{name}` is not known in full"));
        let facts = match (self.definitions.locked)(&name, &pin) {
            Some(version) => definition
                .known_versions()
                .find(|facts| crate::catalog::compare_versions(&facts.version, &version).is_eq())
                .ok_or_else(|| without_facts(&version))?,
            None => match definition.at(&pin) {
                PinResolution::Facts(facts) => facts,
                PinResolution::ListedWithoutFacts(version) => return Err(without_facts(version)),
                PinResolution::NoSuchVersion => return Err(unknown(format!("no version of `{name}` fits `{pin}`"))),
            },
        };
        Ok(known_of_facts(&name, &definition.display_name, facts))
    }

    /// Returns the effect where nothing is said of the location, and those by location that differ from it.
    fn overridden(&self, reference_id: &str, effect: Effect) -> (Effect, Vec<(String, Effect)>) {
        let overrides = self.overrides("policyEffect", reference_id);
        let mut locations: BTreeSet<String> = BTreeSet::new();
        for one in &overrides {
            locations.extend(one.locations.iter().flat_map(|(_, listed)| listed.iter().cloned()));
        }
        let enforced =
            text(self.properties, "/enforcementMode").is_none_or(|mode| mode.eq_ignore_ascii_case("Default"));
        let at = |location: Option<&str>| {
            let first = overrides.iter().find(|one| one.applies_at(location));
            let effect = first.and_then(|one| Effect::parse(&one.value)).unwrap_or(effect);
            match effect {
                Effect::Deny if !enforced => Effect::Audit,
                effect => effect,
            }
        };
        let base = at(None);
        let other = locations
            .into_iter()
            .map(|location| {
                let effect = at(Some(&location));
                (location, effect)
            })
            .filter(|(_, effect)| *effect != base);
        (base, other.collect())
    }

    /// Returns the pin that an override gives a member everywhere.
    fn version_override(&self, reference_id: &str) -> Option<String> {
        let overrides = self.overrides("definitionVersion", reference_id);
        let everywhere = overrides.into_iter().find(|one| one.locations.is_empty());
        everywhere.map(|one| one.value)
    }

    /// Returns the overrides of a kind that are about a member, in their order.
    fn overrides(&self, kind: &str, reference_id: &str) -> Vec<Override> {
        let all = self.properties.get("overrides").and_then(Value::as_array);
        let mut found = Vec::new();
        for one in all.into_iter().flatten() {
            if !text(one, "/kind").is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
                continue;
            }
            let mut locations = Vec::new();
            let mut about = true;
            let selectors = one.get("selectors").and_then(Value::as_array);
            for selector in selectors.into_iter().flatten() {
                let listed = |key: &str| {
                    let values = selector.get(key).and_then(Value::as_array)?;
                    Some(
                        strings(values)
                            .into_iter()
                            .map(|value| value.to_lowercase())
                            .collect::<Vec<_>>(),
                    )
                };
                let (within, listed) = match (listed("in"), listed("notIn")) {
                    (Some(listed), _) => (true, listed),
                    (None, Some(listed)) => (false, listed),
                    (None, None) => continue,
                };
                match text(selector, "/kind").unwrap_or_default() {
                    "policyDefinitionReferenceId" => {
                        about &= listed.contains(&reference_id.to_lowercase()) == within;
                    }
                    "resourceLocation" => locations.push((within, listed)),
                    // One that is not known may leave every cluster out: the effect is not lowered by it.
                    _ => about = false,
                }
            }
            if about {
                let value = text(one, "/value").unwrap_or_default().to_owned();
                found.push(Override { value, locations });
            }
        }
        found
    }
}

/// An override, as far as it is about one member.
struct Override {
    value: String,
    /// Locations in lower case, each list with whether it is `in` or `notIn`.
    locations: Vec<(bool, Vec<String>)>,
}

impl Override {
    /// Whether it holds at a location; none is one that no override names.
    fn applies_at(&self, location: Option<&str>) -> bool {
        self.locations.iter().all(|(within, listed)| {
            location.is_some_and(|location| listed.iter().any(|one| one == location)) == *within
        })
    }
}

fn silent(mut rule: GateRule, why: NotJudged) -> GateRule {
    rule.body = RuleBody::NotJudged(why);
    rule
}

fn set_of_document(document: &Value) -> Set {
    let properties = document.get("properties").unwrap_or(&Value::Null);
    let allowed = properties
        .pointer("/parameters/effect/allowedValues")
        .and_then(Value::as_array);
    let members = properties.get("policyDefinitions").and_then(Value::as_array);
    let members = members.into_iter().flatten().map(|member| Member {
        reference_id: text(member, "/policyDefinitionReferenceId")
            .unwrap_or_default()
            .to_owned(),
        definition: text(member, "/policyDefinitionId").unwrap_or_default().to_owned(),
        pin: text(member, "/definitionVersion").map(str::to_owned),
        values: fields(member.get("parameters"))
            .filter_map(|(name, entry)| Some((name.clone(), entry.get("value")?.clone())))
            .collect(),
    });
    Set {
        defaults: defaults(properties),
        effects: allowed.map(|allowed| strings(allowed)).unwrap_or_default(),
        members: members.collect(),
    }
}

fn known_of_document(document: &Value, id: &str) -> Known {
    let properties = document.get("properties").unwrap_or(&Value::Null);
    let details = properties
        .pointer("/policyRule/then/details")
        .and_then(Value::as_object);
    let details = details.cloned().unwrap_or_default();
    let name = id.rsplit('/').next().unwrap_or_default();
    let has = |name: &str| details.contains_key(name);
    let form = match () {
        () if has("templateInfo") => Some(ConstraintForm::Template),
        () if has("mutationInfo") => Some(ConstraintForm::Mutation),
        () if has("constraintTemplate") => Some(ConstraintForm::Legacy),
        () => None,
    };
    Known {
        name: name.to_owned(),
        version: None,
        title: text(properties, "/displayName").unwrap_or(name).to_owned(),
        mode: text(properties, "/mode").unwrap_or_default().to_owned(),
        defaults: defaults(properties),
        effect: properties
            .pointer("/policyRule/then/effect")
            .cloned()
            .unwrap_or_default(),
        form,
        template: template_of(details.get("templateInfo")),
        details,
    }
}

fn known_of_facts(name: &str, title: &str, facts: &VersionFacts) -> Known {
    let mut details = Map::new();
    details.insert("apiGroups".to_owned(), Value::from(facts.api_groups.clone()));
    details.insert("kinds".to_owned(), Value::from(facts.kinds.clone()));
    if let Some(constraint) = &facts.constraint {
        let values: Map<String, Value> = constraint.values.clone().into_iter().collect();
        details.insert("values".to_owned(), Value::Object(values));
        for (key, value) in [
            ("namespaces", &constraint.namespaces),
            ("excludedNamespaces", &constraint.excluded_namespaces),
            ("labelSelector", &constraint.label_selector),
            ("source", &constraint.source),
            ("warn", &constraint.warn),
        ] {
            details.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
    }
    let effect = match (&facts.effect_parameter, facts.effects.first()) {
        (Some(parameter), _) => Value::from(format!("[parameters('{parameter}')]")),
        (None, Some(effect)) => Value::from(effect.as_str()),
        (None, None) => Value::Null,
    };
    let template = facts.template.clone().map(|url| TemplateRef::Published { url });
    Known {
        name: name.to_owned(),
        version: Some(facts.version.clone()),
        title: title.to_owned(),
        mode: facts.mode.clone(),
        defaults: facts
            .parameters
            .iter()
            .filter_map(|(name, parameter)| Some((name.clone(), parameter.default.clone()?)))
            .collect(),
        effect,
        form: facts.constraint.as_ref().map(|constraint| constraint.form),
        template: template.ok_or_else(|| NotJudged::Unknown {
            what: "where its template stands is not known".to_owned(),
        }),
        details,
    }
}

/// Returns the template that `templateInfo` names or holds.
fn template_of(info: Option<&Value>) -> Result<TemplateRef, NotJudged> {
    let wrong = |reason: String| NotJudged::Template { reason };
    let info = info.unwrap_or(&Value::Null);
    if let Some(url) = text(info, "/url") {
        return Ok(TemplateRef::Published { url: url.to_owned() });
    }
    let content = text(info, "/content").ok_or_else(|| wrong("it has neither a content nor an address".to_owned()))?;
    let content = BASE64
        .decode(content.as_bytes())
        .map_err(|error| wrong(format!("it is no Base64: {error}")))?;
    let documents = manifest::read("template", &content)
        .map_err(|errors| wrong(errors.first().map(|error| error.summary.clone()).unwrap_or_default()))?;
    let [document] = documents.as_slice() else {
        return Err(wrong(format!("it holds {} documents", documents.len())));
    };
    let template = Template::from_document(&document.value).map_err(|error| wrong(error.to_string()))?;
    Ok(TemplateRef::Own(Box::new(template)))
}

/// Returns the `match` block and the parameters of the constraint, and whether it warns.
fn constraint(details: &Map<String, Value>, parameters: &Parameters) -> Result<(Value, Value, bool), NotUnderstood> {
    let part = |name: &str| {
        details
            .get(name)
            .map(|value| resolved(value, parameters))
            .transpose()
            .map(|value| value.filter(|value| !value.is_null()))
    };
    let list = |name: &str| -> Result<Vec<Value>, NotUnderstood> {
        // An entry that is an expression may stand for several.
        Ok(match part(name)? {
            Some(Value::Array(items)) => items
                .into_iter()
                .flat_map(|item| match item {
                    Value::Array(items) => items,
                    item => vec![item],
                })
                .collect(),
            Some(item) => vec![item],
            None => Vec::new(),
        })
    };
    let mut matching = Map::new();
    let kinds = json!([{"apiGroups": list("apiGroups")?, "kinds": list("kinds")?}]);
    matching.insert("kinds".to_owned(), kinds);
    let mut excluded = list("excludedNamespaces")?;
    for name in ALWAYS_EXCLUDED {
        if !excluded.iter().any(|one| one == name) {
            excluded.push(Value::from(name));
        }
    }
    matching.insert("excludedNamespaces".to_owned(), excluded.into());
    let namespaces = list("namespaces")?;
    if !namespaces.is_empty() {
        matching.insert("namespaces".to_owned(), namespaces.into());
    }
    if let Some(selector) =
        part("labelSelector")?.filter(|selector| selector.as_object().is_none_or(|map| !map.is_empty()))
    {
        matching.insert("labelSelector".to_owned(), selector);
    }
    // Without a word of it the add-on has objects judged as they were sent.
    let source = part("source")?.unwrap_or_else(|| Value::from("Original"));
    matching.insert("source".to_owned(), source);
    let values = part("values")?.unwrap_or_else(|| json!({}));
    let warn = part("warn")?.is_some_and(|warn| warn == Value::Bool(true));
    Ok((Value::Object(matching), values, warn))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn fields(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn defaults(properties: &Value) -> Vec<(String, Value)> {
    fields(properties.get("parameters"))
        .filter_map(|(name, parameter)| Some((name.clone(), parameter.get("defaultValue")?.clone())))
        .collect()
}
