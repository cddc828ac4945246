//! What a parameter is to the rule that it belongs to.

/// What a parameter is to its rule: which way a change of its value goes.
///
/// A parameter without a known meaning cannot be compared, and every change of it counts as weakening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// A list of what is let through. What an empty one means differs from rule to rule.
    Allows,
    /// A list of what the rule does not look at, and of nothing if it is empty.
    Excludes,
    /// A list of what is refused or has to be there. What an empty one means differs from rule to rule.
    Refuses,
    /// A list of where the rule holds: everywhere if it is empty.
    Selects,
    /// A regular expression of what is let through.
    AllowsPattern,
    /// A switch that lets something through.
    Permits,
    /// A switch that holds something back.
    Demands,
}

impl Meaning {
    /// All of them.
    pub const ALL: [Meaning; 7] = [
        Meaning::Allows,
        Meaning::Excludes,
        Meaning::Refuses,
        Meaning::Selects,
        Meaning::AllowsPattern,
        Meaning::Permits,
        Meaning::Demands,
    ];

    /// Returns the word for it in a rule's file.
    pub fn name(self) -> &'static str {
        match self {
            Meaning::Allows => "allows",
            Meaning::Excludes => "excludes",
            Meaning::Refuses => "refuses",
            Meaning::Selects => "selects",
            Meaning::AllowsPattern => "allows-pattern",
            Meaning::Permits => "permits",
            Meaning::Demands => "demands",
        }
    }

    /// Reads a word of a rule's file.
    pub fn parse(text: &str) -> Option<Meaning> {
        Meaning::ALL.into_iter().find(|meaning| meaning.name() == text)
    }
}
