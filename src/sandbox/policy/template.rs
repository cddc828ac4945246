//! The constraint template inside a definition of the Kubernetes mode: what of it can be told before a cluster sees it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::json::{items, object, text};

/// What a template of a custom definition may not ask for: replicated data is kept for Azure's own.
const SYNC: &str = "metadata.gatekeeper.sh/requires-sync-data";

/// Checks the Base64 text of a `templateInfo`, and that its schema knows the `values` that the definition hands over.
///
/// A template that is written in YAML is looked at as a text only: there is no reader of YAML here.
pub(super) fn check(content: &str, values: &BTreeSet<String>) -> Result<(), String> {
    let bytes = data_encoding::BASE64
        .decode(content.as_bytes())
        .map_err(|_| "the 'content' of 'templateInfo' is not valid Base64".to_owned())?;
    let written =
        String::from_utf8(bytes).map_err(|_| "the 'content' of 'templateInfo' is not a UTF-8 text".to_owned())?;
    if !written.contains("ConstraintTemplate") {
        return Err("the 'content' of 'templateInfo' is not a constraint template".to_owned());
    }
    // Azure takes such a definition and each cluster then fails with `ConstraintTemplateInstallFailed`: it is refused here, for
    // no rehearsal should end well with a gate that no cluster has.
    if written.contains(SYNC) {
        return Err(format!(
            "ConstraintTemplateInstallFailed: a custom constraint template cannot have the annotation '{SYNC}'"
        ));
    }
    match serde_json::from_str::<Value>(&written) {
        Ok(template) => check_template(&template, values),
        Err(_) => Ok(()),
    }
}

fn check_template(template: &Value, values: &BTreeSet<String>) -> Result<(), String> {
    let wrong = |why: String| Err(format!("the constraint template is invalid: {why}"));
    let version = text(template, "/apiVersion");
    if text(template, "/kind") != "ConstraintTemplate" || !version.starts_with("templates.gatekeeper.sh/") {
        return wrong("it must be a ConstraintTemplate of templates.gatekeeper.sh".to_owned());
    }
    let kind = text(template, "/spec/crd/spec/names/kind");
    let letters = kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind.chars().all(|letter| letter.is_ascii_alphanumeric());
    if !letters || kind.len() > 63 {
        return wrong(format!("'{kind}' cannot be the kind of a constraint"));
    }
    let name = text(template, "/metadata/name");
    if name != kind.to_ascii_lowercase() {
        return wrong(format!("its name '{name}' must be its kind '{kind}' in lower case"));
    }
    let targets = items(template, "/spec/targets");
    let [target] = targets else {
        return wrong("it must have exactly one target".to_owned());
    };
    if text(target, "/target") != "admission.k8s.gatekeeper.sh" {
        return wrong(format!("its target '{}' is unknown", text(target, "/target")));
    }
    let rego = text(target, "/rego");
    if rego.is_empty() && items(target, "/code").is_empty() {
        return wrong("its target has no code".to_owned());
    }
    let complete = rego.contains("package ") && rego.contains("violation");
    if !rego.is_empty() && !complete {
        return wrong("its rego has no package or no violation".to_owned());
    }
    let known = object(template, "/spec/crd/spec/validation/openAPIV3Schema/properties");
    let unknown = values
        .iter()
        .find(|name| !known.is_some_and(|known| known.contains_key(*name)));
    match unknown {
        Some(name) => Err(format!(
            "the value '{name}' is not a parameter of the constraint template"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::json::set;
    use super::*;

    fn template() -> Value {
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "ownrule1"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "OwnRule1"}, "validation": {"openAPIV3Schema": {"properties": {"list": {}}}}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation[{\"msg\": \"x\"}] { true }"}],
            },
        })
    }

    fn said(written: &str, values: &[&str]) -> String {
        let content = data_encoding::BASE64.encode(written.as_bytes());
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        check(&content, &values).err().unwrap_or_default()
    }

    #[test]
    fn a_template_is_checked_as_far_as_it_can_be() {
        assert_eq!(said(&template().to_string(), &["list"]), "");
        assert!(said(&template().to_string(), &["other"]).contains("'other' is not a parameter"));
        let but = |pointer: &str, key: &str, value: Value| {
            let mut template = template();
            set(&mut template, pointer, key, value);
            said(&template.to_string(), &[])
        };
        assert!(but("", "apiVersion", json!("v1")).contains("must be a ConstraintTemplate"));
        assert!(but("/metadata", "name", json!("other")).contains("in lower case"));
        assert!(but("/spec/crd/spec/names", "kind", json!("own-rule")).contains("cannot be the kind"));
        assert!(but("/spec", "targets", json!([])).contains("exactly one target"));
        assert!(but("/spec/targets/0", "rego", json!("")).contains("no code"));
        assert!(but("/spec/targets/0", "rego", json!("package a")).contains("no violation"));
        let annotation = json!({SYNC: "[[]]"});
        assert!(but("/metadata", "annotations", annotation).contains("ConstraintTemplateInstallFailed"));
    }

    #[test]
    fn what_is_no_template_is_refused_and_yaml_is_let_pass() {
        assert!(check("%%%", &BTreeSet::new()).unwrap_err().contains("Base64"));
        assert!(said("x", &[]).contains("not a constraint template"));
        assert_eq!(
            said(
                "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n",
                &[]
            ),
            ""
        );
    }
}
