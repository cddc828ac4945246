//! What is known of clusters, members and exemptions from the live documents.

use crate::catalog::{Catalog, SetMember, VersionFacts};
use crate::config::CLUSTER_TYPES;
use crate::kinds::Kind;
use crate::model::{Effect, ResourceId, Stage, Timestamp};
use crate::observed::{LiveObject, Observed};
use serde_json::Value;
use std::collections::BTreeMap;

/// A member that reports on clusters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its reference id in lower case.
    pub reference: String,
}

/// A cluster as it bears on evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id.
    pub id: ResourceId,
    /// Its location.
    pub location: String,
    /// When it changed last, where that is known.
    pub changed: Option<Timestamp>,
    /// Whether anything can be heard of it.
    pub condition: Condition,
    /// Why it is left out of account, where it is.
    pub ignored: Option<Ignored>,
    /// Whether the assignment leaves it out (`notScopes`).
    pub excluded: bool,
}

/// Whether anything can be heard of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It runs, and the add-on is on.
    Running,
    /// It runs without the add-on.
    NoAddon,
    /// It is stopped.
    Stopped,
}

/// Why a cluster is left out of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// In words.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
}

/// An exemption from an assignment, in force now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempted {
    /// The scope that is let off, with all that lies in it.
    pub scope: String,
    /// The locations that it is limited to; everywhere if there is none.
    pub locations: Vec<String>,
    /// The members, by reference id in lower case; all of them if there is none.
    pub members: Vec<String>,
    /// When it ends, if it does.
    pub until: Option<Timestamp>,
}

impl Exempted {
    /// Returns whether a cluster lies in it.
    pub fn covers(&self, cluster: &ClusterFacts) -> bool {
        self.takes(&cluster.id, &cluster.location)
    }

    /// Returns whether a cluster of that id, in that location, lies in it.
    pub fn takes(&self, cluster: &ResourceId, location: &str) -> bool {
        let here = |named: &String| same_location(named, location);
        cluster.is_within(&self.scope) && (self.locations.is_empty() || self.locations.iter().any(here))
    }

    /// Returns whether it lets a cluster off a member.
    pub fn lets_off(&self, cluster: &ClusterFacts, member: &str) -> bool {
        self.covers(cluster) && (self.members.is_empty() || self.members.iter().any(|name| name == member))
    }
}

/// `West Europe` and `westeurope` are one.
fn same_location(one: &str, two: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(' ', "");
    plain(one) == plain(two)
}

/// Returns the clusters in scope of an assignment. `ignored` names those that are left out of account.
pub fn cluster_facts(
    observed: &Observed,
    assignment: &LiveObject,
    ignored: &[(ResourceId, Ignored)],
) -> Vec<ClusterFacts> {
    let left_out = texts(assignment.wire.pointer("/properties/notScopes"));
    let scope = assignment.id.scope();
    let everywhere = scope.to_lowercase().contains("/managementgroups/");
    let ignored: BTreeMap<&ResourceId, &Ignored> = ignored.iter().rev().map(|(id, ignored)| (id, ignored)).collect();
    let in_scope = observed
        .clusters
        .iter()
        .filter(|cluster| everywhere || cluster.id.is_within(scope));
    let facts = in_scope.map(|cluster| {
        let live = observed.get(Kind::ManagedCluster, &cluster.id);
        let on = live.is_some_and(|live| {
            let enabled = live.comparable();
            enabled.pointer("/properties/addonProfiles/azurepolicy/enabled") == Some(&Value::Bool(true))
        });
        let stopped = cluster.power_state.eq_ignore_ascii_case("Stopped");
        ClusterFacts {
            id: cluster.id.clone(),
            location: cluster.location.clone(),
            changed: observed.cluster_changes.get(&cluster.id).copied(),
            condition: match (stopped, on) {
                (true, _) => Condition::Stopped,
                (false, true) => Condition::Running,
                (false, false) => Condition::NoAddon,
            },
            ignored: ignored.get(&cluster.id).map(|ignored| (*ignored).clone()),
            excluded: left_out.iter().any(|scope| cluster.id.is_within(scope)),
        }
    });
    facts.collect()
}

/// Returns the exemptions from an assignment that are in force.
pub fn exemptions(observed: &Observed, assignment: &ResourceId, now: Timestamp) -> Vec<Exempted> {
    let from_it = of_assignment(observed, assignment);
    let read = from_it.filter_map(|object| {
        let text = |path: &str| object.wire.pointer(path).and_then(Value::as_str);
        let until = match text("/properties/expiresOn") {
            Some(text) => Some(Timestamp::parse(text)?),
            None => None,
        };
        let members = texts(object.wire.pointer("/properties/policyDefinitionReferenceIds"));
        until.is_none_or(|until| until > now).then(|| Exempted {
            scope: object.id.scope().to_owned(),
            locations: locations(&object.wire),
            members: members.iter().map(|member| member.to_lowercase()).collect(),
            until,
        })
    });
    read.collect()
}

