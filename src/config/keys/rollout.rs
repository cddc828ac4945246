//! The keys that say how gates are closed step by step.

use super::{Format, Key, Shape, Table, key, table};

pub(super) const PROMOTES_FROM: &str = "The environment in which a gate has to stand at deny with the same content, for its soak time, before it is closed here.";

pub(super) const ADVANCE: Shape = Shape::Words(&[
    (
        "approve",
        "only `apply --plan FILE` closes a gate further, so that somebody can look at the plan before",
    ),
    ("auto", "every apply takes the step that is due"),
]);

pub(super) const RINGS: &str = "The rings in which gates are closed, one after the other; outside of them violations go on being recorded. The last may be the rest; if it is not, the rest follows it. If left out: everywhere at once.";

const RING_LOCATIONS: Key = key(
    "locations",
    Shape::List {
        item: &Shape::Text(Format::Location),
        least: 1,
    },
    "The clusters in these locations.",
);
const RING_SCOPES: Key = key(
    "scopes",
    Shape::List {
        item: &Shape::Text(Format::GroupScope),
        least: 1,
    },
    "The clusters in these subscriptions and resource groups, which lie in the environment's scope. Each gets an assignment of its own there when the ring is closed.",
);
const RING_NAMESPACES: Key = key(
    "namespaces",
    Shape::List {
        item: &Shape::Text(Format::Namespace),
        least: 1,
    },
    "These namespaces on every cluster. They get an assignment of their own, which records what breaks the gate in them before it refuses it.",
);
pub(super) static RING: Table = table(
    "One ring: `locations`, `scopes` or `namespaces`. Without them it is all that no ring before it has, and the last one.",
    &[
        key("name", Shape::Text(Format::Name), "What it is called.").required(),
        RING_LOCATIONS,
        RING_SCOPES,
        RING_NAMESPACES,
    ],
);

pub(super) const SETTLE: &str = "How long after a change of an assignment, a definition, an exemption or a cluster a report of compliance counts: what was reported earlier may not have seen it.";

pub(super) const WINDOWS_DOC: &str =
    "When gates may be closed further; always if left out. Nothing else waits for it: what opens a gate, least of all.";

pub(super) static WINDOWS: Table = table(
    WINDOWS_DOC,
    &[
        key(
            "timeZone",
            Shape::Text(Format::TimeZone),
            "The time zone of the days and hours, by its name in the IANA database.",
        )
        .required(),
        key(
            "open",
            Shape::List {
                item: &Shape::Table(&OPEN),
                least: 1,
            },
            "The hours of the week; all of them if left out.",
        ),
        key(
            "freezes",
            Shape::List {
                item: &Shape::Table(&FREEZE),
                least: 0,
            },
            "Days on which no gate is closed further.",
        ),
    ],
);

static OPEN: Table = table(
    "Hours of some days of the week.",
    &[
        key(
            "days",
            Shape::List {
                item: &Shape::Words(&[
                    ("mon", "Monday"),
                    ("tue", "Tuesday"),
                    ("wed", "Wednesday"),
                    ("thu", "Thursday"),
                    ("fri", "Friday"),
                    ("sat", "Saturday"),
                    ("sun", "Sunday"),
                ]),
                least: 1,
            },
            "The days.",
        )
        .required(),
        key(
            "hours",
            Shape::Text(Format::Hours),
            "The hours, `24:00` being the end of the day.",
        )
        .required(),
    ],
);

static FREEZE: Table = table(
    "Days on which no gate is closed further.",
    &[
        key("from", Shape::Text(Format::Day), "The first day.").required(),
        key("until", Shape::Text(Format::Day), "The day at whose beginning it ends.").required(),
        key("reason", Shape::Text(Format::Title(256)), "Why; it stands in the plan.").required(),
    ],
);

pub(super) const COVERAGE_DOC: &str =
    "Which clusters hold a step that closes a gate. If left out: every cluster in scope that does not report.";

pub(super) static COVERAGE: Table = table(
    COVERAGE_DOC,
    &[
        key(
            "stopped",
            Shape::Words(&[
                ("hold", "a stopped cluster holds a step"),
                (
                    "pass",
                    "it does not: it comes up behind the closed gate, and nobody has seen what that refuses there",
                ),
            ]),
            "What stopped clusters do.",
        )
        .default("hold"),
        key(
            "ignore",
            Shape::List {
                item: &Shape::Table(&IGNORED),
                least: 0,
            },
            "Clusters that are left out of account for a while: the plan lists them as open.",
        ),
    ],
);

static IGNORED: Table = table(
    "A cluster that is left out of account for a while.",
    &[
        key("cluster", Shape::Text(Format::Cluster), "The cluster, by resource id.").required(),
        key("reason", Shape::Text(Format::Title(512)), "Why; it stands in the plan.").required(),
        key(
            "expires",
            Shape::Text(Format::Moment),
            "When it counts again: a day, at whose beginning (UTC) it does, or a time.",
        )
        .required(),
    ],
);
