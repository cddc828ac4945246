//! A list of names that something other than Azure Firewall lets through, one a line.

use super::check::{Answer, Judge, Verdict};
use super::facts::Endpoint;
use super::name::NamePattern;

/// A list of names, each with a port or with all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    entries: Vec<(NamePattern, Option<u16>)>,
}

impl Allowed {
    /// Reads a list: `NAME` or `NAME:PORT` a line; what follows a `#` is a remark.
    ///
    /// # Errors
    /// Each line that is none of these, by its number.
    pub fn parse(text: &str) -> Result<Allowed, Vec<(usize, String)>> {
        let mut allowed = Allowed::default();
        let mut wrong = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let read = match entry.rsplit_once(':') {
                None => NamePattern::parse(entry).map(|name| (name, None)),
                Some((name, port)) => {
                    let port = port.parse().ok().filter(|port: &u16| *port > 0);
                    NamePattern::parse(name).zip(port.map(Some))
                }
            };
            match read {
                Some(entry) => allowed.entries.push(entry),
                None => wrong.push((index + 1, entry.to_owned())),
            }
        }
        if wrong.is_empty() { Ok(allowed) } else { Err(wrong) }
    }

    /// Returns how many names it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Judge for Allowed {
    fn judge(&self, endpoint: &Endpoint, wanted: &NamePattern) -> Answer {
        let open = self
            .entries
            .iter()
            .filter(|(_, port)| port.is_none_or(|port| port == endpoint.port));
        let mut narrower = Vec::new();
        for (name, _) in open {
            if name.covers(wanted) {
                return Answer {
                    verdict: Verdict::Allowed,
                    because: name.to_string(),
                };
            }
            if wanted.covers(name) {
                narrower.push(name.to_string());
            }
        }
        Answer::narrower_or_missing(&narrower)
    }
}
