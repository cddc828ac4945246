//! ARM resource ids and the scopes that an environment can have.
//!
//! Owns how they are read, compared (without case, as ARM does) and put together.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// The id of an ARM resource, as text that keeps the casing it came in.
///
/// Equal without regard to case, as ARM's ids are. Clones share the text.
#[derive(Clone)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// Reads an id: it starts with one `/`, has no empty segment, and no character that ends a URL's path.
    pub fn parse(text: &str) -> Option<ResourceId> {
        let rest = text.strip_prefix('/')?;
        let clean = rest
            .split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..");
        let plain = !rest.contains(|c: char| c.is_control() || matches!(c, '?' | '#' | '\\' | '%'));
        (clean && plain).then(|| ResourceId(Arc::from(text)))
    }

    /// Returns the id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id in lower case, fit to be a key.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Returns the last segment: the resource's name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the value that follows the segment `key`, such as `subscriptions` or `resourceGroups`.
    pub fn value_of(&self, key: &str) -> Option<&str> {
        let mut segments = self.0.split('/').skip(1);
        while let (Some(name), Some(value)) = (segments.next(), segments.next()) {
            if name.eq_ignore_ascii_case(key) {
                return Some(value);
            }
        }
        None
    }

    /// Returns the part before the last `/providers/`: the scope that the resource stands at.
    pub fn scope(&self) -> &str {
        let providers = b"/providers/";
        let windows = self.0.as_bytes().windows(providers.len());
        // What matches is plain ASCII, so it begins and ends at characters.
        let at = windows.rev().position(|window| window.eq_ignore_ascii_case(providers));
        at.and_then(|from_end| {
            let at = self.0.len().checked_sub(providers.len() + from_end)?;
            self.0.get(..at)
        })
        .unwrap_or_default()
    }

    /// Returns whether this id lies at or below `scope` (a path such as `/subscriptions/…`), by whole segments.
    pub fn is_within(&self, scope: &str) -> bool {
        let (id, scope) = (self.0.as_bytes(), scope.trim_end_matches('/').as_bytes());
        let starts = id
            .get(..scope.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scope));
        starts && id.get(scope.len()).is_none_or(|next| *next == b'/')
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return std::cmp::Ordering::Equal;
        }
        // Ids of a fleet begin alike: what is the same is passed over in pieces.
        const PIECE: usize = 16;
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        let pieces = one.chunks(PIECE).zip(other.chunks(PIECE));
        let same = pieces.take_while(|(one, other)| one == other || one.eq_ignore_ascii_case(other));
        let from = same.count() * PIECE;
        let one = one.iter().skip(from).map(u8::to_ascii_lowercase);
        one.cmp(other.iter().skip(from).map(u8::to_ascii_lowercase))
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ids that are named many times, as in rows: each is kept once.
#[derive(Debug, Default)]
pub struct Ids(Mutex<HashSet<Arc<str>>>);

impl Ids {
    /// Reads an id as [`ResourceId::parse`] does, and returns the one that was read before where it is written the same.
    pub fn parse(&self, text: &str) -> Option<ResourceId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(text) {
            return Some(ResourceId(Arc::clone(known)));
        }
        let id = ResourceId::parse(text)?;
        known.insert(Arc::clone(&id.0));
        Some(id)
    }
}

/// Where an environment's gates are assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A management group, by its name.
    ManagementGroup(String),
    /// A subscription, by its GUID in lower case.
    Subscription(String),
    /// A resource group: the subscription's GUID in lower case, and the group's name.
    ResourceGroup(String, String),
}

