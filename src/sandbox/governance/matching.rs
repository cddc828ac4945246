//! Which objects a constraint is about: Gatekeeper's `match` block, as far as the add-on writes one.

use serde_json::Value;

use super::super::json::{items, object, text};

/// Where an object comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is in a request or in the cluster.
    Asked,
    /// It is what a workload will make.
    Implied,
}

/// Returns whether a constraint with this `match` block looks at an object.
pub(super) fn concerns(block: &Value, subject: &Value, origin: Origin) -> bool {
    let of_origin = match text(block, "/source").to_ascii_lowercase().as_str() {
        "original" => origin == Origin::Asked,
        "generated" => origin == Origin::Implied,
        _ => true,
    };
    of_origin && of_kind(block, subject) && in_namespaces(block, subject) && has_labels(block, subject)
}

fn of_kind(block: &Value, subject: &Value) -> bool {
    let version = text(subject, "/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let kinds = items(block, "/kinds");
    let named = |list: &[Value], name: &str| {
        list.is_empty()
            || list
                .iter()
                .filter_map(Value::as_str)
                .any(|one| one == "*" || one == name)
    };
    kinds.is_empty()
        || kinds.iter().any(|entry| {
            named(items(entry, "/apiGroups"), group) && named(items(entry, "/kinds"), text(subject, "/kind"))
        })
}

fn in_namespaces(block: &Value, subject: &Value) -> bool {
    let is_namespace = text(subject, "/kind") == "Namespace" && text(subject, "/apiVersion") == "v1";
    let namespace = text(
        subject,
        if is_namespace {
            "/metadata/name"
        } else {
            "/metadata/namespace"
        },
    );
    if namespace.is_empty() {
        return true;
    }
    let fits = |list: &[Value]| {
        list.iter()
            .filter_map(Value::as_str)
            .any(|pattern| like(pattern, namespace))
    };
    let only = items(block, "/namespaces");
    (only.is_empty() || fits(only)) && !fits(items(block, "/excludedNamespaces"))
}

/// A star at the start or the end of a pattern stands for any text; elsewhere it is a star.
fn like(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) if pattern.len() == 1 => true,
        (Some(rest), Some(_)) => name.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => pattern == name,
    }
}

fn has_labels(block: &Value, subject: &Value) -> bool {
    let label = |key: &str| {
        object(subject, "/metadata/labels")
            .and_then(|labels| labels.get(key))
            .and_then(Value::as_str)
    };
    let exact = object(block, "/labelSelector/matchLabels");
    let exact = exact.is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| value.as_str().is_some() && label(key) == value.as_str())
    });
    exact
        && items(block, "/labelSelector/matchExpressions")
            .iter()
            .all(|expression| {
                let found = label(text(expression, "/key"));
                let among = found.is_some_and(|found| {
                    items(expression, "/values")
                        .iter()
                        .any(|one| one.as_str() == Some(found))
                });
                match text(expression, "/operator") {
                    "In" => among,
                    "NotIn" => !among,
                    "Exists" => found.is_some(),
                    "DoesNotExist" => found.is_none(),
                    _ => false,
                }
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(block: Value, subject: &Value, origin: Origin, expected: bool) {
        assert_eq!(concerns(&block, subject, origin), expected, "{block} {subject}");
    }

    #[test]
    fn all_parts_of_a_match_block_must_fit() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop-eu", "labels": {"app": "web"}}});
        let role =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-eu"}});
        let kinds = |group: &str, kind: &str| json!({"kinds": [{"apiGroups": [group], "kinds": [kind]}]});
        let labels = |operator: &str, values: Value| json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}});
        for (block, expected) in [
            (json!({}), true),
            (kinds("", "Pod"), true),
            (kinds("apps", "Pod"), false),
            (kinds("*", "*"), true),
            (kinds("", "Service"), false),
            (json!({"namespaces": ["shop-eu"]}), true),
            (json!({"namespaces": ["shop"]}), false),
            (json!({"namespaces": []}), true),
            (json!({"namespaces": ["shop-*"], "excludedNamespaces": ["*-us"]}), true),
            (json!({"excludedNamespaces": ["shop-eu"]}), false),
            (json!({"excludedNamespaces": ["*"]}), false),
            (json!({"excludedNamespaces": ["*op-*"]}), false),
            (json!({"excludedNamespaces": ["s*p-eu"]}), true),
            (json!({"labelSelector": {"matchLabels": {"app": "web"}}}), true),
            (json!({"labelSelector": {"matchLabels": {"app": "api"}}}), false),
            (labels("In", json!(["web"])), true),
            (labels("NotIn", json!(["web"])), false),
            (labels("Exists", json!([])), true),
            (labels("DoesNotExist", json!([])), false),
            (json!({"source": "Original"}), true),
            (json!({"source": "Generated"}), false),
        ] {
            check(block, &pod, Origin::Asked, expected);
        }
        check(json!({"source": "Original"}), &pod, Origin::Implied, false);
        check(json!({"source": "All"}), &pod, Origin::Implied, true);
        check(
            json!({"namespaces": ["shop"], "excludedNamespaces": ["*"]}),
            &role,
            Origin::Asked,
            true,
        );
        check(
            json!({"excludedNamespaces": ["shop-*"]}),
            &namespace,
            Origin::Asked,
            false,
        );
    }
}
