//! The table of keys: every key of every file of an estate, once.
//!
//! The walk, the proposals for a misspelt key and the JSON Schemas are made from this table alone.

mod limits;
mod rollout;
mod rule;

pub(super) use rule::RULE;

use super::format::Format;

/// What a value may be.
pub(super) enum Shape {
    /// A mapping with these keys.
    Table(&'static Table),
    /// A mapping whose keys are names that the user gives.
    Map { key: Format, value: &'static Shape },
    /// A list.
    List { item: &'static Shape, least: usize },
    /// A text.
    Text(Format),
    /// One of these words, each with what it means.
    Words(&'static [(&'static str, &'static str)]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, from 0.
    Number,
    /// A text, or `true` or `false`.
    TextOrBoolean(Format),
    /// The value of a policy parameter: what it may be is known once the parameter is.
    Parameter,
}

/// The keys of a mapping.
pub(super) struct Table {
    /// What the mapping is for.
    pub doc: &'static str,
    /// The keys.
    pub keys: &'static [Key],
    /// If not empty, the mapping has exactly one of these forms.
    pub forms: &'static [Form],
}

/// One of several forms of a mapping.
pub(super) struct Form {
    /// What the form is, with its article.
    pub name: &'static str,
    /// The key that tells the form.
    pub lead: &'static str,
    /// The other keys that the form must have.
    pub required: &'static [&'static str],
    /// The other keys that the form may have.
    pub optional: &'static [&'static str],
}

/// One key.
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
    /// The value it has if it is left out, as it would be written.
    pub default: Option<&'static str>,
    pub doc: &'static str,
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        default: None,
        doc,
    }
}

impl Key {
    const fn required(mut self) -> Key {
        self.required = true;
        self
    }

    const fn default(mut self, value: &'static str) -> Key {
        self.default = Some(value);
        self
    }
}

const fn table(doc: &'static str, keys: &'static [Key]) -> Table {
    let forms = &[];
    Table { doc, keys, forms }
}

const CLOUD: Shape = Shape::Words(&[
    ("public", "Azure public"),
    ("usgov", "Azure Government"),
    ("china", "Azure operated by 21Vianet"),
]);
const MODE: Shape = Shape::Words(&[
    ("manage", "aksgate writes it"),
    ("require", "another tool writes it; aksgate only checks"),
]);
const MODE_OR_POLICY: Shape = Shape::Words(&[
    ("manage", "aksgate writes it"),
    ("require", "another tool writes it; aksgate only checks"),
    ("policy", "an assignment of Azure Policy writes it; aksgate only checks"),
]);
const NAMESPACES: Shape = Shape::List {
    item: &Shape::Text(Format::Namespace),
    least: 0,
};
const PARAMETERS: Shape = Shape::Map {
    key: Format::ParameterName,
    value: &Shape::Parameter,
};

const API_VERSIONS: Shape = Shape::Table(&table(
    "Api-versions in place of aksgate's own, by resource type, for a cloud that is behind or ahead.",
    &[
        key(
            "Microsoft.Authorization/policyAssignments",
            API_VERSION,
            "Policy assignments.",
        ),
        key(
            "Microsoft.Authorization/policyDefinitions",
            API_VERSION,
            "Policy definitions.",
        ),
        key(
            "Microsoft.Authorization/policyExemptions",
            API_VERSION,
            "Policy exemptions.",
        ),
        key(
            "Microsoft.Authorization/policySetDefinitions",
            API_VERSION,
            "Policy set definitions.",
        ),
        key(
            "Microsoft.Authorization/roleAssignments",
            API_VERSION,
            "Role assignments of the identities of policy assignments.",
        ),
        key(
            "Microsoft.ContainerService/deploymentSafeguards",
            API_VERSION,
            "Deployment safeguards of AKS clusters.",
        ),
        key(
            "Microsoft.ContainerService/managedClusters",
            API_VERSION,
            "AKS clusters. An older version hides newer settings of a cluster; take a recent one.",
        ),
        key(
            "Microsoft.KubernetesConfiguration/extensions",
            API_VERSION,
            "Extensions of Arc-connected clusters.",
        ),
        key(
            "Microsoft.Management/managementGroups",
            API_VERSION,
            "Management groups.",
        ),
        key(
            "Microsoft.Network/firewallPolicies",
            API_VERSION,
            "Azure Firewall policies, which `egress --check` reads.",
        ),
        key(
            "Microsoft.ResourceGraph/resources",
            API_VERSION,
            "Queries of Azure Resource Graph.",
        ),
        key("Microsoft.Resources/subscriptions", API_VERSION, "Subscriptions."),
        key(
            "Microsoft.Security/pricings",
            API_VERSION,
            "Plans of Defender for Cloud.",
        ),
    ],
));
const API_VERSION: Shape = Shape::Text(Format::ApiVersion);

