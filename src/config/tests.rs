//! What is read from an estate, and every mistake with its text.

mod api_versions;
mod clusters;
mod defender;
mod gates;
mod images;
mod initiatives;
mod rollout;
mod rules;
mod suites;

use super::*;
use crate::view::diagnostics::render;
use proptest::prelude::*;
use std::fmt::Write as _;

/// The files of the estate in this repository.
pub(super) const SHIPPED: [(&str, &str); 10] = [
    ("aksgate.yaml", include_str!("../../aksgate.yaml")),
    ("environments/dev.yaml", include_str!("../../environments/dev.yaml")),
    ("environments/prod.yaml", include_str!("../../environments/prod.yaml")),
    ("environments/test.yaml", include_str!("../../environments/test.yaml")),
    (
        "initiatives/exposure.yaml",
        include_str!("../../initiatives/exposure.yaml"),
    ),
    (
        "initiatives/exposure/no-node-port.rego",
        include_str!("../../initiatives/exposure/no-node-port.rego"),
    ),
    (
        "initiatives/exposure/no-node-port.yaml",
        include_str!("../../initiatives/exposure/no-node-port.yaml"),
    ),
    (
        "initiatives/image-governance.yaml",
        include_str!("../../initiatives/image-governance.yaml"),
    ),
    (
        "initiatives/pod-security-baseline.yaml",
        include_str!("../../initiatives/pod-security-baseline.yaml"),
    ),
    (
        "initiatives/pod-security-restricted.yaml",
        include_str!("../../initiatives/pod-security-restricted.yaml"),
    ),
];

/// A small estate without a mistake, to make mistakes in.
pub(super) const SMALL: [(&str, &str); 4] = [
    (
        "aksgate.yaml",
        "owner: contoso
defaults:
  excludeNamespaces: [monitoring]
",
    ),
    (
        "environments/dev.yaml",
        "cloud: public
tenant: 11111111-1111-4111-8111-111111111111
scope: subscriptions/0a000000-0000-4000-8000-000000000001
gates:
  baseline:
    initiative: baseline
    target: deny
    soak: 1d
  images:
    initiative: images
    target: audit
    excludeNamespaces: [build]
    parameters:
      allowedImages: ^contoso
defender:
  containers: {tier: Standard, extensions: {ContainerSensor: true}}
clusters:
  policyAddon: {mode: manage}
",
    ),
    (
        "initiatives/baseline.yaml",
        "builtin: a8640138-9b0a-4a28-b8cb-1666c838647d
version: 1.*.*
",
    ),
    (
        "initiatives/images.yaml",
        "displayName: Images
members:
  - ref: allowed
    definition: febd0533-8e55-448f-b837-bd0e06f16469
    version: 9.*.*
    parameters: {excludedContainers: [istio]}
    expose: {allowedContainerImagesRegex: allowedImages}
  - ref: latest
    definition: 021f8078-41a0-40e6-81b6-c6597da9f3ee
    version: 2.*.*
",
    ),
];

fn files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<SourceFile> {
    let file = |(path, text): (&str, &str)| SourceFile {
        path: path.to_owned(),
        content: text.as_bytes().to_vec(),
    };
    files.into_iter().map(file).collect()
}

/// Returns the small estate with `from` replaced by `to` in a file; a file that is not there is made, of `to`.
fn small_but(path: &str, from: &str, to: &str) -> Vec<SourceFile> {
    let mut files = files(SMALL);
    match files.iter_mut().find(|file| file.path == path) {
        Some(file) => {
            let text = std::str::from_utf8(&file.content).unwrap();
            assert!(text.contains(from), "{from:?} stands in {path}");
            file.content = text.replacen(from, to, 1).into_bytes();
        }
        None => files.push(SourceFile {
            path: path.to_owned(),
            content: to.as_bytes().to_vec(),
        }),
    }
    files
}

