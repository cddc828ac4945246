//! What stands in Azure already, as the files of an estate that would change nothing of it.
//!
//! Owns what of a brownfield an estate can say, and the words for the rest. Must not know where files are kept, nor whether the
//! estate that they make is right: that is for `config` to say.

mod content;
#[cfg(test)]
mod tests;

use crate::catalog::{Catalog, managed_namespaces};
use crate::kinds::Kind;
use crate::model::{DEFENDER_EXTENSIONS, ResourceId, Scope};
use crate::observed::{LiveObject, Observed};
use content::Content;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where the brownfield lies.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its scope.
    pub scope: &'a Scope,
    /// What was read of it.
    pub observed: &'a Observed,
    /// The built-ins that are known.
    pub catalog: &'a Catalog,
    /// Names of initiatives that are taken.
    pub taken: &'a BTreeSet<String>,
}

/// A gate that would say what an assignment of others says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptedGate {
    /// Its name.
    pub name: String,
    /// The path of its initiative's file, and its text.
    pub initiative: (String, String),
    /// Its lines in the environment's file.
    pub lines: String,
    /// The assignment that it was made from.
    pub assignment: String,
}

/// Something that the estate does not say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// What it is.
    pub subject: String,
    /// Why, and what to do, in a sentence without a full stop.
    pub reason: String,
}

/// What could be made of a brownfield.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The gates, each on its own.
    pub gates: Vec<AdoptedGate>,
    /// The lines of the block `defender`; none if there is nothing to manage.
    pub defender: Option<String>,
    /// The lines of the block `clusters`; none if there is no cluster.
    pub clusters: Option<String>,
    /// What it does not say.
    pub left: Vec<Left>,
}

/// Returns what an estate would say of a brownfield.
///
/// Every gate stands at `off`: nothing of ours is there, and what others assigned is theirs. So a plan of the estate is empty; raising a
/// target is how a gate is taken over.
pub fn adopt(field: Field<'_>) -> Adopted {
    let mut adopted = Adopted::default();
    let mut names = field.taken.clone();
    let objects = || field.observed.objects();
    for assignment in objects().filter(|object| object.kind == Kind::PolicyAssignment) {
        match gate(field, assignment, &names) {
            Ok((gate, left)) => {
                names.insert(gate.name.clone());
                adopted.gates.push(gate);
                adopted.left.extend(left);
            }
            Err(reason) => adopted.left.push(Left {
                subject: format!("assignment `{}`", assignment.id.name()),
                reason,
            }),
        }
    }
    for beyond in &field.observed.beyond {
        adopted.left.push(Left {
            subject: format!("assignment `{}`", beyond.id.name()),
            reason: format!(
                "stands at `{}`, not at this scope: import that scope if it is to be an environment of its own",
                beyond.id.scope()
            ),
        });
    }
    for exemption in objects().filter(|object| object.kind == Kind::PolicyExemption) {
        adopted.left.push(Left {
            subject: format!("exemption `{}`", exemption.id.name()),
            reason: "lets something off an assignment of others, and ends with it; state it under `exemptions` when its gate is taken over"
                .to_owned(),
        });
    }
    defender(field, &mut adopted);
    clusters(field, &mut adopted);
    adopted.left.sort();
    adopted
}

fn gate(
    field: Field<'_>,
    assignment: &LiveObject,
    names: &BTreeSet<String>,
) -> Result<(AdoptedGate, Vec<Left>), String> {
    if let Some(mark) = assignment.mark() {
        return Err(format!(
            "is written by aksgate already, for environment `{}` of `{}`: use that estate",
            mark.environment, mark.owner
        ));
    }
    let properties = assignment
        .wire
        .get("properties")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let text = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default();
    let given = given(&properties);
    let content = Content::of(field, assignment, &given)?;
    let title = match text("displayName") {
        "" => content.title.as_str(),
        title => title,
    };
    let name = unused(&slug(title), names);
    let mut excluded: Vec<&str> = Vec::new();
    let managed: BTreeSet<&str> = managed_namespaces().iter().map(|row| row.name).collect();
    if let Some(Value::Array(items)) = given.get("excludedNamespaces") {
        excluded.extend(
            items
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| !managed.contains(name)),
        );
    }
    let effect = given
        .get("effect")
        .and_then(Value::as_str)
        .unwrap_or("as the definition says");
    let enforced = match text("enforcementMode") {
        "DoNotEnforce" => ", not enforced",
        _ => "",
    };
    let mut lines = format!(
        "  # Today: assignment {} of others, effect {}{enforced}. Raise the target to take over; that assignment can go\n  # when this gate stands where it stood.\n  {name}:\n    initiative: {name}\n    target: \"off\"\n",
        comment(assignment.id.name()),
        comment(effect),
    );
    if !excluded.is_empty() {
        lines.push_str(&format!("    excludeNamespaces: {}\n", Value::from(excluded)));
    }
    if !content.parameters.is_empty() {
        lines.push_str("    parameters:\n");
        for (name, value) in &content.parameters {
            lines.push_str(&format!("      {}: {value}\n", Value::from(name.as_str())));
        }
    }
    let subject = format!("assignment `{}`", assignment.id.name());
    let left = not_carried(&properties).into_iter().map(|reason| Left {
        subject: subject.clone(),
        reason,
    });
    let gate = AdoptedGate {
        initiative: (format!("initiatives/{name}.yaml"), content.file),
        lines,
        assignment: assignment.id.name().to_owned(),
        name,
    };
    Ok((gate, left.collect()))
}

