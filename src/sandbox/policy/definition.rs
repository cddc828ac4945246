//! Policy definitions, and the calls that definitions and sets share: GET, list, versions and DELETE.

use serde_json::{Value, json};

use super::super::builtins::builtins;
use super::super::error::ArmError;
use super::super::http::Response;
use super::super::json::{Object, items, object, remove, text};
use super::super::route::{Call, page};
use super::super::state::State;
use super::super::versions::at_least;
use super::lookup::Found;
use super::{Kind, check_name, check_quota, parameters, properties, scope, stamp_metadata};

/// Policy definitions.
pub(super) const DEFINITION: Kind = Kind {
    segment: "policyDefinitions",
    lower: "microsoft.authorization/policydefinitions",
    code: "PolicyDefinition",
    words: "policy definition",
    properties: &[
        "policyType",
        "mode",
        "displayName",
        "description",
        "policyRule",
        "metadata",
        "parameters",
        "version",
        "versions",
        "externalEvaluationEnforcementSettings",
    ],
    quota: 500,
};

/// Answers a request for policy definitions or their versions.
///
/// # Errors
/// What the service refuses.
pub fn answer(state: &mut State, call: &Call) -> Result<Response, ArmError> {
    if call.address.parts.len() > 1 {
        return versions(state, call, DEFINITION);
    }
    match (call.request.method.as_str(), call.address.name()) {
        ("GET", Some(name)) => get(state, call, DEFINITION, name),
        ("GET", None) => list(state, call, DEFINITION),
        ("PUT", Some(name)) => put(state, call, name),
        ("DELETE", Some(name)) => delete(state, call, DEFINITION, name),
        (method, _) => Err(ArmError::method_not_allowed(method)),
    }
}

/// Returns the document that is asked by name: built-in at the tenant, custom at a subscription or management group.
pub(super) fn find<'a>(state: &'a State, call: &Call, kind: Kind, name: &str) -> Result<&'a Value, ArmError> {
    check_name(kind, name, 64)?;
    let scope = scope(state, call)?;
    let id = kind.id(&scope.id, name).to_ascii_lowercase();
    let found = if scope.id.is_empty() {
        builtins().newest.get(&id)
    } else {
        state.resources.get(&id)
    };
    // A built-in is not answered below a subscription: clients look there second, and count on the 404.
    found.ok_or_else(|| kind.not_found(name))
}

pub(super) fn get(state: &State, call: &Call, kind: Kind, name: &str) -> Result<Response, ArmError> {
    let document = find(state, call, kind, name)?;
    Ok(Response::json(200, &present(state, call, document)))
}

/// Lists built-in ones at the tenant; elsewhere those built in, and those made at the scope and above it.
pub(super) fn list(state: &State, call: &Call, kind: Kind) -> Result<Response, ArmError> {
    let scope = scope(state, call)?;
    if !scope.id.is_empty() && !scope.is_subscription() && !scope.is_management_group() {
        return Err(ArmError::method_not_allowed("GET"));
    }
    let filter = call.request.query_value("$filter").unwrap_or_default();
    let keep = list_filter(&filter, &scope.id)?;
    let of_kind = |document: &Value| text(document, "/type").eq_ignore_ascii_case(kind.lower);
    let builtin = builtins().newest.iter().filter(|(_, document)| of_kind(document));
    let custom = state.of_type(kind.lower);
    let mut documents: Vec<(String, Value)> =
        builtin
            .chain(custom.filter(|(_, document)| {
                !scope.id.is_empty() && scope.is_within(&super::super::route::made_at(document))
            }))
            .filter(|(_, document)| keep(document))
            .map(|(id, document)| (id.clone(), present(state, call, document)))
            .collect();
    documents.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(Response::json(200, &page(state, call, documents)?))
}

/// Whether a list shows a document.
type Test = Box<dyn Fn(&Value) -> bool>;

/// Returns the test that a `$filter` stands for.
fn list_filter(filter: &str, scope: &str) -> Result<Test, ArmError> {
    let filter = filter.trim();
    if filter.is_empty() {
        return Ok(Box::new(|_| true));
    }
    if filter.eq_ignore_ascii_case("atExactScope()") {
        let scope = scope.to_ascii_lowercase();
        return Ok(Box::new(move |document| {
            super::super::route::made_at(document) == scope
        }));
    }
    let words: Vec<&str> = filter.splitn(3, ' ').collect();
    if let [property, operator, value] = words.as_slice()
        && operator.eq_ignore_ascii_case("eq")
        && let Some(value) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''))
    {
        let pointer = match property.to_ascii_lowercase().as_str() {
            "policytype" => Some("/properties/policyType"),
            "category" => Some("/properties/metadata/category"),
            _ => None,
        };
        if let Some(pointer) = pointer {
            let value = value.to_owned();
            return Ok(Box::new(move |document| {
                text(document, pointer).eq_ignore_ascii_case(&value)
            }));
        }
    }
    Err(ArmError::bad_request(
        "InvalidFilterInQueryString",
        format!("The filter '{filter}' in the query string is invalid."),
    ))
}

