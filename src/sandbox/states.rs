//! Policy Insights' answers about compliance: states of clusters, of the objects in them, and summaries.
//!
//! Only what a cluster has reported is there. No row means "no data" and not "compliant".

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};

use super::address::Address;
use super::builtins::builtins;
use super::error::ArmError;
use super::governance::addon;
use super::governance::compliance::{Reports, Row};
use super::governance::judge::Finding;
use super::governance::scope::Cluster;
use super::http::{Response, percent_encode};
use super::json::{set, text};
use super::kql::Needs;
use super::odata::{self, Condition};
use super::random::hash;
use super::route::Call;
use super::state::{GROUP_PREFIX, State};
use super::time;

/// The rows of component states that one answer holds: there is no next page.
const MOST_COMPONENT_ROWS: usize = 1000;
/// How many clusters a look into the past takes: it asks for each report of a day.
const MOST_IN_HISTORY: usize = 50;

/// What a request asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    /// All at and below a scope, given in lower case.
    Scope(String),
    /// One assignment, by its lower-case id.
    Assignment(String),
    /// A definition, by its name, within a scope.
    Definition { within: String, name: String },
    /// A set, by its name, within a scope.
    Set { within: String, name: String },
}

impl About {
    fn parse(state: &State, scope: &str) -> Result<Self, ArmError> {
        let address = Address::parse(scope);
        let kind = address.kind();
        let name = address.name().unwrap_or_default().to_ascii_lowercase();
        let within = address.scope.to_ascii_lowercase();
        let built_in = || builtins().newest.contains_key(&format!("/providers/{kind}/{name}"));
        match kind.as_str() {
            "microsoft.authorization/policyassignments" if state.resource(scope).is_some() => {
                Ok(Self::Assignment(scope.to_ascii_lowercase()))
            }
            "microsoft.authorization/policydefinitions" if state.resource(scope).is_some() || built_in() => {
                state.scope(&within)?;
                Ok(Self::Definition { within, name })
            }
            "microsoft.authorization/policysetdefinitions" if state.resource(scope).is_some() || built_in() => {
                state.scope(&within)?;
                Ok(Self::Set { within, name })
            }
            _ => state
                .scope(scope)
                .map(|scope| Self::Scope(scope.id.to_ascii_lowercase())),
        }
    }

    fn means_cluster(&self, cluster: &Cluster) -> bool {
        match self {
            Self::Scope(within) | Self::Definition { within, .. } | Self::Set { within, .. } => {
                cluster.is_within(within)
            }
            Self::Assignment(id) => cluster.is_within(&Address::parse(id).scope),
        }
    }

    fn means(&self, row: &Row) -> bool {
        let Some(policy) = row.policy() else { return false };
        let named = |id: &str, name: &str| {
            id.rsplit('/')
                .next()
                .is_some_and(|last| last.eq_ignore_ascii_case(name))
        };
        match self {
            Self::Scope(_) => true,
            Self::Assignment(id) => policy.assignment.eq_ignore_ascii_case(id),
            Self::Definition { name, .. } => named(&policy.definition, name),
            Self::Set { name, .. } => policy.set.as_ref().is_some_and(|(set, _)| named(set, name)),
        }
    }
}

fn bad_query(message: String) -> ArmError {
    ArmError::bad_request("InvalidQueryOption", message)
}

/// Answers a request for policy states or a summary of them; `what` is the last part of its path in lower case.
///
/// # Errors
/// 404 for a scope or policy object that does not exist, 400 for options that are not understood.
pub fn answer(state: &State, call: &Call, what: &str) -> Result<Response, ArmError> {
    let about = About::parse(state, &call.address.scope)?;
    let mut look = Look::new(state, call, &about)?;
    let metadata = format!(
        "{}{}/providers/Microsoft.PolicyInsights/policyStates/$metadata",
        call.request.origin, call.address.scope
    );
    if what == "summarize" {
        let rows = look.policy_rows(true)?;
        return Ok(Response::json(200, &summary(call, &look, &metadata, &rows)));
    }
    let latest = call
        .address
        .first_name()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("latest"));
    let mut rows = look.policy_rows(latest)?;
    let context = format!("{metadata}#{}", if latest { "latest" } else { "default" });
    if let Some(expand) = call.request.query_value("$expand") {
        expand_components(&about, &expand, &mut rows)?;
    }
    let plain = rows.into_iter().map(|(_, row)| row).collect();
    let rows = look.shape(plain, &context)?;
    let mut body = json!({"@odata.context": context, "@odata.count": rows.len()});
    let size = look.top.unwrap_or(usize::MAX).min(look.page_size);
    let more = look.start + size < rows.len() && look.top.is_none_or(|top| look.start + size < top);
    let last = look.top.map_or(rows.len(), |top| top.min(rows.len()));
    let page: Vec<Value> = rows
        .into_iter()
        .take(last)
        .skip(look.start)
        .take(look.page_size)
        .map(Value::Object)
        .collect();
    set(&mut body, "", "@odata.count", json!(page.len()));
    set(&mut body, "", "value", Value::Array(page));
    if more {
        set(
            &mut body,
            "",
            "@odata.nextLink",
            json!(look.link(call, look.start + look.page_size)),
        );
    }
    Ok(Response::json(200, &body))
}