/// The values that an assignment gives to parameters.
fn given(properties: &Map<String, Value>) -> BTreeMap<String, Value> {
    let parameters = properties.get("parameters").and_then(Value::as_object);
    let values = parameters.into_iter().flatten();
    values
        .filter_map(|(name, value)| Some((name.clone(), value.get("value")?.clone())))
        .collect()
}

/// What of an assignment has no place in a gate.
fn not_carried(properties: &Map<String, Value>) -> Vec<String> {
    let says = |key: &str| {
        let value = properties.get(key);
        value.and_then(Value::as_array).is_some_and(|items| !items.is_empty())
    };
    let mut found = Vec::new();
    if says("notScopes") {
        found.push("its `notScopes` are not carried over: state them under `exemptions`, which end".to_owned());
    }
    if says("resourceSelectors") {
        found.push("its resource selectors are not carried over: a gate holds in the whole scope".to_owned());
    }
    if says("overrides") {
        found.push("its overrides are not carried over: `rings` say where a gate denies first".to_owned());
    }
    found
}

fn defender(field: Field<'_>, adopted: &mut Adopted) {
    let plans = field
        .observed
        .objects()
        .filter(|object| object.kind == Kind::DefenderPlan && object.id.name().eq_ignore_ascii_case("Containers"));
    let forms: Vec<Value> = plans.map(LiveObject::comparable).collect();
    let Some(first) = forms.first() else { return };
    let subject = "Defender plan `Containers`".to_owned();
    if forms.iter().any(|form| form != first) {
        adopted.left.push(Left {
            subject,
            reason: "is set otherwise from subscription to subscription: state under `defender` what is to hold for all of them".to_owned(),
        });
        return;
    }
    if first.pointer("/properties/pricingTier").and_then(Value::as_str) != Some("Standard") {
        adopted.left.push(Left {
            subject,
            reason: "nothing looks at run time while it is off; `defender` turns it on".to_owned(),
        });
        return;
    }
    let mut lines = String::from("defender:\n  containers:\n    mode: manage\n    tier: Standard\n");
    let extensions = first.pointer("/properties/extensions").and_then(Value::as_object);
    let on: Vec<&String> = extensions
        .into_iter()
        .flatten()
        .filter(|(name, on)| on.as_bool() == Some(true) && DEFENDER_EXTENSIONS.contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect();
    if !on.is_empty() {
        lines.push_str("    extensions:\n");
        on.iter()
            .for_each(|name| lines.push_str(&format!("      {name}: true\n")));
    }
    adopted.defender = Some(lines);
}

fn clusters(field: Field<'_>, adopted: &mut Adopted) {
    let clusters: Vec<&ResourceId> = field.observed.clusters.iter().map(|cluster| &cluster.id).collect();
    if clusters.is_empty() {
        return;
    }
    let has_addon = |id: &ResourceId| {
        let live = field.observed.get(Kind::ManagedCluster, id)?;
        let profiles = live.wire.pointer("/properties/addonProfiles")?.as_object()?;
        let (_, profile) = profiles
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("azurepolicy"))?;
        profile.get("enabled")?.as_bool()
    };
    let without: Vec<&str> = clusters
        .into_iter()
        .filter(|id| has_addon(id) != Some(true))
        .map(ResourceId::name)
        .collect();
    let mode = if without.is_empty() { "manage" } else { "require" };
    adopted.clusters = Some(format!("clusters:\n  policyAddon: {{mode: {mode}}}\n"));
    if !without.is_empty() {
        let some: Vec<String> = without.iter().take(5).map(|name| format!("`{name}`")).collect();
        adopted.left.push(Left {
            subject: match without.len() {
                1 => "1 cluster without the Azure Policy add-on".to_owned(),
                count => format!("{count} clusters without the Azure Policy add-on"),
            },
            reason: format!(
                "no gate acts there ({}{}); `policyAddon: {{mode: manage}}` turns it on",
                some.join(", "),
                if without.len() > some.len() { " and more" } else { "" }
            ),
        });
    }
}

/// Returns a text as a name that files, gates and initiatives take.
fn slug(text: &str) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
        if name.len() >= 40 {
            break;
        }
    }
    let name = name.trim_matches('-').to_owned();
    match name.chars().next() {
        Some('a'..='z') => name,
        _ => format!("gate-{name}").trim_end_matches('-').to_owned(),
    }
}

fn unused(name: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    candidates.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Returns a text that ends no comment.
fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