/// Returns what is wrong with an estate, one line each and one for each hint.
fn wrong(files: &[SourceFile]) -> String {
    let (estate, diagnostics) = load(files, Catalog::embedded());
    let errors = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_eq!(estate.is_none(), errors, "an estate comes without errors only");
    let mut all = String::new();
    for diagnostic in &diagnostics {
        let warning = if diagnostic.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        let place = diagnostic
            .span
            .map_or(String::new(), |span| format!(":{}:{}", span.line, span.column));
        let label = if diagnostic.label.is_empty() {
            String::new()
        } else {
            format!(": {}", diagnostic.label)
        };
        writeln!(all, "{warning}{}{place} {}{label}", diagnostic.file, diagnostic.summary).unwrap();
        for hint in &diagnostic.hints {
            writeln!(all, "  {hint}").unwrap();
        }
    }
    all.trim_end().to_owned()
}

/// Asserts what is said about the small estate after changes of a file, each alone.
fn check(path: &str, cases: &[(&str, &str, &str)]) {
    let mut differ = String::new();
    for (from, to, expected) in cases {
        let found = wrong(&small_but(path, from, to));
        if found != *expected {
            writeln!(
                differ,
                "{from:?} -> {to:?}\n--- expected\n{expected}\n--- found\n{found}\n"
            )
            .unwrap();
        }
    }
    assert!(differ.is_empty(), "{differ}");
}

const DEV: &str = "environments/dev.yaml";
const IMAGES: &str = "initiatives/images.yaml";
const BASELINE: &str = "initiatives/baseline.yaml";

#[test]
fn the_shipped_estate_has_no_mistake() {
    let files = files(SHIPPED);
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    assert_eq!(render(&diagnostics, &files, false, 100), "");
    let estate = estate.unwrap();
    assert_eq!(estate.owner, "contoso-platform");
    assert_eq!(estate.environments.keys().collect::<Vec<_>>(), ["dev", "prod", "test"]);
    assert_eq!(estate.environments["dev"].gates.len(), 4);
    assert_eq!(
        estate.environments["prod"].definition_scope.to_string(),
        "managementGroups/contoso-prod"
    );
}

#[test]
fn the_small_estate_is_read_as_it_says() {
    assert_eq!(wrong(&files(SMALL)), "");
    let (estate, _) = load(&files(SMALL), Catalog::embedded());
    let estate = estate.unwrap();
    let dev = &estate.environments["dev"];
    assert_eq!(
        (dev.cloud, dev.tenant.as_str()),
        (Cloud::Public, "11111111-1111-4111-8111-111111111111")
    );
    assert_eq!(dev.definition_scope, dev.scope);
    let images = &dev.gates["images"];
    assert_eq!(images.exclude_namespaces, ["monitoring", "build"]);
    assert_eq!(images.soak.to_string(), "7d");
    assert_eq!(images.parameters["allowedImages"], serde_json::json!("^contoso"));
    let defender = dev.defender.as_ref().unwrap();
    assert!(defender.mode == Mode::Manage && defender.standard && defender.extensions["ContainerSensor"]);
    assert_eq!(dev.clusters.as_ref().unwrap().policy_addon, Some(Mode::Manage));
    let Initiative::Own { members, .. } = &estate.initiatives["images"] else {
        panic!()
    };
    let version = |member: &Member| match &member.definition {
        MemberDefinition::BuiltIn { version, .. } => version.clone(),
        MemberDefinition::Rule(_) => panic!(),
    };
    assert_eq!(version(&members[0]), "9.*.*");
    assert_eq!(members[0].expose["allowedContainerImagesRegex"], "allowedImages");
    assert_eq!(
        members[0].parameters["excludedContainers"],
        serde_json::json!(["istio"])
    );
}

