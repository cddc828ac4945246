//! `aksgate plan`

use crate::harness::{Folder, outline, pending};

#[test]
fn a_first_plan_shows_all_planes_and_what_holds_the_step_to_deny() {
    let folder = Folder::shipped();
    let run = folder.run("plan prod --sandbox").expect(0);
    run.prints(&[
        " for prod\n  scope managementGroups/contoso-prod, tenant 11111111-1111-4111-8111-111111111111\n  at sandbox:",
        "\nAzure Policy\n  + create policy definition aksgate-exposure-no-node-port-",
        "\n  + create policy assignment pod-secur-00-",
        "\n      + parameters.effect: {\"value\": \"Audit\"}\n",
        "\nDefender for Containers\n  ~ update Defender plan Containers  tightens\n",
        "\nclusters\n  ~ update AKS cluster aks-prod-neu-01  tightens\n",
        "      ~ addonProfiles.azurepolicy.enabled: false -> true\n",
        "\nHeld: cannot be done now, and is not pending\n  exposure: deny in canary\n    soak      has to stand at audit for 7d",
        "    coverage  1 cluster of the ring would not be guarded: aks-prod-neu-01 (add-on off)\n",
        "  aks-prod-eus2-01: enable the Azure Policy add-on\n    state     the cluster is stopped; start it and plan again\n",
        "\nPlan: 6 to create, 2 to update, 0 to replace, 0 to delete; 1 unchanged, 4 held.\n",
    ]);
}

#[test]
fn a_plan_writes_nothing() {
    let folder = Folder::shipped();
    folder.run("sandbox reset").expect(0);
    let before = folder.resources(|_, _| true);
    folder.run("plan dev --sandbox").expect(0);
    assert_eq!(before, folder.resources(|_, _| true));
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let folder = Folder::shipped();
    let first = folder.run("plan prod --sandbox --format json").expect(0);
    let second = folder
        .run("plan prod --sandbox --format json --parallelism 1")
        .expect(0);
    let (mut first, mut second) = (first.json(), second.json());
    for document in [&mut first, &mut second] {
        for varies in ["time", "expires", "planId", "digest"] {
            assert!(document["plan"][varies].take().is_string(), "{varies}");
        }
    }
    assert_eq!(first, second);
}

