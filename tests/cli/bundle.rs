//! `aksgate bundle`: where copies of constraint templates come from, and which are refused.

use crate::harness::Folder;
use serde_json::{Value, json};

const PRIVILEGE: &str = "bundle/store.policy.core.windows.net/kubernetes/container-no-privilege/v2/template.yaml";
const URL: &str = "https://store.policy.core.windows.net/kubernetes/container-no-privilege/v2/template.yaml";

fn bundled() -> Folder {
    let folder = Folder::shipped();
    folder.run("bundle prod --sandbox").expect(0);
    folder
}

/// The state of one template, and why.
fn state(document: &Value, url: &str) -> (String, String) {
    let templates = document["templates"].as_array().unwrap();
    let row = templates.iter().find(|row| row["url"] == url);
    let row = row.unwrap_or_else(|| panic!("{url} is not in {document:#}"));
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    (text("state"), text("reason"))
}

fn run(folder: &Folder, line: &str, code: i32) -> Value {
    folder.run(&format!("{line} --format json")).expect(code).json()
}

/// What kubectl would write of a cluster that has the templates of the bundle.
fn dump(folder: &Folder) -> Value {
    let mut item: Value = serde_json::from_str(&template(folder)).unwrap();
    item["metadata"]["annotations"] =
        json!({"constraint-template": URL, "constraint-template-installed-by": "azure-policy-addon"});
    item["metadata"]["uid"] = "1".into();
    item["status"] = json!({"created": true});
    let mut foreign = item.clone();
    foreign["metadata"]["annotations"] = json!({});
    json!({"apiVersion": "v1", "kind": "List", "items": [foreign, item]})
}

/// The copy of the template as JSON.
fn template(folder: &Folder) -> String {
    let found = aksgate::manifest::read(PRIVILEGE, folder.read(PRIVILEGE).as_bytes()).unwrap();
    found[0].value.to_string()
}

#[test]
fn copies_are_fetched_locked_and_kept() {
    let folder = Folder::shipped();
    let before = folder.read("aksgate.lock");
    let first = run(&folder, "bundle prod --sandbox", 0);
    assert_eq!(state(&first, URL).0, "added");
    assert!(folder.exists(PRIVILEGE));
    let lock = folder.read("aksgate.lock");
    assert!(
        lock.contains(URL) && lock.starts_with(before.split("\n]").next().unwrap()),
        "{lock}"
    );
    // Nobody is asked for what is there.
    assert_eq!(state(&run(&folder, "bundle prod", 0), URL).0, "kept");
    assert_eq!(state(&run(&folder, "bundle prod --check", 0), URL).0, "kept");
    assert_eq!(folder.read("aksgate.lock"), lock);
    // The lock of built-ins is renewed without losing them.
    folder.run("lock --sandbox --upgrade-all").expect(0);
    assert!(folder.read("aksgate.lock").contains(URL));
    folder.run("validate").expect(0);
    let human = folder.run("bundle prod").expect(0);
    human.prints(&["kept      container-no-privilege/v2", "Bundle: "]);
    let markdown = folder.run("bundle prod --format markdown").expect(0);
    markdown.prints(&["| kept | `container-no-privilege/v2` | prod/pod-security/NoPrivilegedContainers |"]);
}

#[test]
fn a_copy_that_is_not_the_locked_one_is_told_and_put_back() {
    let folder = bundled();
    let text = folder.read(PRIVILEGE);
    folder.write(PRIVILEGE, text.replace("privileged", "privilege"));
    let (state_now, why) = state(&run(&folder, "bundle prod --check", 2), URL);
    assert_eq!(
        (state_now.as_str(), why.as_str()),
        ("refused", "the copy is not the locked one")
    );
    folder
        .run("check prod examples/manifests")
        .expect(1)
        .prints(&["is not what is locked"]);
    assert_eq!(state(&run(&folder, "bundle prod --sandbox", 0), URL).0, "restored");
    assert_eq!(folder.read(PRIVILEGE), text);
    folder.remove(PRIVILEGE);
    assert_eq!(state(&run(&folder, "bundle prod --check", 2), URL).0, "missing");
    assert_eq!(state(&run(&folder, "bundle prod --sandbox", 0), URL).0, "restored");
}