#[test]
fn keys_are_checked() {
    check(
        DEV,
        &[
            (
                "    soak: 1d",
                "    soaks: 1d",
                "environments/dev.yaml:8:5 unknown key: `soaks` is not known here
  did you mean `soak`?",
            ),
            (
                "    soak: 1d",
                "    zebra: 1d",
                "environments/dev.yaml:8:5 unknown key: `zebra` is not known here
  known: `initiative`, `target`, `soak`, `maxViolations`, `excludeNamespaces`, `parameters`, `identity`, `renamedFrom`",
            ),
            (
                "    target: deny\n",
                "",
                "environments/dev.yaml:5:3 missing key: it has no `target`
  The stage to reach. A gate gets there step by step, never in a jump.",
            ),
            (
                "scope: subscriptions/0a000000-0000-4000-8000-000000000001\n",
                "",
                "environments/dev.yaml:1:1 missing key: the file has no `scope`
  Where the gates are assigned; no other environment has the same one.",
            ),
            (
                "cloud: public\n",
                "",
                "environments/dev.yaml:1:1 missing key: the file has no `cloud`
  state it here, or for all environments under `defaults` of aksgate.yaml",
            ),
            (
                "    soak: 1d",
                "    soak: 1d\n    soak: 2d",
                "environments/dev.yaml:9:5 duplicate key: `soak` stands already on line 8",
            ),
            (
                "defender:\n  containers: {tier: Standard, extensions: {ContainerSensor: true}}\n",
                "defender:\n",
                "environments/dev.yaml:15:1 wrong type: expected a mapping, found nothing
  leave the key out if it is to say nothing",
            ),
        ],
    );
}

