//! What a run of `lock` did, or would do.

use crate::lock::{Action, Entry, Renewal, Row, users};
use crate::view::text::{Paint, code, markdown, plain, wrap};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What became of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    Yes,
    /// It is as it should be.
    NotNeeded,
    /// It was only to be looked at.
    OnlyChecked,
}

/// How a lock is shown to a person.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Colour or none.
    pub paint: Paint,
    /// Columns; 0 wraps nothing.
    pub width: usize,
    /// Whether what is as it was is listed too.
    pub verbose: bool,
}

/// A cloud's name and what became of its lock.
pub type Clouds = [(String, Renewal)];

fn sign(action: Action) -> char {
    match action {
        Action::Add => '+',
        Action::Upgrade => '~',
        Action::Remove => '-',
        Action::Keep | Action::Fail => '!',
        Action::Same => '=',
    }
}

/// The version before and after; the start of the content's hash where that alone differs.
fn versions(row: &Row) -> String {
    let version = |entry: &Entry| plain(&entry.version);
    let short = |entry: &Entry| plain(&entry.content).chars().take(8).collect::<String>();
    match (&row.before, &row.after) {
        (Some(before), Some(after)) if before.version != after.version => {
            format!("{} -> {}", version(before), version(after))
        }
        (Some(before), Some(after)) if before.content != after.content => {
            format!("{}, content {} -> {}", version(before), short(before), short(after))
        }
        (_, Some(entry)) | (Some(entry), None) => version(entry),
        (None, None) => String::new(),
    }
}

fn sentences(row: &Row) -> Vec<String> {
    let mut sentences: Vec<String> = match row.action {
        // What an upgrade takes is told by the versions.
        Action::Upgrade => Vec::new(),
        _ => row
            .changes
            .iter()
            .filter(|change| change.differs())
            .map(|change| change.sentence(&row.pinned))
            .collect(),
    };
    let others = row.changes.iter().filter(|change| !change.differs());
    sentences.extend(others.map(|change| change.sentence(&row.pinned)));
    sentences.extend(
        row.without_facts
            .as_ref()
            .map(|why| format!("its parameters and effects are not understood, so nothing offline checks them: {why}")),
    );
    sentences
}

fn title(row: &Row) -> &str {
    if row.title.is_empty() {
        &row.pinned.name
    } else {
        &row.title
    }
}

fn closing(clouds: &Clouds, written: Written) -> String {
    let counts: Vec<String> = Action::ALL
        .into_iter()
        .map(|action| {
            (
                clouds.iter().map(|(_, renewal)| renewal.count(action)).sum::<usize>(),
                action,
            )
        })
        .filter(|(count, _)| *count > 0)
        .map(|(count, action)| format!("{count} {}", action.done()))
        .collect();
    let counts = if counts.is_empty() {
        "nothing in use".to_owned()
    } else {
        counts.join(", ")
    };
    match written {
        Written::Yes => format!("aksgate.lock is written: {counts}."),
        Written::NotNeeded => format!("aksgate.lock stays as it is: {counts}."),
        Written::OnlyChecked => format!("aksgate.lock was only checked: {counts}."),
    }
}