/// Returns the resource types whose api-version an estate may name.
pub(super) fn api_versioned() -> impl Iterator<Item = &'static str> {
    let table = match API_VERSIONS {
        Shape::Table(table) => Some(table),
        _ => None,
    };
    table.into_iter().flat_map(|table| table.keys).map(|key| key.name)
}

/// The file `aksgate.yaml`.
pub(super) static ESTATE: Table = table(
    "The estate: who owns it, and what all its environments have in common.",
    &[
        key(
            "owner",
            Shape::Text(Format::Name),
            "Who owns the estate. It is part of the mark on every object that aksgate writes: a change orphans them all.",
        )
        .required(),
        key(
            "defaults",
            Shape::Table(&table(
                "What an environment has if it does not say otherwise.",
                &[
                    key("cloud", CLOUD, "The cloud of every environment that names none."),
                    key(
                        "tenant",
                        Shape::Text(Format::Guid),
                        "The Entra tenant of every environment that names none.",
                    ),
                    key(
                        "excludeNamespaces",
                        NAMESPACES,
                        "Kubernetes namespaces that every gate leaves out, joined with those of the gate and those that Azure manages.",
                    ),
                    key(
                        "expiryWarning",
                        Shape::Text(Format::Period),
                        "How long before its end an exemption is warned of.",
                    )
                    .default("14d"),
                    key(
                        "apiVersions",
                        API_VERSIONS,
                        "Api-versions in place of aksgate's own, by resource type, where an environment names none.",
                    ),
                ],
            )),
            "What an environment has if it does not say otherwise.",
        ),
    ],
);

