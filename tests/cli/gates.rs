//! `aksgate catalog --gates`, and `docs/gates.md`, which is made from it.
//!
//! With AKSGATE_UPDATE=1 the test writes the page instead of comparing it.

use crate::harness::{Folder, root};
use serde_json::Value;

#[test]
fn the_page_on_the_gates_is_what_the_shipped_estate_says() {
    let folder = Folder::shipped();
    let generated = folder.run("catalog --gates --format markdown").expect(0).stdout;
    let path = root().join("docs/gates.md");
    if std::env::var_os("AKSGATE_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/gates.md is not what the estate says; AKSGATE_UPDATE=1 cargo test --test cli gates writes it"
    );
}

#[test]
fn every_shipped_gate_says_what_it_prevents_breaks_and_how_to_roll_it_out() {
    let guide = Folder::shipped().run("catalog --gates --format json").expect(0).json();
    let gates = guide["gates"].as_array().unwrap();
    assert!(gates.len() >= 4);
    for gate in gates {
        let name = &gate["initiative"];
        for key in ["incidents", "breaks", "rollOut", "furthestStage"] {
            assert!(
                !matches!(&gate[key], Value::Null) && gate[key] != "" && gate[key] != serde_json::json!([]),
                "{name}: {key}"
            );
        }
        for member in gate["members"].as_array().unwrap() {
            assert_ne!(member["title"], "", "{name}: {member}");
            assert_ne!(member["stages"], "not known", "{name}: {member}");
            assert_ne!(member["judges"], "", "{name}: {member}");
        }
    }
    // Every pattern of incident has something against it.
    let incidents = [
        "risky-pods",
        "untrusted-images",
        "public-exposure",
        "run-time-threat",
        "silent-drift",
    ];
    let settings = guide["settings"].as_array().unwrap();
    for incident in incidents {
        let against = |entry: &&Value| entry["incidents"].as_array().unwrap().iter().any(|it| it == incident);
        assert!(gates.iter().chain(settings).any(|entry| against(&entry)), "{incident}");
    }
}

#[test]
fn one_gate_is_shown_with_all_that_is_known_of_it() {
    let folder = Folder::shipped();
    folder.run("catalog --gates exposure").expect(0).prints(&[
        "exposure\n",
        "  against    Public exposure\n",
        "  furthest   deny\n",
        "  used       dev as exposure, to deny\n",
        "  httpsIngress: Kubernetes clusters should be accessible only over HTTPS\n",
        "      audit, deny; judges Ingress; 1a5b4dca-0b6f-4cf5-907c-56316bc1bf3d at 9.*.*\n",
    ]);
    folder
        .run("catalog --gates image-governance")
        .expect(0)
        .prints(&["  trustedImages: list of registries, repositories and images, needed\n"]);
    folder
        .run("catalog --gates risky-pods")
        .expect(0)
        .prints(&["pod-security-restricted"]);
    folder.run("catalog --gates nothing").expect(1).says(&[
        "error: no initiative of the estate fits `nothing`",
        "`aksgate catalog --gates`",
    ]);
    Folder::empty().run("catalog --gates").expect(1).says(&["aksgate init"]);
}

#[test]
fn the_namespaces_that_every_gate_leaves_out_are_listed_with_their_source() {
    let folder = Folder::shipped();
    folder
        .run("catalog --gates")
        .expect(0)
        .prints(&["Namespaces that every gate leaves out\n  aks-command, "]);
    let guide = folder.run("catalog --gates --format json").expect(0).json();
    let namespaces = guide["excludedNamespaces"].as_array().unwrap();
    let system = namespaces.iter().find(|it| it["name"] == "kube-system").unwrap();
    assert!(system["source"].as_str().unwrap().contains("https://"), "{system}");
}

#[test]
fn an_initiative_without_a_guide_is_listed_all_the_same() {
    let folder = Folder::shipped();
    folder.cut("initiatives/exposure.yaml", "\nguide:", "until it is changed.");
    folder.edit("initiatives/exposure.yaml", "until it is changed.", "");
    folder
        .run("catalog --gates")
        .expect(0)
        .prints(&["Without a guide\n  exposure: as far as deny\n"]);
}
