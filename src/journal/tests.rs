//! Journals: what is written is read back, and what was cut off is told.

use super::*;
use crate::model::Timestamp;
use proptest::prelude::*;
use serde_json::json;

fn time() -> Timestamp {
    Timestamp::parse("2027-01-04T08:00:00Z").unwrap()
}

fn start() -> Start {
    Start {
        format_version: FORMAT_VERSION,
        run: "run-20270104-080000-0d3ac5".to_owned(),
        time: time(),
        tool: "aksgate 0.1.0".to_owned(),
        command: "apply".to_owned(),
        environment: "dev".to_owned(),
        scope: "subscriptions/s".to_owned(),
        tenant: "t".to_owned(),
        endpoint: "https://management.azure.com".to_owned(),
        plan_id: "0d3ac5".to_owned(),
        config_digest: "c".to_owned(),
        steps: 2,
        allowed_weakenings: Vec::new(),
        reason: None,
        limits: Vec::new(),
    }
}

fn intent(step: &str) -> Record {
    Record::Intent(Intent {
        time: time(),
        step: step.to_owned(),
        kind: "policyAssignment".to_owned(),
        object: "/subscriptions/s/x".to_owned(),
        action: "update".to_owned(),
        direction: "tightens".to_owned(),
        weakens: Vec::new(),
        gate: Some("pod-security".to_owned()),
        before: Some(json!({"effect": "Audit"})),
        after: Some(json!({"effect": "Deny"})),
    })
}

fn outcome(step: &str, outcome: &str) -> Record {
    Record::Outcome(Settled {
        time: time(),
        step: step.to_owned(),
        kind: "policyAssignment".to_owned(),
        object: "/subscriptions/s/x".to_owned(),
        outcome: outcome.to_owned(),
        message: String::new(),
        code: None,
        request_id: None,
    })
}

fn end() -> Record {
    Record::End(End {
        time: time(),
        outcome: "done".to_owned(),
        exit_code: 0,
        counts: [("done".to_owned(), 2)].into(),
    })
}

fn text(records: &[Record]) -> String {
    let first = Record::Run(start());
    let lines = std::iter::once(&first).chain(records).map(Record::to_line);
    lines.map(|line| line + "\n").collect()
}

#[test]
fn what_was_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("runs");
    assert!(runs(&folder).unwrap().is_empty());
    let journal = Journal::begin(&folder, &start()).unwrap();
    assert_eq!(journal.id(), "run-20270104-080000-0d3ac5");
    for record in [intent("a"), outcome("a", "done"), outcome("b", "skipped"), end()] {
        journal.add(&record).unwrap();
    }
    let again = Journal::begin(&folder, &start()).unwrap();
    assert_eq!(
        again.id(),
        "run-20270104-080000-0d3ac5-2",
        "a run never writes into another's journal"
    );
    assert_eq!(runs(&folder).unwrap(), [journal.id(), again.id()]);

    let run = read(&folder, journal.id()).unwrap().unwrap();
    assert_eq!(run.start.run, journal.id());
    assert_eq!((run.count("done"), run.count("skipped"), run.in_doubt()), (1, 1, 0));
    let written = run.writes[0].intent.as_ref().unwrap();
    assert_eq!(written.before, Some(json!({"effect": "Audit"})));
    assert_eq!(written.after, Some(json!({"effect": "Deny"})));
    assert!(run.writes[1].intent.is_none());
    assert_eq!(run.end.unwrap().exit_code, 0);
}

#[test]
fn a_run_that_was_cut_off_says_what_is_in_doubt() {
    let whole = text(&[intent("a"), outcome("a", "done"), intent("b")]);
    let run = Run::parse(whole.as_bytes()).unwrap();
    assert!(!run.cut && run.end.is_none());
    assert_eq!((run.count("done"), run.in_doubt()), (1, 1));

    // Cut in the middle of its last line: the write that it would have told of was not sent.
    let run = Run::parse(&whole.as_bytes()[..whole.len() - 20]).unwrap();
    assert!(run.cut);
    assert_eq!((run.count("done"), run.in_doubt()), (1, 0));
}

#[test]
fn a_write_that_is_sent_again_is_one_write() {
    let run = Run::parse(text(&[intent("a"), intent("a"), outcome("a", "done")]).as_bytes()).unwrap();
    assert_eq!(run.writes.len(), 1);
    assert_eq!(run.in_doubt(), 0);
}

#[test]
fn what_is_no_journal_is_refused() {
    let refused = |text: &str| Run::parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused(""), "it does not begin with the record of a run");
    assert_eq!(refused("{}\n"), "it does not begin with the record of a run");
    assert_eq!(
        refused(&format!("{}\n", end().to_line())),
        "it does not begin with the record of a run"
    );
    assert_eq!(
        refused("{\"record\": \"run\", \"formatVersion\": 2}\n"),
        "it has format version 2, this version of aksgate reads 1"
    );
    let damaged = text(&[intent("a"), outcome("a", "done")]).replacen("\"record\":\"intent\"", "\"record\":\"in", 1);
    assert!(
        refused(&damaged).starts_with("line 2 is damaged: "),
        "{}",
        refused(&damaged)
    );
    let after = text(&[end(), intent("a")]);
    assert_eq!(refused(&after), "line 3 is damaged: it stands after the end of the run");
}

#[test]
fn a_name_does_not_lead_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::begin(folder.path(), &start()).unwrap();
    let below = folder.path().join("below");
    for id in ["../run-20270104-080000-0d3ac5", "..", "", "/etc/passwd", "Run", "1run"] {
        assert!(read(&below, id).unwrap().is_none(), "{id}");
    }
    assert!(read(folder.path(), journal.id()).unwrap().is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..400), cut in 0usize..2_000) {
        let _ = Run::parse(&content);
        let whole = text(&[intent("a"), outcome("a", "done"), intent("b"), end()]);
        let cut = cut.min(whole.len());
        let mut bytes = whole.into_bytes();
        bytes.truncate(cut);
        // A prefix of a journal is a journal, once its first line is whole.
        let parsed = Run::parse(&bytes);
        prop_assert_eq!(parsed.is_ok(), bytes.contains(&b'\n'));
        bytes.extend(content);
        let _ = Run::parse(&bytes);
    }
}
