//! Which way a change goes: a field of an object at a time, and all of them together.
//!
//! Must not know the kinds of object; each says of its own fields what they do.

use crate::diff::canonical_text;
use crate::model::Meaning;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Whether a change closes a gate further, opens it, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Something that was held back is let through, or is no longer seen. A mixed change counts as this.
    Weakens,
    /// More is held back or seen.
    Tightens,
    /// Neither.
    Neutral,
}

impl Direction {
    /// Returns the word for this direction.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Weakens => "weakens",
            Direction::Tightens => "tightens",
            Direction::Neutral => "neutral",
        }
    }

    /// Reads the word for a direction.
    pub fn parse(text: &str) -> Option<Direction> {
        [Direction::Weakens, Direction::Tightens, Direction::Neutral]
            .into_iter()
            .find(|d| d.name() == text)
    }

    /// Returns the direction of two changes together: one that weakens decides.
    pub fn and(self, other: Direction) -> Direction {
        self.min(other)
    }

    /// Returns the direction of several changes together: one that weakens decides, else one that tightens.
    pub fn of(fields: &[FieldDirection]) -> Direction {
        fields
            .iter()
            .map(|field| field.direction)
            .fold(Direction::Neutral, Direction::and)
    }

    /// Returns the direction of the change back.
    fn back(self) -> Direction {
        match self {
            Direction::Weakens => Direction::Tightens,
            Direction::Tightens => Direction::Weakens,
            Direction::Neutral => Direction::Neutral,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the change of one field does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDirection {
    /// Which way it goes.
    pub direction: Direction,
    /// The field and its change, such as `` `effect` Deny -> Audit ``.
    pub text: String,
}

impl FieldDirection {
    /// Returns a change that is told in words.
    pub fn told(direction: Direction, text: impl Into<String>) -> FieldDirection {
        FieldDirection {
            direction,
            text: text.into(),
        }
    }

    /// Returns the change of a field from one value to another.
    pub(super) fn change(direction: Direction, field: &str, old: Option<&Value>, new: Option<&Value>) -> Self {
        FieldDirection::told(direction, format!("`{field}` {} -> {}", short(old), short(new)))
    }

    /// Returns the change of a switch: on is further closed than off.
    pub(super) fn switch(field: &str, old: bool, new: bool) -> Option<FieldDirection> {
        let word = |on: bool| if on { "on" } else { "off" };
        let direction = match (old, new) {
            (false, true) => Direction::Tightens,
            (true, false) => Direction::Weakens,
            _ => return None,
        };
        let text = format!("`{field}` {} -> {}", word(old), word(new));
        Some(FieldDirection::told(direction, text))
    }

    /// Returns the changes of a set: what comes, which goes the way `growing`, and what goes.
    pub(super) fn set(
        field: &str,
        old: &BTreeSet<String>,
        new: &BTreeSet<String>,
        growing: Direction,
    ) -> Vec<FieldDirection> {
        [("+", new, old, growing), ("-", old, new, growing.back())]
            .into_iter()
            .filter_map(|(sign, one, other, direction)| {
                let items: Vec<&str> = one.difference(other).map(String::as_str).collect();
                let named = listed(&items);
                (!items.is_empty()).then(|| FieldDirection::told(direction, format!("`{field}` {sign} {named}")))
            })
            .collect()
    }
}

/// What the parameters of an object are to its rules, by name; in a set, those of a member as `reference id/name`.
pub type Meanings = BTreeMap<String, Meaning>;

/// Returns what a change of a value does that has a meaning for its rule.
pub(super) fn of_meaning(
    meaning: Meaning,
    field: &str,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Vec<FieldDirection> {
    let unknown = || vec![FieldDirection::change(Direction::Weakens, field, old, new)];
    match meaning {
        Meaning::Permits | Meaning::Demands => match (old.and_then(Value::as_bool), new.and_then(Value::as_bool)) {
            (Some(old), Some(new)) => {
                let demanded = |on: bool| on == (meaning == Meaning::Demands);
                let found = FieldDirection::switch(field, demanded(old), demanded(new));
                let value = |on: bool| Some(Value::from(on));
                let told = |it: FieldDirection| {
                    FieldDirection::change(it.direction, field, value(old).as_ref(), value(new).as_ref())
                };
                found.map(told).into_iter().collect()
            }
            _ => unknown(),
        },
        Meaning::AllowsPattern => match (alternatives(old), alternatives(new)) {
            (Some(old), Some(new)) => FieldDirection::set(field, &old, &new, Direction::Weakens),
            _ => unknown(),
        },
        Meaning::Selects => match (items(old), items(new)) {
            (Some(old), Some(new)) if old.is_empty() != new.is_empty() => {
                let direction = if new.is_empty() {
                    Direction::Tightens
                } else {
                    Direction::Weakens
                };
                let named = |items: &BTreeSet<String>| match items.is_empty() {
                    true => "all".to_owned(),
                    false => listed(&items.iter().map(String::as_str).collect::<Vec<&str>>()),
                };
                let text = format!("`{field}` {} -> {}", named(&old), named(&new));
                vec![FieldDirection::told(direction, text)]
            }
            (Some(old), Some(new)) => FieldDirection::set(field, &old, &new, Direction::Tightens),
            _ => unknown(),
        },
        Meaning::Allows | Meaning::Excludes | Meaning::Refuses => match (items(old), items(new)) {
            (Some(old), Some(new)) if meaning == Meaning::Excludes || old.is_empty() == new.is_empty() => {
                let growing = match meaning {
                    Meaning::Refuses => Direction::Tightens,
                    _ => Direction::Weakens,
                };
                FieldDirection::set(field, &old, &new, growing)
            }
            _ => unknown(),
        },
    }
}

/// The items of a list, or of an object whose one field is a list; none if the value is neither.
fn items(value: Option<&Value>) -> Option<BTreeSet<String>> {
    let list = match value? {
        Value::Array(items) => items,
        Value::Object(map) if map.len() == 1 => map.values().next()?.as_array()?,
        _ => return None,
    };
    Some(list.iter().map(text).collect())
}

/// The alternatives of a regular expression `^(one|two)$`; none if it has another form. What fewer of the same alternatives let through,
/// more of them do too.
fn alternatives(value: Option<&Value>) -> Option<BTreeSet<String>> {
    let inside = value?.as_str()?.strip_prefix("^(")?.strip_suffix(")$")?;
    let mut found = vec![String::new()];
    let (mut depth, mut escaped, mut class) = (0_usize, false, false);
    for c in inside.chars() {
        let plain = !escaped && !class;
        match c {
            '(' if plain => depth += 1,
            ')' if plain => depth = depth.checked_sub(1)?,
            '[' if plain => class = true,
            ']' if class && !escaped => class = false,
            '|' if plain && depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        found.last_mut()?.push(c);
    }
    // A quotation, flags that reach beyond their alternative, a bracket that ends no class: another language than was read here.
    let strange = ["\\Q", "(?", "[]", "[^]", "[["]
        .into_iter()
        .any(|part| inside.contains(part));
    let closed = depth == 0 && !class && !escaped && !strange;
    closed.then(|| found.into_iter().collect())
}

/// An item of a list as text: a string as it is, all else as JSON. The two cannot be mistaken for each other.
fn text(item: &Value) -> String {
    match item.as_str() {
        Some(text) if serde_json::from_str::<Value>(text).is_err() => text.to_owned(),
        _ => canonical_text(item),
    }
}

/// The longest text that stands for a value.
const LONGEST: usize = 60;
/// How many items of a list are named.
const NAMED: usize = 5;

fn short(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => cut(text),
        Some(other) => cut(&canonical_text(other)),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The first of some items, and how many more there are.
pub(super) fn listed(items: &[&str]) -> String {
    let named: Vec<String> = items.iter().take(NAMED).map(|item| cut(item)).collect();
    match items.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(meaning: Meaning, old: &Value, new: &Value, expected: &[(Direction, &str)]) {
        let found = of_meaning(meaning, "p", Some(old), Some(new));
        let found: Vec<(Direction, &str)> = found.iter().map(|it| (it.direction, it.text.as_str())).collect();
        assert_eq!(found, expected, "{meaning:?} {old} {new}");
    }

    #[test]
    fn a_list_goes_the_way_of_its_meaning() {
        use Direction::{Tightens, Weakens};
        let (one, two) = (json!(["a"]), json!(["a", "b"]));
        check(Meaning::Allows, &one, &two, &[(Weakens, "`p` + b")]);
        check(Meaning::Allows, &two, &one, &[(Tightens, "`p` - b")]);
        check(Meaning::Refuses, &one, &two, &[(Tightens, "`p` + b")]);
        check(Meaning::Refuses, &two, &one, &[(Weakens, "`p` - b")]);
        check(Meaning::Selects, &two, &one, &[(Weakens, "`p` - b")]);
        check(Meaning::Selects, &json!([]), &one, &[(Weakens, "`p` all -> a")]);
        check(Meaning::Selects, &one, &json!([]), &[(Tightens, "`p` a -> all")]);
        let (paths, more) = (json!({"paths": [{"p": 1}]}), json!({"paths": [{"p": 1}, {"p": 2}]}));
        check(Meaning::Allows, &paths, &more, &[(Weakens, "`p` + {\"p\":2}")]);
        let mixed = [(Weakens, "`p` + c"), (Tightens, "`p` - b")];
        check(Meaning::Excludes, &two, &json!(["c", "a"]), &mixed);
    }

    #[test]
    fn an_empty_list_is_known_only_where_it_excludes() {
        use Direction::{Tightens, Weakens};
        let (none, one) = (json!([]), json!(["a"]));
        check(Meaning::Excludes, &one, &none, &[(Tightens, "`p` - a")]);
        for meaning in [Meaning::Allows, Meaning::Refuses] {
            check(meaning, &one, &none, &[(Weakens, "`p` [\"a\"] -> []")]);
            check(meaning, &none, &one, &[(Weakens, "`p` [] -> [\"a\"]")]);
        }
    }

    #[test]
    fn what_has_another_form_weakens_both_ways() {
        for meaning in [
            Meaning::Allows,
            Meaning::Excludes,
            Meaning::Selects,
            Meaning::Permits,
            Meaning::AllowsPattern,
        ] {
            for (old, new) in [
                (json!(["a"]), json!("*")),
                (json!("*"), json!(["a"])),
                (json!(7), Value::Null),
            ] {
                let found = of_meaning(meaning, "p", Some(&old), Some(&new));
                assert_eq!(Direction::of(&found), Direction::Weakens, "{meaning:?} {old} {new}");
            }
        }
        let number = json!([1, "1"]);
        check(
            Meaning::Excludes,
            &json!([1]),
            &number,
            &[(Direction::Weakens, "`p` + \"1\"")],
        );
    }

    #[test]
    fn a_pattern_is_compared_by_its_alternatives_if_it_has_that_form() {
        use Direction::{Tightens, Weakens};
        let (one, two) = (json!(r"^(a\.io/.+)$"), json!(r"^(a\.io/.+|b\.io/(x|y))$"));
        check(Meaning::AllowsPattern, &one, &two, &[(Weakens, r"`p` + b\.io/(x|y)")]);
        check(Meaning::AllowsPattern, &two, &one, &[(Tightens, r"`p` - b\.io/(x|y)")]);
        for other in [r"^a$", r"^(a)|(b)$", r"^((?i)a|b)$", r"^(\Qa|b\E)$", r"^(a|[b)$"] {
            assert_eq!(alternatives(Some(&json!(other))), None, "{other}");
        }
        assert_eq!(
            alternatives(Some(&json!(r"^([|]|\||c)$"))).map(|found| found.len()),
            Some(3)
        );
    }

    #[test]
    fn a_switch_goes_the_way_of_its_meaning() {
        use Direction::{Tightens, Weakens};
        let (off, on) = (json!(false), json!(true));
        check(Meaning::Permits, &off, &on, &[(Weakens, "`p` false -> true")]);
        check(Meaning::Permits, &on, &off, &[(Tightens, "`p` true -> false")]);
        check(Meaning::Demands, &on, &off, &[(Weakens, "`p` true -> false")]);
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = "x".repeat(100);
        assert_eq!(cut(&long).chars().count(), LONGEST + 1);
        assert_eq!(listed(&["1", "2", "3", "4", "5", "6", "7"]), "1, 2, 3, 4, 5 and 2 more");
    }
}