/// The files `environments/NAME.yaml`.
pub(super) static ENVIRONMENT: Table = table(
    "One environment: where the gates stand and how far they are to close. Its name is the name of the file.",
    &[
        key(
            "cloud",
            CLOUD,
            "The cloud. May be left out if `defaults` in aksgate.yaml names one.",
        ),
        key(
            "tenant",
            Shape::Text(Format::Guid),
            "The Entra tenant, a GUID. May be left out if `defaults` in aksgate.yaml names one.",
        ),
        key(
            "scope",
            Shape::Text(Format::Scope),
            "Where the gates are assigned; no other environment has the same one.",
        )
        .required(),
        key(
            "definitionScope",
            Shape::Text(Format::DefinitionScope),
            "Where our own policy definitions and policy set definitions stand: the scope or something above it. If left out: the scope, or the subscription of a resource group.",
        ),
        key(
            "location",
            Shape::Text(Format::Location),
            "Where Azure keeps the identities of assignments that deploy or modify, such as `westeurope`. Needed as soon as a gate has such members; another one later makes successor assignments, since Azure cannot move one.",
        ),
        key("promotesFrom", Shape::Text(Format::Name), rollout::PROMOTES_FROM),
        key(
            "advance",
            rollout::ADVANCE,
            "Who takes the steps that close a gate further.",
        )
        .default("approve"),
        key(
            "rings",
            Shape::List {
                item: &Shape::Table(&rollout::RING),
                least: 1,
            },
            rollout::RINGS,
        ),
        key("settle", Shape::Text(Format::Period), rollout::SETTLE).default("90m"),
        key("windows", Shape::Table(&rollout::WINDOWS), rollout::WINDOWS_DOC),
        key(
            "gates",
            Shape::Map {
                key: Format::Name,
                value: &Shape::Table(&GATE),
            },
            "The gates by name.",
        ),
        key(
            "exemptions",
            Shape::List {
                item: &Shape::Table(&EXEMPTION),
                least: 0,
            },
            "What is let off a gate, until a day. Each new one weakens the gate and has to be allowed.",
        ),
        key(
            "defender",
            Shape::Table(&table(
                "Microsoft Defender for Cloud. What is not stated is not touched.",
                &[key(
                    "containers",
                    Shape::Table(&DEFENDER),
                    "The plan Containers of every subscription in scope.",
                )
                .required()],
            )),
            "Microsoft Defender for Cloud. What is not stated is not touched.",
        ),
        key(
            "clusters",
            Shape::Table(&CLUSTERS),
            "The AKS clusters in scope. What is not stated is not touched.",
        ),
        key(
            "limits",
            Shape::Table(&limits::LIMITS),
            "How much one apply may take away. It refuses more unless that is raised on its command line.",
        ),
        key(
            "apiVersions",
            API_VERSIONS,
            "Api-versions in place of aksgate's own, by resource type.",
        ),
    ],
);

static GATE: Table = table(
    "One gate: an initiative, and how far it is to close.",
    &[
        key(
            "initiative",
            Shape::Text(Format::Name),
            "The content of the gate: the name of a file in initiatives/, without `.yaml`.",
        )
        .required(),
        key(
            "target",
            Shape::Words(&[
                ("off", "not assigned"),
                ("audit", "violations are recorded"),
                ("deny", "violations are refused at admission"),
                (
                    "enforce",
                    "settings are deployed; for an initiative of kind enablement, in place of deny",
                ),
            ]),
            "The stage to reach. A gate gets there step by step, never in a jump.",
        )
        .required(),
        key(
            "soak",
            Shape::Text(Format::Period),
            "How long the gate stays at a stage before the next one.",
        )
        .default("7d"),
        key(
            "maxViolations",
            Shape::Number,
            "How many violations a ring may have when it is closed: each of them is refused at its next rollout or reschedule.",
        )
        .default("0"),
        key(
            "excludeNamespaces",
            NAMESPACES,
            "Kubernetes namespaces that the gate leaves out, joined with the estate's defaults and those that Azure manages.",
        ),
        key("parameters", PARAMETERS, "Values of the initiative's parameters."),
        key(
            "identity",
            Shape::Text(Format::IdentityId),
            "The resource id of a user-assigned identity for members that deploy or modify. If left out, Azure makes one for the assignment.",
        ),
        key(
            "renamedFrom",
            Shape::Text(Format::Name),
            "The name that the gate had before. What denies under that name stays until an assignment under the new one has taken its place.",
        ),
    ],
);

static EXEMPTION: Table = table(
    "Something that is let off a gate, until a day.",
    &[
        key("gate", Shape::Text(Format::Name), "The gate of this environment.").required(),
        key(
            "resource",
            Shape::Text(Format::ResourceId),
            "The id of what is let off: a cluster, or a resource group or subscription with all that lies in it.",
        )
        .required(),
        key(
            "category",
            Shape::Words(&[
                ("Waiver", "the risk is accepted for a time"),
                ("Mitigated", "the aim is met by other means"),
            ]),
            "Why, as Azure counts it.",
        )
        .required(),
        key(
            "expires",
            Shape::Text(Format::Moment),
            "When it ends: a day, at whose beginning (UTC) it ends, or a time. Azure itself honours it no longer then.",
        )
        .required(),
        key(
            "reason",
            Shape::Text(Format::Title(512)),
            "Why, in words; it stands in the plan and with the exemption in Azure.",
        )
        .required(),
        key("ticket", Shape::Text(Format::Title(128)), "Where that was decided."),
        key(
            "members",
            Shape::List {
                item: &Shape::Text(Format::ReferenceId),
                least: 1,
            },
            "References of the members that it is let off; all of them if left out.",
        ),
    ],
);