/// Answers `.../versions` and `.../versions/{version}` of a definition or set.
pub(super) fn versions(state: &State, call: &Call, kind: Kind) -> Result<Response, ArmError> {
    if call.request.method != "GET" {
        return Err(ArmError::method_not_allowed(&call.request.method));
    }
    let name = call.address.first_name().unwrap_or_default();
    let newest = find(state, call, kind, name)?;
    let found = Found {
        newest,
        is_set: kind.segment == "policySetDefinitions",
    };
    let document = |version: &str| {
        let mut document = found.document(version).clone();
        let full = text(newest, "/id").to_owned();
        remove(&mut document, "/properties", "versions");
        remove(&mut document, "", "systemData");
        for (key, value) in [
            ("id", format!("{full}/versions/{version}")),
            ("name", version.to_owned()),
            ("type", format!("{}/versions", kind.full_type())),
        ] {
            super::super::json::set(&mut document, "", key, json!(value));
        }
        super::super::json::set(&mut document, "/properties", "version", json!(version));
        document
    };
    match call.address.name() {
        Some(asked) => match found
            .versions()
            .into_iter()
            .find(|version| version.eq_ignore_ascii_case(asked))
        {
            Some(version) => Ok(Response::json(200, &document(version))),
            None => Err(ArmError::not_found(
                &format!("{}VersionNotFound", kind.code),
                format!("The version '{asked}' of the {} '{name}' is not found.", kind.words),
            )),
        },
        None => {
            let mut documents: Vec<(String, Value)> = found
                .versions()
                .into_iter()
                .map(|version| (version.to_ascii_lowercase(), document(version)))
                .collect();
            documents.sort_by(|(left, _), (right, _)| left.cmp(right));
            Ok(Response::json(200, &page(state, call, documents)?))
        }
    }
}

/// Returns a document as the asked api-version shows it.
pub(super) fn present(state: &State, call: &Call, document: &Value) -> Value {
    let mut document = document.clone();
    if !at_least(&call.version, "2023-04-01") {
        remove(&mut document, "/properties", "version");
        remove(&mut document, "/properties", "versions");
    }
    let expand = call
        .request
        .query_value("$expand")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if let Some(Value::Array(members)) = document.pointer_mut("/properties/policyDefinitions") {
        for member in members {
            if !at_least(&call.version, "2023-04-01") {
                remove(member, "", "definitionVersion");
            }
            expand_versions(state, member, "", &expand);
        }
    }
    document
}

/// Adds the versions that `$expand` asks for to what refers to a definition.
pub(super) fn expand_versions(state: &State, holder: &mut Value, at: &str, expand: &str) {
    if expand.is_empty() {
        return;
    }
    let id = text(holder, &format!("{at}/policyDefinitionId")).to_owned();
    let pin = text(holder, &format!("{at}/definitionVersion")).to_owned();
    let Ok(found) = Found::by_id(state, &id) else { return };
    if expand.contains("latestdefinitionversion") {
        super::super::json::set(holder, at, "latestDefinitionVersion", json!(found.version()));
    }
    if expand.contains("effectivedefinitionversion") {
        let effective = found.pinned(&pin).unwrap_or_else(|_| found.version());
        super::super::json::set(holder, at, "effectiveDefinitionVersion", json!(effective));
    }
}

