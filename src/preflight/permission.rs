//! Effective permissions, as `Microsoft.Authorization/permissions` gives them, and whether they allow an action.
//!
//! Owns the matching of actions. Must not know what an action is needed for.

use serde_json::Value;

/// One entry of the answer: what one role, or several together, allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// Patterns of what is allowed; `*` is any text.
    pub actions: Vec<String>,
    /// Patterns of what is taken out of that, within this entry only.
    pub not_actions: Vec<String>,
    /// Whether it holds under a condition, which is not evaluated here.
    pub conditional: bool,
}

/// Whether an action is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// No entry allows it.
    No,
    /// Only entries with a condition allow it.
    OnCondition,
    /// An entry allows it.
    Yes,
}

impl Permission {
    /// Reads an entry; none if it is not of the form that is known, since a part that is not understood could take something out.
    pub fn parse(entry: &Value) -> Option<Permission> {
        let entry = entry.as_object()?;
        let list = |key: &str| match entry.get(key) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let condition = entry.get("condition").filter(|condition| !condition.is_null());
        Some(Permission {
            actions: list("actions")?,
            not_actions: list("notActions")?,
            conditional: condition.is_some_and(|condition| condition.as_str() != Some("")),
        })
    }

    fn allows(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        any(&self.actions) && !any(&self.not_actions)
    }
}

/// Returns whether `permissions` allow `action`: each entry adds, and takes out only of what it adds itself.
pub fn granted(permissions: &[Permission], action: &str) -> Grant {
    let found = permissions.iter().filter(|permission| permission.allows(action));
    let grant = |permission: &Permission| match permission.conditional {
        true => Grant::OnCondition,
        false => Grant::Yes,
    };
    found.map(grant).max().unwrap_or(Grant::No)
}

/// Returns whether the pattern, in which each `*` is any text, fits the whole action, without regard to case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| action.strip_prefix(head)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The first place leaves the most text for the parts that follow.
        let Some(after) = rest.find(part).and_then(|at| rest.get(at + part.len()..)) else {
            return false;
        };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn permissions(entries: Value) -> Vec<Permission> {
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| Permission::parse(entry).unwrap()).collect()
    }

    #[test]
    fn patterns_fit_whole_actions_without_case() {
        for (pattern, action, expected) in [
            ("*", "Microsoft.Security/pricings/write", true),
            ("*/read", "Microsoft.Security/pricings/read", true),
            ("*/read", "Microsoft.Security/pricings/write", false),
            ("*/read", "Microsoft.Security/pricings/readers/write", false),
            (
                "Microsoft.Authorization/*/Write",
                "microsoft.authorization/policyAssignments/write",
                true,
            ),
            (
                "Microsoft.Authorization/*/Write",
                "Microsoft.Authorization/write",
                false,
            ),
            (
                "Microsoft.Authorization/policyassignments/*",
                "Microsoft.Authorization/policyAssignments/exempt/action",
                true,
            ),
            (
                "Microsoft.Authorization/policyassignments/*",
                "Microsoft.Authorization/policyAssignmentsX/write",
                false,
            ),
            (
                "Microsoft.Authorization/policyAssignments/write",
                "Microsoft.Authorization/policyAssignments/write",
                true,
            ),
            (
                "Microsoft.Authorization/policyAssignments/write",
                "Microsoft.Authorization/policyAssignments/write/x",
                false,
            ),
            ("*/a/*/b", "x/a/b/b", true),
            ("*/a/*/b", "x/a/b", false),
            ("", "x", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn an_exclusion_takes_out_of_its_own_entry_only() {
        let contributor = json!({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"]});
        let policy = json!({"actions": ["*/read", "Microsoft.Authorization/policyassignments/*"], "notActions": []});
        let write = "Microsoft.Authorization/policyAssignments/write";
        assert_eq!(granted(&permissions(json!([contributor])), write), Grant::No);
        assert_eq!(
            granted(&permissions(json!([contributor])), "Microsoft.Security/pricings/write"),
            Grant::Yes
        );
        assert_eq!(granted(&permissions(json!([contributor, policy])), write), Grant::Yes);
        assert_eq!(granted(&permissions(json!([policy, contributor])), write), Grant::Yes);
        assert_eq!(granted(&[], write), Grant::No);
    }

    #[test]
    fn a_condition_is_no_plain_yes() {
        let conditional = json!({"actions": ["*"], "condition": "@Request[x] StringEquals 'y'"});
        let plain = json!({"actions": ["*"], "condition": null});
        let write = "Microsoft.Authorization/roleAssignments/write";
        assert_eq!(granted(&permissions(json!([conditional])), write), Grant::OnCondition);
        assert_eq!(granted(&permissions(json!([conditional, plain])), write), Grant::Yes);
    }

    #[test]
    fn an_entry_that_is_not_understood_is_no_entry() {
        for entry in [
            json!("*"),
            json!({"actions": "*"}),
            json!({"actions": ["*"], "notActions": "x"}),
            json!({"actions": [1]}),
        ] {
            assert_eq!(Permission::parse(&entry), None, "{entry}");
        }
        assert_eq!(Permission::parse(&json!({})), Some(Permission::default()));
    }

    proptest! {
        #[test]
        fn matching_agrees_with_trying_every_split(pattern in "[ab*]{0,6}", action in "[ab]{0,6}") {
            fn slow(pattern: &[u8], action: &[u8]) -> bool {
                match pattern.split_first() {
                    None => action.is_empty(),
                    Some((b'*', rest)) => (0..=action.len()).any(|at| slow(rest, &action[at..])),
                    Some((c, rest)) => action.first() == Some(c) && slow(rest, &action[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &action), slow(pattern.as_bytes(), action.as_bytes()));
        }
    }
}