/// Answers a request for the states of objects in clusters.
///
/// # Errors
/// As [`answer`], and 400 for scopes that these states cannot be asked at.
pub fn components(state: &State, call: &Call) -> Result<Response, ArmError> {
    if !call
        .address
        .first_name()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("latest"))
    {
        return Err(ArmError::bad_request(
            "InvalidComponentPolicyStatesResource",
            "The component policy states resource is invalid. It must be 'latest'.",
        ));
    }
    let about = About::parse(state, &call.address.scope)?;
    let in_group = |id: &str| id.starts_with(GROUP_PREFIX) || id.is_empty();
    let refused = match &about {
        About::Scope(id) => in_group(id),
        About::Assignment(id) => in_group(&Address::parse(id).scope),
        About::Definition { within, .. } => in_group(within),
        About::Set { .. } => true,
    };
    if refused {
        return Err(ArmError::bad_request(
            "InvalidComponentPolicyStatesScope",
            format!(
                "Component policy states cannot be queried at '{}'. They can be queried at a subscription, a resource group, a resource, a policy definition, and a policy assignment of a subscription or a resource group.",
                call.address.scope
            ),
        ));
    }
    if call.request.query_value("$skiptoken").is_some() {
        return Err(bad_query(
            "The query option '$skiptoken' is not supported for component policy states.".to_owned(),
        ));
    }
    let mut look = Look::new(state, call, &about)?;
    let context = format!(
        "{}{}/providers/Microsoft.PolicyInsights/componentPolicyStates/$metadata#latest",
        call.request.origin, call.address.scope
    );
    let mut rows = Vec::new();
    for row in look.rows(look.to) {
        for finding in &row.components {
            rows.push(component_row(state, &row, finding, &Needs::ALL));
        }
    }
    look.page_size = MOST_COMPONENT_ROWS;
    let mut rows = look.shape(rows, &context)?;
    rows.truncate(look.top.unwrap_or(MOST_COMPONENT_ROWS).min(MOST_COMPONENT_ROWS));
    let body = json!({"@odata.context": context, "@odata.count": rows.len(), "value": rows});
    Ok(Response::json(200, &body))
}

/// The types of Resource Graph's rows on compliance.
const STATES: &str = "microsoft.policyinsights/policystates";
const COMPONENTS: &str = "microsoft.policyinsights/componentpolicystates";

/// A row that Resource Graph has.
pub struct InGraph {
    /// Its type.
    pub kind: &'static str,
    /// Its name, the same for the same cluster, policy and object.
    pub name: String,
    /// The id of its cluster.
    pub cluster: String,
    /// Its properties, as far as they are needed.
    pub fields: odata::Row,
}

/// Returns the rows that Resource Graph has: of clusters that are `here`, by their ids, and of types that are wanted. It knows of a report
/// later than Policy Insights.
pub fn for_graph<'a>(
    state: &'a State,
    needs: &'a Needs,
    here: impl Fn(&str) -> bool + 'a,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = InGraph> + 'a {
    let (with_states, with_components) = (wanted(STATES), wanted(COMPONENTS));
    let reports = Reports::new(state);
    let now = state.now - addon::SHOWN;
    let clusters = if with_states || with_components {
        reports.clusters()
    } else {
        Vec::new()
    };
    let clusters = clusters.into_iter().filter(move |cluster| here(&cluster.id));
    clusters.flat_map(move |cluster| {
        let mut found = Vec::new();
        for row in reports.rows(&cluster, now) {
            let mut add = |kind: &'static str, component: &str, fields: odata::Row| {
                let (cluster, name) = (cluster.id.clone(), name_in_graph(&row, component));
                found.push(InGraph {
                    kind,
                    name,
                    cluster,
                    fields,
                });
            };
            if with_states {
                add(STATES, "", policy_row(state, &row, needs));
            }
            for finding in row.components.iter().filter(|_| with_components) {
                let fields = component_row(state, &row, finding, needs);
                add(COMPONENTS, &component_id(finding), fields);
            }
        }
        found
    })
}

