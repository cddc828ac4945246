//! From assignments to what a cluster gets: parameters, versions, overrides, selectors, exclusions and exemptions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::super::json::{items, object, text};
use super::super::policy::Found;
use super::super::route::made_at;
use super::super::time;
use super::constraint::{self, Action, Constraint};
use super::expression::{self, Values};
use super::past::Past;
use super::scope::{Cluster, meets, selected};

/// The mode of policies for what runs in a cluster.
const KUBERNETES: &str = "Microsoft.Kubernetes.Data";

/// A definition that an assignment brings to a cluster: itself, or a member of its set.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The id of the assignment.
    pub assignment: String,
    /// The id of the set, if one is assigned, with its version.
    pub set: Option<(String, String)>,
    /// The reference id of the member; empty where no set is assigned.
    pub reference: String,
    /// The id of the definition.
    pub definition: String,
    /// The version of the definition that counts.
    pub version: String,
    /// The effect, in the casing that it was written in.
    pub effect: String,
    /// What becomes of it in the cluster.
    pub subject: Subject,
}

/// What becomes of a policy in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A constraint.
    Constraint(Constraint),
    /// Nothing, for the add-on fails.
    Failed(String),
}

/// What came out, by the assignments and what else of a cluster it depends on.
type Known = BTreeMap<(String, String), Rc<Vec<Policy>>>;

/// Resolves policies, and remembers what is the same for several clusters.
pub struct Resolver<'a> {
    past: Past<'a>,
    /// The assignments, each with the scope that it was made at.
    assignments: Vec<(String, &'a Value)>,
    exemptions: Vec<&'a Value>,
    known: RefCell<Known>,
}

impl<'a> Resolver<'a> {
    /// Returns a resolver of what is in force at a time.
    #[must_use]
    pub fn new(past: Past<'a>) -> Self {
        Self {
            assignments: past
                .of_type("microsoft.authorization/policyassignments")
                .into_iter()
                .map(|assignment| (made_at(assignment), assignment))
                .collect(),
            exemptions: past.of_type("microsoft.authorization/policyexemptions"),
            past,
            known: RefCell::default(),
        }
    }

    /// Returns the policies for what runs in a cluster, in the order of their assignments. Policies that are disabled are left out.
    #[must_use]
    pub fn policies(&self, cluster: &Cluster) -> Rc<Vec<Policy>> {
        let applies = |(made, assignment): &&(String, &Value)| {
            cluster.is_within(made)
                && !items(assignment, "/properties/notScopes")
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|scope| cluster.is_within(scope))
                && selected(items(assignment, "/properties/resourceSelectors"), cluster)
        };
        let assignments = self.assignments.iter().filter(applies);
        let assignments: Vec<&Value> = assignments.map(|(_, assignment)| *assignment).collect();
        let ids: Vec<&str> = assignments.iter().map(|assignment| text(assignment, "/id")).collect();
        let key = (ids.join("\n"), format!("{}\n{}", cluster.location, cluster.kind));
        if let Some(known) = self.known.borrow().get(&key) {
            return Rc::clone(known);
        }
        let policies = Rc::new(
            assignments
                .into_iter()
                .flat_map(|assignment| of_assignment(&self.past, assignment, cluster))
                .collect::<Vec<_>>(),
        );
        self.known.borrow_mut().insert(key, Rc::clone(&policies));
        policies
    }

    /// Returns whether a policy is exempted for a cluster at a time, by exemptions that were there already.
    #[must_use]
    pub fn is_exempt(&self, policy: &Policy, cluster: &Cluster, at: i64) -> bool {
        self.exemptions.iter().any(|exemption| {
            let references = items(exemption, "/properties/policyDefinitionReferenceIds");
            let ends = time::parse(text(exemption, "/properties/expiresOn"));
            cluster.is_within(&made_at(exemption))
                && text(exemption, "/properties/policyAssignmentId").eq_ignore_ascii_case(&policy.assignment)
                && (references.is_empty()
                    || references
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|one| one.eq_ignore_ascii_case(&policy.reference)))
                && ends.is_none_or(|ends| ends > at)
                && selected(items(exemption, "/properties/resourceSelectors"), cluster)
        })
    }
}

/// Returns the values of declared parameters: what is given, else the defaults.
fn values(declaring: &Value, given: Option<&Value>, outer: &Values) -> Result<Values, String> {
    let mut values: Values = object(declaring, "/properties/parameters")
        .into_iter()
        .flatten()
        .filter_map(|(name, declared)| Some((name.to_ascii_lowercase(), declared.get("defaultValue")?.clone())))
        .collect();
    for (name, wrapped) in given.and_then(Value::as_object).into_iter().flatten() {
        let value = wrapped.get("value").unwrap_or(&Value::Null);
        values.insert(name.to_ascii_lowercase(), expression::evaluate(value, outer)?);
    }
    Ok(values)
}

/// A definition at the version that counts.
fn at_version<'a>(past: &Past<'a>, id: &str, pin: &str) -> Option<(&'a Value, String)> {
    let newest = past.get(id)?;
    let found = Found {
        newest,
        is_set: text(newest, "/type")
            .to_ascii_lowercase()
            .ends_with("policysetdefinitions"),
    };
    // An override may name a version without its patch.
    let pin = if pin.split('.').count() == 2 {
        format!("{pin}.*")
    } else {
        pin.to_owned()
    };
    let version = found.pinned(&pin).unwrap_or_else(|_| found.version());
    Some((found.document(version), version.to_owned()))
}

