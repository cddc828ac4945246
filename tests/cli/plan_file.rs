//! Plan files: saved, shown, carried out, and refused with nothing written.

use crate::harness::{Folder, Run, pending};
use serde_json::{Value, json};

const APPLY: &str = "apply dev --sandbox --yes --plan plan.json";

/// An estate with a saved plan of `dev`.
fn saved() -> Folder {
    let folder = Folder::shipped();
    folder
        .run("plan dev --sandbox --out plan.json")
        .expect(0)
        .says(&["The plan is in plan.json.\n"]);
    folder
}

/// Applies the saved plan, and checks that it is refused with that code and nothing is written.
#[track_caller]
fn refused(folder: &Folder, code: i32) -> Run {
    let before = folder.resources(|_, _| true);
    let run = folder.run(APPLY).expect(code);
    assert_eq!(before, folder.resources(|_, _| true), "nothing was written");
    let document = folder.run(&format!("{APPLY} --format json")).expect(code).json();
    assert_eq!(document["exitCode"], code);
    assert_eq!(before, folder.resources(|_, _| true), "nothing was written");
    run
}

fn change(folder: &Folder, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(&folder.read("plan.json")).unwrap();
    change(&mut document);
    folder.write("plan.json", format!("{document:#}"));
}

/// Changes the plan and gives it the digest that fits.
fn forge(folder: &Folder, by: impl FnOnce(&mut Value)) {
    change(folder, |document| {
        by(document);
        document["digest"] = json!("");
        document["digest"] = json!(aksgate::diff::digest(document));
    });
}

#[test]
fn a_saved_plan_is_carried_out_and_the_second_time_everything_is_done_already() {
    let folder = saved();
    let document: Value = serde_json::from_str(&folder.read("plan.json")).unwrap();
    assert_eq!(document["formatVersion"], 1);
    folder.run(APPLY).expect(0).prints(&["Applied: 9 done.\n"]);
    assert!(folder.is_settled("dev"));
    let again = folder
        .run(APPLY)
        .expect(0)
        .prints(&["Applied: 9 already-done.\n", " 0 writes,"]);
    assert_eq!(again.stderr.matches("already-done  ").count(), 9, "{}", again.stderr);
}

#[test]
fn an_apply_that_did_a_part_is_finished_by_the_same_plan() {
    let folder = saved();
    folder.run("apply dev --sandbox --yes --gate exposure").expect(0);
    folder
        .run(APPLY)
        .expect(0)
        .prints(&["Applied: 6 done, 3 already-done.\n"]);
    assert!(folder.is_settled("dev"));
}