#[test]
fn a_plan_as_json_has_a_version_an_outcome_and_every_step() {
    let folder = Folder::shipped();
    let document = folder.plan("prod");
    assert_eq!(document["formatVersion"], 1);
    assert_eq!(document["command"], "plan");
    assert_eq!(document["outcome"], "changes-pending");
    assert_eq!(document["exitCode"], 0);
    assert_eq!(document["summary"]["policy"]["create"], 6);
    assert_eq!(document["summary"]["clusters"]["held"], 1);
    insta::assert_snapshot!(outline(&document).join("\n"), @r"
    create policyDefinition neutral
    create policySetDefinition neutral
    create policySetDefinition neutral
    create policyAssignment tightens
    create policyAssignment tightens
    create policyAssignment tightens
    update defenderPlan tightens
    update managedCluster tightens
    ");
    for step in pending(&document) {
        assert!(step["after"].is_object(), "{step}");
        let object = step["object"].as_str().unwrap();
        assert!(
            object.starts_with("/providers/Microsoft.Management/managementGroups/contoso-prod/")
                || object.starts_with("/subscriptions/0a000000-0000-4000-8000-000000000003/"),
            "{object}"
        );
    }
}

#[test]
fn exit_code_and_outcome_say_whether_changes_are_pending() {
    let folder = Folder::shipped();
    let before = folder
        .run("plan dev --sandbox --detailed-exitcode --format json")
        .expect(2)
        .json();
    assert_eq!(
        (&before["outcome"], &before["exitCode"]),
        (&"changes-pending".into(), &2.into())
    );
    folder.run("apply dev --sandbox --yes").expect(0);
    let after = folder
        .run("plan dev --sandbox --detailed-exitcode --format json")
        .expect(0)
        .json();
    assert_eq!(
        (&after["outcome"], &after["exitCode"]),
        (&"no-changes".into(), &0.into())
    );
    folder
        .run("plan dev --sandbox")
        .expect(0)
        .prints(&["\nNothing to do: 10 unchanged, 3 held.\n"]);
}

#[test]
fn markdown_starts_with_the_summary_and_folds_the_rest() {
    let folder = Folder::shipped();
    let run = folder.run("plan prod --sandbox --format markdown").expect(0);
    let text = run.shown(&folder);
    let head: Vec<&str> = text.lines().skip(2).take(12).collect();
    insta::assert_snapshot!(head.join("\n"), @r"
    ## Plan `[plan]` for prod

    **Plan: 6 to create, 2 to update, 0 to replace, 0 to delete; 1 unchanged, 4 held.**

    | | create | update | replace | delete | no-op | held |
    |---|---:|---:|---:|---:|---:|---:|
    | Azure Policy | 6 | 0 | 0 | 0 | 0 | 3 |
    | Defender for Containers | 0 | 1 | 0 | 0 | 0 | 0 |
    | clusters | 0 | 1 | 0 | 0 | 1 | 1 |

    | action | object | gate | direction |
    |---|---|---|---|
    ");
    let opened = run.stdout.matches("<details>").count();
    assert_eq!(opened, 8, "one for each step");
    assert_eq!(opened, run.stdout.matches("</details>").count());
    assert_eq!(run.stdout.matches("```").count() % 2, 0);
}

#[test]
fn a_gate_that_is_named_is_the_only_one_in_the_plan() {
    let folder = Folder::shipped();
    let document = folder
        .run("plan dev --sandbox --gate exposure --format json")
        .expect(0)
        .json();
    let steps = pending(&document);
    assert_eq!(
        outline(&document),
        [
            "create policyDefinition neutral",
            "create policySetDefinition neutral",
            "create policyAssignment tightens"
        ]
    );
    assert!(steps.iter().all(|step| step["gate"] == "exposure"));
}

#[test]
fn a_gate_that_is_not_there_is_refused_with_those_that_are() {
    let folder = Folder::shipped();
    let run = folder.run("plan dev --sandbox --gate exposur").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: environment `dev` has no gate `exposur`
      it has exposure, image-governance, pod-security, pod-security-restricted
    hint: did you mean `exposure`?
    ");
}

#[test]
fn an_environment_that_is_not_there_is_refused_with_those_that_are() {
    let folder = Folder::shipped();
    let run = folder.run("plan prd --sandbox").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: no environment `prd`
      the estate has dev, prod, test
    hint: did you mean `prod`?
    ");
    let document = folder.run("plan prd --sandbox --format json").expect(1).json();
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["error"]["summary"], "no environment `prd`");
    assert!(!folder.exists(".aksgate"), "nothing was called");
}

#[test]
fn without_a_sandbox_and_without_a_credential_the_plan_says_what_was_tried() {
    let folder = Folder::shipped();
    let run = folder.run("plan dev --auth azure-cli").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: cannot sign in to azure
      GET /subscriptions/0a000000-0000-4000-8000-000000000001: `azure-cli` gave no token for tenant `11111111-1111-4111-8111-111111111111`: az not found on PATH; client request id [id]; correlation id [id]
    hint: install the Azure CLI if it is missing, then run: az login --tenant 11111111-1111-4111-8111-111111111111
    ");
    let document = folder
        .run("plan dev --auth developer-tools --format json")
        .expect(1)
        .json();
    assert_eq!(document["exitCode"], 1);
    let run = folder.run("plan dev --auth client-secret").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: cannot sign in to azure
      `client-secret` cannot sign in: AZURE_CLIENT_SECRET is not set
    hint: set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET to an application of tenant 11111111-1111-4111-8111-111111111111 and a secret of it that has not expired
    ");
    assert!(!folder.exists(".aksgate"));
}

#[test]
fn a_plan_that_cannot_be_saved_is_an_error() {
    let folder = Folder::shipped();
    folder
        .run("plan dev --sandbox --out no/such/folder/plan.json")
        .expect(1)
        .says(&["error: the plan cannot be written to `no/such/folder/plan.json`"]);
}

#[test]
fn verbose_lists_what_stays_and_what_it_cost() {
    let folder = Folder::applied();
    let run = folder.run("plan dev --sandbox --verbose").expect(0);
    run.prints(&[
        "  = no-op policy assignment exposure-00-",
        "  = no-op AKS cluster aks-dev-neu-01",
    ])
    // 6, and the built-ins that the gates consist of: each once, and the older versions that Azure's sets pin.
    .says(&["30 reads, 2 Resource Graph queries"]);
    let silent = folder.run("plan dev --sandbox --quiet").expect(0);
    assert_eq!(silent.stderr, "");
    assert!(!silent.stdout.contains("no-op policy"));
}
