//! The text of `aksgate.lock`: JSON with one built-in a line, so that a review sees one line for each one that moved.

use super::{CloudLock, Entry, FILE, Lock, LockedTemplate, Pinned, Sort};
use crate::catalog::{Definition, PolicySet, VersionPin, extract};
use crate::diagnostic::{Diagnostic, Span};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u64 = 1;

const ABOUT: &str = "written by `aksgate lock`: commit it, and change it with that command only";

const RESTORE: &str = "restore the file from version control; or delete it, and `aksgate lock` locks what Azure has now: look at that first";

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "the object of a lock file"
)]
struct Whole {
    #[expect(dead_code, reason = "was looked at before")]
    format_version: u64,
    #[serde(default)]
    #[expect(dead_code, reason = "is there for people")]
    about: String,
    clouds: Clouds,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an object with the locks of clouds"
)]
struct Clouds {
    public: Option<Part>,
    usgov: Option<Part>,
    china: Option<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "the lock of a cloud")]
struct Part {
    source: String,
    built_ins: Vec<Line>,
    #[serde(default)]
    facts: Vec<Facts>,
    #[serde(default)]
    templates: Vec<TemplateLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "the lock of a template")]
struct TemplateLine {
    #[serde(deserialize_with = "url")]
    url: String,
    kind: String,
    #[serde(deserialize_with = "hash")]
    sha256: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "the lock of a built-in")]
struct Line {
    #[serde(default)]
    title: String,
    #[serde(deserialize_with = "sort")]
    kind: Sort,
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(default, deserialize_with = "pin")]
    pin: Option<VersionPin>,
    #[serde(deserialize_with = "version")]
    version: String,
    #[serde(deserialize_with = "hash")]
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "facts of a built-in")]
struct Facts {
    #[serde(deserialize_with = "sort")]
    kind: Sort,
    facts: Value,
}

fn sort<'de, D: Deserializer<'de>>(from: D) -> Result<Sort, D::Error> {
    let text = String::deserialize(from)?;
    let found = Sort::ALL.into_iter().find(|sort| sort.name() == text);
    found.ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is neither `policySetDefinition` nor `policyDefinition`"
        ))
    })
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    // GUIDs, as far as Azure goes; what matters is that it is found again, and is one part of a path.
    let fits = !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_ascii_uppercase() || c == '/');
    if fits {
        Ok(text)
    } else {
        Err(D::Error::custom(format!("`{text}` is no name in lower case")))
    }
}

fn pin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<VersionPin>, D::Error> {
    let text = String::deserialize(from)?;
    let pin = VersionPin::parse(&text);
    pin.map(Some)
        .ok_or_else(|| D::Error::custom(format!("`{text}` is no pin such as `1.*.*` or `1.2.*`")))
}

fn version<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let fits = text.starts_with(|c: char| c.is_ascii_digit()) && !text.chars().any(|c| c.is_control() || c == '*');
    if fits {
        Ok(text)
    } else {
        Err(D::Error::custom(format!("`{text}` is no version such as `1.2.0`")))
    }
}

fn hash<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let is_hash = text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_hash {
        Ok(text)
    } else {
        Err(D::Error::custom("is no SHA-256 in lower-case hexadecimal"))
    }
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.starts_with("https://") && !text.chars().any(|c| c.is_control() || c == ' ') {
        Ok(text)
    } else {
        Err(D::Error::custom(format!("`{text}` is no https address")))
    }
}

/// Reads a lock file.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(bytes: &[u8]) -> Result<Lock, Box<Diagnostic>> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Diagnostic::file_error("file is not UTF-8", FILE).hint(RESTORE))?;
    let broken = |error: &serde_json::Error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let label = message.strip_suffix(&place).unwrap_or(&message).to_owned();
        Diagnostic::error(
            "broken lock file",
            FILE,
            span(text, error.line(), error.column()),
            label,
        )
        .hint(RESTORE)
    };
    let value: Value = serde_json::from_str(text).map_err(|error| broken(&error))?;
    match value.get("formatVersion").and_then(Value::as_u64) {
        Some(FORMAT_VERSION) | None => {}
        Some(other) => {
            let mut error = Diagnostic::file_error("lock file of another version", FILE);
            error.label = format!("it has format version {other}, this version of aksgate reads {FORMAT_VERSION}");
            return Err(Box::new(
                error.hint("use the version of aksgate that wrote it, or a newer one"),
            ));
        }
    }
    let whole: Whole = serde_json::from_str(text).map_err(|error| broken(&error))?;
    let mut lock = Lock::default();
    let Clouds { public, usgov, china } = whole.clouds;
    for (cloud, part) in [("public", public), ("usgov", usgov), ("china", china)] {
        if let Some(part) = part {
            lock.clouds.insert(cloud.to_owned(), read(part)?);
        }
    }
    Ok(lock)
}

