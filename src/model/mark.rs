//! The ownership mark in an object's `metadata`, and the names derived from it.
//!
//! Owns the format of both, frozen: a change would orphan live objects. Must not know where the mark is stored.

use crate::model::{Period, Timestamp};
use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The metadata key of the mark's fixed half: who owns the object.
pub const MARK_KEY: &str = "aksgate";
/// The metadata key of the mark's moving half: where the gate stands.
pub const STATE_KEY: &str = "aksgateState";
/// The longest text that Azure takes for one metadata property.
pub const LONGEST_METADATA: usize = 1_024;

/// The part that is all of a gate.
pub const WHOLE: &str = "00";

/// Who an object belongs to: the fixed half of the mark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The estate's owner.
    pub owner: String,
    /// The environment.
    pub environment: String,
    /// The gate, or the initiative for a set definition.
    pub gate: String,
    /// The generation of the gate's content, from 1.
    pub generation: u32,
    /// The part of the gate that this object holds, two characters: `00` is all of it.
    pub part: String,
}

impl Mark {
    /// Returns whether it stands for all of the gate, and not for a part of it.
    pub fn is_whole(&self) -> bool {
        self.part == WHOLE
    }

    /// Returns the text that stands in `metadata.aksgate`.
    pub fn to_text(&self) -> String {
        write_fields(&[
            ("version", "1"),
            ("owner", &self.owner),
            ("environment", &self.environment),
            ("gate", &self.gate),
            ("generation", &self.generation.to_string()),
            ("part", &self.part),
        ])
    }

    /// Reads the text of `metadata.aksgate`; none for anything this version did not write.
    pub fn parse(text: &str) -> Option<Mark> {
        let fields = read_fields(text)?;
        let field = |name: &str| fields.get(name).cloned();
        if field("version")? != "1" {
            return None;
        }
        Some(Mark {
            owner: field("owner")?,
            environment: field("environment")?,
            gate: field("gate")?,
            generation: field("generation")?.parse().ok()?,
            part: field("part")?,
        })
    }

    /// Returns the name of the assignment: `<slug, 9>-<part, 2>-<hash, 10>`, at most 23 of a management group's 24 characters.
    pub fn assignment_name(&self) -> String {
        format!("{}-{}-{}", slug(&self.gate, 9), self.part, short_hash(&self.to_text()))
    }

    /// Returns the name of the gate's own set definition with that content: it carries the content's hash, so a set never changes in place.
    pub fn set_definition_name(&self, content_digest: &str) -> String {
        let seed = write_fields(&[
            ("owner", &self.owner),
            ("environment", &self.environment),
            ("initiative", &self.gate),
            ("content", content_digest),
        ]);
        format!("aksgate-{}-{}", slug(&self.gate, 40), short_hash(&seed))
    }

    /// Returns the name of the role assignment that gives the gate's identity a role (a GUID) at a scope: a GUID too.
    ///
    /// The principal is no part of it, for it is known only once its assignment is written. `attempt` counts from 0; a later one is
    /// for a name that is taken by what an earlier identity had.
    pub fn role_assignment_name(&self, scope: &str, role: &str, attempt: u32) -> String {
        let seed = write_fields(&[
            ("mark", &self.to_text()),
            ("scope", &scope.to_ascii_lowercase()),
            ("role", &role.to_ascii_lowercase()),
            ("attempt", &attempt.to_string()),
        ]);
        guid(&seed)
    }

    /// Returns the name of the exemption of a resource from the gate's assignment, or from members of it (reference ids).
    pub fn exemption_name(&self, resource: &str, members: &[String]) -> String {
        let mut members: Vec<String> = members.iter().map(|member| member.to_ascii_lowercase()).collect();
        members.sort();
        let members = short_hash(&members.join(";"));
        format!("{}{members}", self.exemption_start(resource))
    }

    /// Returns whether an exemption of a resource under that name can be the mark's: whatever became of its members.
    pub fn names_exemption(&self, name: &str, resource: &str) -> bool {
        let name = name.to_ascii_lowercase();
        name.strip_prefix(&self.exemption_start(resource)).map(str::len) == Some(10)
    }

    fn exemption_start(&self, resource: &str) -> String {
        let seed = write_fields(&[("mark", &self.to_text()), ("resource", &resource.to_ascii_lowercase())]);
        format!("{}-{}-", slug(&self.gate, 40), short_hash(&seed))
    }

    /// Returns whether a role assignment of that name, of that role at that scope, can be the mark's.
    pub fn names_role_assignment(&self, name: &str, scope: &str, role: &str) -> bool {
        (0..ROLE_ATTEMPTS).any(|attempt| {
            self.role_assignment_name(scope, role, attempt)
                .eq_ignore_ascii_case(name)
        })
    }

