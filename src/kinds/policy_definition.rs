//! Policy definitions of our own.
//!
//! Their names carry a hash of the content, so another rule is another definition; a change in place only restores what
//! somebody edited, or words.

use super::{
    Direction, FieldDirection, Meanings, ResourceKind, at, comparable_parameters, merged_definition, own_metadata,
    properties,
};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

pub(super) struct PolicyDefinition;

impl ResourceKind for PolicyDefinition {
    fn comparable(&self, wire: &Value) -> Value {
        let properties = properties(wire);
        let mut result = Map::new();
        for key in ["displayName", "description"] {
            let text = properties
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty());
            result.extend(text.map(|text| (key.to_owned(), Value::from(text))));
        }
        // ARM gives the mode of Azure's own types in another casing than was sent.
        let mode = properties.get("mode").and_then(Value::as_str).unwrap_or("Indexed");
        result.insert("mode".to_owned(), Value::from(mode.to_ascii_lowercase()));
        let metadata = own_metadata(properties.get("metadata"));
        result.insert("metadata".to_owned(), Value::Object(metadata));
        result.insert(
            "parameters".to_owned(),
            comparable_parameters(properties.get("parameters")),
        );
        let mut rule = properties.get("policyRule").cloned().unwrap_or_default();
        if let Some(template) = rule.pointer_mut("/then/details/templateInfo") {
            unpack(template);
        }
        result.insert("policyRule".to_owned(), rule);
        json!({ "properties": result })
    }

    fn merged(&self, desired: &Value, observed: Option<&Value>) -> Value {
        merged_definition(desired, observed)
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        // A definition acts only through an assignment, whose own step has the direction of its coming and going.
        let (Some(before), Some(after)) = (before, after) else {
            return Vec::new();
        };
        let same = |key: &&str| at(before, &["properties", key]) == at(after, &["properties", key]);
        // Two rules cannot be compared.
        ["mode", "parameters", "policyRule"]
            .into_iter()
            .filter(|key| !same(key))
            .map(|key| FieldDirection::told(Direction::Weakens, format!("`{key}`, which is another one")))
            .collect()
    }
}

/// Shows what a Base64 text holds, so that a change of a rule is a change of its lines; what it does not hold stays as it is.
fn unpack(template: &mut Value) {
    let Some(template) = template.as_object_mut() else {
        return;
    };
    let content = template.get("content").and_then(Value::as_str);
    let bytes = content.and_then(|content| BASE64.decode(content.as_bytes()).ok());
    let Some(mut inside) = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else {
        return;
    };
    let rego = inside.pointer_mut("/spec/targets/0/rego").map(Value::take);
    template.remove("content");
    template.extend(rego.map(|rego| ("rego".to_owned(), rego)));
    template.insert("template".to_owned(), inside);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(rego: &str) -> Value {
        let template = json!({"kind": "ConstraintTemplate", "spec": {"targets": [{"target": "t", "rego": rego}]}});
        let content = BASE64.encode(template.to_string().as_bytes());
        json!({"properties": {
            "displayName": "d", "mode": "Microsoft.Kubernetes.Data", "metadata": {"aksgate": "x"},
            "parameters": {"effect": {"type": "String", "defaultValue": "Audit"}},
            "policyRule": {"if": {}, "then": {"details": {"templateInfo": {"sourceType": "Base64Encoded", "content": content}}}}}})
    }

    #[test]
    fn what_the_server_changes_is_no_difference() {
        let mut got = wire("a\nb");
        let properties = got["properties"].as_object_mut().unwrap();
        properties["metadata"]["createdOn"] = json!("2027-01-01T00:00:00Z");
        properties["parameters"]["effect"]["type"] = json!("string");
        properties.extend([
            ("policyType".to_owned(), json!("Custom")),
            ("version".to_owned(), json!("1.0.0")),
            ("versions".to_owned(), json!(["1.0.0"])),
            ("description".to_owned(), json!("")),
        ]);
        got["systemData"] = json!({});
        assert_eq!(
            PolicyDefinition.comparable(&wire("a\nb")),
            PolicyDefinition.comparable(&got)
        );
    }

    #[test]
    fn a_rule_is_shown_as_its_text_and_another_text_weakens() {
        let state = |rego: &str| PolicyDefinition.comparable(&wire(rego));
        let shown = state("a\nb");
        let template = shown
            .pointer("/properties/policyRule/then/details/templateInfo")
            .unwrap();
        assert_eq!(template["rego"], "a\nb");
        assert_eq!(
            template["template"]["spec"]["targets"],
            json!([{"target": "t", "rego": null}])
        );
        assert!(template.get("content").is_none());
        let direction = |one: &Value, two: &Value| PolicyDefinition.direction(Some(one), Some(two));
        assert_eq!(direction(&shown, &state("a\nc")), Direction::Weakens);
        let mut words = shown.clone();
        words["properties"]["displayName"] = json!("other");
        assert_eq!(direction(&shown, &words), Direction::Neutral);
        assert_eq!(PolicyDefinition.direction(None, Some(&shown)), Direction::Neutral);
    }

    #[test]
    fn what_is_no_template_stays_as_it_is() {
        let mut broken = wire("a");
        broken["properties"]["policyRule"]["then"]["details"]["templateInfo"]["content"] = json!("%%%");
        let shown = PolicyDefinition.comparable(&broken);
        let content = shown.pointer("/properties/policyRule/then/details/templateInfo/content");
        assert_eq!(content, Some(&json!("%%%")));
    }
}
