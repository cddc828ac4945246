//! What a plan looks like: wide, narrow, in Markdown, in JSON, and with hostile text.

use super::plan::{Layout, closing, human, to_json, to_markdown};
use super::text::{Paint, columns};
use crate::evidence::{Count, Forecast, Hit, Place};
use crate::kinds::{Direction, Kind, Plane};
use crate::model::{ResourceId, Timestamp};
use crate::plan::{Action, Finding, Header, Held, Plan, Reason, Step};
use serde_json::{Value, json};

const SUBSCRIPTION: &str = "/subscriptions/0a000000-0000-4000-8000-000000000001";

fn step(kind: Kind, path: &str, action: Action, direction: Direction, before: Value, after: Value) -> Step {
    let some = |value: Value| (!value.is_null()).then_some(value);
    Step {
        id: "step-001".into(),
        kind,
        object: ResourceId::parse(&format!("{SUBSCRIPTION}/{path}")).unwrap(),
        gate: (kind == Kind::PolicyAssignment).then(|| "pod-security".to_owned()),
        depends_on: Vec::new(),
        action,
        direction,
        weakens: match direction {
            Direction::Weakens => vec!["`effect` Deny -> Audit".to_owned(), "`a` + <b>".to_owned()],
            _ => Vec::new(),
        },
        reason: (action == Action::Delete).then(|| "it is no longer in the estate".to_owned()),
        before: some(before),
        after: some(after),
        fingerprint: None,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        header: Header {
            environment: "dev".into(),
            scope: "subscriptions/x".into(),
            tenant: "t".into(),
            endpoint: "https://arm".into(),
            gates: vec![],
            config_digest: "c".into(),
            time: Timestamp::from_seconds(0),
            expires: Timestamp::from_seconds(86_400),
            plan_id: "p1".into(),
        },
        steps,
        held: vec![Held {
            plane: Plane::Policy,
            subject: "pod-security".into(),
            what: "deny".into(),
            reasons: vec![Reason {
                guard: "soak".into(),
                sentence: "stands at audit for 1d of 7d".into(),
                opens: Some(Timestamp::from_seconds(86_400)),
            }],
        }],
        findings: vec![Finding {
            subject: "aks-1".into(),
            sentence: "not selected".into(),
        }],
        exceeded: Vec::new(),
        forecasts: Vec::new(),
    }
}

fn sample() -> Plan {
    let assignment = "providers/Microsoft.Authorization/policyAssignments/pod-secur-00-x";
    let pricing = "providers/Microsoft.Security/pricings/Containers";
    let effect = |effect: &str, namespaces: Value| json!({"properties": {"description": "one\ntwo", "parameters": {"effect": {"value": effect}, "excludedNamespaces": {"value": namespaces}}}});
    let mut after = effect("Deny", json!(["b", "c"]));
    after["properties"]["description"] = json!("one\nthree");
    plan(vec![
        step(
            Kind::PolicyAssignment,
            assignment,
            Action::Update,
            Direction::Weakens,
            effect("Audit", json!(["a", "b"])),
            after,
        ),
        step(
            Kind::DefenderPlan,
            pricing,
            Action::Create,
            Direction::Tightens,
            Value::Null,
            json!({"properties": {"pricingTier": "Standard"}}),
        ),
    ])
}

fn plainly(plan: &Plan, width: usize) -> String {
    human(
        plan,
        Layout {
            paint: Paint { colour: false },
            width,
            verbose: false,
        },
    )
}