static DEFENDER: Table = table(
    "The plan Containers of every subscription in scope.",
    &[
        key("mode", MODE_OR_POLICY, "Who sees to the plan.").default("manage"),
        key(
            "tier",
            Shape::Words(&[("Standard", "the plan is on"), ("Free", "the plan is off")]),
            "The pricing tier.",
        )
        .required(),
        key(
            "extensions",
            Shape::Map {
                key: Format::ExtensionName,
                value: &Shape::Boolean,
            },
            "Extensions of the plan by name, such as ContainerSensor: on or off. Those that are not named stay as they are.",
        ),
        key(
            "extensionProperties",
            Shape::Map {
                key: Format::ExtensionName,
                value: &Shape::Map {
                    key: Format::ParameterName,
                    value: &Shape::TextOrBoolean(Format::PropertyValue),
                },
            },
            "Properties of extensions that are on, by extension and key, such as `ContainerSensor: {AntiMalwareEnabled: true}`. Those that are not named stay as they are.",
        ),
        key(
            "enforce",
            Shape::Boolean,
            "Whether the plan is forced on every resource below that has one of its own. Stays as it is if left out.",
        ),
    ],
);

static CLUSTERS: Table = table(
    "The AKS clusters in scope. What is not stated is not touched.",
    &[
        key(
            "policyAddon",
            Shape::Table(&table(
                "The Azure Policy add-on, without which no gate acts in a cluster.",
                &[key("mode", MODE_OR_POLICY, "Who sees that the add-on runs.").required()],
            )),
            "The Azure Policy add-on, without which no gate acts in a cluster.",
        ),
        key(
            "defenderSensor",
            Shape::Table(&DEFENDER_SENSOR),
            "The sensor of Defender for Containers in the clusters.",
        ),
        key(
            "safeguards",
            Shape::Table(&SAFEGUARDS),
            "AKS deployment safeguards: Azure's own set of rules for a cluster as a whole, as a choice instead of gates of pod security.",
        ),
        key(
            "arc",
            Shape::Table(&table(
                "Arc-connected clusters. They are not looked at if this is left out.",
                &[key(
                    "policyExtension",
                    Shape::Table(&table(
                        "The Azure Policy extension, without which no gate acts in such a cluster.",
                        &[key("mode", MODE_OR_POLICY, "Who sees that the extension is there. aksgate makes it where there is none, and never changes or removes one.").required()],
                    )),
                    "The Azure Policy extension, without which no gate acts in such a cluster.",
                )
                .required()],
            )),
            "Arc-connected clusters. They are not looked at if this is left out.",
        ),
        key(
            "select",
            Shape::Table(&table(
                "Which clusters in scope are meant; all of them if left out. A cluster has to fit the tags, and to lie in one of the scopes or be named by its id.",
                &[
                    key(
                        "tags",
                        Shape::Map {
                            key: Format::TagName,
                            value: &Shape::Text(Format::TagValue),
                        },
                        "Tags that a cluster must carry, all of them.",
                    ),
                    key(
                        "scopes",
                        Shape::List {
                            item: &Shape::Text(Format::GroupScope),
                            least: 1,
                        },
                        "Subscriptions and resource groups within the environment's scope.",
                    ),
                    key(
                        "ids",
                        Shape::List {
                            item: &Shape::Text(Format::Cluster),
                            least: 1,
                        },
                        "Clusters by resource id.",
                    ),
                ],
            )),
            "Which clusters in scope are meant; all of them if left out.",
        ),
        key("coverage", Shape::Table(&rollout::COVERAGE), rollout::COVERAGE_DOC),
        key(
            "atOnce",
            Shape::Number,
            "How many clusters an apply changes at once, at most: it begins with one, and goes back to one where a cluster fails; 20 if left out.",
        ),
        key(
            "fleetAbove",
            Shape::Number,
            "Above so many clusters that would be written one by one, the plan proposes that Azure Policy brings the add-on instead; 50 if left out.",
        ),
        key(
            "foreignGatekeeper",
            Shape::List {
                item: &Shape::Text(Format::Cluster),
                least: 1,
            },
            "Clusters, by resource id, with a Gatekeeper that Azure did not put there: the add-on is not switched on in them, since two Gatekeepers break each other, and the plan says so. Azure does not know which they are.",
        ),
    ],
);

