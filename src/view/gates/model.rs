//! What the guide says, before it is laid out.

use super::settings::{SETTINGS, Setting};
use crate::catalog::{Catalog, ManagedNamespace, Parameter, VersionFacts, managed_namespaces};
use crate::config::{Estate, INITIATIVES, Incident, Initiative, InitiativeKind, Member, MemberDefinition, Rule};
use crate::model::Stage;
use serde_json::Value;
use std::collections::BTreeMap;

/// The whole guide.
#[derive(Clone, Debug, PartialEq)]
pub struct Guidebook {
    /// The initiatives of the estate, by name.
    pub(super) entries: Vec<Entry>,
    /// Whether the settings beside the gates are shown too.
    pub(super) settings: bool,
}

/// What is said of one initiative.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub name: String,
    pub title: String,
    pub description: String,
    /// What it is, such as a built-in initiative with its id and pin.
    pub origin: String,
    pub incidents: Vec<Incident>,
    /// The furthest stage that a member can be put at; none if that is not known.
    ceiling: Option<Stage>,
    /// What the furthest stage is called.
    pub furthest: Option<String>,
    pub members: Vec<Row>,
    pub settable: Vec<Settable>,
    /// Environment, gate and target of each use.
    pub used: Vec<(String, String, String)>,
    pub breaks: String,
    pub roll_out: String,
}

/// A member of an initiative.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub reference: String,
    pub title: String,
    /// The definition's GUID and pin, or the file of a rule of our own.
    pub definition: String,
    /// What it judges.
    pub judges: String,
    pub stages: String,
    pub notes: Vec<&'static str>,
}

/// A parameter that a gate sets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settable {
    pub name: String,
    pub kind: String,
    pub default: Option<Value>,
}

impl Entry {
    /// Returns what the furthest stage is called.
    pub(super) fn furthest(&self) -> &str {
        self.furthest.as_deref().unwrap_or("not known")
    }
}

impl Guidebook {
    /// Returns the entries that prevent an incident.
    pub(super) fn against(&self, incident: Incident) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.incidents.contains(&incident))
    }

    /// Returns the settings that prevent an incident.
    pub(super) fn settings_against(&self, incident: Incident) -> impl Iterator<Item = &'static Setting> {
        let shown = self.settings;
        SETTINGS
            .iter()
            .filter(move |setting| shown && setting.incidents.contains(&incident))
    }

    /// Returns the namespaces that every gate leaves out, if they are shown.
    pub(super) fn namespaces(&self) -> &'static [ManagedNamespace] {
        if self.settings { managed_namespaces() } else { &[] }
    }

    /// Returns all settings that are shown.
    pub(super) fn all_settings(&self) -> impl Iterator<Item = &'static Setting> {
        let shown = self.settings;
        SETTINGS.iter().filter(move |_| shown)
    }

    /// Returns whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Makes the guide: of all initiatives, of the one that has this name, or else of those whose name, title or member the search
/// is part of.
pub fn guidebook(estate: &Estate, catalog: &Catalog, search: &str) -> Guidebook {
    let search = search.to_lowercase();
    let named = estate.initiatives.contains_key(&search);
    let fits = |entry: &Entry| {
        if named {
            return entry.name == search;
        }
        let texts = [&entry.name, &entry.title].into_iter();
        let members = entry
            .members
            .iter()
            .flat_map(|row| [&row.reference, &row.title, &row.definition]);
        let gates = entry.used.iter().map(|(_, gate, _)| gate);
        texts
            .chain(members)
            .chain(gates)
            .any(|text| text.to_lowercase().contains(&search))
            || entry.incidents.iter().any(|incident| incident.name().contains(&search))
    };
    Guidebook {
        entries: estate
            .initiatives
            .iter()
            .map(|(name, initiative)| entry(estate, catalog, name, initiative))
            .filter(fits)
            .collect(),
        settings: search.is_empty(),
    }
}

fn entry(estate: &Estate, catalog: &Catalog, name: &str, initiative: &Initiative) -> Entry {
    let guide = estate.guides.get(name);
    let used = estate.environments.values().flat_map(|environment| {
        let gates = environment.gates.values().filter(|gate| gate.initiative == name);
        gates.map(|gate| {
            let target = gate.kind.stage_name(gate.target);
            (environment.name.clone(), gate.name.clone(), target)
        })
    });
    let mut entry = Entry {
        name: name.to_owned(),
        title: String::new(),
        description: String::new(),
        origin: String::new(),
        incidents: guide.map(|guide| guide.incidents.clone()).unwrap_or_default(),
        ceiling: None,
        furthest: None,
        members: Vec::new(),
        settable: Vec::new(),
        used: used.collect(),
        breaks: guide.map(|guide| guide.breaks.clone()).unwrap_or_default(),
        roll_out: guide.map(|guide| guide.roll_out.clone()).unwrap_or_default(),
    };
    match initiative {
        Initiative::BuiltIn { id, version } => {
            built_in(&mut entry, catalog, id, version);
            entry.furthest = entry.ceiling.map(|ceiling| ceiling.to_string());
        }
        Initiative::Own {
            display_name,
            description,
            kind,
            members,
        } => {
            entry.title.clone_from(display_name);
            entry.description.clone_from(description);
            "our own set".clone_into(&mut entry.origin);
            own(&mut entry, catalog, members);
            if *kind == InitiativeKind::Enablement {
                entry.ceiling = Some(Stage::Deny);
            }
            entry.furthest = entry.ceiling.map(|ceiling| kind.stage_name(ceiling));
        }
        Initiative::Defender {
            display_name,
            description,
        } => {
            entry.title.clone_from(display_name);
            entry.description.clone_from(description);
            "gated deployment of Defender for Containers: its rules live in Defender for Cloud"
                .clone_into(&mut entry.origin);
            entry.furthest =
                Some("audit, as far as aksgate can tell: what is refused is decided in Defender".to_owned());
        }
    }
    entry
}

