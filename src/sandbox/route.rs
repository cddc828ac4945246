//! The one function of the sandbox: a request in, an answer out.
//!
//! Owns sign-in, api-versions, the clock's step with each change, and the headers that every answer carries; which resource
//! type answers is one table. It must not know what the types do.

use serde_json::Value;

use super::address::Address;
use super::error::ArmError;
use super::http::{Request, Response};
use super::json::text;
use super::random::hash;
use super::seed::{SeedOptions, seed};
use super::state::{State, VERSION};
use super::{
    access, aks_versions, arc, cluster, exemption, firewall, graph, insights, lock, policy, pricing, registration,
    remediation, role, safeguards, security, tenancy, time, token, versions,
};

/// A request whose path, api-version and body have been read.
#[derive(Debug)]
pub struct Call {
    /// The request itself.
    pub request: Request,
    /// What its path speaks of.
    pub address: Address,
    /// The api-version, one that the resource type knows.
    pub version: String,
    /// The JSON body, null when there is none.
    pub body: Value,
}

impl Call {
    /// Returns the name of the resource that is spoken of, empty for a list.
    #[must_use]
    pub fn name(&self) -> &str {
        self.address.name().unwrap_or_default()
    }
}

/// The largest body that Azure Policy takes, in bytes.
const POLICY_BODY_LIMIT: usize = 1_048_576;

/// A simulated Azure: its state and the function that answers requests.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// All that it remembers.
    pub state: State,
    /// What Resource Graph found a moment ago.
    results: graph::Results,
}

impl Sandbox {
    /// Returns a new sandbox; the same options make the same one.
    #[must_use]
    pub fn seed(options: &SeedOptions) -> Self {
        Self::of(seed(options))
    }

    fn of(state: State) -> Self {
        Self {
            state,
            results: graph::Results::default(),
        }
    }

    /// Reads a state that was written by [`Sandbox::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are no state of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Header {
            version: u32,
        }
        let header: Header = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if header.version != VERSION {
            return Err(format!(
                "the state has version {}, this program reads version {VERSION}",
                header.version
            ));
        }
        serde_json::from_slice(bytes)
            .map(Self::of)
            .map_err(|error| error.to_string())
    }

    /// Returns the state as one line of JSON.
    ///
    /// # Errors
    /// When the state cannot be written as JSON, which no state is known to cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(&self.state).map_err(|error| error.to_string())
    }

    /// Moves the sandbox's clock forward.
    pub fn advance(&mut self, seconds: u64) {
        self.state.advance(seconds);
        self.state.revision += 1;
    }

    /// Answers one request. A request that fails changes nothing; one that succeeds in changing something moves the clock by a
    /// second and raises the revision.
    pub fn handle(&mut self, request: Request) -> Response {
        let changes = matches!(request.method.as_str(), "PUT" | "PATCH" | "DELETE")
            || (request.method == "POST" && posts_change(&request.path));
        let correlation = request.header("x-ms-correlation-request-id").map(str::to_owned);
        let client_request = request.header("x-ms-client-request-id").map(str::to_owned);
        let quota = quota_header(&request);
        let request_hash = hash(&format!("{} {}?{}", request.method, request.path, request.query));
        self.state.settle();
        let answer = if changes {
            let mut next = self.state.clone();
            next.advance(1);
            let answer = answer(&mut next, &self.results, request);
            if answer.as_ref().is_ok_and(|response| response.status < 300) {
                next.revision += 1;
                self.state = next;
            }
            answer
        } else {
            answer(&mut self.state, &self.results, request)
        };
        let mut response = answer.unwrap_or_else(|error| error.response());
        let state = &self.state;
        let made = super::random::Random::named(request_hash ^ state.revision, &state.now.to_string()).guid();
        for (name, value) in [
            ("date", time::http_date(state.now)),
            ("cache-control", "no-cache".to_owned()),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains".to_owned(),
            ),
            ("x-content-type-options", "nosniff".to_owned()),
            (
                "x-ms-correlation-request-id",
                correlation.unwrap_or_else(|| made.clone()),
            ),
            ("x-ms-request-id", made),
        ] {
            response.headers.push((name.to_owned(), value));
        }
        response
            .headers
            .extend(client_request.map(|id| ("x-ms-client-request-id".to_owned(), id)));
        response.headers.push(quota);
        response
    }
}

