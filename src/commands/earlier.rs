//! What earlier runs of a plan did, as their journals say: words for who resumes it. Nothing is decided by them.

use crate::journal::{self, Run, Write};
use crate::plan::Plan;
use std::collections::BTreeMap;
use std::path::Path;

/// Returns of each step of a plan that an earlier run of it sent what became of it there, by the step's id.
///
/// A journal that is not there or cannot be read has nothing to say: whether a step is done is read from Azure.
pub(super) fn earlier(folder: &Path, plan: &Plan) -> BTreeMap<String, String> {
    let header = &plan.header;
    let names = journal::runs(folder).unwrap_or_default().into_iter();
    let names = names.filter(|name| name.contains(&header.plan_id));
    let runs = names.filter_map(|name| journal::read(folder, &name).ok().flatten());
    let of_plan = |run: &Run| {
        let start = &run.start;
        start.plan_id == header.plan_id && start.environment == header.environment && start.endpoint == header.endpoint
    };
    let mut found = BTreeMap::new();
    for run in runs.filter(of_plan) {
        for write in &run.writes {
            let of_step = plan.steps.iter().any(|step| {
                let object = write.intent.as_ref().map(|intent| &intent.object);
                step.id == write.step && object.is_some_and(|object| object.eq_ignore_ascii_case(step.object.as_str()))
            });
            if let Some(words) = words(&run, write).filter(|_| of_step) {
                found.insert(write.step.clone(), words);
            }
        }
    }
    found
}

/// What a run says of a write that it sent.
fn words(run: &Run, write: &Write) -> Option<String> {
    let intent = write.intent.as_ref()?;
    let name = &run.start.run;
    Some(match &write.outcome {
        Some(settled) if settled.outcome == "done" => format!("done by {name} at {}", settled.time),
        Some(settled) => format!(
            "sent by {name} at {}, which {}; settled by reading",
            intent.time, settled.outcome
        ),
        None => format!(
            "sent by {name} at {}, which heard no answer; settled by reading",
            intent.time
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Intent, Settled};
    use crate::journal::{Record, Start};
    use crate::model::Timestamp;

    fn run(outcome: Option<&str>) -> Run {
        let time = Timestamp::parse("2027-01-04T08:00:00Z").unwrap();
        let start = Start {
            format_version: 1,
            run: "run-1".into(),
            time,
            tool: String::new(),
            command: "apply".into(),
            environment: "dev".into(),
            scope: String::new(),
            tenant: String::new(),
            endpoint: String::new(),
            plan_id: "p".into(),
            config_digest: String::new(),
            steps: 1,
            allowed_weakenings: Vec::new(),
            reason: None,
            limits: Vec::new(),
        };
        let intent = Intent {
            time,
            step: "step-001".into(),
            kind: "policyAssignment".into(),
            object: "/x".into(),
            action: "create".into(),
            direction: "tightens".into(),
            weakens: Vec::new(),
            gate: None,
            before: None,
            after: None,
        };
        let settled = outcome.map(|outcome| Settled {
            time: Timestamp::parse("2027-01-04T08:00:01Z").unwrap(),
            step: "step-001".into(),
            kind: "policyAssignment".into(),
            object: "/x".into(),
            outcome: outcome.into(),
            message: String::new(),
            code: None,
            request_id: None,
        });
        let lines = [
            Some(Record::Run(start)),
            Some(Record::Intent(intent)),
            settled.map(Record::Outcome),
        ];
        let text: String = lines
            .into_iter()
            .flatten()
            .map(|record| record.to_line() + "\n")
            .collect();
        Run::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_write_is_told_with_what_became_of_it() {
        let told = |outcome| {
            let run = run(outcome);
            words(&run, &run.writes[0]).unwrap()
        };
        assert_eq!(told(Some("done")), "done by run-1 at 2027-01-04T08:00:01Z");
        assert_eq!(
            told(Some("failed")),
            "sent by run-1 at 2027-01-04T08:00:00Z, which failed; settled by reading"
        );
        assert_eq!(
            told(None),
            "sent by run-1 at 2027-01-04T08:00:00Z, which heard no answer; settled by reading"
        );
    }
}
