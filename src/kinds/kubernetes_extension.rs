//! The Azure Policy extension of an Arc-connected cluster (`Microsoft.KubernetesConfiguration/extensions`).
//!
//! Made where there is none, and then left to Azure and its owner: it is never changed and never removed.

use super::{Direction, FieldDirection, Meanings, ResourceKind, at, properties};
use serde_json::{Map, Value, json};

pub(super) struct KubernetesExtension;

impl ResourceKind for KubernetesExtension {
    fn comparable(&self, wire: &Value) -> Value {
        let found = properties(wire);
        let mut kept = Map::new();
        // Azure gives type and train back in a casing of its own.
        for key in ["extensionType", "releaseTrain"] {
            if let Some(text) = found.get(key).and_then(Value::as_str) {
                kept.insert(key.to_owned(), Value::from(text.to_ascii_lowercase()));
            }
        }
        if let Some(on) = found.get("autoUpgradeMinorVersion").and_then(Value::as_bool) {
            kept.insert("autoUpgradeMinorVersion".to_owned(), Value::from(on));
        }
        if let Some(namespace) = at(wire, &["properties", "scope", "cluster", "releaseNamespace"]) {
            kept.insert("scope".to_owned(), json!({"cluster": {"releaseNamespace": namespace}}));
        }
        json!({ "properties": kept })
    }

    fn merged(&self, desired: &Value, _observed: Option<&Value>) -> Value {
        desired.clone()
    }

    fn directions(&self, before: Option<&Value>, after: Option<&Value>, _: &Meanings) -> Vec<FieldDirection> {
        let told = |direction, text: &str| vec![FieldDirection::told(direction, text)];
        match (before, after) {
            (None, Some(_)) => told(Direction::Tightens, "the extension comes"),
            (Some(before), Some(after)) if before == after => Vec::new(),
            (None, None) => Vec::new(),
            // Neither is ever planned.
            (Some(_), None) => told(Direction::Weakens, "the extension goes"),
            (Some(_), Some(_)) => told(Direction::Weakens, "the extension is set up in another way"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_azure_spells_and_adds_is_no_difference() {
        let sent = json!({"identity": {"type": "SystemAssigned"}, "properties": {"extensionType": "Microsoft.PolicyInsights",
            "releaseTrain": "Stable", "autoUpgradeMinorVersion": true, "scope": {"cluster": {"releaseNamespace": "kube-system"}}}});
        let found = json!({"id": "/x", "properties": {"extensionType": "microsoft.policyinsights", "releaseTrain": "stable",
            "autoUpgradeMinorVersion": true, "scope": {"cluster": {"releaseNamespace": "kube-system"}}, "version": "1.2.3"}});
        let kind = KubernetesExtension;
        assert_eq!(kind.comparable(&sent), kind.comparable(&found));
        assert_eq!(kind.direction(None, Some(&found)), Direction::Tightens);
        assert_eq!(kind.direction(Some(&found), None), Direction::Weakens);
    }
}