impl Scope {
    /// Reads `managementGroups/NAME`, `subscriptions/GUID` or `subscriptions/GUID/resourceGroups/NAME`, or the full ARM path of one.
    pub fn parse(text: &str) -> Option<Scope> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let lower = text.to_ascii_lowercase();
        let start = "providers/microsoft.management/";
        let text = if lower.starts_with(start) {
            text.get(start.len()..)?
        } else {
            text
        };
        let segments: Vec<&str> = text.split('/').collect();
        match segments.as_slice() {
            [kind, name] if kind.eq_ignore_ascii_case("managementGroups") && is_group_name(name, 90) => {
                Some(Scope::ManagementGroup((*name).to_owned()))
            }
            [kind, id] if kind.eq_ignore_ascii_case("subscriptions") && is_guid(id) => {
                Some(Scope::Subscription(id.to_ascii_lowercase()))
            }
            [kind, id, groups, name]
                if kind.eq_ignore_ascii_case("subscriptions")
                    && is_guid(id)
                    && groups.eq_ignore_ascii_case("resourceGroups")
                    && is_group_name(name, 90) =>
            {
                Some(Scope::ResourceGroup(id.to_ascii_lowercase(), (*name).to_owned()))
            }
            _ => None,
        }
    }

    /// Returns the ARM path, such as `/subscriptions/…`.
    pub fn path(&self) -> String {
        match self {
            Scope::ManagementGroup(name) => format!("/providers/Microsoft.Management/managementGroups/{name}"),
            Scope::Subscription(id) => format!("/subscriptions/{id}"),
            Scope::ResourceGroup(id, name) => format!("/subscriptions/{id}/resourceGroups/{name}"),
        }
    }

    /// Returns the scope at which definitions used here stand if nothing else is said: the scope itself, or a resource group's subscription.
    pub fn definition_scope(&self) -> Scope {
        match self {
            Scope::ResourceGroup(id, _) => Scope::Subscription(id.clone()),
            other => other.clone(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::ManagementGroup(name) => write!(f, "managementGroups/{name}"),
            Scope::Subscription(id) => write!(f, "subscriptions/{id}"),
            Scope::ResourceGroup(id, name) => write!(f, "subscriptions/{id}/resourceGroups/{name}"),
        }
    }
}

/// Returns whether the text is a GUID of the form `8-4-4-4-12`.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Letters, digits and `-_().`, not ending in a dot: Azure's rule for management groups and resource groups.
fn is_group_name(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && !text.ends_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'(' | b')' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBSCRIPTION: &str = "0A000000-0000-4000-8000-000000000001";

    #[test]
    fn ids_are_equal_without_case() {
        let one = ResourceId::parse("/subscriptions/A/resourceGroups/Rg/providers/X/y/z").unwrap();
        let two = ResourceId::parse("/Subscriptions/a/resourcegroups/rg/providers/x/Y/Z").unwrap();
        assert_eq!(one, two);
        assert_eq!(one.value_of("RESOURCEGROUPS"), Some("Rg"));
        assert_eq!(one.scope(), "/subscriptions/A/resourceGroups/Rg");
        assert!(one.is_within("/subscriptions/a/resourceGroups/rg"));
        assert!(!one.is_within("/subscriptions/a/resourceGroups/r"));
    }

    #[test]
    fn what_could_leave_the_path_is_no_id() {
        for text in ["", "x", "//a", "/a/../b", "/a?b", "/a#b", "/a/%2e", "/a\\b", "/a/\n"] {
            assert_eq!(ResourceId::parse(text).map(|id| id.0), None, "{text:?}");
        }
    }

    #[test]
    fn scopes_are_read_in_short_and_long_form() {
        let subscription = Scope::parse(&format!("subscriptions/{SUBSCRIPTION}")).unwrap();
        assert_eq!(
            subscription.path(),
            format!("/subscriptions/{}", SUBSCRIPTION.to_lowercase())
        );
        let group = Scope::parse("/providers/Microsoft.Management/managementGroups/contoso").unwrap();
        assert_eq!(group, Scope::ManagementGroup("contoso".into()));
        for text in [
            "",
            "subscriptions/x",
            "managementGroups/",
            "managementGroups/a b",
            "tenants/a",
            "subscriptions/a/resourceGroups",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }
}
