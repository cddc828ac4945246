//! Versions of built-ins and the pins that choose among them.

use serde::Deserialize;
use std::fmt;

/// The version of a built-in, such as `9.2.0` or `1.3.1-PREVIEW`; ordered by age, a preview before its release.
///
/// Azure writes the suffix in capitals where it lists versions and in small letters where a version names itself: both
/// are the same version here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    released: bool,
}

impl Version {
    /// Reads `x.y.z` or `x.y.z-preview`, the suffix in any casing.
    pub(super) fn parse(text: &str) -> Option<Version> {
        let (numbers, preview) = without_preview(text);
        let mut parts = numbers.split('.').map(number);
        let version = Version {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
            released: !preview,
        };
        parts.next().is_none().then_some(version)
    }
}

/// A choice of a built-in's version that leaves at least the patches to Azure: `9.*.*`, `9.2.*`, `1.*.*-preview`.
///
/// A pin without `-preview` never chooses a preview, and one with it never a release: the sets that Azure ships are
/// written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct VersionPin {
    major: u32,
    minor: Option<u32>,
    preview: bool,
}

impl VersionPin {
    /// Reads `x.*.*` or `x.y.*`, with `-preview` in any casing behind it or not; none for anything else, such as a
    /// whole version (Azure cannot pin a patch).
    pub fn parse(text: &str) -> Option<VersionPin> {
        let (numbers, preview) = without_preview(text);
        let mut parts = numbers.split('.');
        let major = number(parts.next()?)?;
        let minor = match parts.next()? {
            "*" => None,
            text => Some(number(text)?),
        };
        (parts.next()? == "*" && parts.next().is_none()).then_some(VersionPin { major, minor, preview })
    }

    /// Says whether the pin lets a version in; false for a text that is none.
    pub fn matches(&self, version: &str) -> bool {
        Version::parse(version).is_some_and(|version| {
            version.major == self.major
                && self.minor.is_none_or(|minor| minor == version.minor)
                && version.released != self.preview
        })
    }

    /// Returns the newest of the `listed` versions that the pin lets in, as it is spelt there.
    pub fn newest<'a>(&self, listed: &'a [String]) -> Option<&'a str> {
        let fitting = listed.iter().filter(|version| self.matches(version));
        fitting
            .max_by_key(|version| Version::parse(version))
            .map(String::as_str)
    }

    /// Returns the pin to the major version that `version` (`x.y.z`, `x.y.z-preview`) belongs to.
    pub fn major_of(version: &str) -> Option<VersionPin> {
        Version::parse(version).map(|version| VersionPin {
            major: version.major,
            minor: None,
            preview: !version.released,
        })
    }
}

impl fmt::Display for VersionPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            Some(minor) => write!(f, "{}.{minor}.*", self.major)?,
            None => write!(f, "{}.*.*", self.major)?,
        }
        f.write_str(if self.preview { "-preview" } else { "" })
    }
}

impl TryFrom<String> for VersionPin {
    type Error = String;

    fn try_from(text: String) -> Result<VersionPin, String> {
        VersionPin::parse(&text).ok_or(text)
    }
}

/// Returns how two versions stand to each other by age; one that cannot be read is older than every other.
pub fn compare_versions(one: &str, two: &str) -> std::cmp::Ordering {
    Version::parse(one).cmp(&Version::parse(two))
}

/// Returns whether a version is a preview.
pub fn is_preview(version: &str) -> bool {
    Version::parse(version).is_some_and(|version| !version.released)
}

/// What a pin leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PinResolution<'a, T> {
    /// The newest version that the pin lets in, and what is known of it.
    Facts(&'a T),
    /// The newest version that the pin lets in; Azure lists it, and the catalogue knows nothing more of it.
    ListedWithoutFacts(&'a str),
    /// No version that Azure lists fits.
    NoSuchVersion,
}

impl<'a, T> PinResolution<'a, T> {
    /// Returns the facts, if they are known.
    pub fn facts(self) -> Option<&'a T> {
        match self {
            PinResolution::Facts(facts) => Some(facts),
            PinResolution::ListedWithoutFacts(_) | PinResolution::NoSuchVersion => None,
        }
    }
}

/// Returns what `pin` leads to among the `listed` versions, of which `facts` are known.
pub(super) fn resolve<'a, T>(
    pin: &VersionPin,
    listed: &'a [String],
    facts: impl IntoIterator<Item = &'a T>,
    version_of: impl Fn(&T) -> &str,
) -> PinResolution<'a, T> {
    let Some(newest) = pin.newest(listed) else {
        return PinResolution::NoSuchVersion;
    };
    let known = facts
        .into_iter()
        .find(|facts| Version::parse(version_of(facts)) == Version::parse(newest));
    known.map_or(PinResolution::ListedWithoutFacts(newest), PinResolution::Facts)
}