fn read(part: Part) -> Result<CloudLock, Box<Diagnostic>> {
    let wrong = |label: String| {
        let mut error = Diagnostic::file_error("broken lock file", FILE);
        error.label = label;
        Box::new(error.hint(RESTORE))
    };
    let mut lock = CloudLock {
        source: part.source,
        ..CloudLock::default()
    };
    for Line {
        title,
        kind,
        name,
        pin,
        version,
        content,
    } in part.built_ins
    {
        let pinned = Pinned { sort: kind, name, pin };
        let label = format!("{pinned} stands there twice");
        if lock
            .entries
            .insert(
                pinned,
                Entry {
                    title,
                    version,
                    content,
                },
            )
            .is_some()
        {
            return Err(wrong(label));
        }
    }
    for Facts { kind, facts } in part.facts {
        let name =
            extract_name(kind, &facts).map_err(|why| wrong(format!("its facts of a built-in are broken: {why}")))?;
        let label = format!("the facts of {} {name} stand there twice", kind.label());
        if lock.facts.insert((kind, name), extract::sorted(facts)).is_some() {
            return Err(wrong(label));
        }
    }
    for TemplateLine { url, kind, sha256 } in part.templates {
        let label = format!("the template {url} stands there twice");
        if lock.templates.insert(url, LockedTemplate { kind, sha256 }).is_some() {
            return Err(wrong(label));
        }
    }
    Ok(lock)
}

/// Returns whose facts these are, if a catalogue can take them.
fn extract_name(sort: Sort, facts: &Value) -> Result<String, String> {
    let read = match sort {
        Sort::PolicyDefinition => serde_json::from_value::<Definition>(facts.clone()).map(|facts| facts.name),
        Sort::PolicySetDefinition => serde_json::from_value::<PolicySet>(facts.clone()).map(|facts| facts.name),
    };
    read.map_err(|error| error.to_string())
}

/// Returns a place that `serde_json` names: a line and, in bytes, a column.
fn span(text: &str, line: usize, column: usize) -> Span {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    let mut within = column.saturating_sub(1).min(length);
    while !rest.is_char_boundary(within) {
        within -= 1;
    }
    let column = rest.get(..within).unwrap_or_default().chars().count() + 1;
    let width = rest
        .get(within..)
        .and_then(|rest| rest.chars().next())
        .filter(|c| *c != '\n')
        .map_or(0, char::len_utf8);
    Span {
        start: start + within,
        end: start + within + width,
        line: line.max(1),
        column,
    }
}

/// Returns the text of a lock: the same for the same lock, always.
pub fn text(lock: &Lock) -> String {
    let clouds: BTreeMap<&str, &CloudLock> = lock.clouds.iter().map(|(cloud, part)| (cloud.as_str(), part)).collect();
    let clouds: Vec<String> = clouds
        .into_iter()
        .map(|(cloud, part)| cloud_text(cloud, part))
        .collect();
    let about = Value::from(ABOUT);
    format!(
        "{{\n\"formatVersion\": {FORMAT_VERSION},\n\"about\": {about},\n\"clouds\": {{\n{}\n}}\n}}\n",
        clouds.join(",\n")
    )
}

fn cloud_text(cloud: &str, part: &CloudLock) -> String {
    let entries: Vec<String> = part.entries.iter().map(|(pinned, entry)| line(pinned, entry)).collect();
    let source = Value::from(part.source.as_str());
    let mut text = format!(
        "\"{cloud}\": {{\n\"source\": {source},\n\"builtIns\": [\n{}\n]",
        entries.join(",\n")
    );
    if !part.facts.is_empty() {
        let facts = part.facts.iter().map(|((sort, _), facts)| {
            let facts = extract::sorted(json!({"kind": sort.name(), "facts": facts}));
            facts.to_string()
        });
        text.push_str(&format!(
            ",\n\"facts\": [\n{}\n]",
            facts.collect::<Vec<_>>().join(",\n")
        ));
    }
    if !part.templates.is_empty() {
        let text_of = |text: &str| Value::from(text).to_string();
        let templates = part.templates.iter().map(|(url, LockedTemplate { kind, sha256 })| {
            let [kind, url, sha256] = [kind, url, sha256].map(|text| text_of(text));
            format!("{{\"kind\": {kind}, \"url\": {url}, \"sha256\": {sha256}}}")
        });
        let templates = templates.collect::<Vec<_>>().join(",\n");
        text.push_str(&format!(",\n\"templates\": [\n{templates}\n]"));
    }
    text.push_str("\n}");
    text
}

/// An entry with what a reader looks for first: title, pin and version.
fn line(pinned: &Pinned, entry: &Entry) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let mut parts = vec![
        format!("\"title\": {}", text(&entry.title)),
        format!("\"kind\": {}", text(pinned.sort.name())),
    ];
    parts.push(format!("\"name\": {}", text(&pinned.name)));
    parts.extend(pinned.pin.map(|pin| format!("\"pin\": {}", text(&pin.to_string()))));
    parts.push(format!("\"version\": {}", text(&entry.version)));
    parts.push(format!("\"content\": {}", text(&entry.content)));
    format!("{{{}}}", parts.join(", "))
}
