//! The policy definitions of our own that a gate's set needs: one for each rule in it.

use super::checks::properties;
use super::gate::mark;
use super::{DesiredError, DesiredObject, Sources};
use crate::catalog::{Catalog, VersionFacts};
use crate::config::{CLUSTER_TYPES, Gate, Initiative, Member, MemberDefinition, Rule};
use crate::diff::digest;
use crate::kinds::{Kind, Meanings};
use crate::model::{Effect, MARK_KEY, ResourceId, Stage};
use crate::remark::Finding;
use crate::render::{DefinitionContent, definition_content, rule_digest};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A policy definition of our own.
pub(super) struct OwnDefinition {
    /// Its id, as a set names it.
    pub id: String,
    /// What it does, without whose it is: goes into the gate's digest in place of the id.
    pub digest: String,
    /// The object.
    pub object: Option<DesiredObject>,
}

/// Returns the definitions of the rules among a set's members, by rule; a rule that cannot be enforced has none.
pub(super) fn definitions(
    sources: Sources<'_>,
    gate: &Gate,
    members: &[Member],
) -> Result<BTreeMap<String, OwnDefinition>, DesiredError> {
    let rules = members.iter().filter_map(|member| match &member.definition {
        MemberDefinition::Rule(rule) if rule.not_enforceable.is_none() => Some(rule),
        _ => None,
    });
    rules
        .map(|rule| Ok((rule.name.clone(), own_definition(sources, gate, rule)?)))
        .collect()
}

fn own_definition(sources: Sources<'_>, gate: &Gate, rule: &Rule) -> Result<OwnDefinition, DesiredError> {
    let environment = sources.environment;
    let kind = Kind::PolicyDefinition;
    let origin = format!("{}/{}/{}", sources.estate.owner, environment.name, gate.initiative);
    let content = definition_content(rule, &origin);
    let rendered = sources.renderer.policy_definition(environment, &content)?;
    let forbidden = ["metadata.aksgate", "metadata.aksgateState", "policyType"];
    let mut properties = properties(kind, rendered, &forbidden)?;
    // A template that changes these would open the gate for everything that the rule refuses.
    let DefinitionContent {
        mode,
        parameters,
        policy_rule,
        ..
    } = &content;
    for (field, wanted) in [
        ("mode", &Value::from(mode.as_str())),
        ("parameters", &Value::from(parameters.clone())),
        ("policyRule", policy_rule),
    ] {
        if properties.get(field) != Some(wanted) {
            let (template, field) = (kind.template(), format!("properties.{field}"));
            return Err(DesiredError::Missing { template, field });
        }
    }
    let mark = mark(sources, &gate.initiative, 1);
    let metadata = properties.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(MARK_KEY.to_owned(), Value::from(mark.to_text()));
    }
    let name = mark.definition_name(&rule.name, &digest(&json!([mode, parameters, policy_rule])));
    let scope = environment.definition_scope.path();
    let id = format!("{scope}/providers/Microsoft.Authorization/policyDefinitions/{name}");
    let object = ResourceId::parse(&id).map(|id| DesiredObject {
        kind,
        id,
        gate: Some(gate.name.clone()),
        body: json!({ "properties": properties }).into(),
        depends_on: Vec::new(),
        replaces: None,
        meanings: Meanings::new(),
    });
    Ok(OwnDefinition {
        id,
        digest: rule_digest(rule),
        object,
    })
}

/// Says what of a gate is not enforced, and what a step to deny would mean for the clusters themselves.
pub(super) fn findings(sources: Sources<'_>, gate: &Gate) -> Vec<Finding> {
    let finding = |sentence: String| Finding {
        subject: gate.name.clone(),
        sentence,
    };
    let initiative = sources.estate.initiatives.get(&gate.initiative);
    let mut found = Vec::new();
    if let Some(Initiative::Own { members, .. }) = initiative {
        for member in members {
            let MemberDefinition::Rule(rule) = &member.definition else {
                continue;
            };
            found.extend(rule.not_enforceable.as_ref().map(|reason| {
                finding(format!(
                    "`{}` is not enforced at admission and not sent to Azure: {reason}",
                    member.reference_id
                ))
            }));
        }
    }
    if gate.target == Stage::Deny {
        let denies = |(_, facts): &(String, Cow<'_, VersionFacts>)| blocks_clusters(facts);
        let members = initiative
            .map(|initiative| members(initiative, sources.catalog))
            .unwrap_or_default();
        found.extend(members.iter().filter(|member| denies(member)).map(|(reference, _)| {
            finding(format!(
                "`{reference}` judges clusters in Azure Resource Manager: at deny, Azure refuses every update of a cluster that \
                 does not comply, aksgate's own writes of add-on and sensor included; its results are renewed every 24 hours"
            ))
        }));
    }
    found
}

/// Returns the members of an initiative by reference, with what is known of each.
fn members<'a>(initiative: &'a Initiative, catalog: &'a Catalog) -> Vec<(String, Cow<'a, VersionFacts>)> {
    match initiative {
        Initiative::Own { members, .. } => members
            .iter()
            .filter_map(|member| Some((member.reference_id.clone(), member.facts(catalog)?)))
            .collect(),
        Initiative::BuiltIn { id, version } => {
            let set = catalog.initiative(id);
            let facts = set.map(|set| set.facts_at(version));
            let members = facts.into_iter().flat_map(|facts| &facts.members);
            members
                .filter_map(|member| {
                    let facts = catalog.facts_of_member(member)?;
                    Some((member.reference_id.clone(), Cow::Borrowed(facts)))
                })
                .collect()
        }
        Initiative::Defender { .. } => Vec::new(),
    }
}

/// Whether a definition can refuse updates of clusters as resources of Azure.
fn blocks_clusters(facts: &VersionFacts) -> bool {
    let clusters = |ty: &String| CLUSTER_TYPES.iter().any(|known| known.eq_ignore_ascii_case(ty));
    let denies = facts.spelling(Effect::Deny).is_some();
    !facts.is_kubernetes() && denies && facts.resource_types.iter().any(clusters)
}