#[test]
fn a_plan_shows_counts_fields_directions_and_what_is_held() {
    assert_eq!(
        plainly(&sample(), 100),
        "\
Plan p1 for dev
  scope subscriptions/x, tenant t
  at https://arm
  made 1970-01-01T00:00:00Z, valid until 1970-01-02T00:00:00Z

                            create  update replace  delete   no-op   held
  Azure Policy                   0       1       0       0       0      1
  Defender for Containers        1       0       0       0       0      0
  clusters                       0       0       0       0       0      0

Weakens: what was held back is let through, or is no longer seen
  update policy assignment pod-secur-00-x of gate pod-security
    `effect` Deny -> Audit
    `a` + <b>

Azure Policy
  ~ update policy assignment pod-secur-00-x  WEAKENS
      gate pod-security, at subscriptions/0a000000-0000-4000-8000-000000000001
      ~ description:
      -   two
      +   three
      ~ parameters.effect.value: \"Audit\" -> \"Deny\"
      ~ parameters.excludedNamespaces.value:
      -   \"a\"
      +   \"c\"

Defender for Containers
  + create Defender plan Containers  tightens
      at subscriptions/0a000000-0000-4000-8000-000000000001
      + pricingTier: \"Standard\"

Held: cannot be done now, and is not pending
  pod-security: deny
    soak      stands at audit for 1d of 7d (until 1970-01-02T00:00:00Z)

To know
  aks-1: not selected

Plan: 1 to create, 1 to update, 0 to replace, 0 to delete; 0 unchanged, 1 held. 1 step WEAKENS.
"
    );
}

#[test]
fn the_longest_guard_stands_apart_from_its_reason() {
    let mut plan = sample();
    plan.held[0].reasons[0].guard = "generation".into();
    assert!(plainly(&plan, 100).contains("    generation stands at audit"));
}

#[test]
fn nothing_is_wider_than_the_terminal_and_colour_adds_no_words() {
    for width in [40, 60, 73, 80, 120] {
        for line in plainly(&sample(), width).lines() {
            assert!(columns(line) <= width, "{width}: {line:?}");
        }
    }
    let coloured = human(
        &sample(),
        Layout {
            paint: Paint { colour: true },
            width: 60,
            verbose: false,
        },
    );
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        plainly(&sample(), 60)
    );
}

#[test]
fn markdown_starts_with_the_summary_and_folds_the_details() {
    let text = to_markdown(&sample());
    assert!(
        text.starts_with("## Plan `p1` for dev\n\n**Plan: 1 to create, 1 to update"),
        "{text}"
    );
    assert!(
        text.contains("| update | policy assignment `pod-secur-00-x` | pod-security | **weakens** |"),
        "{text}"
    );
    assert!(text.contains("<details><summary>update policy assignment <code>pod-secur-00-x</code>, weakens</summary>"));
    assert!(text.contains("```diff\n! description:\n-   two\n+   three\n"), "{text}");
}

#[test]
fn json_carries_the_plan_file_the_changes_and_a_summary() {
    let document = to_json(&sample());
    assert_eq!(document["plan"]["formatVersion"], 1);
    let changes = document["plan"]["steps"][0]["changes"].as_array().unwrap();
    assert_eq!(
        changes[1],
        json!({"path": "properties.parameters.effect.value", "before": "Audit", "after": "Deny"})
    );
    assert_eq!(document["summary"]["policy"]["update"], 1);
    assert_eq!(document["summary"]["policy"]["held"], 1);
}

#[test]
fn text_from_azure_cannot_move_the_cursor_nor_leave_its_place() {
    let hostile = "\u{1b}[2J```\n</details><script>|\u{202e}";
    let mut plan = sample();
    plan.steps[1].after = Some(json!({"properties": {"pricingTier": hostile, "long": hostile.repeat(9)}}));
    plan.steps[1].gate = Some(hostile.to_owned());
    plan.header.plan_id = "\u{1b}[2J".to_owned();
    plan.held[0].reasons[0].guard = hostile.to_owned();
    plan.findings[0].subject = hostile.to_owned();
    plan.findings[0].sentence = hostile.to_owned();
    let terminal = plainly(&plan, 0);
    assert!(
        !terminal.contains('\u{1b}') && !terminal.contains('\u{202e}'),
        "{terminal:?}"
    );
    let text = to_markdown(&plan);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    // Inside the fence it is text; outside it is escaped.
    let outside: String = text
        .split("\n````diff")
        .flat_map(|part| part.split("\n````\n").last())
        .collect();
    assert!(!outside.contains("<script>"), "{outside}");
    assert!(text.contains("````diff"), "the fence is longer than what it holds");
}