    /// Returns the name of the definition of a rule with that content: it carries the content's hash, so a definition never
    /// changes in place.
    pub fn definition_name(&self, rule: &str, content_digest: &str) -> String {
        let seed = write_fields(&[
            ("owner", &self.owner),
            ("environment", &self.environment),
            ("initiative", &self.gate),
            ("rule", rule),
            ("content", content_digest),
        ]);
        format!(
            "aksgate-{}-{}-{}",
            slug(&self.gate, 20),
            slug(rule, 24),
            short_hash(&seed)
        )
    }

    /// Returns whether a definition of that name can be the mark's: all of the name but the rule and the content's hash is known.
    pub fn names_definition(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let rest = name.strip_prefix(&format!("aksgate-{}-", slug(&self.gate, 20)));
        rest.and_then(|rest| rest.rsplit_once('-'))
            .is_some_and(|(rule, hash)| !rule.is_empty() && hash.len() == 10)
    }

    /// Returns whether a set definition of that name can be the mark's: all of the name but the content's hash is known.
    pub fn names_set_definition(&self, name: &str) -> bool {
        let hash = name
            .to_ascii_lowercase()
            .strip_prefix(&format!("aksgate-{}-", slug(&self.gate, 40)))
            .map(str::len);
        hash == Some(10)
    }
}

/// How many names a role assignment can have.
pub const ROLE_ATTEMPTS: u32 = 8;

/// Where a gate stands: the moving half of the mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkState {
    /// The position on the ladder, such as `audit`.
    pub position: String,
    /// The digest of the gate's content.
    pub digest: String,
    /// When the position or the digest last changed; set by the run that wrote it.
    pub since: Option<Timestamp>,
    /// The plan that last wrote the object; set by the run that wrote it.
    pub run: Option<String>,
    /// Why the gate was paused, if it is.
    pub paused: Option<String>,
    /// The last steps that were taken past a closed guard, newest first: guard, position and reason.
    pub overrides: Vec<String>,
    /// Why the object was last weakened, as far as there is room; set by the run that wrote it.
    pub weakened: Option<String>,
}

/// How many overrides a mark holds; older ones are in the journal.
const MOST_OVERRIDES: usize = 3;
/// The longest reason that a mark holds, in bytes as it is written there: three of them and a pause leave room for the rest.
const LONGEST_REASON: usize = 180;

impl MarkState {
    /// Returns the text that stands in `metadata.aksgateState`.
    pub fn to_text(&self) -> String {
        let since = self.since.map(|since| since.to_string());
        let mut fields = vec![("position", self.position.as_str()), ("digest", self.digest.as_str())];
        fields.extend(since.as_deref().map(|since| ("since", since)));
        fields.extend(self.run.as_deref().map(|run| ("run", run)));
        fields.extend(self.paused.as_deref().map(|paused| ("paused", paused)));
        let names = ["override1", "override2", "override3"];
        fields.extend(names.into_iter().zip(self.overrides.iter().map(String::as_str)));
        let text = write_fields(&fields);
        let Some(reason) = &self.weakened else {
            return text;
        };
        // It comes last and gets what the others leave.
        let field = format!("{text}; weakened=");
        let room = LONGEST_METADATA.saturating_sub(field.len()).min(LONGEST_REASON);
        match fitted(reason, room) {
            reason if reason.is_empty() => text,
            reason => field + &write_value(&reason),
        }
    }

    /// Reads the text of `metadata.aksgateState`.
    pub fn parse(text: &str) -> Option<MarkState> {
        let mut fields = read_fields(text)?;
        let since = match fields.remove("since") {
            Some(since) => Some(Timestamp::parse(&since)?),
            None => None,
        };
        let names = ["override1", "override2", "override3"];
        Some(MarkState {
            position: fields.remove("position")?,
            digest: fields.remove("digest")?,
            since,
            run: fields.remove("run"),
            paused: fields.remove("paused"),
            overrides: names.iter().filter_map(|name| fields.remove(*name)).collect(),
            weakened: fields.remove("weakened"),
        })
    }

    /// Adds a step that is taken past a closed guard; the oldest of too many goes.
    pub fn add_override(&mut self, guard: &str, position: &str, reason: &str) {
        self.overrides
            .insert(0, format!("{guard} for {position}: {}", short(reason)));
        self.overrides.truncate(MOST_OVERRIDES);
    }

