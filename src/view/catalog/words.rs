//! What the catalogue's facts are called, for people: shared by the terminal and the Markdown form.

use crate::catalog::{
    Catalog, Definition, Found, Mapping, Parameter, PinResolution, PolicySet, SetMember, Source, VersionFacts,
};
use crate::model::{Effect, Stage};
use crate::view::text::plain;
use serde_json::Value;

/// The only built-in that was found.
pub(super) enum One<'a> {
    Initiative(&'a PolicySet),
    Definition(&'a Definition),
}

pub(super) fn one<'a>(found: &Found<'a>) -> Option<One<'a>> {
    match (found.initiatives.as_slice(), found.definitions.as_slice()) {
        ([set], []) => Some(One::Initiative(set)),
        ([], [definition]) => Some(One::Definition(definition)),
        _ => None,
    }
}

/// A row of the list.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: &'static str,
    pub(super) about: String,
    pub(super) title: String,
}

impl Row {
    pub(super) fn of_set(set: &PolicySet) -> Row {
        let members = set.current().members.len();
        Row {
            name: plain(&set.name),
            version: plain(&set.current().version),
            kind: "initiative",
            about: with_marks(format!("{members} members"), set.preview, set.deprecated),
            title: plain(&set.display_name),
        }
    }

    pub(super) fn of_definition(definition: &Definition) -> Row {
        Row {
            name: plain(&definition.name),
            version: plain(&definition.current().version),
            kind: if definition.current().is_kubernetes() {
                "kubernetes"
            } else {
                "arm"
            },
            about: with_marks(
                effects_once(definition.current()),
                definition.preview,
                definition.deprecated,
            ),
            title: plain(&definition.display_name),
        }
    }
}

/// Returns the effects, those that differ in casing only once.
pub(super) fn effects_once(facts: &VersionFacts) -> String {
    let mut effects: Vec<String> = Vec::new();
    for text in &facts.effects {
        let word = Effect::parse(text).map_or_else(|| plain(text), |effect| effect.to_string());
        if !effects.contains(&word) {
            effects.push(word);
        }
    }
    effects.join(", ")
}

pub(super) fn with_marks(text: String, preview: bool, deprecated: bool) -> String {
    let marks = [(deprecated, "deprecated"), (preview, "preview")];
    let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
    if marks.is_empty() {
        text
    } else {
        format!("{text} ({})", marks.join(", "))
    }
}

pub(super) fn rows(found: &Found<'_>) -> Vec<Row> {
    let initiatives = found.initiatives.iter().map(|set| Row::of_set(set));
    initiatives
        .chain(
            found
                .definitions
                .iter()
                .map(|definition| Row::of_definition(definition)),
        )
        .collect()
}

pub(super) fn origin(source: &Source) -> String {
    let Source {
        repository,
        commit,
        release,
        date,
        ..
    } = source;
    format!("{repository}, release {release} of {date}, commit {commit}")
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

pub(super) fn totals(found: &Found<'_>) -> String {
    let initiatives = count(found.initiatives.len(), "initiative", "initiatives");
    format!(
        "{initiatives}, {}",
        count(found.definitions.len(), "definition", "definitions")
    )
}

pub(super) fn versions(current: &str, listed: &[String]) -> String {
    let older: Vec<&str> = listed.iter().skip(1).map(String::as_str).collect();
    let older = if older.is_empty() {
        String::new()
    } else {
        format!("; older: {}", older.join(", "))
    };
    plain(&format!("{current}{older}"))
}

pub(super) fn default_effect(facts: &VersionFacts) -> String {
    let default = facts.default_effect().unwrap_or("none: a value is required");
    match &facts.effect_parameter {
        Some(parameter) => plain(&format!("{default} (parameter {parameter})")),
        None => plain(&format!("{default} (fixed)")),
    }
}

/// Says how far a gate with this definition can close.
pub(super) fn gate(facts: &VersionFacts) -> &'static str {
    match facts.ceiling() {
        Stage::Deny => "can deny",
        Stage::Audit => "stays at audit: it cannot deny",
        Stage::Off => "has no stage: it neither audits nor denies",
    }
}

