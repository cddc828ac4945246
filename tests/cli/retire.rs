//! `aksgate retire`, and what is told of environments whose files are gone.

use crate::harness::{Folder, outline};
use serde_json::Value;

const RETIRE: &str = "retire dev --sandbox --reason clusters-are-gone";
/// What names `dev` without its file.
const PLACE: &str =
    "--scope subscriptions/0a000000-0000-4000-8000-000000000001 --tenant 11111111-1111-4111-8111-111111111111";

/// How many objects carry the mark of an environment.
fn owned(folder: &Folder, environment: &str) -> usize {
    let needle = format!("environment={environment};");
    let marked = |_: &str, wire: &Value| {
        let mark = wire.pointer("/properties/metadata/aksgate").and_then(Value::as_str);
        mark.is_some_and(|mark| mark.contains(&needle))
    };
    folder.resources(marked).len()
}

fn defender(folder: &Folder) -> Vec<(String, Value)> {
    folder.resources(|id, _| id.contains("microsoft.security/pricings") || id.contains("/managedclusters/"))
}

#[test]
fn all_that_is_ours_goes_in_order_and_nothing_else() {
    let folder = Folder::applied();
    folder.run("apply test --sandbox --yes --quiet").expect(0);
    let (others, settings) = (owned(&folder, "test"), defender(&folder));
    let plan = folder
        .run(&format!("{RETIRE} --plan-only --format json"))
        .expect(0)
        .json();
    assert_eq!(outline(&plan).len(), owned(&folder, "dev"));
    assert_eq!(outline(&plan)[0], "delete policyAssignment weakens");
    assert_eq!(owned(&folder, "dev"), 7, "`--plan-only` writes nothing");

    let run = folder.run(&format!("{RETIRE} --yes")).expect(0);
    run.prints(&[
        "its environment is retired",
        "is retired: clusters-are-gone",
        "stay as they are: whoever does not want them",
        "`environments/dev.yaml` still asks for its gates",
    ]);
    assert_eq!((owned(&folder, "dev"), owned(&folder, "test")), (0, others));
    assert_eq!(defender(&folder), settings);
    folder
        .run(&format!("{RETIRE} --yes"))
        .expect(0)
        .prints(&["Nothing to do"]);
    folder.run("runs").expect(0).prints(&["dev: 7 done; done"]);
}

#[test]
fn a_reason_and_a_yes_are_needed() {
    let folder = Folder::applied();
    folder.run("retire dev --sandbox --yes").expect(64).says(&["--reason"]);
    folder
        .run_words(&["retire", "dev", "--sandbox", "--yes", "--reason", "  "])
        .expect(64);
    folder
        .run(RETIRE)
        .expect(64)
        .says(&["nobody can answer here; nothing was written"]);
    assert_eq!(owned(&folder, "dev"), 7);
}

#[test]
fn a_file_that_is_gone_is_told_until_what_it_left_is_retired() {
    let folder = Folder::applied();
    folder.edit("environments/dev.yaml", "\ngates:\n", "\n# the gates\ngates:\n");
    let there = folder.read("environments/dev.yaml");
    folder.remove("environments/dev.yaml");
    // Another environment looks at the same place, in its own group.
    let text = there
        .replace(
            "scope: subscriptions/0a000000-0000-4000-8000-000000000001",
            "scope: subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/rg-aks-dev-weu",
        )
        .replace("mode: manage", "mode: require");
    let text = &text[..text.find("# Microsoft Defender").unwrap()];
    folder.write("environments/other.yaml", text);
    let told = "of environment `dev`, which the estate no longer has, stand here and go on acting";
    let plan = folder.run("plan other --sandbox").expect(0);
    let advice = format!("`aksgate retire dev {PLACE} --reason TEXT`");
    let words = |text: &str| text.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(words(&plan.stdout).contains(told), "{}", plan.stdout);
    assert!(words(&plan.stdout).contains(&advice), "{}", plan.stdout);
    let document = folder.plan("other");
    assert!(outline(&document).iter().all(|step| !step.starts_with("delete")));
    folder
        .run("status other --sandbox")
        .expect(0)
        .prints(&["of environment `dev`"]);

    folder
        .run(RETIRE)
        .expect(1)
        .says(&["no environment `dev`", "--scope SCOPE"]);
    let wrong = [
        "retire other --sandbox --reason r --scope subscriptions/0a000000-0000-4000-8000-000000000001 --tenant 11111111-1111-4111-8111-111111111111",
        "retire dev --sandbox --reason r --scope nowhere --tenant 11111111-1111-4111-8111-111111111111",
        "retire dev --sandbox --reason r --scope subscriptions/0a000000-0000-4000-8000-000000000001 --tenant me",
        "retire ../dev --sandbox --reason r --scope subscriptions/0a000000-0000-4000-8000-000000000001 --tenant 11111111-1111-4111-8111-111111111111",
        "retire dev --sandbox --reason r --scope subscriptions/0a000000-0000-4000-8000-000000000001",
    ];
    for line in wrong {
        folder.run(line).expect(64);
    }
    folder.run(&format!("{RETIRE} {PLACE} --yes")).expect(0);
    assert_eq!(owned(&folder, "dev"), 0);
    let plan = folder.run("plan other --sandbox").expect(0);
    assert!(!words(&plan.stdout).contains(told), "{}", plan.stdout);
}
