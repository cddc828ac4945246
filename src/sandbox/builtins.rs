//! The built-in policy definitions and sets, as Azure serves them.
//!
//! The data in `builtins/data.json` comes from Microsoft's public repository Azure/azure-policy; see `builtins/generate.py`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::json::{items, text};

static DATA: &str = include_str!("builtins/data.json");

/// The built-in documents by the lower-case name of the definition or set, newest first.
#[derive(Debug, Default)]
pub struct Builtins {
    /// Documents of the newest versions by lower-case id.
    pub newest: BTreeMap<String, Value>,
    /// Documents of older versions by lower-case id, which ends in `/versions/{version}`.
    pub older: BTreeMap<String, Value>,
}

/// Returns the built-in documents.
#[must_use]
pub fn builtins() -> &'static Builtins {
    static BUILTINS: LazyLock<Builtins> = LazyLock::new(|| {
        // The file is part of the program, and a test reads it: it cannot be damaged here.
        let data: Value = serde_json::from_str(DATA).unwrap_or_default();
        let by_id = |pointer: &str| {
            items(&data, pointer)
                .iter()
                .map(|document| (text(document, "/id").to_ascii_lowercase(), document.clone()))
                .collect()
        };
        let mut newest: BTreeMap<String, Value> = by_id("/policyDefinitions");
        newest.extend(by_id("/policySetDefinitions"));
        Builtins {
            newest,
            older: by_id("/policyDefinitionVersions"),
        }
    });
    &BUILTINS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_holds_the_pod_security_initiatives_with_all_their_members() {
        let builtins = builtins();
        for name in [
            "a8640138-9b0a-4a28-b8cb-1666c838647d",
            "42b8ef37-b724-4e24-bbc8-7a7708edfe00",
        ] {
            let set = &builtins.newest[&format!("/providers/microsoft.authorization/policysetdefinitions/{name}")];
            assert!(items(set, "/properties/policyDefinitions").len() >= 5);
            for member in items(set, "/properties/policyDefinitions") {
                assert!(
                    builtins
                        .newest
                        .contains_key(&text(member, "/policyDefinitionId").to_ascii_lowercase())
                );
            }
        }
        assert!(!builtins.older.is_empty());
    }
}
