//! Regular expressions as RE2 reads them: `\d`, `\w`, `\s` and `\b` know ASCII only, and classes have no operators.

use super::fail;
use super::own::text;
use regex::{Regex, RegexBuilder};
use regorus::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often RE2 lets something repeat.
const MOST_REPEATS: u32 = 1_000;
/// How large a pattern may become, in bytes.
const LARGEST: usize = 4 << 20;
/// How many patterns are kept.
const KEPT: usize = 256;

/// What became of a pattern.
#[derive(Clone)]
enum Known {
    Good(Regex),
    /// RE2 refuses it.
    Bad,
    /// RE2 takes it, and the engine here cannot.
    Beyond(String),
}

thread_local! {
    static PATTERNS: RefCell<BTreeMap<String, Known>> = const { RefCell::new(BTreeMap::new()) };
}

/// Returns the pattern; none for what RE2 refuses, and for what makes the evaluation fail.
fn compiled(pattern: &str) -> Option<Regex> {
    let known = PATTERNS.with(|patterns| patterns.borrow().get(pattern).cloned());
    let known = known.unwrap_or_else(|| {
        let known = compile(pattern);
        PATTERNS.with(|patterns| {
            let mut patterns = patterns.borrow_mut();
            if patterns.len() >= KEPT {
                patterns.clear();
            }
            patterns.insert(pattern.to_owned(), known.clone());
        });
        known
    });
    match known {
        Known::Good(regex) => Some(regex),
        Known::Bad => None,
        Known::Beyond(reason) => {
            fail(reason);
            None
        }
    }
}

fn compile(pattern: &str) -> Known {
    if pattern.replace("\\\\", "").contains("\\B") {
        return Known::Beyond(format!("`\\B` in the regular expression `{pattern}` is not supported"));
    }
    let Some(rust) = translated(pattern) else {
        return Known::Bad;
    };
    match RegexBuilder::new(&rust).size_limit(LARGEST).build() {
        Ok(regex) => Known::Good(regex),
        Err(regex::Error::CompiledTooBig(_)) => {
            Known::Beyond(format!("the regular expression `{pattern}` is too large"))
        }
        Err(_) => Known::Bad,
    }
}

/// `regex.match(pattern, text)`.
pub(super) fn matches(values: &[Value]) -> Value {
    let (Some(pattern), Some(text)) = (text(values, 0).and_then(compiled), text(values, 1)) else {
        return Value::Undefined;
    };
    Value::Bool(pattern.is_match(text))
}

/// `regex.is_valid(pattern)`.
pub(super) fn is_valid(values: &[Value]) -> Value {
    Value::Bool(text(values, 0).and_then(compiled).is_some())
}

/// `regex.replace(text, pattern, replacement)`.
pub(super) fn replace(values: &[Value]) -> Value {
    let pattern = text(values, 1).and_then(compiled);
    let (Some(text), Some(pattern), Some(replacement)) = (text(values, 0), pattern, text(values, 2)) else {
        return Value::Undefined;
    };
    Value::from(pattern.replace_all(text, replacement).into_owned())
}

/// `regex.split(pattern, text)`; an empty match parts characters and leaves no empty ends.
pub(super) fn split(values: &[Value]) -> Value {
    let (Some(pattern), Some(text)) = (text(values, 0).and_then(compiled), text(values, 1)) else {
        return Value::Undefined;
    };
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut end = 0;
    for found in pattern.find_iter(text) {
        if text.is_empty() {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(Value::from(text.get(begin..end).unwrap_or_default()));
        }
        begin = found.end();
    }
    if end != text.len() || parts.is_empty() {
        parts.push(Value::from(text.get(begin..).unwrap_or_default()));
    }
    Value::from(parts)
}

/// `regex.find_n(pattern, text, count)`.
pub(super) fn find_n(values: &[Value]) -> Value {
    let count = values.get(2).and_then(|value| value.as_i64().ok());
    let (Some(pattern), Some(text), Some(count)) = (text(values, 0).and_then(compiled), text(values, 1), count) else {
        return Value::Undefined;
    };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    Value::from(
        pattern
            .find_iter(text)
            .take(most)
            .map(|found| Value::from(found.as_str()))
            .collect::<Vec<_>>(),
    )
}

/// Returns a pattern of RE2 in the words of the engine here; none for what only the latter would take.
fn translated(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern;
    // Whether what was just read repeats the thing before it: RE2 takes only one repetition.
    let mut repeated = false;
    while let Some(c) = rest.chars().next() {
        let was_repeated = std::mem::replace(&mut repeated, false);
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '\\' => escape(behind, &mut out, false)?,
            '[' => class(behind, &mut out)?,
            '(' => group(behind, &mut out)?,
            '*' | '+' | '?' => {
                if was_repeated {
                    return None;
                }
                repeated = true;
                out.push(c);
                lazy(behind, &mut out)
            }
            '{' => match repetition(behind)? {
                Some(length) => {
                    if was_repeated {
                        return None;
                    }
                    repeated = true;
                    out.push('{');
                    out.push_str(behind.get(..length).unwrap_or_default());
                    lazy(behind.get(length..).unwrap_or_default(), &mut out)
                }
                None => {
                    out.push_str("\\{");
                    behind
                }
            },
            '}' => {
                out.push_str("\\}");
                behind
            }
            c => {
                out.push(c);
                behind
            }
        };
    }
    Some(out)
}