fn of_assignment<'a>(observed: &'a Observed, assignment: &'a ResourceId) -> impl Iterator<Item = &'a LiveObject> {
    observed.objects().filter(move |object| {
        let names = object.wire.pointer("/properties/policyAssignmentId");
        object.kind == Kind::PolicyExemption
            && names
                .and_then(Value::as_str)
                .is_some_and(|id| id.eq_ignore_ascii_case(assignment.as_str()))
    })
}

/// The locations that an exemption is limited to. Where it is limited by something else besides, it may cover less: to be let off is the
/// weaker claim, so that is left out of account.
fn locations(exemption: &Value) -> Vec<String> {
    let selectors = exemption.pointer("/properties/resourceSelectors");
    let all = selectors.and_then(Value::as_array).into_iter().flatten();
    let inner = all
        .filter_map(|selector| selector.get("selectors")?.as_array())
        .flatten();
    let by_place = inner.filter(|selector| {
        let kind = selector.get("kind").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("resourceLocation"))
    });
    by_place.flat_map(|selector| texts(selector.get("in"))).collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the members of an assignment's set that report on clusters; none if the set is not known.
pub fn members(observed: &Observed, catalog: &Catalog, assignment: &LiveObject) -> Option<Vec<Member>> {
    let id = assignment.wire.pointer("/properties/policyDefinitionId")?.as_str()?;
    let id = ResourceId::parse(id)?;
    let mut found = match observed.get(Kind::PolicySetDefinition, &id) {
        Some(set) => {
            let list = set.wire.pointer("/properties/policyDefinitions")?.as_array()?;
            let members: Option<Vec<Option<Member>>> = list.iter().map(|entry| live_member(catalog, entry)).collect();
            members?.into_iter().flatten().collect()
        }
        None => {
            let version = assignment.wire.pointer("/properties/definitionVersion");
            let set = catalog.initiative(id.name())?;
            let facts = match version.and_then(Value::as_str) {
                Some(version) => set.facts_at(version),
                None => set.current(),
            };
            let members = facts.members.iter();
            let reports = members.filter(|member| set_member_reports(catalog, member));
            reports.map(|member| named(&member.reference_id)).collect::<Vec<_>>()
        }
    };
    found.sort();
    Some(found)
}

fn named(reference: &str) -> Member {
    Member {
        reference: reference.to_lowercase(),
    }
}

/// One member of a set of our own: none within if it does not report on clusters, none at all if it has no name to know it by.
fn live_member(catalog: &Catalog, entry: &Value) -> Option<Option<Member>> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let member = named(text("policyDefinitionReferenceId")?);
    let definition = ResourceId::parse(text("policyDefinitionId")?)?;
    // A definition of our own is about objects in clusters; of a built-in one the catalogue knows.
    let facts = catalog.definition(definition.name()).map(|known| known.current());
    let fixed = entry.pointer("/parameters/effect/value").and_then(Value::as_str);
    Some(reports(facts, fixed).then_some(member))
}

fn set_member_reports(catalog: &Catalog, member: &SetMember) -> bool {
    let fixed = member.parameters.get("effect").and_then(Value::as_str);
    reports(catalog.facts_of_member(member), fixed)
}

/// Whether rows of a member are to be expected on clusters. Of one that is not known they are: it holds a step until somebody looks.
fn reports(facts: Option<&VersionFacts>, fixed: Option<&str>) -> bool {
    let judges = |effect: &str| {
        Effect::parse(effect)
            .and_then(Stage::of)
            .is_some_and(|stage| stage > Stage::Off)
    };
    if fixed.is_some_and(|effect| Effect::parse(effect).is_some() && !judges(effect)) {
        return false;
    }
    let Some(facts) = facts else {
        return true;
    };
    let on_clusters = facts.resource_types.iter().any(|name| {
        let aks = CLUSTER_TYPES.first();
        aks.is_some_and(|aks| aks.eq_ignore_ascii_case(name))
    });
    (on_clusters || facts.resource_types.is_empty() && facts.is_kubernetes())
        && (facts.effects.is_empty() || facts.effects.iter().any(|effect| judges(effect)))
}

