//! `aksgate validate`

use crate::harness::Folder;

#[test]
fn the_shipped_estate_is_valid() {
    let folder = Folder::shipped();
    let run = folder.run("validate").expect(0);
    assert_eq!(
        run.stdout,
        "The estate is valid: 3 environments with 10 gates, 10 initiatives.\nNot enforced at admission: `namespaceNetworkPolicy` of \
         `network-isolation`: a namespace is admitted before its network policies, and other objects of a cluster are replicated to \
         Azure's own definitions only\n"
    );
    assert_eq!(run.stderr, "");
    let document = folder.run("validate --format json").expect(0).json();
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["diagnostics"], serde_json::json!([]));
    folder
        .run("validate --format markdown")
        .expect(0)
        .prints(&["## Estate: valid\n"]);
}

#[test]
fn every_mistake_is_told_in_one_run_in_the_order_of_files() {
    let folder = Folder::shipped();
    folder.edit("environments/dev.yaml", "target: audit", "targt: audit");
    folder.edit("environments/dev.yaml", "ContainerSensor: true", "ContainerSensor: 1");
    folder.edit("environments/test.yaml", "initiative: exposure", "initiative: exposur");
    folder.edit("initiatives/exposure.yaml", "version: 9.*.*", "version: 9.1.2");
    let run = folder.run("validate").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: missing key
      --> environments/dev.yaml:15:3
       |
    15 |   pod-security-restricted:
       |   ^^^^^^^^^^^^^^^^^^^^^^^ it has no `target`
       |
       = hint: The stage to reach. A gate gets there step by step, never in a jump.

    error: unknown key
      --> environments/dev.yaml:17:5
       |
    17 |     targt: audit
       |     ^^^^^ `targt` is not known here
       |
       = hint: did you mean `target`?

    error: wrong type
      --> environments/dev.yaml:39:24
       |
    39 |       ContainerSensor: 1
       |                        ^ expected `true` or `false`, found `1`

    error: unknown initiative
      --> environments/test.yaml:21:17
       |
    21 |     initiative: exposur
       |                 ^^^^^^^ no such file in initiatives/
       |
       = hint: did you mean `exposure`?

    error: invalid version pin
      --> initiatives/exposure.yaml:22:14
       |
    22 |     version: 9.1.2
       |              ^^^^^ expected a version pin `x.*.*` or `x.y.*`
       |
       = hint: Azure cannot pin a patch: write `9.1.*` to stay at that minor version, or `9.*.*` to follow them

    5 errors
    ");
    let document = folder.run("validate --format json").expect(1).json();
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["diagnostics"].as_array().unwrap().len(), 5);
    let page = folder.run("validate --format markdown").expect(1);
    page.prints(&[
        "## Estate: mistakes found\n",
        "- **error** environments/dev.yaml:17:5: unknown key",
    ]);
}

#[test]
fn documents_over_a_limit_of_azure_are_told_offline() {
    let folder = Folder::shipped();
    let scopes: Vec<String> = (0..401).map(|n| format!("\"/subscriptions/{n}\"")).collect();
    folder.write(
        "templates/policyAssignment.json.hbs",
        include_str!("../../templates/policyAssignment.json.hbs").replace(
            "\"parameters\":",
            &format!("\"notScopes\": [{}], \"parameters\":", scopes.join(",")),
        ),
    );
    let run = folder.run("validate").expect(1);
    let run = run.says(&[
        "error: documents cannot be rendered\n--> environments/dev.yaml\n = note: policy assignment `exposure-00-",
        "`notScopes` has 401 entries, Azure takes 400 at most",
    ]);
    assert_eq!(run.stdout, "");
    folder
        .run("plan dev --sandbox")
        .expect(1)
        .says(&["`notScopes` has 401 entries"]);
}