static DEFENDER_SENSOR: Table = table(
    "The sensor of Defender for Containers in the clusters.",
    &[
        key("mode", MODE_OR_POLICY, "Who sees that the sensor runs.").required(),
        key(
            "workspace",
            Shape::Map {
                key: Format::Location,
                value: &Shape::Text(Format::Workspace),
            },
            "The Log Analytics workspace that the sensor reports to, by the region of the cluster. A cluster in a region that is not named is not written.",
        ),
        key(
            "securityGating",
            Shape::Boolean,
            "Whether images with findings are refused at admission. Stays as it is if left out. Needs api-version 2026-05-01 of managedClusters.",
        ),
    ],
);

static SAFEGUARDS: Table = table(
    "AKS deployment safeguards: Azure's own set of rules for a cluster as a whole, as a choice instead of gates of pod security.",
    &[
        key("mode", MODE, "Who sees to the safeguards.").required(),
        key(
            "level",
            Shape::Words(&[
                ("Warn", "who breaks a rule is warned"),
                (
                    "Enforce",
                    "what breaks a rule is refused, and mutated where Azure can, such as by default limits; no single rule can be left out",
                ),
            ]),
            "What happens to what breaks a rule. There is no way in stages: stand at `Warn` first.",
        )
        .required(),
        key(
            "podSecurity",
            Shape::Words(&[
                ("Privileged", "no pod security standard is kept"),
                ("Baseline", "known escalations are held back"),
                ("Restricted", "only hardened pods are let through"),
            ]),
            "The pod security standard that is kept besides. Stays as it is if left out.",
        ),
        key(
            "excludeNamespaces",
            NAMESPACES,
            "Kubernetes namespaces that are left out, besides those that Azure leaves out. Stay as they are if left out.",
        ),
    ],
);

/// The files `initiatives/NAME.yaml`.
pub(super) static INITIATIVE: Table = Table {
    doc: "The content of a gate: a built-in initiative of Azure, our own set of built-in definitions, or a gate of Defender. Its name is the name of the file.",
    keys: &[
        key(
            "builtin",
            Shape::Text(Format::SetDefinition),
            "A built-in policy set definition: its name, a GUID, or its full id. `aksgate catalog` lists them.",
        ),
        key("version", Shape::Text(Format::Pin), PIN),
        key(
            "displayName",
            Shape::Text(Format::Title(128)),
            "What it is called, for a set of our own also in the portal.",
        ),
        key("description", Shape::Text(Format::Title(512)), "What it is for."),
        key(
            "kind",
            Shape::Words(&[
                ("admission", "members judge what is let in: off, audit, deny"),
                (
                    "enablement",
                    "members deploy or modify settings of resources: off, audit (they report and change nothing), enforce",
                ),
            ]),
            "What the members are for. A set for admission keeps members that deploy or modify from acting.",
        )
        .default("admission"),
        key(
            "members",
            Shape::List {
                item: &Shape::Table(&MEMBER),
                least: 1,
            },
            "The policy definitions in the set.",
        ),
        key(
            "guide",
            Shape::Table(&GUIDE),
            "What people should know before they close a gate with it; `aksgate catalog --gates` shows it.",
        ),
        key(
            "defender",
            Shape::Words(&[(
                "gatedDeployment",
                "images are judged by their vulnerabilities at admission; the rules live in Defender for Cloud",
            )]),
            "A gate of Defender for Containers: no policy, but a switch of the plan that the environment states under `defender`.",
        ),
    ],
    forms: &[
        Form {
            name: "a built-in initiative",
            lead: "builtin",
            required: &["version"],
            optional: &["guide"],
        },
        Form {
            name: "our own set",
            lead: "members",
            required: &["displayName"],
            optional: &["description", "kind", "guide"],
        },
        Form {
            name: "a gate of Defender",
            lead: "defender",
            required: &["displayName"],
            optional: &["description", "guide"],
        },
    ],
};