/// Deletes a custom definition or set that nothing refers to.
pub(super) fn delete(state: &mut State, call: &Call, kind: Kind, name: &str) -> Result<Response, ArmError> {
    if scope(state, call)?.id.is_empty() {
        return Err(ArmError::method_not_allowed("DELETE"));
    }
    let id = match find(state, call, kind, name) {
        Ok(document) => text(document, "/id").to_owned(),
        Err(error) if error.status == 404 => return Ok(Response::empty(204)),
        Err(error) => return Err(error),
    };
    let refers = |document: &Value, pointer: &str| text(document, pointer).eq_ignore_ascii_case(&id);
    let code = format!("InvalidDelete{}Request", kind.code);
    for (user, document) in state.of_type(super::assignment::ASSIGNMENT.lower) {
        if refers(document, "/properties/policyDefinitionId") {
            let user = state.resource(user).map_or("", |document| text(document, "/id"));
            return Err(ArmError::bad_request(
                &code,
                format!(
                    "The {} '{name}' cannot be deleted. It is referenced by the policy assignment '{user}'. Please delete all policy assignments referencing the policy.",
                    kind.words
                ),
            ));
        }
    }
    for (_, document) in state.of_type(super::set::SET.lower) {
        if items(document, "/properties/policyDefinitions")
            .iter()
            .any(|member| refers(member, "/policyDefinitionId"))
        {
            return Err(ArmError::bad_request(
                &code,
                format!(
                    "The {} '{name}' cannot be deleted. It is referenced by the policy set definition '{}'. Please delete all references to the policy.",
                    kind.words,
                    text(document, "/id")
                ),
            ));
        }
    }
    match state.take(&id) {
        Some(_) => Ok(Response::empty(200)),
        None => Ok(Response::empty(204)),
    }
}

/// Refuses what may not be written: a built-in, or a scope that holds no definitions.
pub(super) fn writable_scope(state: &State, call: &Call) -> Result<super::super::state::KnownScope, ArmError> {
    let scope = scope(state, call)?;
    if scope.is_subscription() || scope.is_management_group() {
        Ok(scope)
    } else {
        Err(ArmError::method_not_allowed("PUT"))
    }
}

/// Writes what the server makes itself, and stores the document.
pub(super) fn store(
    state: &mut State,
    kind: Kind,
    id: &str,
    name: &str,
    mut properties: Object,
    before: Option<&Value>,
) -> Value {
    stamp_metadata(state, &mut properties, before);
    properties.insert("policyType".to_owned(), json!("Custom"));
    let version = properties.get("version").cloned().unwrap_or_else(|| json!("1.0.0"));
    let mut versions = vec![version.clone()];
    versions.extend(
        before
            .map(|before| items(before, "/properties/versions").to_vec())
            .unwrap_or_default()
            .into_iter()
            .filter(|known| *known != version),
    );
    properties.insert("version".to_owned(), version);
    properties.insert("versions".to_owned(), json!(versions));
    let document = json!({
        "id": id,
        "type": kind.full_type(),
        "name": name,
        "properties": properties,
        "systemData": state.system_data(before),
    });
    state.insert(document.clone());
    document
}

/// Refuses a `policyType` that a caller cannot make, and a `version` that is none.
pub(super) fn check_type_and_version(properties: &Object) -> Result<(), ArmError> {
    match properties
        .get("policyType")
        .map(|value| value.as_str().unwrap_or_default().to_ascii_lowercase())
        .as_deref()
    {
        None | Some("custom" | "notspecified") => {}
        Some(_) => {
            return Err(ArmError::bad_request(
                "InvalidPolicyType",
                "The policy type must be 'Custom' or 'NotSpecified'.",
            ));
        }
    }
    let Some(version) = properties.get("version") else {
        return Ok(());
    };
    let parts: Vec<&str> = version.as_str().unwrap_or_default().split('.').collect();
    if parts.len() != 3 || parts.iter().any(|part| part.parse::<u32>().is_err()) {
        return Err(ArmError::bad_request(
            "InvalidPolicyDefinitionVersion",
            format!("The version {version} must have the form '1.2.3'."),
        ));
    }
    Ok(())
}

fn put(state: &mut State, call: &Call, name: &str) -> Result<Response, ArmError> {
    check_name(DEFINITION, name, 64)?;
    let scope = writable_scope(state, call)?;
    let mut properties = properties(DEFINITION, &call.body)?;
    check_type_and_version(&properties)?;
    let declared = parameters::declarations(DEFINITION, &properties, 20)?;
    let mode = properties.entry("mode").or_insert_with(|| json!("Indexed"));
    let mode = mode.as_str().unwrap_or_default().to_owned();
    check_rule(&mode, properties.get("policyRule"), &declared)?;
    let id = DEFINITION.id(&scope.id, name);
    let before = state.resource(&id).cloned();
    match &before {
        Some(before) => parameters::check_update(DEFINITION, before, &declared)?,
        None => check_quota(state, DEFINITION, &scope)?,
    }
    if properties.contains_key("parameters") {
        properties.insert("parameters".to_owned(), Value::Object(declared));
    }
    let name = before.as_ref().map_or(name, |before| text(before, "/name")).to_owned();
    let document = store(state, DEFINITION, &id, &name, properties, before.as_ref());
    Ok(Response::json(201, &present(state, call, &document)))
}