fn lazy<'a>(rest: &'a str, out: &mut String) -> &'a str {
    match rest.strip_prefix('?') {
        Some(rest) => {
            out.push('?');
            rest
        }
        None => rest,
    }
}

/// Returns the length of `n}`, `n,}` or `n,m}`; nothing for a brace that is only a brace; refused if it asks for too much.
#[expect(clippy::option_option, reason = "refused, and not a repetition, are two answers")]
fn repetition(rest: &str) -> Option<Option<usize>> {
    let Some(close) = rest.find('}') else { return Some(None) };
    let inner = rest.get(..close).unwrap_or_default();
    let (least, most) = inner
        .split_once(',')
        .map_or((inner, None), |(least, most)| (least, Some(most)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(least) || most.is_some_and(|most| !most.is_empty() && !digits(most)) {
        return Some(None);
    }
    for number in std::iter::once(least).chain(most.filter(|most| !most.is_empty())) {
        number.parse::<u32>().ok().filter(|number| *number <= MOST_REPEATS)?;
    }
    Some(Some(close + 1))
}

/// Reads what is behind `(`; only what RE2 knows.
fn group<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    out.push('(');
    let Some(special) = rest.strip_prefix('?') else {
        return Some(rest);
    };
    out.push('?');
    if special.starts_with("P<")
        || (special.starts_with('<') && !special.starts_with("<=") && !special.starts_with("<!"))
    {
        return Some(special);
    }
    let flags = special.find([':', ')'])?;
    let known = special
        .get(..flags)?
        .chars()
        .all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'));
    if !known {
        return None;
    }
    out.push_str(special.get(..=flags)?);
    special.get(flags + 1..)
}

/// Reads what is behind a backslash.
fn escape<'a>(rest: &'a str, out: &mut String, in_class: bool) -> Option<&'a str> {
    let c = rest.chars().next()?;
    let behind = rest.get(c.len_utf8()..).unwrap_or_default();
    let plain = match c {
        'd' if in_class => "0-9",
        'w' if in_class => "0-9A-Za-z_",
        's' if in_class => "\\t\\n\\x0c\\r\\x20",
        'd' => "[0-9]",
        'w' => "[0-9A-Za-z_]",
        's' => "[\\t\\n\\x0c\\r\\x20]",
        'D' => "[^0-9]",
        'W' => "[^0-9A-Za-z_]",
        'S' => "[^\\t\\n\\x0c\\r\\x20]",
        'b' if !in_class => "(?-u:\\b)",
        'A' if !in_class => "\\A",
        'z' if !in_class => "\\z",
        'Q' if !in_class => {
            let (literal, behind) = behind.split_once("\\E").unwrap_or((behind, ""));
            out.push_str(&regex::escape(literal));
            return Some(behind);
        }
        'E' if !in_class => "",
        'a' => "\\x07",
        'f' => "\\x0c",
        'v' => "\\x0b",
        't' => "\\t",
        'n' => "\\n",
        'r' => "\\r",
        'p' | 'P' => {
            out.push('\\');
            out.push(c);
            let length = if behind.starts_with('{') {
                behind.find('}')? + 1
            } else {
                behind.chars().next()?.len_utf8()
            };
            out.push_str(behind.get(..length)?);
            return behind.get(length..);
        }
        'x' => {
            let (digits, behind) = match behind.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => behind.split_at_checked(2)?,
            };
            literal(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, out);
            return Some(behind);
        }
        '0'..='7' => {
            let length = behind
                .bytes()
                .take(2)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            // A single digit but 0 would be a reference back, which RE2 has not.
            if c != '0' && length == 0 {
                return None;
            }
            let digits = rest.get(..=length)?;
            literal(char::from_u32(u32::from_str_radix(digits, 8).ok()?)?, out);
            return rest.get(length + 1..);
        }
        c if c.is_ascii_punctuation() => {
            literal(c, out);
            return Some(behind);
        }
        _ => return None,
    };
    out.push_str(plain);
    Some(behind)
}

fn literal(c: char, out: &mut String) {
    out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
}

/// Reads a class behind its opening bracket.
fn class<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    out.push('[');
    let mut rest = rest;
    if let Some(behind) = rest.strip_prefix('^') {
        out.push('^');
        rest = behind;
    }
    let mut first = true;
    loop {
        let c = rest.chars().next()?;
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            ']' if !first => {
                out.push(']');
                return Some(behind);
            }
            '[' if behind.starts_with(':') => {
                let end = behind.find(":]")? + 2;
                out.push('[');
                out.push_str(behind.get(..end)?);
                behind.get(end..)?
            }
            '\\' => escape(behind, out, true)?,
            '-' => {
                out.push('-');
                behind
            }
            c => {
                literal(c, out);
                behind
            }
        };
        first = false;
    }
}