const PIN: &str = "The version: `1.*.*` follows minor versions, `1.2.*` stays at one. Azure cannot pin a patch.";

static GUIDE: Table = table(
    "What people should know before they close a gate with it.",
    &[
        key(
            "incidents",
            Shape::List {
                item: &Shape::Words(&[
                    ("risky-pods", "privileged or otherwise risky pods"),
                    ("untrusted-images", "images that nobody vouches for"),
                    ("flat-network", "every pod reaches every other"),
                    ("public-exposure", "services that the internet reaches"),
                    ("run-time-threat", "an attack on what runs already"),
                    ("silent-drift", "a gate that is open and nobody knows"),
                    ("exhausted-nodes", "a workload that takes a node with it"),
                ]),
                least: 1,
            },
            "The incidents that it prevents.",
        )
        .required(),
        key(
            "breaks",
            Shape::Text(Format::Title(1_000)),
            "What it typically breaks when it is closed, and what those teams have to change.",
        ),
        key("rollOut", Shape::Text(Format::Title(1_000)), "How to roll it out."),
    ],
);

static MEMBER: Table = Table {
    doc: "One policy definition in the set: a built-in one, or a rule of our own.",
    keys: &[
        key(
            "ref",
            Shape::Text(Format::ReferenceId),
            "Its policyDefinitionReferenceId: what compliance, exemptions and overrides call it.",
        )
        .required(),
        key(
            "definition",
            Shape::Text(Format::Definition),
            "A built-in policy definition: its name, a GUID, or its full id. `aksgate catalog` lists them.",
        ),
        key("version", Shape::Text(Format::Pin), PIN),
        key(
            "rule",
            Shape::Text(Format::Name),
            "A rule of our own: the name of a file in the folder that is called as this file is, without `.yaml`.",
        ),
        key(
            "parameters",
            PARAMETERS,
            "Parameters of the definition with a fixed value. The effect and the excluded namespaces are set by the gate.",
        ),
        key(
            "expose",
            Shape::Map {
                key: Format::ParameterName,
                value: &Shape::Text(Format::ParameterName),
            },
            "Parameters of the definition that a gate may set: the definition's name for it, and the set's. Two members may share one.",
        ),
        key(
            "exposeImages",
            Shape::Map {
                key: Format::ParameterName,
                value: &Shape::Text(Format::ParameterName),
            },
            "As `expose`, for parameters that take a regular expression of images: a gate gives a plain list of registries, repositories and images.",
        ),
    ],
    forms: &[
        Form {
            name: "a built-in definition",
            lead: "definition",
            required: &["version"],
            optional: &["ref", "parameters", "expose", "exposeImages"],
        },
        Form {
            name: "a rule of our own",
            lead: "rule",
            required: &[],
            optional: &["ref", "parameters", "expose", "exposeImages"],
        },
    ],
};