/// Checks the rule: its form, the parameters it uses, and what the Kubernetes mode asks for.
fn check_rule(mode: &str, rule: Option<&Value>, declared: &Object) -> Result<(), ArmError> {
    let invalid = |message: &str| {
        ArmError::bad_request(
            "InvalidPolicyRule",
            format!("Failed to parse policy rule: '{message}'."),
        )
    };
    let Some(rule) = rule else {
        return Err(invalid("the policy rule is missing"));
    };
    if object(rule, "/if").is_none() || object(rule, "/then").is_none() {
        return Err(invalid("the rule must have the properties 'if' and 'then'"));
    }
    let effect = rule.pointer("/then/effect").and_then(Value::as_str).unwrap_or_default();
    if effect.is_empty() {
        return Err(invalid("'then' must have the property 'effect'"));
    }
    let written = rule.to_string().to_ascii_lowercase();
    let used: Vec<&str> = written
        .split("parameters('")
        .skip(1)
        .filter_map(|after| after.split('\'').next())
        .collect();
    if let Some(unknown) = used
        .iter()
        .find(|name| !declared.keys().any(|known| known.eq_ignore_ascii_case(name)))
    {
        return Err(invalid(&format!("the parameter '{unknown}' is not defined")));
    }
    let unused: Vec<&str> = declared
        .keys()
        .filter(|name| !used.iter().any(|used| used.eq_ignore_ascii_case(name)))
        .map(String::as_str)
        .collect();
    if !unused.is_empty() {
        return Err(ArmError::bad_request(
            "UnusedPolicyParameters",
            format!(
                "The policy has defined parameters '{}' which are not used in the policy rule. Please either remove these parameters from the definition or ensure that they are used in the policy rule.",
                unused.join(",")
            ),
        ));
    }
    if mode.eq_ignore_ascii_case("Microsoft.Kubernetes.Data") {
        check_kubernetes_rule(rule, effect).map_err(|why| invalid(&why))
    } else {
        Ok(())
    }
}

/// Checks what rules of the mode `Microsoft.Kubernetes.Data` must have.
fn check_kubernetes_rule(rule: &Value, effect: &str) -> Result<(), String> {
    let literal = !effect.starts_with('[');
    if literal && !["audit", "deny", "disabled", "mutate"].contains(&effect.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "the effect '{effect}' is not supported by the mode 'Microsoft.Kubernetes.Data'"
        ));
    }
    let Some(details) = object(rule, "/then/details") else {
        return Err("'then' must have the property 'details'".to_owned());
    };
    let has = |key: &str| details.contains_key(key);
    if has("templateInfo") {
        if has("constraint") || has("constraintTemplate") {
            return Err("'templateInfo' cannot be combined with 'constraint' or 'constraintTemplate'".to_owned());
        }
        let source = text(rule, "/then/details/templateInfo/sourceType");
        let content = match source {
            "PublicURL" => "url",
            "Base64Encoded" => "content",
            other => {
                return Err(format!(
                    "the source type '{other}' of 'templateInfo' must be 'PublicURL' or 'Base64Encoded'"
                ));
            }
        };
        if text(rule, &format!("/then/details/templateInfo/{content}")).is_empty() {
            return Err(format!("'templateInfo' must have the property '{content}'"));
        }
        for key in ["apiGroups", "kinds"] {
            match details.get(key) {
                None => return Err(format!("'{key}' is required with 'templateInfo'")),
                Some(Value::Array(values))
                    if values.is_empty() || values.iter().any(|value| value == "*" || !value.is_string()) =>
                {
                    return Err(format!("'{key}' must be a list of texts without '*'"));
                }
                Some(Value::Array(_)) => {}
                Some(value) if parameters::is_expression(value) => {}
                Some(_) => return Err(format!("'{key}' must be a list")),
            }
        }
        for (key, fits) in [
            ("namespaces", Value::is_array as fn(&Value) -> bool),
            ("excludedNamespaces", Value::is_array),
            ("labelSelector", Value::is_object),
            ("values", Value::is_object),
        ] {
            if details
                .get(key)
                .is_some_and(|value| !fits(value) && !parameters::is_expression(value))
            {
                return Err(format!("'{key}' has the wrong type"));
            }
        }
        if source == "Base64Encoded" {
            let values = object(rule, "/then/details/values");
            let values = values.into_iter().flat_map(Object::keys).cloned().collect();
            super::template::check(text(rule, "/then/details/templateInfo/content"), &values)?;
        }
    } else if !(has("mutationInfo") || has("constraintInfo") || has("constraint") && has("constraintTemplate")) {
        return Err("'details' must have the property 'templateInfo' or 'mutationInfo'".to_owned());
    }
    Ok(())
}
