//! What commands print in each of their forms, as files in `tests/data/snapshots`.
//!
//! With AKSGATE_UPDATE=1 the tests write the files instead of comparing them.

use crate::harness::{Folder, redact, root};
use std::fs;
use std::path::PathBuf;

/// The forms, each with the ending of its files.
const FORMS: [(&str, &str); 3] = [("human", "txt"), ("markdown", "md"), ("json", "json")];

/// Fails unless a command ends with this code and prints in each form what the files of that name hold.
///
/// Each form is asked for in a copy of the folder, so that all of them tell of the same moment.
#[track_caller]
pub fn check(folder: &Folder, name: &str, line: &str, code: i32) {
    let mut differ = Vec::new();
    for (form, ending) in FORMS {
        let copy = folder.copied();
        let run = copy.run(&format!("{line} --format {form}")).expect(code);
        let found = match form {
            "human" => format!("$ aksgate {line}\n{}", run.shown(&copy)),
            "json" => {
                run.json();
                redact(&run.stdout, &copy)
            }
            _ => redact(&run.stdout, &copy),
        };
        let found = without_durations(&without_minutes(&found));
        let path = place(&format!("{name}.{ending}"));
        if std::env::var_os("AKSGATE_UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &found).unwrap();
        }
        let pinned = fs::read_to_string(&path).unwrap_or_default();
        if let Some((at, (now, then))) = first_difference(&found, &pinned) {
            differ.push(format!("{name}.{ending}, line {at}:\n  is     {now}\n  was    {then}"));
        }
    }
    assert!(
        differ.is_empty(),
        "aksgate {line} prints something else than tests/data/snapshots says; AKSGATE_UPDATE=1 writes the files, and then look at \
         them\n{}",
        differ.join("\n")
    );
}

fn place(name: &str) -> PathBuf {
    root().join("tests/data/snapshots").join(name)
}

/// The first line in which two texts differ, with its number.
fn first_difference<'a>(one: &'a str, other: &'a str) -> Option<(usize, (&'a str, &'a str))> {
    let (mut ones, mut others) = (one.split('\n'), other.split('\n'));
    (1..).find_map(|at| match (ones.next(), others.next()) {
        (None, None) => Some(None),
        (one, other) if one == other => None,
        (one, other) => Some(Some((at, (one.unwrap_or("(no more)"), other.unwrap_or("(no more)"))))),
    })?
}

/// Leaves of each time the day and the hour: the sandbox's clock goes on with each call, and a call more is no change of what is told.
fn without_minutes(text: &str) -> String {
    let is_time = |bytes: &[u8]| {
        let form = b"T00:00:00";
        bytes.len() >= form.len()
            && form.iter().zip(bytes).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                form => form == byte,
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('T') {
        let (before, time) = rest.split_at(at);
        out.push_str(before);
        let length = match is_time(time.as_bytes()) {
            true => {
                out.push_str(&time[..3]);
                out.push_str(":mm:ss");
                9
            }
            false => {
                out.push('T');
                1
            }
        };
        rest = &time[length..];
    }
    out + rest
}

/// Takes out how long the program ran, and how old reports are in seconds.
fn without_durations(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let key = ["\"seconds\": ", "\"ageSeconds\": "]
            .into_iter()
            .find(|key| line.contains(key));
        match (key, line.split_once(" s, ")) {
            (Some(key), _) => {
                let (before, _) = line.split_once(key).unwrap();
                format!("{before}{key}0{}", if line.ends_with(',') { "," } else { "" })
            }
            (None, Some((before, after))) if after.contains(" reads, ") => {
                let number = before
                    .rfind(|c: char| !(c.is_ascii_digit() || c == '.'))
                    .map_or(0, |at| at + 1);
                format!("{}[n] s, {after}", &before[..number])
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn durations_are_taken_out() {
    assert_eq!(
        without_durations(
            "**Applied.** 0.25 s, 4 reads, 1 write\n  \"seconds\": 0.5,\n  \"ageSeconds\": 12\nin 3 s, then"
        ),
        "**Applied.** [n] s, 4 reads, 1 write\n  \"seconds\": 0,\n  \"ageSeconds\": 0\nin 3 s, then"
    );
}

#[test]
fn a_time_keeps_its_day_and_its_hour() {
    assert_eq!(
        without_minutes("at 2027-01-04T08:01:09Z, The T1, until 2027-01-05T11:59:00.5Z T"),
        "at 2027-01-04T08:mm:ssZ, The T1, until 2027-01-05T11:mm:ss.5Z T"
    );
}

#[test]
fn the_first_line_that_differs_is_told() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, ("b", "c"))));
    assert_eq!(first_difference("a", "a\nc"), Some((2, ("(no more)", "c"))));
}

#[test]
fn plan() {
    check(&Folder::shipped(), "plan", "plan dev --sandbox --gate pod-security", 0);
}

#[test]
fn apply() {
    let line = "apply dev --sandbox --yes --gate pod-security --quiet";
    check(&Folder::shipped(), "apply", line, 0);
}

#[test]
fn status() {
    let folder = Folder::applied();
    folder.run("sandbox advance 1d3h").expect(0);
    check(&folder, "status", "status --sandbox", 0);
}

#[test]
fn validate() {
    let folder = Folder::shipped();
    check(&folder, "validate", "validate", 0);
    folder.edit("environments/dev.yaml", "target: audit", "target: deni");
    check(&folder, "validate-mistake", "validate", 1);
}

#[test]
fn show() {
    let folder = Folder::shipped();
    let plan = "plan dev --sandbox --gate pod-security --out dev.plan.json --quiet";
    folder.run(plan).expect(0);
    check(&folder, "show", "show dev.plan.json", 0);
}

#[test]
fn runs() {
    check(&Folder::applied(), "runs", "runs", 0);
}