/// Returns the kinds of Kubernetes objects that are judged, with their API groups.
pub(super) fn objects(facts: &VersionFacts) -> String {
    let groups: Vec<String> = facts
        .api_groups
        .iter()
        .map(|group| {
            if group.is_empty() {
                "core".to_owned()
            } else {
                plain(group)
            }
        })
        .collect();
    match (facts.kinds.is_empty(), groups.is_empty()) {
        (true, _) => String::new(),
        (false, true) => plain(&facts.kinds.join(", ")),
        (false, false) => format!("{} (API groups: {})", plain(&facts.kinds.join(", ")), groups.join(", ")),
    }
}

/// Returns the type of a parameter and what else marks it.
pub(super) fn kind_of(parameter: &Parameter) -> String {
    let strong = parameter
        .strong_type
        .as_ref()
        .map(|it| format!("names a {}", plain(it)));
    let role = parameter
        .assign_permissions
        .then(|| "needs the roles there too".to_owned());
    let gone = parameter.deprecated.then(|| "deprecated".to_owned());
    let parts: Vec<String> = [Some(parameter.ty.to_string()), strong, role, gone]
        .into_iter()
        .flatten()
        .collect();
    parts.join(", ")
}

/// Returns a value as one line of JSON with blanks where it may be broken.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", values(items)),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, it)| format!("{}: {}", quoted(key), self::value(it)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => plain(&other.to_string()),
    }
}

pub(super) fn quoted(key: &str) -> String {
    plain(&Value::from(key).to_string())
}

pub(super) fn values(values: &[Value]) -> String {
    values.iter().map(value).collect::<Vec<_>>().join(", ")
}

/// A member of an initiative in words.
pub(super) struct Member {
    pub(super) reference_id: String,
    pub(super) title: String,
    pub(super) definition: String,
    pub(super) version: String,
    pub(super) effect: String,
    pub(super) gate: &'static str,
    pub(super) fixed: Vec<(String, String)>,
}

impl Member {
    pub(super) fn of(catalog: &Catalog, member: &SetMember) -> Member {
        let definition = catalog.definition(&member.definition);
        let facts = catalog.facts_of_member(member);
        let pin = member.version.map(|pin| pin.to_string());
        let resolved = match (definition, &member.version) {
            (None, _) => "not in the catalogue".to_owned(),
            (Some(definition), Some(pin)) => match definition.at(pin) {
                PinResolution::Facts(facts) => plain(&facts.version),
                PinResolution::ListedWithoutFacts(version) => format!("{}, of which no more is known", plain(version)),
                PinResolution::NoSuchVersion => "no such version is listed".to_owned(),
            },
            (Some(definition), None) => plain(&definition.current().version),
        };
        let effect_parameter = facts
            .and_then(|facts| facts.effect_parameter.as_deref())
            .unwrap_or("effect");
        let effect = match member.mapping(effect_parameter) {
            Mapping::SetParameter(name) => format!("parameter {}", plain(name)),
            Mapping::Expression(text) => plain(text),
            Mapping::Value(it) => value(it),
            Mapping::Default => match facts.and_then(VersionFacts::default_effect) {
                Some(default) => format!("its default {}", plain(default)),
                None => "its default".to_owned(),
            },
        };
        let fixed = member.parameters.iter().filter(|(name, _)| {
            name.as_str() != effect_parameter
                && matches!(member.mapping(name), Mapping::Value(_) | Mapping::Expression(_))
        });
        Member {
            reference_id: plain(&member.reference_id),
            title: definition.map(|it| plain(&it.display_name)).unwrap_or_default(),
            definition: plain(&member.definition),
            version: format!("{} -> {resolved}", pin.as_deref().unwrap_or("unpinned")),
            effect,
            gate: facts.map_or("what it can do is unknown", gate),
            fixed: fixed.map(|(name, it)| (plain(name), value(it))).collect(),
        }
    }
}