/// Returns whether a POST to this path changes something; other POSTs are questions.
fn posts_change(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["/register", "/unregister", "/triggerevaluation", "/cancel"]
        .iter()
        .any(|action| lower.ends_with(action))
}

fn quota_header(request: &Request) -> (String, String) {
    let (operation, left) = match request.method.as_str() {
        "GET" | "HEAD" => ("reads", 249),
        "DELETE" => ("deletes", 199),
        _ => ("writes", 199),
    };
    let lower = request.path.to_ascii_lowercase();
    let name = if lower.contains("/microsoft.security/") || lower.contains("/microsoft.containerservice/") {
        "x-ms-ratelimit-remaining-subscription-resource-requests".to_owned()
    } else if lower.starts_with("/subscriptions/") {
        format!("x-ms-ratelimit-remaining-subscription-{operation}")
    } else {
        format!("x-ms-ratelimit-remaining-tenant-{operation}")
    };
    (name, left.to_string())
}

fn answer(state: &mut State, results: &graph::Results, request: Request) -> Result<Response, ArmError> {
    token::check(state, request.header("authorization"))?;
    let address = Address::parse(&request.path);
    let is_registration = matches!(address.parts.as_slice(), [(kind, None)]
        if ["register", "unregister"].iter().any(|action| kind.eq_ignore_ascii_case(action)));
    let kind = if address.parts.is_empty() || is_registration {
        String::new()
    } else {
        address.kind()
    };
    let version = versions::check(&kind, &address.kind_as_given(), request.query_value("api-version"))?;
    let is_policy = kind.starts_with("microsoft.authorization/policy");
    if is_policy && request.body.len() > POLICY_BODY_LIMIT {
        return Err(ArmError::new(
            413,
            "RequestContentTooLarge",
            format!("The request content size exceeds the maximum size of '{POLICY_BODY_LIMIT}' bytes."),
        ));
    }
    let needs_body = matches!(request.method.as_str(), "PUT" | "PATCH") || kind == "microsoft.resourcegraph/resources";
    let body = if request.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&request.body).map_err(|error| {
            ArmError::content(format!(
                "The request content was invalid and could not be deserialized: '{error}'."
            ))
        })?
    };
    if needs_body && !body.is_object() {
        return Err(ArmError::content(
            "The request content is missing or is no JSON object.",
        ));
    }
    let call = Call {
        request,
        address,
        version,
        body,
    };
    access::check(state, &call, &kind)?;
    registration::check(state, &call)?;
    lock::check(state, &call, &kind)?;
    match kind.as_str() {
        "" => tenancy::answer(state, &call),
        "microsoft.authorization/permissions" => access::permissions(state, &call),
        "microsoft.authorization/locks" => lock::answer(state, &call),
        "microsoft.authorization/policydefinitions" | "microsoft.authorization/policydefinitions/versions" => {
            policy::definition::answer(state, &call)
        }
        "microsoft.authorization/policysetdefinitions" | "microsoft.authorization/policysetdefinitions/versions" => {
            policy::set::answer(state, &call)
        }
        "microsoft.authorization/policyassignments" => policy::assignment::answer(state, &call),
        "microsoft.authorization/policyexemptions" => exemption::answer(state, &call),
        "microsoft.authorization/roleassignments" => role::answer(state, &call),
        "microsoft.authorization/roledefinitions" => role::definitions(state, &call),
        "microsoft.policyinsights/policystates/queryresults"
        | "microsoft.policyinsights/policystates/summarize"
        | "microsoft.policyinsights/policystates/triggerevaluation" => insights::states(state, &call),
        "microsoft.policyinsights/componentpolicystates/queryresults" => insights::components(state, &call),
        "microsoft.policyinsights/asyncoperationresults" => insights::evaluation(state, &call),
        "microsoft.policyinsights/remediations"
        | "microsoft.policyinsights/remediations/cancel"
        | "microsoft.policyinsights/remediations/listdeployments" => remediation::answer(state, &call),
        "microsoft.security/pricings" => pricing::answer(state, &call),
        "microsoft.security/securitycontacts" => security::contacts(state, &call),
        "microsoft.network/firewallpolicies" | "microsoft.network/firewallpolicies/rulecollectiongroups" => {
            firewall::answer(state, &call)
        }
        "microsoft.containerservice/managedclusters" => cluster::answer(state, &call),
        "microsoft.containerservice/deploymentsafeguards" => safeguards::answer(state, &call),
        "microsoft.kubernetes/connectedclusters" => arc::cluster(state, &call),
        "microsoft.kubernetesconfiguration/extensions" => arc::extensions(state, &call),
        "microsoft.kubernetesconfiguration/extensions/operations" => cluster::operation(state, &call),
        "microsoft.containerservice/locations/operations" => cluster::operation(state, &call),
        "microsoft.containerservice/locations/kubernetesversions" => aks_versions::answer(state, &call),
        "microsoft.resourcegraph/resources" => graph::answer(state, results, &call),
        _ => tenancy::management_groups(state, &call),
    }
}

