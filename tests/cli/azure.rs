//! The way to Azure as a user has it: sign-in, another cloud, its certificate, a proxy. `sandbox serve` stands for Azure, in a process
//! of its own.

use crate::harness::Folder;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// The secret that is signed in with; it must never show.
const CANARY: &str = "canary-58d1e0";

struct Azure {
    child: Child,
    origin: String,
    authority: String,
}

impl Azure {
    fn serve(folder: &Folder) -> Azure {
        let words = ["sandbox", "serve", "--listen", "127.0.0.1:0", "--format", "json"];
        let mut child = folder
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Azure {
            child,
            origin: ready["resourceManager"].as_str().unwrap().to_owned(),
            authority: ready["caFile"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn with_secret(command: &mut Command) {
    command.env("AZURE_CLIENT_ID", "11111111-2222-4333-8444-555555555555");
    command.env("AZURE_CLIENT_SECRET", CANARY);
}

#[test]
fn an_application_plans_and_applies_in_a_cloud_of_its_own() {
    let folder = Folder::shipped();
    // The operations of clusters take their time there, as in Azure.
    folder.edit(
        "environments/dev.yaml",
        "policyAddon: {mode: manage}",
        "policyAddon: {mode: require}",
    );
    let azure = Azure::serve(&folder);
    let cloud = format!(r#"{{"resourceManager": "{0}", "authority": "{0}"}}"#, azure.origin);
    folder.write("cloud.json", &cloud);
    let run = |words: &str| {
        let words = format!(
            "{words} --cloud-file cloud.json --ca-file {} --verbose",
            azure.authority
        );
        let run = folder.run_with(&words.split(' ').collect::<Vec<_>>(), with_secret);
        let shown = format!("{} {}", run.stdout, run.stderr);
        assert!(!shown.contains(CANARY) && !shown.contains("eyJ"), "{shown}");
        run
    };
    run("apply dev --yes")
        .expect(0)
        .says(&["signed in with `client-secret`"]);
    run("plan dev --detailed-exitcode --auth client-secret").expect(0);

    let missing = folder
        .run("plan dev --cloud-file cloud.json --auth client-secret")
        .expect(1);
    missing.says(&["AZURE_CLIENT_SECRET is not set"]);
    // Without its authority's certificate nothing is sent, the secret least of all.
    let words = ["plan", "dev", "--cloud-file", "cloud.json", "--auth", "client-secret"];
    let untrusted = folder.run_with(&words, with_secret).expect(1);
    untrusted.says(&["error: cannot sign in to azure", "certificate"]);
}

#[test]
fn a_cloud_file_holds_two_plain_urls() {
    let folder = Folder::shipped();
    for (content, said) in [
        (r#"{"authority": "https://x"}"#, "it has no `resourceManager`"),
        (
            r#"{"resourceManager": "http://x"}"#,
            "has to be https, a host and perhaps a port",
        ),
        (
            r#"{"resourceManager": "https://x/path"}"#,
            "has to be https, a host and perhaps a port",
        ),
        (
            r#"{"resourceManager": "https://user@x"}"#,
            "has to be https, a host and perhaps a port",
        ),
        (
            r#"{"resourceManager": "https://x", "authority": 1}"#,
            "`authority` is not a text",
        ),
        (
            r#"{"resourceManager": "https://x", "tokenScope": "https://y"}"#,
            "`tokenScope` is not known here",
        ),
        ("[", "EOF"),
    ] {
        folder.write("cloud.json", content);
        let words = ["plan", "dev", "--cloud-file", "cloud.json", "--auth", "client-secret"];
        let run = folder.run_with(&words, with_secret).expect(1);
        run.says(&["`cloud.json` names no cloud", said]);
    }
}

#[test]
fn the_environments_proxy_is_asked_and_sees_no_secret() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let seen = std::thread::spawn(move || {
        let mut seen = Vec::new();
        // As often as a host is tried that has never answered.
        for _ in 0..3 {
            let (mut socket, _) = proxy.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            seen.push(String::from_utf8(request).unwrap());
            socket
                .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        }
        seen
    });
    let folder = Folder::shipped();
    let run = folder.run_with(&["plan", "dev"], |command| {
        with_secret(command);
        command.env("HTTPS_PROXY", format!("http://{address}"));
    });
    run.expect(1)
        .says(&["error: cannot sign in to azure", "`client-secret` gave no token"]);
    for request in seen.join().unwrap() {
        assert!(
            request.starts_with("CONNECT login.microsoftonline.com:443 "),
            "{request}"
        );
        assert!(!request.contains(CANARY));
    }
}
