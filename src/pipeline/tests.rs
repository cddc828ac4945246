//! What a pipeline holds for which estate.

use super::*;
use crate::catalog::Catalog;
use crate::config::{SourceFile, load};

const ESTATE: &str = "owner: platform\n";
const INITIATIVE: &str = "builtin: a8640138-9b0a-4a28-b8cb-1666c838647d\nversion: 1.*.*\n";

fn environment(number: u8, more: &str) -> String {
    let id = format!("{number}{number}{number}{number}0000-0000-4000-8000-000000000000");
    format!(
        "cloud: public\ntenant: 11111111-1111-4111-8111-111111111111\nscope: subscriptions/{id}\n{more}gates:\n  pods:\n    initiative: pods\n    target: audit\n"
    )
}

fn estate(environments: &[(&str, &str)]) -> Estate {
    let file = |path: &str, content: String| SourceFile {
        path: path.into(),
        content: content.into_bytes(),
    };
    let mut files = vec![
        file("aksgate.yaml", ESTATE.into()),
        file("initiatives/pods.yaml", INITIATIVE.into()),
    ];
    for (number, (name, more)) in (1..).zip(environments) {
        files.push(file(&format!("environments/{name}.yaml"), environment(number, more)));
    }
    let (estate, diagnostics) = load(&files, Catalog::embedded());
    estate.unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

fn wanted<'a>(estate: &'a Estate, folder: &'a str) -> Wanted<'a> {
    Wanted {
        estate,
        folder,
        branch: "main",
        version: "1.2.3",
    }
}

#[test]
fn each_environment_comes_after_the_one_its_gates_come_from() {
    let estate = estate(&[
        ("alpha", "promotesFrom: middle\n"),
        ("middle", "promotesFrom: zero\n"),
        ("other", ""),
        ("zero", ""),
    ]);
    let names: Vec<&str> = in_order(&estate).into_iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["other", "zero", "middle", "alpha"]);
    for (host, link) in [
        (Host::GitHub, "needs: apply-middle"),
        (Host::AzureDevOps, "dependsOn: apply_middle"),
    ] {
        let files = files(host, wanted(&estate, ""));
        assert!(files[1].text.contains(link), "{}", files[1].text);
    }
}

#[test]
fn what_needs_no_approval_makes_no_plan_first() {
    let estate = estate(&[("auto-env", "advance: auto\n"), ("slow", "advance: approve\n")]);
    for (host, first, second) in [
        (Host::GitHub, "\n  plan-auto-env:", "\n  plan-slow:"),
        (Host::AzureDevOps, "stage: plan_auto_env", "stage: plan_slow"),
    ] {
        let text = &files(host, wanted(&estate, ""))[1].text;
        assert!(!text.contains(first) && text.contains(second), "{text}");
    }
}

#[test]
fn each_tenant_has_an_identity_of_its_own() {
    let one = estate(&[("a", ""), ("b", "")]);
    let mut two = one.clone();
    two.environments.get_mut("b").unwrap().tenant = "22222222-2222-4222-8222-222222222222".into();
    let text = |estate: &Estate, host| files(host, wanted(estate, "")).remove(0).text;
    assert!(text(&one, Host::GitHub).contains("vars.AKSGATE_PLAN_CLIENT_ID }}"));
    assert!(text(&two, Host::GitHub).contains("vars.AKSGATE_PLAN_CLIENT_ID_B }}"));
    assert!(text(&one, Host::AzureDevOps).contains("azureSubscription: aksgate-plan\n"));
    assert!(text(&two, Host::AzureDevOps).contains("azureSubscription: aksgate-plan-b\n"));
}

#[test]
fn each_environment_is_watched_whatever_becomes_of_the_others() {
    let estate = estate(&[("a", ""), ("b-c", "promotesFrom: a\n")]);
    for (host, starts) in [
        (Host::GitHub, ["  watch-a:", "  watch-b-c:"]),
        (Host::AzureDevOps, ["  - job: watch_a", "  - job: watch_b_c"]),
    ] {
        let text = &files(host, wanted(&estate, ""))[2].text;
        for start in starts {
            let job = text
                .split("\n\n")
                .find(|job| job.contains(start))
                .unwrap_or_else(|| panic!("{text}"));
            assert!(!job.contains("needs: ") && !job.contains("dependsOn: "), "{job}");
        }
    }
}

#[test]
fn what_signs_in_may_not_write_to_code_scanning() {
    let estate = estate(&[("a", ""), ("b-c", "")]);
    for file in files(Host::GitHub, wanted(&estate, "")) {
        let (_, jobs) = file.text.split_once("\njobs:").unwrap();
        let rights = |job: &&str| (job.contains("id-token: write"), job.contains("security-events: write"));
        let found: Vec<(bool, bool)> = jobs.split("\n\n").map(|job| rights(&job)).collect();
        assert!(!found.contains(&(true, true)), "{}", file.path);
        let scanning = found.iter().filter(|(_, scans)| *scans).count();
        assert_eq!(
            scanning,
            if file.path.ends_with("watch.yml") { 2 } else { 0 },
            "{}",
            file.path
        );
    }
}

#[test]
fn nothing_is_left_to_be_filled_in() {
    let estate = estate(&[("a", "advance: auto\n"), ("b-c", "promotesFrom: a\n")]);
    for host in [Host::GitHub, Host::AzureDevOps] {
        for folder in ["", "infra/gates"] {
            for file in files(host, wanted(&estate, folder)) {
                let words = file.text.split('@').skip(1);
                let left =
                    words.filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
                assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{}", file.text);
                assert!(file.text.starts_with(MADE_BY));
                let starts_on = file.path.contains("watch") || file.text.contains("- infra/gates/environments");
                assert!(folder.is_empty() || (file.text.contains(folder) && starts_on));
            }
        }
    }
}