/// Returns one page of `documents`, which come with unique keys in ascending order, as `{"value", "nextLink"?}`.
///
/// The link carries the last key, so that a change between two pages loses nothing that existed all the time.
///
/// # Errors
/// 400 for a `$top` that is no number from 1 to 1000, or a token that this sandbox did not make.
pub fn page(state: &State, call: &Call, documents: Vec<(String, Value)>) -> Result<Value, ArmError> {
    let mut size = state.settings.page_size.max(1);
    if let Some(top) = call.request.query_value("$top") {
        match top.parse::<usize>() {
            Ok(top) if (1..=1000).contains(&top) => size = size.min(top),
            _ => {
                return Err(ArmError::bad_request(
                    "InvalidTopParameter",
                    format!("The value '{top}' of '$top' must be a number from 1 to 1000."),
                ));
            }
        }
    }
    let after = match call.request.query_value("$skiptoken") {
        None => None,
        Some(text) => {
            let decoded = data_encoding::BASE64URL_NOPAD
                .decode(text.as_bytes())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let invalid = || ArmError::bad_request("InvalidSkipToken", "The '$skiptoken' is invalid.");
            Some(decoded.ok_or_else(invalid)?)
        }
    };
    let mut rest = documents
        .into_iter()
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after))
        .peekable();
    let mut value = Vec::new();
    let mut last = String::new();
    while value.len() < size {
        let Some((key, document)) = rest.next() else { break };
        value.push(document);
        last = key;
    }
    let mut page = serde_json::json!({ "value": value });
    if rest.peek().is_some() {
        let mut query: Vec<String> = call
            .request
            .query
            .split('&')
            .filter(|pair| {
                !pair.is_empty()
                    && !pair.to_ascii_lowercase().starts_with("$skiptoken=")
                    && !pair.to_ascii_lowercase().starts_with("%24skiptoken=")
            })
            .map(str::to_owned)
            .collect();
        query.push(format!(
            "$skiptoken={}",
            data_encoding::BASE64URL_NOPAD.encode(last.as_bytes())
        ));
        let link = format!("{}{}?{}", call.request.origin, call.request.path, query.join("&"));
        super::json::set(&mut page, "", "nextLink", Value::String(link));
    }
    Ok(page)
}

/// Returns whether a document's own id is `scope`'s: made at this very scope.
#[must_use]
pub fn made_at(document: &Value) -> String {
    Address::parse(text(document, "/id")).scope.to_ascii_lowercase()
}