/// Returns what became of a lock for a terminal.
pub fn human(clouds: &Clouds, written: Written, layout: Layout) -> String {
    let mut out = String::new();
    let mut put = |indent: usize, text: &str, paint: &dyn Fn(&str) -> String| {
        let width = if layout.width == 0 {
            0
        } else {
            layout.width.saturating_sub(indent).max(16)
        };
        for line in wrap(text, width, 2) {
            let _ = writeln!(out, "{:indent$}{}", "", paint(&line));
        }
    };
    let paint = layout.paint;
    for (cloud, renewal) in clouds {
        put(
            0,
            &format!("Built-ins of cloud {cloud}, from {}", plain(&renewal.lock.source)),
            &|line| paint.bold(line),
        );
        for row in &renewal.rows {
            let sentences = sentences(row);
            if row.action == Action::Same && sentences.is_empty() && !layout.verbose {
                continue;
            }
            let pin = row.pinned.pin_text();
            let line = format!("{} {}  {pin}: {}", sign(row.action), plain(title(row)), versions(row));
            put(2, line.trim_end_matches([' ', ':']), &|line| match row.action {
                Action::Add => paint.good(line),
                Action::Remove | Action::Fail => paint.bad(line),
                Action::Upgrade | Action::Keep => paint.notice(line),
                Action::Same => paint.faint(line),
            });
            let mut about = format!("{} {}", row.pinned.sort.label(), row.pinned.name);
            if !row.used.by.is_empty() {
                let _ = write!(about, ", {}", plain(&users(&row.used)));
            }
            put(6, &about, &|line| paint.faint(line));
            for sentence in sentences {
                put(6, &plain(&sentence), &str::to_owned);
            }
        }
    }
    put(0, &closing(clouds, written), &|line| paint.bold(line));
    out
}

/// Returns what became of a lock for a pull request or a job summary.
pub fn to_markdown(clouds: &Clouds, written: Written) -> String {
    let mut out = format!("## Lock\n\n**{}**\n", markdown(&closing(clouds, written)));
    for (cloud, renewal) in clouds {
        let rows: Vec<&Row> = renewal
            .rows
            .iter()
            .filter(|row| row.action != Action::Same || !sentences(row).is_empty())
            .collect();
        let _ = writeln!(
            out,
            "\nBuilt-ins of cloud {cloud}, from {}",
            markdown(&renewal.lock.source)
        );
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "\n| | built-in | pin | version | used by | |\n|---|---|---|---|---|---|"
        );
        for row in rows {
            let _ = writeln!(
                out,
                "| {} | {} ({}) | {} | {} | {} | {} |",
                row.action.name(),
                markdown(title(row)),
                code(&row.pinned.name),
                code(&row.pinned.pin_text()),
                markdown(&versions(row)),
                markdown(&users(&row.used)),
                markdown(&sentences(row).join(". "))
            );
        }
    }
    out
}

/// Returns what became of a lock as a JSON document.
pub fn to_json(clouds: &Clouds, written: Written, outcome: &str, exit_code: u8) -> Value {
    let entry = |entry: &Option<Entry>| match entry {
        Some(entry) => json!({"version": entry.version, "content": entry.content}),
        None => Value::Null,
    };
    let row = |row: &Row| {
        let changes: Vec<Value> = row
            .changes
            .iter()
            .map(|change| json!({"change": change.name(), "sentence": change.sentence(&row.pinned)}))
            .collect();
        let used: Vec<Value> = row
            .used
            .by
            .iter()
            .map(|(initiative, member)| json!({"initiative": initiative, "member": member}))
            .collect();
        json!({
            "kind": row.pinned.sort.name(),
            "name": row.pinned.name,
            "title": row.title,
            "pin": row.pinned.pin.map(|pin| pin.to_string()),
            "usedBy": used,
            "action": row.action.name(),
            "before": entry(&row.before),
            "after": entry(&row.after),
            "changes": changes,
            "withoutFacts": row.without_facts,
        })
    };
    let shown: Vec<Value> = clouds
        .iter()
        .map(|(cloud, renewal)| {
            let rows: Vec<Value> = renewal.rows.iter().map(row).collect();
            json!({"cloud": cloud, "source": renewal.lock.source, "builtIns": rows})
        })
        .collect();
    let counts: serde_json::Map<String, Value> = Action::ALL
        .into_iter()
        .map(|action| {
            let count: usize = clouds.iter().map(|(_, renewal)| renewal.count(action)).sum();
            (action.name().to_owned(), Value::from(count))
        })
        .collect();
    json!({
        "formatVersion": 1,
        "command": "lock",
        "outcome": outcome,
        "exitCode": exit_code,
        "written": written == Written::Yes,
        "clouds": shown,
        "counts": counts,
    })
}