/// Returns the name of a row in Resource Graph.
fn name_in_graph(row: &Row, component: &str) -> String {
    let Some(policy) = row.policy() else {
        return String::new();
    };
    let of = [
        &row.cluster.id,
        &policy.assignment,
        &policy.reference,
        &policy.definition,
    ]
    .map(String::as_str);
    let of = format!("{}\n{component}", of.join("\n")).to_ascii_lowercase();
    format!("{:016x}{:016x}", hash(&of), hash(&format!("{of}\n")))
}

/// One request's look at the reports.
struct Look<'a> {
    state: &'a State,
    call: &'a Call,
    about: &'a About,
    reports: Reports<'a>,
    from: i64,
    to: i64,
    top: Option<usize>,
    page_size: usize,
    start: usize,
}

impl<'a> Look<'a> {
    fn new(state: &'a State, call: &'a Call, about: &'a About) -> Result<Self, ArmError> {
        let at = |name: &str| match call.request.query_value(name) {
            None => Ok(None),
            Some(given) => time::parse(&given.replace(' ', "T"))
                .map(Some)
                .ok_or_else(|| bad_query(format!("The value '{given}' of '{name}' is no time."))),
        };
        let mut to = at("$to")?.unwrap_or(state.now).min(state.now);
        let mut start = 0;
        if let Some(token) = call.request.query_value("$skiptoken") {
            let parts: Option<Vec<i64>> = token.split('-').map(|part| part.parse().ok()).collect();
            let Some([offset, moment]) = parts.as_deref() else {
                return Err(bad_query(format!("The '$skiptoken' '{token}' is invalid.")));
            };
            // All pages are of one moment.
            start = usize::try_from(*offset).unwrap_or_default();
            to = (*moment).min(state.now);
        }
        let top = match call.request.query_value("$top") {
            None => None,
            Some(given) => Some(
                given
                    .parse()
                    .map_err(|_| bad_query(format!("The value '{given}' of '$top' is no number.")))?,
            ),
        };
        Ok(Self {
            from: at("$from")?.unwrap_or(to - addon::KEPT),
            state,
            call,
            about,
            reports: Reports::new(state),
            to,
            top,
            page_size: state.settings.page_size.max(1),
            start,
        })
    }

    fn clusters(&self) -> Vec<Rc<Cluster>> {
        let all = self.reports.clusters().into_iter();
        all.filter(|cluster| self.about.means_cluster(cluster)).collect()
    }

    /// Returns the newest rows of all clusters that are asked about.
    fn rows(&self, at: i64) -> Vec<Row> {
        let rows = self
            .clusters()
            .into_iter()
            .flat_map(|cluster| self.reports.rows(&cluster, at));
        rows.filter(|row| row.at >= self.from && self.about.means(row))
            .collect()
    }

    fn policy_rows(&mut self, latest: bool) -> Result<Vec<(Row, odata::Row)>, ArmError> {
        let rows = if latest { self.rows(self.to) } else { self.history()? };
        Ok(rows
            .into_iter()
            .map(|row| (row.clone(), policy_row(self.state, &row, &Needs::ALL)))
            .collect())
    }

    /// Returns a row for each change of a state within the asked time, oldest first.
    fn history(&self) -> Result<Vec<Row>, ArmError> {
        let clusters = self.clusters();
        if clusters.len() > MOST_IN_HISTORY {
            return Err(ArmError::bad_request(
                "ResultSetTooLarge",
                format!(
                    "The history of {} clusters is too much for one query. Please narrow its scope.",
                    clusters.len()
                ),
            ));
        }
        let mut all = Vec::new();
        for cluster in clusters {
            let mut last: BTreeMap<(String, String), &'static str> = BTreeMap::new();
            let mut at = self.from.max(self.to - 2 * addon::KEPT);
            loop {
                for row in self.reports.rows(&cluster, at) {
                    let Some(policy) = row.policy() else { continue };
                    let key = (policy.assignment.clone(), policy.reference.clone());
                    if row.at >= self.from && self.about.means(&row) && last.insert(key, row.state) != Some(row.state) {
                        all.push(row);
                    }
                }
                if at >= self.to {
                    break;
                }
                at = (at + addon::CYCLE).min(self.to);
            }
        }
        Ok(all)
    }