fn built_in(entry: &mut Entry, catalog: &Catalog, id: &str, version: &str) {
    entry.origin = format!("built-in initiative {id}, version {version}");
    let Some(set) = catalog.initiative(id) else { return };
    entry.title.clone_from(&set.display_name);
    let facts = set.facts_at(version);
    for member in &facts.members {
        let known = catalog.facts_of_member(member);
        let pin = member.version.map(|pin| format!(" at {pin}")).unwrap_or_default();
        entry.members.push(row(
            &member.reference_id,
            catalog,
            &member.definition,
            format!("{}{pin}", member.definition),
            known,
        ));
    }
    entry.ceiling = facts
        .members
        .iter()
        .filter_map(|member| catalog.ceiling_of_member(member))
        .max();
    let settable = facts
        .parameters
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "effect" | "excludedNamespaces"));
    entry.settable = settable
        .map(|(name, parameter)| settable_as(name, parameter, false))
        .collect();
}

fn own(entry: &mut Entry, catalog: &Catalog, members: &[Member]) {
    let mut settable: BTreeMap<String, Settable> = BTreeMap::new();
    for member in members {
        let facts = member.facts(catalog);
        let facts = facts.as_deref();
        match &member.definition {
            MemberDefinition::BuiltIn { name, version } => {
                let pin = format!("{name} at {version}");
                entry.members.push(row(&member.reference_id, catalog, name, pin, facts));
            }
            MemberDefinition::Rule(rule) => {
                let of_rule = rule_row(&entry.name, &member.reference_id, rule);
                entry.members.push(of_rule);
                if rule.not_enforceable.is_some() {
                    continue;
                }
            }
        }
        entry.ceiling = entry.ceiling.max(facts.map(VersionFacts::ceiling));
        for (parameter, name) in &member.expose {
            if let Some(parameter) = facts.and_then(|facts| facts.parameters.get(parameter)) {
                let images = member.images.contains(name);
                settable.insert(name.clone(), settable_as(name, parameter, images));
            }
        }
    }
    entry.settable = settable.into_values().collect();
}

fn row(reference: &str, catalog: &Catalog, name: &str, definition: String, facts: Option<&VersionFacts>) -> Row {
    let known = catalog.definition(name);
    let mut notes = Vec::new();
    notes.extend(known.filter(|known| known.preview).map(|_| "preview"));
    notes.extend(known.filter(|known| known.deprecated).map(|_| "deprecated"));
    Row {
        reference: reference.to_owned(),
        title: known.map_or(String::new(), |known| known.display_name.clone()),
        definition,
        judges: facts.map_or(String::new(), judges),
        stages: facts.map_or("not known", stages).to_owned(),
        notes,
    }
}

fn rule_row(set: &str, reference: &str, rule: &Rule) -> Row {
    let facts = rule.facts();
    Row {
        reference: reference.to_owned(),
        title: rule.display_name.clone(),
        definition: format!("{INITIATIVES}{set}/{}.yaml", rule.name),
        judges: judges(&facts),
        stages: match rule.not_enforceable {
            Some(_) => "not enforceable",
            None => stages(&facts),
        }
        .to_owned(),
        notes: Vec::new(),
    }
}

fn judges(facts: &VersionFacts) -> String {
    if facts.is_kubernetes() {
        facts.kinds.join(", ")
    } else {
        let types = facts
            .resource_types
            .iter()
            .map(|ty| ty.rsplit('/').next().unwrap_or(ty));
        types.collect::<Vec<_>>().join(", ")
    }
}

fn stages(facts: &VersionFacts) -> &'static str {
    match facts.ceiling() {
        Stage::Deny => "audit, deny",
        Stage::Audit => "audit only",
        Stage::Off => "deploys or changes, refuses nothing",
    }
}

fn settable_as(name: &str, parameter: &Parameter, images: bool) -> Settable {
    Settable {
        name: name.to_owned(),
        kind: if images {
            "list of registries, repositories and images".to_owned()
        } else {
            parameter.ty.to_string()
        },
        default: parameter.default.clone(),
    }
}
