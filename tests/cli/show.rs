//! `aksgate show`

use crate::harness::Folder;

#[test]
fn show_prints_what_plan_printed() {
    let folder = Folder::shipped();
    for format in ["human", "markdown"] {
        let planned = folder
            .run(&format!("plan prod --sandbox --out plan.json --format {format}"))
            .expect(0);
        let shown = folder.run(&format!("show plan.json --format {format}")).expect(0);
        assert_eq!(planned.stdout, shown.stdout);
        assert_eq!(shown.stderr, "");
    }
    let mut planned = folder
        .run("plan prod --sandbox --out plan.json --format json")
        .expect(0)
        .json();
    planned["command"] = "show".into();
    assert_eq!(planned, folder.run("show plan.json --format json").expect(0).json());
}

#[test]
fn show_needs_no_estate() {
    let folder = Folder::shipped();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    let elsewhere = Folder::empty();
    elsewhere.write("plan.json", folder.read("plan.json"));
    elsewhere.run("show plan.json").expect(0);
    assert!(!elsewhere.exists(".aksgate"));
}

#[test]
fn verbose_shows_what_stays() {
    let folder = Folder::applied();
    folder.run("plan dev --sandbox --out plan.json").expect(0);
    folder.run("show plan.json -v").expect(0).prints(&["= no-op"]);
}