    /// Applies `$filter`, `$apply`, `$orderby` and `$select`.
    fn shape(&self, rows: Vec<odata::Row>, context: &str) -> Result<Vec<odata::Row>, ArmError> {
        let option = |name: &str| {
            self.call
                .request
                .query_value(name)
                .filter(|text| !text.trim().is_empty())
        };
        let wrong = |name: &str, given: &str, why: &str| {
            bad_query(format!(
                "The query option '{name}' has the value '{given}', which is invalid: {why}."
            ))
        };
        let mut rows = rows;
        if let Some(filter) = option("$filter") {
            let condition = Condition::parse(&filter).map_err(|why| wrong("$filter", &filter, &why))?;
            rows.retain(|row| condition.holds(row));
        }
        match option("$apply") {
            Some(apply) => rows = odata::apply(&apply, rows).map_err(|why| wrong("$apply", &apply, &why))?,
            None => rows.iter_mut().for_each(|row| {
                row.insert("@odata.context".to_owned(), json!(format!("{context}/$entity")));
            }),
        }
        if let Some(order) = option("$orderby") {
            odata::order(&order, &mut rows).map_err(|why| wrong("$orderby", &order, &why))?;
        }
        if let Some(fields) = option("$select") {
            odata::select(&fields, &mut rows);
        }
        Ok(rows)
    }

    /// Returns the link to the next page, which is posted as the first request was.
    fn link(&self, call: &Call, next: usize) -> String {
        let kept = call.request.query.split('&').filter(|pair| {
            let lower = pair.to_ascii_lowercase();
            !lower.is_empty() && !lower.starts_with("$skiptoken=") && !lower.starts_with("%24skiptoken=")
        });
        let mut query: Vec<String> = kept.map(str::to_owned).collect();
        query.push(format!("$skiptoken={next}-{}", self.to));
        format!("{}{}?{}", call.request.origin, call.request.path, query.join("&"))
    }
}

/// The fields of a row, as far as they are needed.
struct Fields<'a> {
    needs: &'a Needs,
    row: odata::Row,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.needs.has(name) {
            self.row.insert(name.to_owned(), value());
        }
    }
}

/// What policy states and component states have in common.
fn common<'a>(state: &State, row: &Row, needs: &'a Needs) -> Fields<'a> {
    let mut fields = Fields {
        needs,
        row: odata::Row::new(),
    };
    let cluster = &row.cluster;
    let part = |word: &str| super::address::part(&cluster.id, word).unwrap_or_default().to_owned();
    let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let Some(policy) = row.policy() else {
        return fields;
    };
    let (set, set_version) = match &policy.set {
        Some((set, version)) => (set.as_str(), version.as_str()),
        None => ("", ""),
    };
    let category = |id: &str| {
        let document = builtins()
            .newest
            .get(&id.to_ascii_lowercase())
            .or_else(|| state.resource(id));
        document
            .map(|document| text(document, "/properties/metadata/category").to_ascii_lowercase())
            .unwrap_or_default()
    };
    fields.put("timestamp", || json!(time::iso(row.at)));
    fields.put("resourceId", || json!(cluster.id));
    // The service gives these ids in lower case.
    fields.put("policyAssignmentId", || json!(policy.assignment.to_ascii_lowercase()));
    fields.put("policyDefinitionId", || json!(policy.definition.to_ascii_lowercase()));
    fields.put("subscriptionId", || json!(part("subscriptions")));
    fields.put("resourceType", || json!("Microsoft.ContainerService/managedClusters"));
    fields.put("resourceLocation", || json!(cluster.location));
    fields.put("resourceGroup", || json!(part("resourceGroups").to_ascii_lowercase()));
    fields.put("policyAssignmentName", || json!(last(&policy.assignment)));
    fields.put("policyAssignmentOwner", || json!("tbd"));
    fields.put("policyAssignmentParameters", || json!(""));
    fields.put("policyAssignmentScope", || {
        json!(Address::parse(&policy.assignment).scope)
    });
    fields.put("policyDefinitionName", || json!(last(&policy.definition)));
    fields.put("policyDefinitionAction", || json!(policy.effect.to_ascii_lowercase()));
    fields.put("policyDefinitionCategory", || json!(category(&policy.definition)));
    fields.put("policySetDefinitionId", || json!(set.to_ascii_lowercase()));
    fields.put("policySetDefinitionName", || json!(last(set)));
    fields.put("policySetDefinitionOwner", || json!(""));
    fields.put("policySetDefinitionCategory", || json!(category(set)));
    fields.put("policySetDefinitionParameters", || json!(""));
    fields.put("policyDefinitionReferenceId", || {
        json!(policy.reference.to_ascii_lowercase())
    });
    fields.put("policyDefinitionGroupNames", || json!([]));
    fields.put("policyDefinitionVersion", || json!(policy.version));
    fields.put("policySetDefinitionVersion", || json!(set_version));
    fields.put("policyAssignmentVersion", || json!(""));
    fields
}

