//! Rings: which clusters a gate closes on first.
//!
//! Owns what belongs to a ring. Must not know how a ring is written to Azure.

/// A ring: a part of what a gate guards, closed before the parts after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Its name.
    pub name: String,
    /// What belongs to it.
    pub area: Area,
}

/// What belongs to a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Area {
    /// The clusters in these locations, in lower case without blanks.
    Locations(Vec<String>),
    /// All that no ring before it has.
    Rest,
}

impl Area {
    /// Returns whether a cluster in a location belongs to it, leaving the rings before it out of account.
    pub fn takes(&self, location: &str) -> bool {
        match self {
            Area::Locations(locations) => locations.contains(&plain_location(location)),
            Area::Rest => true,
        }
    }
}

/// Returns a location as Azure's API calls it: `West Europe` is `westeurope`.
pub fn plain_location(location: &str) -> String {
    location.to_lowercase().replace(' ', "")
}