#[test]
fn a_plan_with_nothing_to_do_says_so() {
    let mut plan = sample();
    plan.steps.clear();
    assert_eq!(closing(&plan), "Nothing to do: 0 unchanged, 1 held.");
}

fn forecast(workloads: usize) -> Forecast {
    let hit = |n: usize| Hit {
        cluster: "aks-1".into(),
        namespace: (n > 0).then(|| "shop".to_owned()),
        kind: if n == 1 { "Deployment" } else { "Pod" }.into(),
        name: format!("w{n}"),
        guessed: n == 1,
        objects: 2,
        members: vec!["a".into(), "b".into(), "c".into(), "d".into()],
    };
    Forecast {
        gate: "pod-security".into(),
        hits: (0..workloads.min(50)).map(hit).collect(),
        more: workloads.saturating_sub(50),
        violations: Count::at_least(500),
        places: vec![Place {
            cluster: "aks-1".into(),
            namespace: Some("shop".into()),
            workloads,
            objects: 500,
        }],
        more_places: 0,
        unknown: (0..9).map(|n| format!("aks-{n} (stopped)")).collect(),
    }
}

#[test]
fn a_forecast_names_the_worst_first_and_keeps_its_length() {
    let layout = |verbose| Layout {
        paint: Paint { colour: false },
        width: 0,
        verbose,
    };
    let mut plan = plan(Vec::new());
    plan.forecasts = vec![forecast(60)];
    let text = human(&plan, layout(false));
    let shown = text.split("Forecast").nth(1).unwrap().split("\n\n").next().unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[1..4],
        [
            "  pod-security: 60 workloads, top offenders first; violations: at least 500",
            "    aks-1: Pod w0, 2 objects, breaks a, b, c and 1 more",
            "    aks-1, shop: Deployment w1 (by the names of its pods), 2 objects, breaks a, b, c and 1 more",
        ]
    );
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "    and 50 workloads more; by place: aks-1, shop (60)",
            "    not known: aks-0 (stopped); aks-1 (stopped); aks-2 (stopped) and 6 more",
        ]
    );
    assert_eq!(lines.len(), 14);
    let long = human(&plan, layout(true)).lines().count();
    assert!(long < text.lines().count() + 45, "{long}");
    let page = to_markdown(&plan);
    assert!(
        page.lines().filter(|line| line.starts_with("| aks-1")).count() == 20,
        "{page}"
    );
    assert_eq!(
        to_json(&plan)["plan"]["forecasts"][0]["hits"].as_array().unwrap().len(),
        50
    );
    plan.forecasts = vec![Forecast {
        violations: Count::exactly(0),
        places: Vec::new(),
        unknown: Vec::new(),
        ..forecast(0)
    }];
    assert!(human(&plan, layout(false)).contains("pod-security: nobody breaks it today"));
}

#[test]
fn names_in_a_forecast_move_nothing() {
    let mut plan = plan(Vec::new());
    let mut hostile = forecast(1);
    let text = "a\u{1b}[2J|<b>`x`".to_owned();
    (hostile.hits[0].name, hostile.hits[0].cluster) = (text.clone(), text.clone());
    hostile.unknown[0] = text;
    plan.forecasts = vec![hostile];
    let layout = Layout {
        paint: Paint { colour: false },
        width: 40,
        verbose: true,
    };
    let (text, page) = (human(&plan, layout), to_markdown(&plan));
    assert!(
        !text.contains('\u{1b}') && !page.contains('\u{1b}') && !page.contains("<b>"),
        "{page}"
    );
    assert!(text.lines().all(|line| columns(line) <= 40), "{text}");
}
