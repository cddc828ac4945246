//! The keys of a rule's file.

use super::{Form, Format, Shape, Table, key, table};

/// The files `initiatives/SET/NAME.yaml`.
pub(in crate::config) static RULE: Table = Table {
    doc: "A rule of our own: a policy definition that this estate brings. Its name is the name of the file; what it checks stands beside it, in NAME.rego or NAME.json.",
    keys: &[
        key(
            "displayName",
            Shape::Text(Format::Title(128)),
            "What the definition is called in the portal.",
        )
        .required(),
        key(
            "description",
            Shape::Text(Format::Title(512)),
            "What the rule refuses, and why.",
        ),
        key(
            "kinds",
            Shape::List {
                item: &Shape::Text(Format::KubernetesKind),
                least: 1,
            },
            "The kinds of the Kubernetes objects that NAME.rego judges.",
        ),
        key(
            "apiGroups",
            Shape::List {
                item: &Shape::Text(Format::ApiGroup),
                least: 1,
            },
            "The API groups of these kinds; the core group is the empty text.",
        ),
        key(
            "mode",
            Shape::Words(&[
                ("Indexed", "resources with tags and a location, such as clusters"),
                ("All", "every resource, and resource groups and subscriptions"),
            ]),
            "The Azure resources that the policyRule in NAME.json judges.",
        ),
        key(
            "parameters",
            Shape::Map {
                key: Format::ParameterName,
                value: &Shape::Table(&RULE_PARAMETER),
            },
            "The rule's own parameters by name; aksgate adds `effect`, and for Kubernetes `excludedNamespaces`, `namespaces` and `labelSelector`.",
        ),
        key(
            "effects",
            Shape::List {
                item: &Shape::Words(&[
                    ("Audit", "violations are recorded"),
                    ("AuditIfNotExists", "what has no related resource is recorded; Azure resources only"),
                    ("Deny", "violations are refused"),
                    ("Disabled", "not evaluated"),
                ]),
                least: 2,
            },
            "The effects that it may take; `Audit`, `Deny` and `Disabled` if left out. Without `Deny` it stays in audit.",
        ),
        key(
            "enforceable",
            Shape::Boolean,
            "`false` for a rule that admission cannot decide, such as one that needs other objects of the cluster: it is not sent to Azure.",
        )
        .default("true"),
        key(
            "reason",
            Shape::Text(Format::Title(512)),
            "Why the rule cannot be enforced: a sentence without a full stop.",
        ),
    ],
    forms: &[
        Form {
            name: "a rule for Kubernetes objects",
            lead: "kinds",
            required: &["apiGroups"],
            optional: &["displayName", "description", "parameters", "effects", "enforceable", "reason"],
        },
        Form {
            name: "a rule for Azure resources",
            lead: "mode",
            required: &[],
            optional: &["displayName", "description", "parameters", "effects"],
        },
    ],
};

static RULE_PARAMETER: Table = table(
    "One parameter of a rule.",
    &[
        key(
            "type",
            Shape::Words(&[
                ("String", "a text"),
                ("Array", "a list"),
                ("Object", "a mapping"),
                ("Boolean", "`true` or `false`"),
                ("Integer", "a whole number"),
                ("Float", "a number"),
            ]),
            "Its type, one of Azure's.",
        )
        .required(),
        key("description", Shape::Text(Format::Title(512)), "What it is for."),
        key(
            "default",
            Shape::Parameter,
            "The value that it has if a member of a set gives none. Without one, every member must.",
        ),
        key(
            "allowed",
            Shape::List {
                item: &Shape::Parameter,
                least: 1,
            },
            "The values that it may take; for a list, what its items may be.",
        ),
        key(
            "meaning",
            Shape::Words(&[
                ("allows", "a list of what is let through"),
                (
                    "excludes",
                    "a list of what the rule does not look at; of nothing if it is empty",
                ),
                ("refuses", "a list of what is refused or has to be there"),
                ("selects", "a list of where the rule holds; everywhere if it is empty"),
                ("allows-pattern", "a regular expression of what is let through"),
                ("permits", "a switch that lets something through"),
                ("demands", "a switch that holds something back"),
            ]),
            "What it is to the rule: which way a change of its value goes. Left out, every change of it counts as weakening.",
        ),
    ],
);