fn of_assignment(past: &Past<'_>, assignment: &Value, cluster: &Cluster) -> Vec<Policy> {
    let assigned = text(assignment, "/properties/policyDefinitionId");
    let overrides = items(assignment, "/properties/overrides");
    // Of two that fit, the later one counts.
    let overridden = |kind: &str, member: Option<&str>, fits: &dyn Fn(&[Value]) -> bool| {
        let mut all = overrides
            .iter()
            .rev()
            .filter(|one| text(one, "/kind").eq_ignore_ascii_case(kind));
        let one = all.find(|one| fits(items(one, "/selectors")) && meets(items(one, "/selectors"), cluster, member));
        one.map(|one| text(one, "/value").to_owned())
    };
    let pin = overridden("definitionVersion", None, &|_| true);
    let pin = pin.unwrap_or_else(|| text(assignment, "/properties/definitionVersion").to_owned());
    let Some((document, version)) = at_version(past, assigned, &pin) else {
        return Vec::new();
    };
    let enforced = matches!(text(assignment, "/properties/enforcementMode"), "" | "Default");
    let given = values(document, assignment.pointer("/properties/parameters"), &Values::new());
    let members = items(document, "/properties/policyDefinitions");
    let make = |reference: &str, definition: &Value, version: String, values: Result<Values, String>| {
        let member = Some(reference).filter(|reference| !reference.is_empty());
        one(
            assignment,
            reference,
            (definition, version),
            values,
            overridden("policyEffect", member, &|_| true),
            enforced,
            &cluster.kind,
        )
    };
    if members.is_empty() {
        return make("", document, version, given).into_iter().collect();
    }
    let set = (
        text(document, "/id")
            .split("/versions/")
            .next()
            .unwrap_or_default()
            .to_owned(),
        version,
    );
    let member = |member: &Value| {
        let reference = text(member, "/policyDefinitionReferenceId");
        let names_members = |selectors: &[Value]| {
            selectors
                .iter()
                .any(|one| text(one, "/kind").eq_ignore_ascii_case("policyDefinitionReferenceId"))
        };
        let pin = overridden("definitionVersion", Some(reference), &names_members);
        let pin = pin.unwrap_or_else(|| text(member, "/definitionVersion").to_owned());
        let (definition, version) = at_version(past, text(member, "/policyDefinitionId"), &pin)?;
        let handed = match &given {
            Ok(given) => values(definition, member.get("parameters"), given),
            Err(why) => Err(why.clone()),
        };
        let mut policy = make(reference, definition, version, handed)?;
        policy.set = Some(set.clone());
        Some(policy)
    };
    members.iter().filter_map(member).collect()
}

fn one(
    assignment: &Value,
    reference: &str,
    (definition, version): (&Value, String),
    values: Result<Values, String>,
    effect: Option<String>,
    enforced: bool,
    kind: &str,
) -> Option<Policy> {
    if !text(definition, "/properties/mode").eq_ignore_ascii_case(KUBERNETES)
        || definition
            .pointer("/properties/policyRule/if")
            .is_some_and(|condition| !may_hold(condition, kind))
    {
        return None;
    }
    let id = text(assignment, "/id");
    let then = definition
        .pointer("/properties/policyRule/then")
        .unwrap_or(&Value::Null);
    let details = then.get("details").unwrap_or(&Value::Null);
    // What changes objects judges none.
    if details.get("mutationInfo").is_some() {
        return None;
    }
    let own = values.and_then(|values| {
        let written = expression::evaluate(then.get("effect").unwrap_or(&Value::Null), &values)?;
        Ok((
            written.as_str().unwrap_or_default().to_owned(),
            expression::evaluate(details, &values)?,
        ))
    });
    let written = own.as_ref().map(|(effect, _)| effect.clone()).unwrap_or_default();
    let effect = effect.unwrap_or(written);
    if effect.eq_ignore_ascii_case("disabled") {
        return None;
    }
    let subject = own.and_then(|(_, details)| {
        let warns = details.get("warn") == Some(&Value::Bool(true));
        let action = match (effect.eq_ignore_ascii_case("deny") && enforced, warns) {
            (true, _) => Action::Deny,
            (false, true) => Action::Warn,
            (false, false) => Action::DryRun,
        };
        constraint::of_details(&details, id, reference, action)
    });
    Some(Policy {
        assignment: id.to_owned(),
        set: None,
        reference: reference.to_owned(),
        definition: text(definition, "/id")
            .split("/versions/")
            .next()
            .unwrap_or_default()
            .to_owned(),
        version,
        effect,
        subject: match subject {
            Ok(constraint) => Subject::Constraint(constraint),
            Err(why) => Subject::Failed(why),
        },
    })
}

/// Returns whether the condition of a rule can hold for a cluster of this type. What it asks besides the type is taken to hold.
fn may_hold(condition: &Value, kind: &str) -> bool {
    let all = |key: &str| condition.get(key).and_then(Value::as_array);
    if let Some(parts) = all("allOf") {
        return parts.iter().all(|part| may_hold(part, kind));
    }
    if let Some(parts) = all("anyOf") {
        return parts.iter().any(|part| may_hold(part, kind));
    }
    if !text(condition, "/field").eq_ignore_ascii_case("type") {
        return true;
    }
    match condition.get("equals") {
        Some(wanted) => wanted.as_str().is_some_and(|wanted| wanted.eq_ignore_ascii_case(kind)),
        None => items(condition, "/in")
            .iter()
            .filter_map(Value::as_str)
            .any(|wanted| wanted.eq_ignore_ascii_case(kind)),
    }
}
