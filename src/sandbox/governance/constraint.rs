//! A constraint as the add-on makes it of a policy definition, with the template that it is of.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::json::{items, text};
use super::super::random::hash;
use super::super::substitutes;

/// The namespaces that no policy of the add-on looks into.
const NEVER: [&str; 3] = ["kube-system", "gatekeeper-system", "azure-arc"];

/// A constraint in a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// Its name, such as `azurepolicy-k8sazurev2containernoprivilege-5a0572fab674dfdfb636`.
    pub name: String,
    /// The constraint template that it is of.
    pub template: Arc<Template>,
    /// The `match` block.
    pub block: Value,
    /// The parameters.
    pub parameters: Value,
    /// What happens at admission.
    pub action: Action,
    /// Stands for all that verdicts depend on.
    pub key: u64,
}

/// What a constraint does at admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It refuses.
    Deny,
    /// It lets in with a warning.
    Warn,
    /// It lets in.
    DryRun,
}

impl Action {
    /// Returns the text of `enforcementAction`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::DryRun => "dryrun",
        }
    }
}

/// A constraint template, from the place that a definition names.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The URL that it was fetched from; none for one inside of its definition.
    pub url: Option<String>,
    /// The document.
    pub document: Value,
    /// Stands for its content.
    pub key: u64,
}

impl Template {
    /// Fetches the template that a `templateInfo` names.
    ///
    /// # Errors
    /// A sentence about why the add-on cannot install it.
    pub fn fetch(info: &Value) -> Result<Self, String> {
        let (url, document) = if text(info, "/sourceType").eq_ignore_ascii_case("PublicURL") {
            let url = text(info, "/url");
            let found = substitutes::template(url);
            let document = found.ok_or_else(|| format!("the template at {url} is not to be had in the sandbox"))?;
            (Some(url.to_owned()), document.clone())
        } else {
            let bytes = data_encoding::BASE64.decode(text(info, "/content").as_bytes());
            let written = bytes.map_err(|_| "the template is not valid Base64".to_owned())?;
            let document: Result<Value, _> = serde_json::from_slice(&written);
            (
                None,
                document.map_err(|_| "the sandbox reads templates in JSON only".to_owned())?,
            )
        };
        let key = hash(&document.to_string());
        Ok(Self { url, document, key })
    }

    /// Returns the kind of its constraints.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(&self.document, "/spec/crd/spec/names/kind")
    }
}

/// Returns the name of the constraint that stands for a member of an assignment.
#[must_use]
pub fn name(kind: &str, assignment: &str, reference: &str) -> String {
    let of = format!("{assignment}\n{reference}").to_ascii_lowercase();
    let digits = format!("{:016x}{:016x}", hash(&of), hash(&format!("{of}\n")));
    let digits: String = digits.chars().take(20).collect();
    format!("azurepolicy-{}-{digits}", kind.to_ascii_lowercase())
}

/// Makes a constraint of the evaluated `details` of a definition.
///
/// # Errors
/// A sentence about why the add-on cannot install it.
pub fn of_details(details: &Value, assignment: &str, reference: &str, action: Action) -> Result<Constraint, String> {
    let template = Arc::new(Template::fetch(details.get("templateInfo").unwrap_or(&Value::Null))?);
    let kind = template.kind();
    if kind.is_empty() {
        return Err("the template does not name the kind of its constraints".to_owned());
    }
    let block = block(details);
    let parameters = match details.get("values") {
        Some(Value::Object(values)) => Value::Object(values.clone()),
        _ => Value::Object(Map::new()),
    };
    Ok(Constraint {
        name: name(kind, assignment, reference),
        key: hash(&format!("{:x}\n{parameters}\n{block}", template.key)),
        template,
        block,
        parameters,
        action,
    })
}

fn block(details: &Value) -> Value {
    let mut block = json!({
        "kinds": [{"apiGroups": items(details, "/apiGroups"), "kinds": items(details, "/kinds")}],
        // Pods that a workload will make are only looked at where the definition says so.
        "source": match text(details, "/source") { "" => "Original", source => source },
    });
    let mut excluded: Vec<Value> = items(details, "/excludedNamespaces").to_vec();
    for never in NEVER {
        if !excluded.iter().any(|one| one == never) {
            excluded.push(json!(never));
        }
    }
    let mut set = |key: &str, value: Value| super::super::json::set(&mut block, "", key, value);
    set("excludedNamespaces", Value::Array(excluded));
    let namespaces = items(details, "/namespaces");
    if !namespaces.is_empty() {
        set("namespaces", json!(namespaces));
    }
    if let Some(Value::Object(selector)) = details.get("labelSelector")
        && !selector.is_empty()
    {
        set("labelSelector", Value::Object(selector.clone()));
    }
    block
}
