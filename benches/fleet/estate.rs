//! The estates that are measured.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the shipped estate gives to others.
const SHARED: [&str; 4] = ["aksgate.yaml", "aksgate.lock", "initiatives", "templates"];

const FLEET: &str = "\
scope: managementGroups/contoso
gates:
  pod-security:
    initiative: pod-security-baseline
    target: audit
  image-governance:
    initiative: image-governance
    target: audit
    parameters:
      trustedImages: [contoso.azurecr.io, mcr.microsoft.com]
defender:
  containers:
    mode: manage
    tier: Standard
    extensions:
      ContainerSensor: true
      AgentlessDiscoveryForKubernetes: true
      ContainerRegistriesVulnerabilityAssessments: true
clusters:
  policyAddon: {mode: manage}
";

const CHANGED: &str = "  exposure:
    initiative: exposure
    target: audit
";

/// An estate with one environment that holds a whole fleet, in a folder of its own.
pub struct Fleet {
    folder: TempDir,
}

impl Fleet {
    /// A fleet whose gates are in audit and whose clusters report since a day, whose Defender plans are on, and whose clusters have the
    /// add-on: nothing is to be done.
    pub fn settled(clusters: usize, subscriptions: usize) -> Fleet {
        let fleet = Fleet::empty();
        fs::create_dir_all(fleet.path("environments")).unwrap();
        fs::write(fleet.path("environments/fleet.yaml"), FLEET).unwrap();
        let reset = [
            "sandbox",
            "reset",
            "--quiet",
            "--clusters",
            &clusters.to_string(),
            "--subscriptions",
            &subscriptions.to_string(),
        ];
        fleet.run(&reset);
        fleet.turn_everything_on();
        fleet.run(&["apply", "fleet", "--sandbox", "--yes", "--quiet"]);
        fleet.run(&["sandbox", "advance", "1d", "--quiet"]);
        fleet
    }

    /// An estate of so many environments, each of a subscription of its own and with so many gates.
    pub fn wide(environments: usize, gates: usize) -> Fleet {
        let fleet = Fleet::empty();
        fs::create_dir_all(fleet.path("environments")).unwrap();
        for number in 0..environments {
            let mut text = format!("scope: subscriptions/0a000000-0000-4000-8000-{number:012}\ngates:\n");
            for gate in 0..gates {
                text.push_str(&format!(
                    "  gate-{gate:02}:\n    initiative: pod-security-baseline\n    target: deny\n    soak: 7d\n    excludeNamespaces: [team-{gate}]\n"
                ));
            }
            fs::write(fleet.path(&format!("environments/env-{number:02}.yaml")), text).unwrap();
        }
        fleet
    }

    fn empty() -> Fleet {
        let folder = tempfile::tempdir().unwrap();
        for name in SHARED {
            copy(&root().join(name), &folder.path().join(name));
        }
        Fleet { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Wants its gates closed, for which they wait for evidence; or no longer.
    pub fn want_evidence(&self, wanted: bool) {
        let text = if wanted {
            FLEET.replace("target: audit", "target: deny")
        } else {
            FLEET.to_owned()
        };
        fs::write(self.path("environments/fleet.yaml"), text).unwrap();
    }

    /// Adds a gate, so that the next apply has something to do.
    pub fn change_a_gate(&self) {
        let text = FLEET.replace("defender:\n", &format!("{CHANGED}defender:\n"));
        fs::write(self.path("environments/fleet.yaml"), text).unwrap();
    }

    fn run(&self, words: &[&str]) {
        let mut command = Command::new(crate::process::program());
        let status = command
            .args(words)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{words:?}: {status}");
    }

    /// Turns Defender for Containers on in each subscription and the add-on in each cluster, as somebody has done long ago.
    fn turn_everything_on(&self) {
        let path = self.path(".aksgate/sandbox/state.json");
        let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let extensions = [
            ("ContainerRegistriesVulnerabilityAssessments", true),
            ("AgentlessDiscoveryForKubernetes", true),
            ("AgentlessVmScanning", false),
            ("ContainerSensor", true),
            ("ContainerIntegrityContribution", false),
        ];
        let extensions: Vec<Value> = extensions
            .into_iter()
            .map(|(name, on)| json!({"name": name, "isEnabled": if on { "True" } else { "False" }}))
            .collect();
        for (id, resource) in state["resources"].as_object_mut().unwrap() {
            let properties = &mut resource["properties"];
            if id.ends_with("/pricings/containers") {
                *properties = json!({
                    "pricingTier": "Standard", "enforce": "False", "freeTrialRemainingTime": "PT0S",
                    "enablementTime": "2026-10-01T00:00:00Z", "resourcesCoverageStatus": "FullyCovered", "extensions": extensions,
                });
            } else if id.contains("/managedclusters/") {
                properties["addonProfiles"] = json!({"azurepolicy": {"enabled": true, "config": null}});
            }
        }
        fs::write(&path, state.to_string()).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