fn policy_row(state: &State, row: &Row, needs: &Needs) -> odata::Row {
    let mut fields = common(state, row, needs);
    let groups = || {
        let chain = row.cluster.chain.iter();
        let groups = chain.filter_map(|scope| scope.strip_prefix(GROUP_PREFIX));
        json!(groups.collect::<Vec<_>>().join(","))
    };
    fields.put("complianceState", || json!(row.state));
    fields.put("isCompliant", || json!(["Compliant", "Exempt"].contains(&row.state)));
    fields.put("effectiveParameters", || json!(""));
    fields.put("resourceTags", || json!("tbd"));
    fields.put("managementGroupIds", groups);
    fields.row
}

/// Returns the id of an object in a cluster, such as `v1/Pod/shop/web-1`.
fn component_id(finding: &Finding) -> String {
    let parts = [&finding.api_version, &finding.kind, &finding.namespace, &finding.name];
    let parts: Vec<&str> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect();
    parts.join("/")
}

fn component_row(state: &State, row: &Row, finding: &Finding, needs: &Needs) -> odata::Row {
    let mut fields = common(state, row, needs);
    fields.put("componentId", || json!(component_id(finding)));
    fields.put("componentType", || json!(finding.kind));
    fields.put("componentName", || json!(finding.name));
    fields.put("complianceState", || json!("NonCompliant"));
    fields.row
}

/// Adds the objects in a cluster to its rows: `$expand=components($filter=…;$apply=…)`.
fn expand_components(about: &About, expand: &str, rows: &mut [(Row, odata::Row)]) -> Result<(), ArmError> {
    let wrong = |why: &str| {
        bad_query(format!(
            "The query option '$expand' has the value '{expand}', which is invalid: {why}."
        ))
    };
    if expand.eq_ignore_ascii_case("PolicyEvaluationDetails") {
        // Reasons are not available for what runs in clusters.
        return Ok(());
    }
    let options = match expand.strip_prefix("components") {
        Some("") => "",
        Some(rest) => rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or_else(|| wrong("a bracket is missing"))?,
        None => return Err(wrong("only 'components' and 'PolicyEvaluationDetails' can be expanded")),
    };
    if !matches!(about, About::Scope(scope) if scope.contains("/providers/microsoft.containerservice/")) {
        return Err(wrong("components can only be expanded at the scope of a resource"));
    }
    let mut filter = None;
    let mut apply = None;
    for option in options.split(';').filter(|option| !option.trim().is_empty()) {
        match option.trim().split_once('=') {
            Some(("$filter", text)) => filter = Some(Condition::parse(text).map_err(|why| wrong(&why))?),
            Some(("$apply", text)) => apply = Some(text),
            _ => return Err(wrong("only '$filter' and '$apply' are understood")),
        }
    }
    for (row, fields) in rows {
        let component = |finding: &Finding| {
            let component = json!({
                "id": component_id(finding), "type": finding.kind, "name": finding.name,
                "timestamp": time::iso(row.at), "complianceState": "NonCompliant",
            });
            component.as_object().cloned().unwrap_or_default()
        };
        let mut components: Vec<odata::Row> = row.components.iter().map(component).collect();
        components.retain(|component| filter.as_ref().is_none_or(|filter| filter.holds(component)));
        if let Some(apply) = apply {
            components = odata::apply(apply, components).map_err(|why| wrong(&why))?;
        }
        fields.insert("components".to_owned(), json!(components));
    }
    Ok(())
}

