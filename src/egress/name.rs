//! Host names, and patterns of them, as firewalls write them.

use std::fmt;

/// A host name, or an asterisk and what names have to end with: `*.contoso.com`, `*`.
///
/// In lower case. As in Azure Firewall, `*.contoso.com` does not mean `contoso.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern {
    any_before: bool,
    text: String,
}

impl NamePattern {
    /// Reads a host name or a pattern; an asterisk may only stand in front, and a name that starts with a dot means all below it.
    pub fn parse(text: &str) -> Option<NamePattern> {
        let text = text.trim().to_ascii_lowercase();
        // The root's dot changes nothing; `*.` is a slip of the pen and not all names.
        let text = text.strip_suffix('.').filter(|name| *name != "*").unwrap_or(&text);
        let (any_before, rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (text.starts_with('.'), text),
        };
        let labels = rest.strip_prefix('.').unwrap_or(rest);
        let is_label =
            |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let is_name = rest.len() <= 253 && labels.split('.').all(is_label);
        (is_name || any_before && rest.is_empty()).then(|| NamePattern {
            any_before,
            text: rest.to_owned(),
        })
    }

    /// Returns whether this pattern means every name that `other` means.
    pub fn covers(&self, other: &NamePattern) -> bool {
        match (self.any_before, other.any_before) {
            (false, _) => self == other,
            (true, true) => other.text.ends_with(&self.text),
            (true, false) => other.text.len() > self.text.len() && other.text.ends_with(&self.text),
        }
    }

    /// Returns whether there is a name that both mean.
    pub fn meets(&self, other: &NamePattern) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.any_before { "*" } else { "" }, self.text)
    }
}
