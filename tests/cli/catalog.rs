//! `aksgate catalog`

use crate::harness::Folder;

const BASELINE: &str = "a8640138-9b0a-4a28-b8cb-1666c838647d";

#[test]
fn the_catalogue_needs_no_estate_and_lists_everything() {
    let folder = Folder::empty();
    let run = folder.run("catalog").expect(0);
    assert!(run.stdout.lines().count() > 60, "{}", run.stdout);
    run.prints(&[
        BASELINE,
        "95edb821-ddaf-4404-9732-666045e056b4",
        "(deprecated)",
        "(preview)",
    ]);
    assert!(!folder.exists(".aksgate"));
}

#[test]
fn a_search_narrows_the_list() {
    let folder = Folder::empty();
    let all = folder.run("catalog").expect(0).stdout.lines().count();
    let run = folder.run_words(&["catalog", "pod security"]).expect(0);
    assert!(run.stdout.lines().count() < all);
    run.prints(&["Kubernetes cluster pod security baseline standards"]);
}

#[test]
fn a_guid_shows_all_that_is_known_of_one() {
    let folder = Folder::empty();
    folder.run(&format!("catalog {BASELINE}")).expect(0).prints(&[
        "Kubernetes cluster pod security baseline standards for Linux-based workloads\n",
        "  kind       policy set definition (initiative), category Kubernetes\n",
        "  pin        1.*.*\n",
        "\nParameters (4)\n",
        "\nMembers (5)\n",
    ]);
    let upper = folder.run(&format!("catalog {}", BASELINE.to_uppercase())).expect(0);
    assert!(upper.stdout.contains("Members (5)"), "{}", upper.stdout);
}

#[test]
fn json_and_markdown_carry_the_same_entry() {
    let folder = Folder::empty();
    let document = folder
        .run(&format!("catalog {BASELINE} --format json"))
        .expect(0)
        .json();
    assert_eq!(document["formatVersion"], 1);
    assert!(document.to_string().contains(BASELINE));
    assert!(document["source"].is_object(), "the source of the facts: {document:#}");
    let page = folder.run(&format!("catalog {BASELINE} --format markdown")).expect(0);
    page.prints(&[BASELINE, "Kubernetes cluster pod security baseline standards"]);
    let everything = folder.run("catalog --format json").expect(0).json();
    assert!(everything["definitions"].as_array().unwrap().len() > 50);
}

#[test]
fn a_search_that_fits_nothing_fails() {
    let folder = Folder::empty();
    let run = folder.run("catalog zzzz").expect(1);
    insta::assert_snapshot!(run.shown(&folder), @r"
    exit code 1
    --- stderr
    error: nothing in the catalogue fits `zzzz`
    hint: `aksgate catalog` lists everything
    ");
}