#[test]
fn another_text_than_the_locked_one_is_refused_until_it_is_accepted() {
    let folder = bundled();
    let mut document = dump(&folder);
    let rego = document["items"][1]["spec"]["targets"][0]["rego"].as_str().unwrap();
    let rego = format!("{rego}\n# another text\n");
    document["items"][1]["spec"]["targets"][0]["rego"] = rego.into();
    folder.write("cluster.json", document.to_string());
    folder.remove(PRIVILEGE);
    let (state_now, why) = state(&run(&folder, "bundle prod --offline --from cluster.json", 1), URL);
    assert_eq!(state_now, "refused");
    assert!(why.contains("its hash is") && why.contains("locked is"), "{why}");
    assert!(!folder.exists(PRIVILEGE));
    let updated = run(&folder, "bundle prod --update --sandbox --from cluster.json", 0);
    assert_eq!(state(&updated, URL).0, "updated");
    assert!(folder.read(PRIVILEGE).contains("another text"));
    assert_eq!(state(&run(&folder, "bundle prod --check", 0), URL).0, "kept");
}

#[test]
fn a_cluster_and_a_folder_of_downloads_have_them_too() {
    let folder = bundled();
    folder.write("cluster.json", dump(&folder).to_string());
    folder.write("downloads/container-no-privilege/v2/template.yaml", template(&folder));
    folder.write("flat/container-no-privilege-v2.json", template(&folder));
    for from in ["cluster.json", "downloads", "flat"] {
        folder.remove(PRIVILEGE);
        let found = run(&folder, &format!("bundle prod --offline --from {from}"), 0);
        // What a server adds is no other text.
        assert_eq!(state(&found, URL).0, "restored", "{from}");
    }
}

#[test]
fn what_nobody_has_is_missing() {
    let folder = Folder::shipped();
    let (state_now, why) = state(&run(&folder, "bundle prod --offline", 1), URL);
    assert_eq!(
        (state_now.as_str(), why.as_str()),
        ("missing", "it was not found, and nobody was to be asked")
    );
    folder.write("empty/readme.yaml", "kind: Nothing\n");
    let run = folder.run("bundle prod --offline --from empty").expect(1);
    run.says(&["`empty` holds none of the templates", "`constraint-template`"]);
    folder
        .run("bundle prod --offline --from nowhere")
        .expect(1)
        .says(&["`nowhere` cannot be read"]);
    folder.write("broken.json", "{\"kind\": \"List\", \"items\": [");
    folder
        .run("bundle prod --offline --from broken.json")
        .expect(1)
        .says(&["broken.json"]);
}

#[test]
fn without_a_lock_it_is_not_known_which_are_needed() {
    let folder = Folder::shipped();
    folder.remove("aksgate.lock");
    let run = folder.run("bundle prod --sandbox").expect(1);
    run.says(&["the versions of built-ins are not locked", "`aksgate lock` locks them"]);
}

#[test]
fn a_lock_that_was_edited_wrongly_is_told_with_its_place() {
    let folder = bundled();
    folder.edit(
        "aksgate.lock",
        &format!("\"url\": \"{URL}\""),
        "\"url\": \"http://elsewhere/template.yaml\"",
    );
    let run = folder.run("bundle prod --check").expect(1);
    run.says(&["`http://elsewhere/template.yaml` is no https address", "aksgate.lock:"]);
}

#[test]
fn an_environment_that_is_none_is_told() {
    Folder::shipped()
        .run("bundle prdo")
        .expect(1)
        .says(&["no environment `prdo`", "did you mean `prod`?"]);
}