    /// Returns the guards and reasons of the steps that were taken past one since `before`.
    pub fn overrides_since(&self, before: &MarkState) -> Vec<(String, String)> {
        let old = &before.overrides;
        let new = self.overrides.len().saturating_sub(
            (0..=self.overrides.len())
                .rev()
                .find(|kept| {
                    let start = self.overrides.len() - kept;
                    self.overrides.get(start..) == old.get(..*kept)
                })
                .unwrap_or(0),
        );
        let entries = self.overrides.iter().take(new);
        let parts = entries.filter_map(|entry| {
            let (guard, rest) = entry.split_once(" for ")?;
            let (_, reason) = rest.split_once(": ")?;
            Some((guard.to_owned(), reason.to_owned()))
        });
        parts.collect()
    }

    /// Says that the gate is paused, and why.
    pub fn pause(&mut self, reason: &str) {
        self.paused = Some(short(reason));
    }

    /// Returns how long the gate has stood here at `now`; none if that is not known or lies in the future.
    pub fn age(&self, now: Timestamp) -> Option<Period> {
        self.since.filter(|since| *since <= now).map(|since| now.since(since))
    }
}

/// Returns a reason as short as a mark needs it.
fn short(reason: &str) -> String {
    fitted(reason, LONGEST_REASON)
}

/// Returns as much of a reason as fits into so many bytes of a mark; nothing if not even its first character does.
fn fitted(reason: &str, room: usize) -> String {
    let fits = |text: &str| write_value(text).len() <= room;
    if fits(reason) {
        return reason.to_owned();
    }
    let mut kept = String::new();
    for c in reason.chars() {
        if !fits(&format!("{kept}{c}…")) {
            break;
        }
        kept.push(c);
    }
    if kept.is_empty() { kept } else { kept + "…" }
}

/// Returns a hash of any text as 10 characters of lower-case base32 (50 bits).
fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    BASE32_NOPAD
        .encode(&digest)
        .chars()
        .take(10)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// Returns the two characters for a part that this text tells from others.
pub(super) fn part_code(text: &str) -> String {
    short_hash(text).chars().take(2).collect()
}

/// Returns a hash of any text as a GUID, version 8 (RFC 9562: what its bits mean is up to who makes it).
fn guid(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut bytes: Vec<u8> = digest.iter().take(16).copied().collect();
    for (at, keep, set) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *byte & keep | set;
        }
    }
    let mut text = data_encoding::HEXLOWER.encode(&bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// Returns the start of a name, without a dash at its end.
fn slug(name: &str, longest: usize) -> String {
    name.chars()
        .take(longest)
        .collect::<String>()
        .trim_end_matches('-')
        .to_owned()
}

/// Writes `key=value; key=value`, values percent-escaped where they would end a field.
fn write_fields(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&write_value(value));
    }
    text
}

/// Writes a value so that it ends no field.
fn write_value(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        if matches!(c, ';' | '=' | '%') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Reads what [`write_fields`] wrote; none if a field is broken or named twice.
fn read_fields(text: &str) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for field in text.split("; ") {
        let (name, value) = field.split_once('=')?;
        if fields.insert(name.to_owned(), unescape(value)?).is_some() {
            return None;
        }
    }
    Some(fields)
}

