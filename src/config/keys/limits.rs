//! The keys of how much one apply may take away.

use super::{Format, Shape, Table, key, table};

/// The mapping at `limits` of an environment.
pub(super) static LIMITS: Table = table(
    "How much one apply may take away.",
    &[
        key(
            "deletes",
            Shape::Number,
            "How many gates and exemptions may be deleted whose place nothing takes. Exemptions that have ended do not count.",
        )
        .default("5"),
        key(
            "replaces",
            Shape::Number,
            "How many assignments may get a successor: another generation of a gate.",
        )
        .default("5"),
        key(
            "weakenings",
            Shape::Number,
            "How many objects may be weakened and stay. Each has to be allowed by name besides.",
        )
        .default("5"),
        key(
            "share",
            Shape::Text(Format::Percent),
            "How much of what is owned may be deleted, replaced or weakened, where ten or more objects are.",
        )
        .default("30%"),
    ],
);