fn summary(call: &Call, look: &Look<'_>, metadata: &str, rows: &[(Row, odata::Row)]) -> Value {
    let uri = |filter: &str| {
        format!(
            "{}{}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version={}&$from={}&$to={}&$filter={}",
            call.request.origin,
            call.address.scope,
            call.version,
            time::iso_short(look.from),
            time::iso_short(look.to),
            percent_encode(filter)
        )
    };
    let filter = look
        .call
        .request
        .query_value("$filter")
        .and_then(|filter| Condition::parse(&filter).ok());
    let chosen: Vec<&Row> = rows
        .iter()
        .filter(|(_, fields)| filter.as_ref().is_none_or(|filter| filter.holds(fields)))
        .map(|(row, _)| row)
        .collect();
    let mut assignments: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &chosen {
        if let Some(policy) = row.policy() {
            assignments
                .entry(policy.assignment.to_ascii_lowercase())
                .or_default()
                .push(row);
        }
    }
    let shown = look.top.unwrap_or(usize::MAX);
    let of_assignment = |(id, rows): (&String, &Vec<&Row>)| {
        let mut members: BTreeMap<(String, String), Vec<&Row>> = BTreeMap::new();
        for row in rows {
            if let Some(policy) = row.policy() {
                let key = (
                    policy.definition.to_ascii_lowercase(),
                    policy.reference.to_ascii_lowercase(),
                );
                members.entry(key).or_default().push(row);
            }
        }
        let set = rows
            .first()
            .and_then(|row| row.policy())
            .and_then(|policy| policy.set.clone());
        let of_member = |((definition, reference), rows): (&(String, String), &Vec<&Row>)| {
            let effect = rows
                .first()
                .and_then(|row| row.policy())
                .map(|policy| policy.effect.to_ascii_lowercase());
            json!({
                "policyDefinitionId": definition,
                "policyDefinitionReferenceId": reference,
                "policyDefinitionGroupNames": [],
                "effect": effect.unwrap_or_default(),
                "results": results(rows, uri(&format!("IsCompliant eq false and PolicyAssignmentId eq '{id}' and PolicyDefinitionId eq '{definition}'"))),
            })
        };
        json!({
            "policyAssignmentId": id,
            "policySetDefinitionId": set.map(|(set, _)| set.to_ascii_lowercase()).unwrap_or_default(),
            "results": results(rows, uri(&format!("IsCompliant eq false and PolicyAssignmentId eq '{id}'"))),
            "policyDefinitions": members.iter().map(of_member).collect::<Vec<_>>(),
            "policyGroups": [],
        })
    };
    json!({
        "@odata.context": format!("{metadata}#summary"),
        "@odata.count": 1,
        "value": [{
            "@odata.id": null,
            "@odata.context": format!("{metadata}#summary/$entity"),
            "results": results(&chosen, uri("IsCompliant eq false")),
            "policyAssignments": assignments.iter().take(shown).map(of_assignment).collect::<Vec<_>>(),
        }],
    })
}

/// Counts resources and policies by their worst state.
fn results(rows: &[&Row], uri: String) -> Value {
    let mut resources: BTreeMap<&str, &str> = BTreeMap::new();
    let mut policies: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let worse = |one: &'static str| {
        move |known: &mut &str| {
            if rank(one) > rank(known) {
                *known = one;
            }
        }
    };
    for row in rows {
        resources
            .entry(&row.cluster.id)
            .and_modify(worse(row.state))
            .or_insert(row.state);
        if let Some(policy) = row.policy() {
            let key = (policy.assignment.as_str(), policy.reference.as_str());
            policies.entry(key).and_modify(worse(row.state)).or_insert(row.state);
        }
    }
    let (resources, policies): (Vec<&str>, Vec<&str>) =
        (resources.into_values().collect(), policies.into_values().collect());
    let of_state = |states: &[&str], wanted: &str| states.iter().filter(|state| **state == wanted).count();
    let details = |states: &[&str]| -> Vec<Value> {
        let kinds: BTreeSet<&str> = states.iter().copied().collect();
        let detail =
            |kind: &&str| json!({"complianceState": kind.to_ascii_lowercase(), "count": of_state(states, kind)});
        kinds.iter().map(detail).collect()
    };
    json!({
        "queryResultsUri": uri,
        "nonCompliantResources": of_state(&resources, "NonCompliant"),
        "nonCompliantPolicies": of_state(&policies, "NonCompliant"),
        "resourceDetails": details(&resources),
        "policyDetails": details(&policies),
        "policyGroupDetails": [],
    })
}

fn rank(state: &str) -> usize {
    ["Exempt", "Compliant", "Conflict", "Error", "NonCompliant"]
        .iter()
        .position(|known| *known == state)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