#[test]
fn values_have_a_type_and_a_form() {
    check(
        DEV,
        &[
            ("soak: 1d", "soak: 1", "environments/dev.yaml:8:11 wrong type: expected a period such as `7d`, `12h` or `1d12h`, found `1`
  name the unit: `1d` for days, `1h` for hours"),
            ("soak: 1d", "soak: 1week", "environments/dev.yaml:8:11 invalid value: expected a period such as `7d`, `12h` or `1d12h`"),
            ("soak: 1d", "soak: [1d]", "environments/dev.yaml:8:11 wrong type: expected a period such as `7d`, `12h` or `1d12h`, found a list"),
            ("[build]", "build", "environments/dev.yaml:12:24 wrong type: expected a list, found a text
  write `[build]`"),
            ("[build]", "[Build, kube_system, -a]", "environments/dev.yaml:12:25 invalid value: expected the name of a Kubernetes namespace: lower-case letters, digits and dashes, no dash at either end
environments/dev.yaml:12:32 invalid value: expected the name of a Kubernetes namespace: lower-case letters, digits and dashes, no dash at either end
environments/dev.yaml:12:45 invalid value: expected the name of a Kubernetes namespace: lower-case letters, digits and dashes, no dash at either end"),
            ("[build]", "[build, build]", "warning: environments/dev.yaml:12:32 duplicate namespace: `build` stands already in this list"),
            ("target: audit", "target: Audit", "environments/dev.yaml:11:13 invalid value: expected `off`, `audit`, `deny`, `enforce`
  did you mean `audit`?"),
            ("target: audit", "target: enforce", "environments/dev.yaml:11:13 target of another kind: `images` is of kind admission: it deploys nothing
  write `target: deny`"),
            ("target: audit", "target: true", "environments/dev.yaml:11:13 wrong type: expected `off`, `audit`, `deny`, `enforce`, found `true`"),
            ("ContainerSensor: true", "ContainerSensor: \"True\"", "environments/dev.yaml:16:62 wrong type: expected `true` or `false`, found a text
  write `true`, without quotes"),
            ("ContainerSensor: true", "ContainerSensor: yes", "environments/dev.yaml:16:62 wrong type: expected `true` or `false`, found a text
  write `true`, without quotes"),
            ("tenant: 11111111-1111-4111-8111-111111111111", "tenant: contoso", "environments/dev.yaml:2:9 invalid value: expected a GUID such as `11111111-1111-4111-8111-111111111111`"),
            ("cloud: public", "cloud: germany", "environments/dev.yaml:1:8 invalid value: expected `public`, `usgov`, `china`"),
            (
                "scope: subscriptions/0a000000-0000-4000-8000-000000000001",
                "scope: subscription/x",
                "environments/dev.yaml:3:8 invalid value: expected `managementGroups/NAME`, `subscriptions/GUID` or `subscriptions/GUID/resourceGroups/NAME`",
            ),
            ("  baseline:\n", "  Baseline:\n", "environments/dev.yaml:5:3 invalid value: expected a name of lower-case letters, digits and dashes that starts with a letter
  write `baseline`"),
            (
                "  baseline:\n",
                "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:\n",
                "environments/dev.yaml:5:3 too long: 65 characters, at most 64 are allowed",
            ),
            ("gates:\n", "gates: []\nx:\n", "environments/dev.yaml:4:8 wrong type: expected a mapping, found a list
environments/dev.yaml:5:1 unknown key: `x` is not known here
  known: `cloud`, `tenant`, `scope`, `definitionScope`, `location`, `promotesFrom`, `advance`, `rings`, `settle`, `windows`, `gates`, `exemptions`, `defender`, `clusters`, `limits`, `apiVersions`"),
        ],
    );
}

#[test]
fn the_estate_file_is_checked() {
    check(
        ESTATE_FILE,
        &[
            ("owner: contoso\n", "", "aksgate.yaml:1:1 missing key: the file has no `owner`
  Who owns the estate. It is part of the mark on every object that aksgate writes: a change orphans them all."),
            ("owner: contoso", "owner: Contoso Platform", "aksgate.yaml:1:8 invalid value: expected a name of lower-case letters, digits and dashes that starts with a letter
  write `contoso-platform`"),
            ("[monitoring]", "[monitoring, monitoring]", "warning: aksgate.yaml:3:35 duplicate namespace: `monitoring` stands already in this list"),
            ("defaults:", "default:", "aksgate.yaml:2:1 unknown key: `default` is not known here
  did you mean `defaults`?"),
            ("defaults:", "defaults:\n  tenant: x", "aksgate.yaml:3:11 invalid value: expected a GUID such as `11111111-1111-4111-8111-111111111111`"),
        ],
    );
}

#[test]
fn gates_are_checked_against_their_initiative() {
    check(
        DEV,
        &[
            ("initiative: baseline", "initiative: baselin", "environments/dev.yaml:6:17 unknown initiative: no such file in initiatives/
  did you mean `baseline`?"),
            ("initiative: baseline", "initiative: cis", "environments/dev.yaml:6:17 unknown initiative: no such file in initiatives/
  known: `baseline`, `images`"),
            ("allowedImages: ^contoso", "allowedImage: ^contoso", "environments/dev.yaml:14:7 unknown parameter: `images` has no parameter `allowedImage`
  did you mean `allowedImages`?"),
            ("allowedImages: ^contoso", "allowedImages: 5", r#"environments/dev.yaml:14:22 wrong type: `allowedImages` takes a text, found `5`
  put it in quotes: "5""#),
            ("allowedImages: ^contoso", "allowedImages: [a]", "environments/dev.yaml:14:22 wrong type: `allowedImages` takes a text, found a list"),
            ("allowedImages: ^contoso", "allowedImages: x\n      effect: deny", "environments/dev.yaml:15:7 effect set by hand: the stage of the gate sets the effect
  remove it, and say with `target` how far the gate closes"),
            (
                "allowedImages: ^contoso",
                "allowedImages: x\n      excludedNamespaces: [a]",
                "environments/dev.yaml:15:7 excluded namespaces set by hand: would replace the namespaces that Azure manages
  use `excludeNamespaces` of the gate: it joins them",
            ),
            ("    soak: 1d\n", "    parameters: {allowedHostPaths: [/tmp]}\n", "environments/dev.yaml:8:36 wrong type: `allowedHostPaths` takes a mapping, found a list"),
            (
                "    soak: 1d\n",
                "    parameters: {namespaces: [1.10, 010, 1.5]}\n",
                r#"environments/dev.yaml:8:31 ambiguous number: `1.10` would be sent as another number than is written here
  put it in quotes if a text is meant: "1.10"
environments/dev.yaml:8:37 ambiguous number: `010` would be sent as another number than is written here
  put it in quotes if a text is meant: "010""#,
            ),
        ],
    );
}

#[test]
fn scopes_are_checked() {
    check(
        DEV,
        &[
            (
                "gates:",
                "definitionScope: subscriptions/0a000000-0000-4000-8000-000000000009\ngates:",
                "environments/dev.yaml:4:18 definition scope beside the scope: `subscriptions/0a000000-0000-4000-8000-000000000001` does not lie in it
  a definition is seen at its own scope and below only: leave the key out, or name a scope above",
            ),
            (
                "gates:",
                "definitionScope: subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/x\ngates:",
                "environments/dev.yaml:4:18 invalid value: expected `managementGroups/NAME` or `subscriptions/GUID`
  policy definitions cannot stand in a resource group: name its subscription",
            ),
            ("gates:", "definitionScope: managementGroups/contoso\ngates:", ""),
            (
                "scope: subscriptions/0a000000-0000-4000-8000-000000000001",
                "scope: managementGroups/a\ndefinitionScope: subscriptions/0a000000-0000-4000-8000-000000000001",
                "environments/dev.yaml:4:18 definition scope beside the scope: `managementGroups/a` does not lie in it
  a definition is seen at its own scope and below only: leave the key out, or name a scope above",
            ),
            ("cloud: public", "cloud: china", "environments/dev.yaml:15:1 no Defender in this cloud: Azure operated by 21Vianet retired Defender for Cloud on 2026-08-18
  remove `defender` from this environment"),
        ],
    );
}

const OTHER: &str = "cloud: public
tenant: 11111111-1111-4111-8111-111111111111
";

#[test]
fn environments_keep_out_of_each_others_way() {
    let other = |rest: &str| wrong(&small_but("environments/other.yaml", "", &format!("{OTHER}{rest}")));
    assert_eq!(
        other("scope: /Subscriptions/0A000000-0000-4000-8000-000000000001\n"),
        "environments/other.yaml:3:8 overlapping environments: environments/dev.yaml has the same scope on line 3
  each environment needs a scope of its own"
    );
    assert_eq!(
        other(
            "scope: subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/x\ndefender: {containers: {tier: Free}}\nclusters: {policyAddon: {mode: manage}}\n"
        ),
        "environments/other.yaml:3:8 shared definition scope: environments/dev.yaml keeps its definitions at `subscriptions/0a000000-0000-4000-8000-000000000001` too
  give each environment a `definitionScope` of its own
environments/other.yaml:4:1 no Defender plan in this scope: a Defender plan is one for a whole subscription, and the scope is a resource group
  state `defender` in an environment of the subscription
environments/other.yaml:4:1 two owners of one Defender plan: environments/dev.yaml manages it too, on line 15
  the plan is one for the whole subscription 0a000000-0000-4000-8000-000000000001: set `mode: require` in one of the two
environments/other.yaml:5:1 two writers of the policy add-on: environments/dev.yaml manages the add-on of the same clusters, on line 17
  set `policyAddon: {mode: require}` in one of the two, or select different clusters by tags"
    );
    assert_eq!(
        other(
            "scope: subscriptions/0a000000-0000-4000-8000-000000000001/resourceGroups/x\ndefinitionScope: managementGroups/x\nclusters: {policyAddon: {mode: require}}\n"
        ),
        ""
    );
    assert_eq!(
        other("scope: subscriptions/0a000000-0000-4000-8000-000000000002\ndefender: {containers: {tier: Free}}\n"),
        ""
    );
}

#[test]
fn an_estate_needs_its_files() {
    assert_eq!(
        wrong(&[]),
        "aksgate.yaml no estate file
  `aksgate init` writes an estate to begin with
environments/ no environment
  `aksgate init` writes an estate to begin with"
    );
    let other = files([
        ("README.md", "# x"),
        ("environments/.dev.yaml.swp", "\0"),
        ("templates/x.json.hbs", "{}"),
    ]);
    assert_eq!(wrong(&other), wrong(&[]));
    let only = |path: &str| wrong(&small_but(path, "", "owner: x\n"));
    assert_eq!(
        only("aksgate.yml"),
        "warning: aksgate.yml file is not read
  rename it to `aksgate.yaml`"
    );
    assert_eq!(
        only("environments/prod.yml"),
        "warning: environments/prod.yml file is not read
  rename it to `prod.yaml`"
    );
    assert_eq!(
        only("environments/eu/prod.yaml"),
        "warning: environments/eu/prod.yaml file is not read
  only files directly in `environments/` are"
    );
    assert_eq!(
        only("initiatives/notes.txt"),
        "warning: initiatives/notes.txt file is not read
  only files that end in `.yaml` are"
    );
    assert_eq!(
        only("templates/assignment.json"),
        "warning: templates/assignment.json file is not read
  only files that end in `.json.hbs` are"
    );
    assert_eq!(
        wrong(&small_but(
            "initiatives/Extra.yaml",
            "",
            "builtin: 42b8ef37-b724-4e24-bbc8-7a7708edfe00\nversion: 2.*.*\n"
        )),
        "initiatives/Extra.yaml invalid file name: the file's name without `.yaml` is a name in the estate: expected a name of lower-case letters, digits and dashes that starts with a letter
  rename it to `extra.yaml`"
    );
    assert_eq!(
        wrong(&small_but(
            "initiatives/extra.yaml",
            "",
            "builtin: 42b8ef37-b724-4e24-bbc8-7a7708edfe00\nversion: 2.*.*\n"
        )),
        "",
        "a gate that nobody uses yet is no mistake"
    );
}

#[test]
fn templates_are_kept_as_text() {
    let (estate, _) = load(
        &small_but("templates/assignment.json.hbs", "", "{{name}}"),
        Catalog::embedded(),
    );
    assert_eq!(estate.unwrap().templates["assignment.json.hbs"], "{{name}}");
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let mut files = small_but(DEV, "scope:", "\tscope:");
    files[0].content = vec![b'x'; 10 << 20];
    files.push(SourceFile {
        path: "initiatives/latin.yaml".to_owned(),
        content: b"displayName: Gr\xfc\xdfe\n".to_vec(),
    });
    files.push(SourceFile {
        path: "environments/empty.yaml".to_owned(),
        content: b"# soon\n".to_vec(),
    });
    files.push(SourceFile {
        path: "environments/list.yaml".to_owned(),
        content: b"- a\n".to_vec(),
    });
    files[2].content = b"builtin: a8640138-9b0a-4a28-b8cb-1666c838647d\nversoin: 1.*.*\n".to_vec();
    assert_eq!(
        wrong(&files),
        "aksgate.yaml file too large
  it has more than 1048576 bytes, and that is the longest that is read
environments/dev.yaml:3:1 tab in indentation: YAML is indented with spaces only
  replace each tab at the start of a line by spaces
environments/empty.yaml empty file
environments/list.yaml:1:1 wrong type: expected a mapping, found a list
initiatives/baseline.yaml:1:1 missing key: the file has no `version`
  The version: `1.*.*` follows minor versions, `1.2.*` stays at one. Azure cannot pin a patch.
initiatives/baseline.yaml:2:1 unknown key: `versoin` is not known here
  did you mean `version`?
initiatives/latin.yaml:1:16 file is not UTF-8: byte 0xFC is no character
  save the file as UTF-8"
    );
}

#[test]
fn what_a_syntax_error_hides_is_not_missing() {
    let files = small_but(DEV, "    target: deny\n", "    targte: deny\n  other: 'x\n");
    assert_eq!(
        wrong(&files),
        "environments/dev.yaml:7:5 unknown key: `targte` is not known here
  did you mean `target`?
environments/dev.yaml:8:10 syntax error: a quote is opened before here and never closed"
    );
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    let files = small_but(DEV, "initiative: baseline", "initiative: baselin");
    let (_, diagnostics) = load(&files, Catalog::embedded());
    insta::assert_snapshot!(render(&diagnostics, &files, false, 100), @r"
    error: unknown initiative
     --> environments/dev.yaml:6:17
      |
    6 |     initiative: baselin
      |                 ^^^^^^^ no such file in initiatives/
      |
      = hint: did you mean `baseline`?

    1 error
    ");
}

/// Changes of a text that leave most of it as it is.
pub(super) fn changed() -> impl Strategy<Value = Vec<SourceFile>> {
    let piece = prop::sample::select(vec![
        "", " ", "\n", ": ", "- ", "[", "{", "x", "1.0", "true", "\t", "'", "*a", "&a ", "\u{0}", "é", "#", "gates:",
        "effect", "deny",
    ]);
    let change = (0..SMALL.len(), any::<prop::sample::Index>(), 0..20usize, piece);
    prop::collection::vec(change, 0..6).prop_map(|changes| {
        let mut files = files(SMALL);
        for (file, at, length, piece) in changes {
            let content = &mut files[file].content;
            let at = at.index(content.len() + 1);
            let end = (at + length).min(content.len());
            content.splice(at..end, piece.bytes());
        }
        files
    })
}

proptest! {
    #[test]
    fn any_change_is_read_or_refused(files in changed()) {
        let (estate, diagnostics) = load(&files, Catalog::embedded());
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        prop_assert_eq!(estate.is_none(), failed);
        for diagnostic in &diagnostics {
            prop_assert!(!diagnostic.summary.is_empty());
        }
        render(&diagnostics, &files, true, 80);
    }

    #[test]
    fn the_order_of_files_does_not_matter(files in changed(), seed: u64) {
        let mut other = files.clone();
        let turn = usize::try_from(seed % 4).unwrap();
        other.rotate_left(turn);
        if seed % 8 > 3 {
            other.reverse();
        }
        prop_assert_eq!(load(&files, Catalog::embedded()), load(&other, Catalog::embedded()));
    }

    #[test]
    fn any_bytes_in_any_file_are_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..100), at in 0..SMALL.len()) {
        let mut files = files(SMALL);
        files[at].content = content;
        let (_, diagnostics) = load(&files, Catalog::embedded());
        render(&diagnostics, &files, false, 80);
    }
}

#[test]
fn a_file_of_one_long_line_with_mistakes_only_is_read_in_time() {
    let text = format!(
        "{{{}}}",
        (0..20_000)
            .map(|at| format!("é{at}: [[], x]"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let files = small_but("environments/long.yaml", "", &text);
    let (_, diagnostics) = load(&files, Catalog::embedded());
    let unknown = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.summary == "unknown key");
    assert!(unknown.clone().count() >= 10_000, "{}", diagnostics.len());
    let last = unknown.clone().next_back().unwrap().span.unwrap();
    assert_eq!(last.column, text.get(..last.start).unwrap().chars().count() + 1);
    render(diagnostics.get(..200).unwrap(), &files, false, 80);
}

#[test]
fn defaults_that_cannot_be_read_are_not_missing() {
    let mut files = small_but(DEV, "cloud: public\n", "");
    let missing = "environments/dev.yaml:1:1 missing key: the file has no `cloud`
  state it here, or for all environments under `defaults` of aksgate.yaml";
    assert_eq!(wrong(&files), missing);
    files[0].content = b"owner: 'contoso\ndefaults: {cloud: public}\n".to_vec();
    assert_eq!(
        wrong(&files),
        "aksgate.yaml:1:8 syntax error: a quote is opened before here and never closed"
    );
}