/// Returns two lists of versions as one, newest first, each version once, as the first list spells it.
pub(super) fn join_listed(one: &[String], two: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for version in one.iter().chain(two) {
        if !joined.iter().any(|known| compare_versions(known, version).is_eq()) {
            joined.push(version.clone());
        }
    }
    joined.sort_by(|one, two| compare_versions(two, one));
    joined
}

/// Returns the facts of the newest version and those of the others, newest first; of a version named twice the first facts.
pub(super) fn join_facts<T>(all: impl IntoIterator<Item = T>, version_of: impl Fn(&T) -> &str) -> Option<(T, Vec<T>)> {
    let mut joined: Vec<T> = Vec::new();
    for facts in all {
        if !joined
            .iter()
            .any(|known| compare_versions(version_of(known), version_of(&facts)).is_eq())
        {
            joined.push(facts);
        }
    }
    joined.sort_by(|one, two| compare_versions(version_of(two), version_of(one)));
    let mut joined = joined.into_iter();
    Some((joined.next()?, joined.collect()))
}

/// Returns the text before `-preview`, and whether that stood there.
fn without_preview(text: &str) -> (&str, bool) {
    match text.split_once('-') {
        Some((numbers, suffix)) if suffix.eq_ignore_ascii_case("preview") => (numbers, true),
        _ => (text, false),
    }
}

/// Reads a number without sign and without leading zeros.
fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || (text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_and_written_alike() {
        for text in ["9.*.*", "9.2.*", "0.0.*", "1.*.*-preview", "12.34.*-preview"] {
            let pin = VersionPin::parse(text).unwrap();
            assert_eq!(pin.to_string(), text);
        }
        assert_eq!(VersionPin::parse("1.*.*-PREVIEW").unwrap().to_string(), "1.*.*-preview");
    }

    #[test]
    fn what_azure_cannot_pin_is_no_pin() {
        let texts = "|9|9.*|9.2|9.2.0|*.*.*|9.*.0|9.*.*.*|09.*.*|+9.*.*|-9.*.*|v9.*.*|9.*.*-beta|9.*.*-| 9.*.*|9.2.*-";
        for text in texts.split('|') {
            assert_eq!(VersionPin::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_pin_lets_in_its_own_versions_only() {
        let matching = |pin: &str| {
            let pin = VersionPin::parse(pin).unwrap();
            [
                "9.2.0",
                "9.1.0",
                "9.10.3",
                "90.2.0",
                "9.2.0-PREVIEW",
                "9.2.0-preview",
                "9.2",
            ]
            .into_iter()
            .filter(|version| pin.matches(version))
            .collect::<Vec<_>>()
        };
        assert_eq!(matching("9.*.*"), ["9.2.0", "9.1.0", "9.10.3"]);
        assert_eq!(matching("9.1.*"), ["9.1.0"]);
        assert_eq!(matching("9.2.*-preview"), ["9.2.0-PREVIEW", "9.2.0-preview"]);
        assert_eq!(matching("8.*.*"), [""; 0]);
    }

    #[test]
    fn the_newest_version_that_fits_is_chosen_by_number() {
        let listed = ["9.2.1", "9.10.0", "9.9.9", "10.0.0-PREVIEW"].map(str::to_owned);
        let facts = ["9.9.9".to_owned(), "10.0.0-preview".to_owned()];
        let resolve = |pin: &str| resolve(&VersionPin::parse(pin).unwrap(), &listed, &facts, |text| text);
        assert_eq!(resolve("9.*.*"), PinResolution::ListedWithoutFacts("9.10.0"));
        assert_eq!(resolve("9.9.*"), PinResolution::Facts(&facts[0]));
        assert_eq!(resolve("10.*.*-preview"), PinResolution::Facts(&facts[1]));
        assert_eq!(resolve("10.*.*"), PinResolution::NoSuchVersion);
    }

    #[test]
    fn the_pin_of_a_version_is_its_major() {
        let pin = |version| VersionPin::major_of(version).map(|pin| pin.to_string());
        assert_eq!(pin("9.2.0").as_deref(), Some("9.*.*"));
        assert_eq!(pin("1.3.1-PREVIEW").as_deref(), Some("1.*.*-preview"));
        assert_eq!(pin("9.*.*"), None);
    }
}