#[cfg(unix)]
#[test]
fn a_plan_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let mode = saved().path("plan.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn any_change_to_the_content_is_refused() {
    let folder = saved();
    let whole = folder.read("plan.json");
    let mut tried = 0;
    // Every seventh letter or digit of the file, changed to another one.
    let places = whole.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric());
    let places: Vec<usize> = places.map(|(at, _)| at).step_by(97).collect();
    for at in places {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        folder.write("plan.json", &bytes);
        let run = folder.run("show plan.json");
        assert_eq!(run.code, 1, "byte {at} was changed: {}", run.stdout);
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    folder.write(
        "plan.json",
        whole.replace("\"direction\": \"tightens\"", "\"direction\": \"neutral\""),
    );
    let run = refused(&folder, 1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: `plan.json` cannot be used as a plan
      the plan was changed after it was written: its digest does not fit its content
    hint: `aksgate plan ENV --out FILE` writes one
    ");
}

#[test]
fn a_plan_of_another_environment_is_refused() {
    let folder = saved();
    let run = folder.run("apply test --sandbox --yes --plan plan.json").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: the plan is of another environment
      it was made for `dev`, this run is for `test`
    hint: a plan is carried out where it was made for; here, plan again
    ");
    assert!(!folder.is_settled("test"));
}

#[test]
fn a_plan_of_another_tenant_is_refused() {
    let folder = saved();
    folder.edit(
        "aksgate.yaml",
        "11111111-1111-4111-8111-111111111111",
        "22222222-2222-4222-8222-222222222222",
    );
    let run = refused(&folder, 1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: the plan is of another tenant
      it was made for `11111111-1111-4111-8111-111111111111`, this run is for `22222222-2222-4222-8222-222222222222`
    hint: a plan is carried out where it was made for; here, plan again
    ");
}

#[test]
fn a_plan_of_another_scope_is_refused() {
    let folder = saved();
    folder.cut(
        "environments/dev.yaml",
        "defender:",
        "# Without the Azure Policy add-on",
    );
    folder.edit(
        "environments/dev.yaml",
        "subscriptions/0a000000-0000-4000-8000-000000000001",
        "managementGroups/contoso-dev",
    );
    refused(&folder, 1).says(&["error: the plan is of another scope\n"]);
}

#[test]
fn a_plan_of_another_sandbox_is_refused() {
    let folder = saved();
    folder.run("sandbox reset").expect(0);
    let run = refused(&folder, 1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: the plan is of another ARM endpoint
      it was made for `sandbox:[instance]`, this run is for `sandbox:[instance]`
    hint: a plan is carried out where it was made for; here, plan again
    ");
}

#[test]
fn a_plan_of_azure_is_refused_by_the_sandbox() {
    let folder = saved();
    forge(&folder, |plan| plan["endpoint"] = json!("https://management.azure.com"));
    refused(&folder, 1).says(&[
        "error: the plan is of another ARM endpoint\n",
        "`https://management.azure.com`",
    ]);
}

#[test]
fn a_plan_older_than_its_expiry_is_refused() {
    let folder = saved();
    folder.run("sandbox advance 2d").expect(0);
    let run = refused(&folder, 5);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 5
    --- stderr
    error: the plan is too old
      it was valid until 2027-01-05T08:00:00Z, and it is 2027-01-06T08:00:00Z
    hint: plan again: `aksgate plan dev --out FILE`
    ");
}

#[test]
fn a_plan_of_another_state_of_the_estate_is_refused() {
    let folder = saved();
    folder.edit("environments/dev.yaml", "[ingress]", "[ingress, monitoring]");
    let run = refused(&folder, 5);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 5
    --- stderr
    error: the plan is stale: the estate was changed since it was made
    hint: plan again: `aksgate plan dev --out FILE`
    ");
}

#[test]
fn a_plan_of_a_newer_format_is_refused() {
    let folder = saved();
    change(&folder, |plan| plan["formatVersion"] = json!(2));
    let run = refused(&folder, 1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: `plan.json` cannot be used as a plan
      the plan has format version 2, this version of aksgate reads 1
    hint: `aksgate plan ENV --out FILE` writes one
    ");
}

#[test]
fn what_is_no_plan_is_refused() {
    let folder = saved();
    let cases: [(&[u8], &str); 6] = [
        (b"not json", "the file is not JSON: "),
        (b"", "the file is not JSON: "),
        (b"{}", "the file is no plan: it has no `formatVersion`"),
        (b"[1, 2]", "the file is no plan: it has no `formatVersion`"),
        (b"{\"formatVersion\": 1}", "its digest does not fit its content"),
        (b"\xff\xfe", "the file is not UTF-8"),
    ];
    for (content, reason) in cases {
        folder.write("plan.json", content);
        refused(&folder, 1).says(&["error: `plan.json` cannot be used as a plan\n", reason]);
        folder.run("show plan.json").expect(1).says(&[reason]);
    }
    folder.remove("plan.json");
    refused(&folder, 1).says(&["error: no file `plan.json`\n"]);
    folder
        .run("show plan.json")
        .expect(1)
        .says(&["error: no file `plan.json`\n"]);
}

#[test]
fn a_field_that_the_format_does_not_know_is_refused() {
    let folder = saved();
    forge(&folder, |plan| plan["steps"][0]["force"] = json!(true));
    refused(&folder, 1).says(&["the plan is damaged: ", "`force`"]);
}

// The digest only detects damage. Whoever can compute it must still not get more written than the estate says.

#[test]
fn a_forged_document_is_not_written() {
    let folder = saved();
    forge(&folder, |plan| {
        for step in plan["steps"].as_array_mut().unwrap() {
            if let Some(namespaces) = step.pointer_mut("/after/properties/parameters/excludedNamespaces/value") {
                namespaces.as_array_mut().unwrap().push(json!("everything"));
            }
        }
    });
    let run = folder.run(APPLY);
    assert!(run.code == 4 || run.code == 5, "{run:#?}");
    assert!(
        run.stderr.contains("what would be done now is not what the plan shows"),
        "{}",
        run.stderr
    );
    assert_eq!(
        folder.resources(|_, resource| resource.to_string().contains("everything")),
        []
    );
}

#[test]
fn a_forged_deletion_of_what_others_made_is_refused() {
    let folder = Folder::applied();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let stranger = folder.resources(|id, _| id.ends_with("policyassignments/tags-by-hand"));
    let object = stranger[0].1["id"].as_str().unwrap();
    let live = aksgate::observed::LiveObject {
        kind: aksgate::kinds::Kind::PolicyAssignment,
        id: aksgate::model::ResourceId::parse(object).unwrap(),
        wire: stranger[0].1.clone(),
        etag: None,
    };
    forge(&folder, |plan| {
        plan["steps"].as_array_mut().unwrap().push(json!({
            "id": "step-100", "kind": "policyAssignment", "object": object, "dependsOn": [], "action": "delete",
            "direction": "neutral", "before": live.comparable(), "fingerprint": live.fingerprint(),
        }));
    });
    let run = folder.run(APPLY);
    assert_eq!(
        stranger,
        folder.resources(|id, _| id.ends_with("policyassignments/tags-by-hand"))
    );
    assert_eq!(run.code, 5, "{run:#?}");
}

#[test]
fn a_forged_deletion_of_a_cluster_or_of_a_gate_is_refused() {
    let folder = Folder::applied();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let before = folder.state()["resources"].clone();
    forge(&folder, |plan| {
        for step in plan["steps"].as_array_mut().unwrap() {
            step["action"] = json!("delete");
            step["dependsOn"] = json!([]);
        }
    });
    let run = folder.run(APPLY);
    assert_eq!(run.code, 5, "{run:#?}");
    assert_eq!(before, folder.state()["resources"]);
}

#[test]
fn a_forged_direction_does_not_allow_a_weakening() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[ingress, monitoring]");
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    forge(&folder, |plan| {
        for step in plan["steps"].as_array_mut().unwrap() {
            step["direction"] = json!("neutral");
        }
    });
    refused(&folder, 3);
}

#[test]
fn a_saved_plan_that_weakens_needs_to_be_allowed_too() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "[ingress]", "[ingress, monitoring]");
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    refused(&folder, 3);
    folder
        .run(&format!("{APPLY} --allow-weakening exposure --reason why"))
        .expect(0);
    assert!(folder.is_settled("dev"));
}

#[test]
fn without_yes_a_saved_plan_is_not_carried_out_either() {
    let folder = saved();
    folder.run("apply dev --sandbox --plan plan.json").expect(64);
    assert!(!folder.is_settled("dev"));
}

#[test]
fn a_plan_of_named_gates_does_only_these() {
    let folder = Folder::shipped();
    folder
        .run("plan dev --sandbox --gate exposure --out plan.json")
        .expect(0);
    folder.run(APPLY).expect(0).prints(&["Applied: 3 done.\n"]);
    assert_eq!(pending(&folder.plan("dev")).len(), 6);
    folder.run(&format!("{APPLY} --gate exposure")).expect(64);
}
