//! Mistakes in initiatives, and in what gates make of them.

use super::*;

#[test]
fn built_in_initiatives_are_checked() {
    check(
        BASELINE,
        &[
            ("a8640138", "a8640139", "initiatives/baseline.yaml:1:10 unknown policy set definition: no built-in initiative for AKS has this name
  did you mean `a8640138-9b0a-4a28-b8cb-1666c838647d`?"),
            (
                "a8640138-9b0a-4a28-b8cb-1666c838647d",
                "11111111-2222-3333-4444-555555555555",
                "initiatives/baseline.yaml:1:10 unknown policy set definition: no built-in initiative for AKS has this name
  `aksgate catalog` lists those that are known
  if Azure has it, `aksgate lock` fetches its facts",
            ),
            (
                "a8640138-9b0a-4a28-b8cb-1666c838647d",
                "febd0533-8e55-448f-b837-bd0e06f16469",
                "initiatives/baseline.yaml:1:10 unknown policy set definition: no built-in initiative for AKS has this name
  it is the policy definition `Kubernetes cluster containers should only use allowed images`: make it a member of a set of our own (`members`)",
            ),
            ("1.*.*", "1.4.0", "initiatives/baseline.yaml:2:10 invalid version pin: expected a version pin `x.*.*` or `x.y.*`
  Azure cannot pin a patch: write `1.4.*` to stay at that minor version, or `1.*.*` to follow them"),
            ("1.*.*", "1.4", "initiatives/baseline.yaml:2:10 wrong type: expected a version pin `x.*.*` or `x.y.*`, found `1.4`
  write `1.4.*` or `1.*.*`"),
            ("1.*.*", "9.*.*", "initiatives/baseline.yaml:2:10 unknown version: no version fits `9.*.*`
  listed versions: `1.4.0`
  write `1.*.*`
  if Azure has a newer one, `aksgate lock` fetches its facts"),
            ("1.*.*", "\"1.3.*\"", "initiatives/baseline.yaml:2:10 unknown version: no version fits `1.3.*`
  listed versions: `1.4.0`
  write `1.*.*`
  if Azure has a newer one, `aksgate lock` fetches its facts"),
            ("version: 1.*.*\n", "", "initiatives/baseline.yaml:1:1 missing key: the file has no `version`
  The version: `1.*.*` follows minor versions, `1.2.*` stays at one. Azure cannot pin a patch."),
            ("version: 1.*.*\n", "version: 1.*.*\ndisplayName: x\n", "initiatives/baseline.yaml:3:1 key out of place: `displayName` does not belong to a built-in initiative"),
            ("version: 1.*.*\n", "version: 1.*.*\nmembers: []\n", "initiatives/baseline.yaml:3:1 key out of place: `builtin` and `members` exclude each other
  a file is either a built-in initiative or our own set
initiatives/baseline.yaml:3:10 empty list: at least one entry is needed"),
            ("builtin: a8640138-9b0a-4a28-b8cb-1666c838647d\n", "", "initiatives/baseline.yaml:1:1 missing key: the file has neither `builtin` nor `members` nor `defender`
  write `builtin` for a built-in initiative, or `members` for our own set, or `defender` for a gate of Defender"),
            (
                "a8640138-9b0a-4a28-b8cb-1666c838647d\nversion: 1",
                "/providers/Microsoft.Authorization/policySetDefinitions/A8640138-9b0a-4a28-b8cb-1666c838647d\nversion: 1",
                "",
            ),
            (
                "a8640138-9b0a-4a28-b8cb-1666c838647d\nversion: 1",
                "1f3afdf9-d0c9-4c3d-847f-89da613e70a8\nversion: 57",
                "initiatives/baseline.yaml:1:10 unknown policy set definition: no built-in initiative for AKS has this name
  `aksgate catalog` lists those that are known
  if Azure has it, `aksgate lock` fetches its facts",
            ),
        ],
    );
}

#[test]
fn our_own_initiatives_are_checked() {
    check(
        IMAGES,
        &[
            ("021f8078-41a0", "021f8079-41a0", "initiatives/images.yaml:9:17 unknown policy definition: no built-in definition for AKS has this name
  did you mean `021f8078-41a0-40e6-81b6-c6597da9f3ee`?"),
            (
                "021f8078-41a0-40e6-81b6-c6597da9f3ee",
                "a8640138-9b0a-4a28-b8cb-1666c838647d",
                "initiatives/images.yaml:9:17 unknown policy definition: no built-in definition for AKS has this name
  it is the initiative `Kubernetes cluster pod security baseline standards for Linux-based workloads`: a set cannot be a member of a set, give it a file of its own (`builtin`)",
            ),
            ("ref: latest", "ref: ALLOWED", "initiatives/images.yaml:8:10 duplicate reference: `ALLOWED` is the reference of the member on line 3 too
  references are unique within a set; their case does not count"),
            ("ref: latest", "ref: \"no latest\"", "initiatives/images.yaml:8:10 invalid value: expected letters, digits, `-` and `_`"),
            ("version: 2.*.*", "version: 3.*.*", "initiatives/images.yaml:10:14 unknown version: no version fits `3.*.*`
  listed versions: `2.0.1`, `2.0.0-PREVIEW`, `1.1.0-PREVIEW`, `1.0.0-PREVIEW`
  write `2.*.*`
  if Azure has a newer one, `aksgate lock` fetches its facts"),
            ("version: 9.*.*", "version: 9.0.*", "initiatives/images.yaml:5:14 unknown version: no version fits `9.0.*`
  listed versions: `9.3.0`, `9.2.0`, `9.1.1`, `9.1.0`
  write `9.*.*`
  if Azure has a newer one, `aksgate lock` fetches its facts"),
            ("excludedContainers: [istio]", "excludedContainer: [istio]", "initiatives/images.yaml:6:18 unknown parameter: the definition has no parameter `excludedContainer`
  did you mean `excludedContainers`?"),
            ("excludedContainers: [istio]", "excludedContainers: istio", "initiatives/images.yaml:6:38 wrong type: `excludedContainers` takes a list, found a text
  write `[istio]`"),
            ("excludedContainers: [istio]", "effect: Deny", "initiatives/images.yaml:6:18 effect set by hand: the stage of the gate sets the effect
  remove it; a gate's `target` says how far it closes"),
            ("excludedContainers: [istio]", "excludedNamespaces: [a]", "initiatives/images.yaml:6:18 excluded namespaces set by hand: the gate sets the excluded namespaces
  use `excludeNamespaces` of the gate or of the estate: they join those that Azure manages"),
            ("excludedContainers: [istio]", "source: original", "initiatives/images.yaml:6:26 value not allowed: `original` differs in case
  write `Original`"),
            ("excludedContainers: [istio]", "source: Both", "initiatives/images.yaml:6:26 value not allowed: `source` cannot be `Both`
  allowed: `All`, `Generated`, `Original`"),
            ("excludedContainers: [istio]", "warn: \"true\"", "initiatives/images.yaml:6:24 wrong type: `warn` takes `true` or `false`, found a text
  write `true` without quotes"),
            ("excludedContainers: [istio]", "allowedContainerImagesRegex: x", "initiatives/images.yaml:7:14 parameter both fixed and exposed: `allowedContainerImagesRegex` has a fixed value on line 6
  keep one of the two"),
            (
                "expose: {allowedContainerImagesRegex: allowedImages}",
                "expose: {allowedContainerImagesRegex: effect}",
                "initiatives/images.yaml:7:43 reserved parameter: every set has a parameter `effect` of its own
  expose it under another name",
            ),
            ("    expose: {allowedContainerImagesRegex: allowedImages}\n", "", "environments/dev.yaml:14:7 unknown parameter: `images` has no parameter `allowedImages`
  it has none that a gate may set
initiatives/images.yaml:4:17 missing parameter: `allowedContainerImagesRegex` of this definition has no default
  give it a value under `parameters`, or let each gate do so: `expose: {allowedContainerImagesRegex: allowedContainerImagesRegex}`"),
            (
                "version: 2.*.*",
                "version: 2.*.*\n    expose: {warn: allowedImages}",
                "initiatives/images.yaml:11:20 one name for two types: `allowedImages` is Boolean here and String in a member before
  expose them under two names",
            ),
            ("displayName: Images", &format!("displayName: {}", "x".repeat(129)), "initiatives/images.yaml:1:14 too long: 129 characters, at most 128 are allowed"),
            ("members:", &format!("description: {}\nmembers:", "x".repeat(513)), "initiatives/images.yaml:2:14 too long: 513 characters, at most 512 are allowed"),
            (
                "febd0533-8e55-448f-b837-bd0e06f16469\n    version: 9",
                "440b515e-a580-421e-abeb-b159a61ddcbc\n    version: 6",
                "initiatives/images.yaml:4:17 missing parameter: `allowedContainerPortsList` of this definition has no default
  give it a value under `parameters`, or let each gate do so: `expose: {allowedContainerPortsList: allowedContainerPortsList}`
warning: initiatives/images.yaml:4:17 deprecated definition: Azure has deprecated `[Deprecated]: Kubernetes cluster containers should only listen on allowed ports`
  Azure may remove it; look for its successor with `aksgate catalog`
initiatives/images.yaml:6:18 unknown parameter: the definition has no parameter `excludedContainers`
  did you mean `excludedNamespaces`?
initiatives/images.yaml:7:14 unknown parameter: the definition has no parameter `allowedContainerImagesRegex`
  did you mean `allowedContainerPortsList`?",
            ),
            (
                "021f8078-41a0-40e6-81b6-c6597da9f3ee\n    version: 2.*.*",
                "d8c942c6-16a3-400b-8f2e-785f44030036\n    version: 1.*.*",
                "warning: initiatives/images.yaml:9:17 preview definition: `Kubernetes clusters should specify host in ingress resource rules` is a preview
  a preview may change without notice
initiatives/images.yaml:10:14 unknown version: no version fits `1.*.*`
  listed versions: `1.1.0-PREVIEW`, `1.0.0-PREVIEW`
  write `1.*.*-preview`
  if Azure has a newer one, `aksgate lock` fetches its facts",
            ),
        ],
    );
}

#[test]
fn what_a_gate_cannot_do_is_told() {
    // The deployment safeguards have an effect for their mutations, which the ladder leaves alone.
    let with = |baseline: &str, gate: &str| {
        let mut files = small_but(DEV, "    target: deny\n    soak: 1d\n", gate);
        files.retain(|file| file.path != BASELINE);
        files.push(SourceFile {
            path: BASELINE.to_owned(),
            content: baseline.as_bytes().to_vec(),
        });
        wrong(&files)
    };
    let safeguards = "builtin: c047ea8e-9c78-49b2-958b-37e56d291a44\nversion: 3.*.*\n";
    assert_eq!(
        with(
            safeguards,
            "    target: deny\n    parameters: {effectForMutationPolicies: mutate}\n"
        ),
        "environments/dev.yaml:6:17 missing parameter: no value for `allowedContainerImagesRegex`, `allowedGroups`, `allowedUsers`, `labels`, `reservedTaints`: the initiative has no default
  state it under `parameters` of the gate `baseline`
environments/dev.yaml:8:45 effect in a casing the definition does not know: `mutate` differs in case
  write `Mutate`"
    );
    assert_eq!(
        with(
            safeguards,
            "    target: deny\n    parameters: {effectForMutationPolicies: Deny}\n"
        ),
        "environments/dev.yaml:6:17 missing parameter: no value for `allowedContainerImagesRegex`, `allowedGroups`, `allowedUsers`, `labels`, `reservedTaints`: the initiative has no default
  state it under `parameters` of the gate `baseline`
environments/dev.yaml:8:45 value not allowed: `effectForMutationPolicies` cannot be `Deny`
  allowed: `Mutate`, `Disabled`"
    );
    let member = |definition: &str, version: &str| {
        format!("displayName: x\nmembers:\n  - {{ref: a, definition: {definition}, version: {version}}}\n")
    };
    let stuck = "initiatives/baseline.yaml:2:1 initiative without effect: none of these definitions can audit, deny and be disabled: there is no stage to set
  a set may hold definitions that only audit, but needs one that can deny as well";
    let auditing = member("a3dc4946-dba6-43e6-950d-f96532848c9f", "1.*.*");
    assert_eq!(with(&auditing, "    target: audit\n"), stuck);
    let mutating = member("c873b3ba-c605-42e4-a64b-a142a93826fc", "1.*.*");
    assert_eq!(with(&mutating, "    target: audit\n"), stuck);
    // Image integrity has one member on the ladder, and that one audits only; another switches the add-on on.
    let integrity = "builtin: af28bf8b-c669-4dd3-9137-1e68fdc61bd6\nversion: 1.*.*-preview\n";
    assert_eq!(with(integrity, "    target: deny\n"), "environments/dev.yaml:6:17 missing location: `baseline` has members that deploy or modify, which need an identity
  state `location` in this environment: where Azure is to keep the identity
environments/dev.yaml:7:13 target out of reach: no definition in `baseline` can deny
  the furthest it can go is `audit`
environments/dev.yaml:17:3 two writers of one feature: `baseline` deploys the Azure Policy add-on too
  set `policyAddon: {mode: policy}` to leave it to the gate, or do without the gate's member with definition a8eff44f-8c92-45c3-a3fb-9880802d67a7
warning: initiatives/baseline.yaml:1:10 preview initiative: `[Preview]: [Preview]: Use Image Integrity to ensure only trusted images are deployed` is a preview
  a preview may change without notice");
    let about_azure = member("993c2fcd-2b29-49d2-9eb0-df2c3a730c32", "1.*.*");
    assert_eq!(
        with(&about_azure, "    target: deny\n    excludeNamespaces: [a]\n"),
        "environments/dev.yaml:8:5 namespaces cannot be excluded: `baseline` has no parameter `excludedNamespaces`
  remove the key"
    );
}

#[test]
fn a_set_that_deploys_has_its_own_kind_and_words() {
    let with = |kind: &str, members: &str, gate: &str, environment: &str| {
        let mut files = small_but(DEV, "    target: deny\n    soak: 1d\n", gate);
        files.retain(|file| file.path != BASELINE);
        let content = format!("displayName: x\n{kind}members:\n{members}");
        files.push(SourceFile {
            path: BASELINE.to_owned(),
            content: content.into_bytes(),
        });
        for file in files.iter_mut().filter(|file| file.path == DEV) {
            // The add-on is the gate's here.
            let text = String::from_utf8(file.content.clone()).unwrap();
            let text = text.replace("policyAddon: {mode: manage}", "policyAddon: {mode: require}");
            file.content = format!("{text}{environment}").into_bytes();
        }
        wrong(&files)
    };
    let addon = "  - {ref: a, definition: a8eff44f-8c92-45c3-a3fb-9880802d67a7, version: 4.*.*}\n";
    let auditing = "  - {ref: b, definition: 0a15ec92-a229-4763-bb14-0ea34a568f8d, version: 1.*.*}\n";
    let denying = "  - {ref: c, definition: 95edb821-ddaf-4404-9732-666045e056b4, version: 9.*.*}\n";
    let (kind, here) = ("kind: enablement\n", "location: westeurope\n");
    let enforce = "    target: enforce\n";
    assert_eq!(with(kind, &format!("{addon}{auditing}"), enforce, here), "");
    let cases = [
        (kind, addon.to_owned(), enforce, "", "environments/dev.yaml:6:17 missing location: `baseline` has members that deploy or modify, which need an identity
  state `location` in this environment: where Azure is to keep the identity"),
        (kind, addon.to_owned(), enforce, "location: global\n", "environments/dev.yaml:18:11 no location: an identity is kept in one place
  name a location of the cloud, such as `westeurope`"),
        (kind, addon.to_owned(), "    target: deny\n", here, "environments/dev.yaml:7:13 target of another kind: `baseline` is of kind enablement: it refuses nothing, it deploys
  write `target: enforce`"),
        (kind, auditing.to_owned(), enforce, here, "initiatives/baseline.yaml:3:1 initiative without effect: none of these definitions deploys or modifies anything: there is nothing to enforce
  a set of kind enablement may hold definitions that only audit, but needs one that acts"),
        (kind, format!("{addon}{denying}"), enforce, here, "initiatives/baseline.yaml:5:26 member is not for enablement: this definition judges objects inside the cluster
  put it into a set of kind admission, with a gate of its own"),
        ("", denying.to_owned(), "    target: audit\n    identity: /subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id\n", "", "environments/dev.yaml:8:15 identity without use: no member of `baseline` deploys or modifies anything
  remove the key"),
        ("", addon.to_owned(), "    target: audit\n", here, "initiatives/baseline.yaml:2:1 initiative without effect: none of these definitions can audit, deny and be disabled: there is no stage to set
  a set may hold definitions that only audit, but needs one that can deny as well"),
    ];
    for (kind, members, gate, environment, expected) in cases {
        assert_eq!(with(kind, &members, gate, environment), expected);
    }
}

#[test]
fn members_share_what_they_expose_under_one_name() {
    let images = "displayName: x
members:
  - {ref: a, definition: 021f8078-41a0-40e6-81b6-c6597da9f3ee, version: 2.*.*, expose: {namespaces: where}}
  - {ref: b, definition: 9f061a12-e40d-4183-a00e-171812443373, version: 4.*.*, expose: {namespaces: where}}
";
    let mut files = small_but(DEV, "allowedImages: ^contoso", "where: all");
    files.retain(|file| file.path != IMAGES);
    files.push(SourceFile {
        path: IMAGES.to_owned(),
        content: images.as_bytes().to_vec(),
    });
    assert_eq!(
        wrong(&files),
        "environments/dev.yaml:14:14 wrong type: `where` takes a list, found a text
  write `[all]`"
    );
    for file in &mut files {
        file.content = String::from_utf8(file.content.clone())
            .unwrap()
            .replace("where: all", "{}")
            .into_bytes();
    }
    // The defaults differ, so there is none for both.
    assert_eq!(
        wrong(&files),
        "environments/dev.yaml:10:17 missing parameter: no value for `where`: the initiative has no default
  state it under `parameters` of the gate `images`"
    );
}