/// Returns when the assignment, what it points at, or an exemption from it changed last, the end of an exemption being a change; none if
/// one of them does not say. An end that lies ahead is passed over by `now`.
///
/// Built-ins are left out: an assignment's pin decides which of their versions holds.
pub fn changed(observed: &Observed, assignment: &LiveObject, now: Timestamp) -> Option<Timestamp> {
    let set = assignment.wire.pointer("/properties/policyDefinitionId");
    let set = set.and_then(Value::as_str).and_then(ResourceId::parse);
    let set = set.and_then(|id| observed.get(Kind::PolicySetDefinition, &id));
    let members = set.and_then(|set| set.wire.pointer("/properties/policyDefinitions"));
    let definitions = members
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|member| {
            let id = ResourceId::parse(member.get("policyDefinitionId")?.as_str()?)?;
            observed.get(Kind::PolicyDefinition, &id)
        });
    let exemptions = of_assignment(observed, &assignment.id);
    let documents = [assignment].into_iter().chain(set).chain(definitions).chain(exemptions);
    let times: Option<Vec<Timestamp>> = documents
        .map(|object| {
            let at = object.wire.pointer("/systemData/lastModifiedAt")?.as_str()?;
            let ended = object.wire.pointer("/properties/expiresOn").and_then(Value::as_str);
            let ended = ended.and_then(Timestamp::parse).filter(|ended| *ended <= now);
            Timestamp::parse(at).map(|at| ended.map_or(at, |ended| ended.max(at)))
        })
        .collect();
    times?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Cluster;
    use serde_json::json;
    use std::collections::BTreeMap;

    const ASSIGNMENT: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/a";
    const SET: &str = "/subscriptions/s/providers/Microsoft.Authorization/policySetDefinitions/set";
    const RULE: &str = "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/rule";
    const BASELINE: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";

    fn object(kind: Kind, id: &str, mut wire: Value, modified: &str) -> LiveObject {
        wire["systemData"] = json!({"lastModifiedAt": modified});
        LiveObject {
            kind,
            id: ResourceId::parse(id).unwrap(),
            wire,
            etag: None,
        }
    }

    fn assignment(set: &str) -> LiveObject {
        let properties = json!({"policyDefinitionId": set, "notScopes": ["/subscriptions/S/resourceGroups/Out"]});
        let wire = json!({ "properties": properties });
        object(Kind::PolicyAssignment, ASSIGNMENT, wire, "2027-01-04T08:00:00Z")
    }

    fn own_set(members: Value) -> Observed {
        let mut observed = Observed::default();
        let wire = json!({"properties": {"policyDefinitions": members}});
        observed.insert(object(Kind::PolicySetDefinition, SET, wire, "2027-01-04T09:00:00Z"));
        observed.insert(object(Kind::PolicyDefinition, RULE, json!({}), "2027-01-04T10:00:00Z"));
        observed
    }

    fn exemption(properties: Value, modified: &str) -> LiveObject {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/policyExemptions/e";
        let wire = json!({ "properties": properties });
        object(Kind::PolicyExemption, id, wire, modified)
    }

    #[test]
    fn the_last_change_is_the_newest_of_all_that_matters() {
        let members = json!([{"policyDefinitionId": RULE, "policyDefinitionReferenceId": "Rule"}]);
        let mut observed = own_set(members);
        let now = Timestamp::parse("2027-01-05T00:00:00Z").unwrap();
        let when = |observed: &Observed| changed(observed, &assignment(SET), now).map(|at| at.to_string());
        assert_eq!(when(&observed).as_deref(), Some("2027-01-04T10:00:00Z"));
        let other = exemption(
            json!({"policyAssignmentId": "/subscriptions/s/x/b"}),
            "2027-01-04T12:00:00Z",
        );
        observed.insert(other);
        assert_eq!(when(&observed).as_deref(), Some("2027-01-04T10:00:00Z"));
        // One that has ended counts too: something ended with it.
        let properties = json!({"policyAssignmentId": ASSIGNMENT.to_uppercase(), "expiresOn": "2027-01-04T11:30:00Z"});
        observed.insert(exemption(properties, "2027-01-04T11:00:00Z"));
        assert_eq!(when(&observed).as_deref(), Some("2027-01-04T11:30:00Z"));
        let mut silent = assignment(SET);
        silent.wire["systemData"] = Value::Null;
        assert_eq!(
            changed(&observed, &silent, now),
            None,
            "what does not say when is not old"
        );
    }

    #[test]
    fn members_are_those_that_can_be_heard_of_on_clusters() {
        let catalog = Catalog::embedded();
        let built_in = format!("/providers/Microsoft.Authorization/policySetDefinitions/{BASELINE}");
        let found = members(&Observed::default(), catalog, &assignment(&built_in)).unwrap();
        assert_eq!(found.len(), 5);
        assert!(
            found
                .iter()
                .all(|member| member.reference == member.reference.to_lowercase())
        );
        let entry = |name: &str, definition: &str, effect: Value| json!({"policyDefinitionId": definition, "policyDefinitionReferenceId": name, "parameters": {"effect": effect}});
        let only_mutates = |facts: &VersionFacts| {
            facts.is_kubernetes() && facts.effects.iter().all(|of| !of.eq_ignore_ascii_case("audit"))
        };
        let mutates = catalog
            .definitions()
            .find(|definition| only_mutates(definition.current()))
            .unwrap();
        let mutates = format!("/providers/Microsoft.Authorization/policyDefinitions/{}", mutates.name);
        let list = [
            entry("Rule", RULE, json!({"value": "[parameters('effect')]"})),
            entry("Off", RULE, json!({"value": "Disabled"})),
            entry("Mutates", &mutates, Value::Null),
        ];
        let observed = own_set(json!(list));
        let found = members(&observed, catalog, &assignment(SET)).unwrap();
        assert_eq!(found, [named("Rule")]);
        let unknown = assignment("/subscriptions/s/providers/Microsoft.Authorization/policySetDefinitions/other");
        assert_eq!(members(&observed, catalog, &unknown), None);
        let nameless = own_set(json!([{"policyDefinitionId": RULE}]));
        assert_eq!(members(&nameless, catalog, &assignment(SET)), None);
    }

    #[test]
    fn exemptions_in_force_are_read_with_their_bounds() {
        let now = Timestamp::parse("2027-01-04T08:00:00Z").unwrap();
        let read = |properties: Value| {
            let mut observed = Observed::default();
            observed.insert(exemption(properties, "2027-01-01T00:00:00Z"));
            exemptions(&observed, &ResourceId::parse(ASSIGNMENT).unwrap(), now)
        };
        let selectors = json!([{"name": "r", "selectors": [{"kind": "resourceLocation", "in": ["northeurope"]}]}]);
        let found = read(json!({
            "policyAssignmentId": ASSIGNMENT.to_lowercase(), "expiresOn": "2027-01-05T00:00:00Z",
            "policyDefinitionReferenceIds": ["Rule"], "resourceSelectors": selectors,
        }));
        assert_eq!(found[0].scope, "/subscriptions/s/resourceGroups/g");
        assert_eq!(
            (&found[0].members, &found[0].locations),
            (&vec!["rule".to_owned()], &vec!["northeurope".to_owned()])
        );
        assert!(read(json!({"policyAssignmentId": ASSIGNMENT, "expiresOn": "2027-01-04T08:00:00Z"})).is_empty());
        assert!(read(json!({"policyAssignmentId": "/subscriptions/s/x/b"})).is_empty());
    }

    #[test]
    fn clusters_are_those_in_the_assignments_scope() {
        let mut observed = Observed::default();
        let cluster = |group: &str, power: &str, on: bool, observed: &mut Observed| {
            let id = format!(
                "/subscriptions/s/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/c"
            );
            let id = ResourceId::parse(&id).unwrap();
            observed.clusters.push(Cluster {
                id: id.clone(),
                location: "westeurope".into(),
                tags: BTreeMap::new(),
                provisioning_state: "Succeeded".into(),
                power_state: power.into(),
                sku: String::new(),
                linux: None,
            });
            let wire = json!({"properties": {"addonProfiles": {"azurePolicy": {"enabled": on}}}});
            observed.insert(object(Kind::ManagedCluster, id.as_str(), wire, ""));
        };
        cluster("on", "Running", true, &mut observed);
        cluster("off", "Running", false, &mut observed);
        cluster("out", "Running", true, &mut observed);
        cluster("still", "stopped", true, &mut observed);
        let found = cluster_facts(&observed, &assignment(SET), &[]);
        let said: Vec<_> = found
            .iter()
            .map(|cluster| (cluster.condition, cluster.excluded))
            .collect();
        use Condition::{NoAddon, Running, Stopped};
        assert_eq!(
            said,
            [(Running, false), (NoAddon, false), (Running, true), (Stopped, false)]
        );
        let elsewhere = LiveObject {
            id: ResourceId::parse("/subscriptions/t/providers/Microsoft.Authorization/policyAssignments/a").unwrap(),
            ..assignment(SET)
        };
        assert!(cluster_facts(&observed, &elsewhere, &[]).is_empty());
    }
}