fn unescape(value: &str) -> Option<String> {
    let mut parts = value.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(gate: &str) -> Mark {
        Mark {
            owner: "contoso".into(),
            environment: "prod".into(),
            gate: gate.into(),
            generation: 1,
            part: "00".into(),
        }
    }

    #[test]
    fn names_are_frozen() {
        assert_eq!(mark("pod-security").assignment_name(), "pod-secur-00-m2thi3f2r6");
        assert_eq!(
            mark("image-governance").set_definition_name("d1"),
            "aksgate-image-governance-c7jq65gyqo"
        );
        let (scope, role) = ("/subscriptions/s", "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8");
        let name = mark("fleet").role_assignment_name(scope, role, 0);
        assert!(crate::model::is_guid(&name), "{name}");
        assert!(mark("fleet").names_role_assignment(&name, "/SUBSCRIPTIONS/s", role));
        assert!(!mark("other").names_role_assignment(&name, scope, role));
        assert_ne!(name, mark("fleet").role_assignment_name(scope, role, 1));
        let name = mark("pod-security").exemption_name("/subscriptions/s", &["B".into(), "a".into()]);
        assert_eq!(
            name,
            mark("pod-security").exemption_name("/SUBSCRIPTIONS/s", &["A".into(), "b".into()])
        );
        assert!(mark("pod-security").names_exemption(&name, "/subscriptions/s"));
        assert!(!mark("pod-security").names_exemption(&name, "/subscriptions/t"));
        assert!(name.starts_with("pod-security-") && name.len() <= 64, "{name}");
        assert!(mark("image-governance").names_set_definition("aksgate-image-governance-c7jq65gyqo"));
        assert!(!mark("image-governance").names_set_definition("copy-of-aksgate-image-governance-c7jq65gyqo"));
        assert_eq!(
            mark("exposure").definition_name("no-node-port", "d1"),
            "aksgate-exposure-no-node-port-5ieailvr4f"
        );
        assert!(mark("exposure").names_definition("aksgate-exposure-no-node-port-5ieailvr4f"));
        assert!(!mark("exposure").names_definition("copy-of-aksgate-exposure-no-node-port-c7jq65gyqo"));
        assert_eq!(
            mark("pod-security").to_text(),
            "version=1; owner=contoso; environment=prod; gate=pod-security; generation=1; part=00"
        );
    }

    #[test]
    fn a_foreign_text_is_no_mark() {
        for text in ["", "x", "version=2; owner=a", "owner=a", "version=1; version=1"] {
            assert_eq!(Mark::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_with_pauses_and_overrides_fits_what_azure_takes_and_survives_writing() {
        let mut state = MarkState {
            position: "deny-12".into(),
            digest: "0123456789abcdef".into(),
            since: Some(Timestamp::from_seconds(0)),
            run: Some("0123456789ab".into()),
            ..MarkState::default()
        };
        for at in 0..4 {
            state.add_override("source-environment", "deny-12", &format!("{at}{}", "; é=".repeat(100)));
        }
        state.pause(&"x".repeat(2_000));
        assert!(state.to_text().len() <= LONGEST_METADATA, "{}", state.to_text().len());
        assert_eq!(state.overrides.len(), 3);
        assert!(
            state.overrides[0].starts_with("source-environment for deny-12: 3;"),
            "{:?}",
            state.overrides
        );
        assert_eq!(MarkState::parse(&state.to_text()), Some(state.clone()));
        let mut again = MarkState::default();
        again.add_override("soak", "deny-1", "a reason");
        assert_eq!(
            again.overrides_since(&MarkState::default()),
            [("soak".to_owned(), "a reason".to_owned())]
        );
        assert_eq!(again.overrides_since(&again), []);
        let mut later = state.clone();
        later.add_override("window", "deny", "another");
        assert_eq!(
            later.overrides_since(&state),
            [("window".to_owned(), "another".to_owned())]
        );
        assert_eq!(short(&short(&"é".repeat(300))), short(&"é".repeat(300)));
        // The reason of a weakening takes what room is left, and disturbs nothing.
        let full = MarkState {
            weakened: Some("; é=".repeat(100)),
            ..state.clone()
        };
        assert!(full.to_text().len() <= LONGEST_METADATA, "{}", full.to_text().len());
        let read = MarkState::parse(&full.to_text()).unwrap();
        assert_eq!(
            MarkState {
                weakened: None,
                ..read.clone()
            },
            state
        );
        assert_eq!(MarkState::parse(&read.to_text()), Some(read));
        let roomy = MarkState {
            weakened: Some("the shop is down".to_owned()),
            ..MarkState::default()
        };
        assert_eq!(MarkState::parse(&roomy.to_text()), Some(roomy));
    }

    proptest! {
        #[test]
        fn marks_survive_writing(owner in ".*", gate in "[a-z][a-z0-9-]{0,80}", generation: u32) {
            let mark = Mark { owner, environment: "e".into(), gate, generation, part: "00".into() };
            prop_assert_eq!(Mark::parse(&mark.to_text()), Some(mark.clone()));
            prop_assert!(mark.assignment_name().len() <= 24);
            prop_assert!(mark.set_definition_name("x").len() <= 64);
            prop_assert!(mark.names_set_definition(&mark.set_definition_name("x")));
            prop_assert!(mark.definition_name(&mark.gate, "x").len() <= 64);
            prop_assert!(mark.names_definition(&mark.definition_name(&mark.gate, "x")));
        }

        #[test]
        fn states_survive_writing(position in "[ -~é]*", seconds in 0i64..4_000_000_000, run in ".*") {
            let state = MarkState { position, digest: "d".into(), since: Some(Timestamp::from_seconds(seconds)), run: Some(run), paused: None, overrides: Vec::new(), weakened: None };
            prop_assert_eq!(MarkState::parse(&state.to_text()), Some(state));
        }

        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = Mark::parse(&text);
            let _ = MarkState::parse(&text);
        }
    }
}
