//! No token and no secret of a run is in anything that the run leaves: what it says, at the highest verbosity and in every form, plan
//! files, the record of the traffic, and the estate's own folder.

use crate::faults::served::{Served, Start, estate};
use crate::harness::{Folder, Run, copy};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A text that never was before and says whose it is. Its signs are those that escapes change.
fn canary(of: &str) -> String {
    let drawn = tempfile::Builder::new().rand_bytes(24).tempdir().unwrap();
    let drawn = drawn
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_start_matches('.')
        .to_owned();
    format!("{of}\"/+{drawn}~é")
}

/// How a secret may look elsewhere: as it is, in JSON, in a URL, in hexadecimal, and at the three places that base64 puts it to.
fn disguises(secret: &str) -> Vec<String> {
    let quoted = |text: String| text.trim_matches('"').to_owned();
    let json = quoted(json!(secret).to_string());
    let ascii: String = secret
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let percent = |kept: &str| -> String {
        let escape = |byte: &u8| {
            let sign = char::from(*byte);
            let plain = sign.is_ascii_alphanumeric() || kept.contains(sign);
            if plain {
                sign.to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        secret.as_bytes().iter().map(escape).collect()
    };
    let mut all = vec![secret.to_owned(), quoted(json!(json).to_string()), json, ascii];
    all.extend(["", "-._~", "-._~/", "-._*"].map(percent));
    all.push(HEXLOWER.encode(secret.as_bytes()));
    for shift in 0..3 {
        let shifted = [&vec![b' '; shift], secret.as_bytes()].concat();
        let encoded = BASE64_NOPAD.encode(&shifted);
        // The first and the last group also depend on what stands beside.
        let middle = encoded[4..encoded.len() - 4].to_owned();
        all.push(middle.replace('+', "-").replace('/', "_"));
        all.push(middle);
    }
    all
}

/// Fails if one of the secrets is in a text.
#[track_caller]
fn keeps(secrets: &[String], what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    for secret in secrets {
        for disguise in disguises(secret) {
            let at = text.find(&disguise.to_lowercase());
            assert_eq!(at, None, "{what} holds the secret `{secret}` as `{disguise}`:\n{text}");
        }
    }
}

/// Fails if one of the secrets is in a file of the folder; the sandbox's own state and what the test itself wrote are left out.
fn keeps_in_files(secrets: &[String], folder: &Path) -> usize {
    const OURS: [&str; 5] = ["state.json", "faults.json", "token.jwt", "az", "token"];
    let mut looked_at = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            looked_at += keeps_in_files(secrets, &path);
        } else if !OURS.contains(&name) {
            keeps(secrets, &path.display().to_string(), &fs::read(&path).unwrap());
            looked_at += 1;
        }
    }
    looked_at
}

/// How a run signs in: further words, variables, and the secrets that it then has.
struct Way {
    method: &'static str,
    variables: Vec<(&'static str, String)>,
    secrets: Vec<String>,
    /// The token, where it is known before the run.
    token: String,
}

/// The tokens of the sandbox end with its secret, which is drawn for each one.
fn token_secret(folder: &Folder) -> String {
    let secret = folder.state()["token_secret"].as_str().unwrap().to_owned();
    assert!(secret.len() > 20);
    secret
}

fn client_secret(_: &Folder) -> Way {
    let secret = canary("client-secret");
    Way {
        method: "client-secret",
        variables: vec![("AZURE_CLIENT_SECRET", secret.clone())],
        secrets: vec![secret],
        token: "unknown".to_owned(),
    }
}

fn workload_identity(folder: &Folder) -> Way {
    let secret = canary("assertion");
    folder.write("token.jwt", &secret);
    Way {
        method: "workload-identity",
        variables: vec![(
            "AZURE_FEDERATED_TOKEN_FILE",
            folder.path("token.jwt").display().to_string(),
        )],
        secrets: vec![secret],
        token: "unknown".to_owned(),
    }
}

/// A program `az` that gives a token which the sandbox accepts.
fn azure_cli(folder: &Folder) -> Way {
    let claims = format!("claims{}", canary("").replace(['"', '/', '+', '~', 'é'], "x"));
    let token = format!("eyJhbGciOiJub25lIn0.{claims}.{}", token_secret(folder));
    let said = json!({"accessToken": token, "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4_070_908_800_u64,
                      "subscription": "s", "tenant": "t", "tokenType": "Bearer"});
    folder.program("az", &format!("#!/bin/sh\necho '{said}'\n"));
    Way {
        method: "azure-cli",
        variables: vec![("PATH", format!("{}:/usr/bin:/bin", folder.path("programs").display()))],
        secrets: vec![claims, token.clone()],
        token,
    }
}

/// Trouble of three kinds, and a refusal that says the token back.
fn echoes(token: &str) -> Value {
    json!([
        {"name": "passing", "method": "GET", "path": "*/policyAssignments", "nth": 2,
         "action": {"kind": "error", "status": 503}},
        {"name": "refusal", "method": "PUT", "path": "*/policyAssignments/exposure-*",
         "action": {"kind": "error", "status": 403, "code": "AuthorizationFailed", "message": format!("Authorization: Bearer {token}")}},
        {"method": "GET", "path": "*/policyAssignments", "nth": 7, "action": {"kind": "expired-token"}},
    ])
}

fn leaves_nothing(way: fn(&Folder) -> Way) {
    let folder = estate(Start::Policy);
    let way = way(&folder);
    let mut secrets = way.secrets.clone();
    secrets.push(token_secret(&folder));
    // Where the token is known before, the server says it back.
    let served = Served::new(folder, &echoes(&way.token), 0);
    let run = |line: &str| {
        let mut command = served.command(&format!("{line} --auth {}", way.method));
        command
            .env_remove("AZURE_CLIENT_SECRET")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        command.envs(way.variables.iter().map(|(name, value)| (name, value)));
        let run = Run::of(line, &command.output().unwrap());
        keeps(&secrets, line, format!("{}\n{}", run.stdout, run.stderr).as_bytes());
        run
    };
    run("validate -v").expect(0);
    run("plan dev -v --out plan.json")
        .expect(0)
        .says(&[&format!("signed in with `{}`", way.method)]);
    // These meet an answer 503, a refusal, and a token that is not accepted any more; one that cannot be renewed ends the run.
    run("plan dev -v --format json").expect(0);
    run("plan dev -v --format markdown").expect(0);
    run("apply dev -v --yes")
        .expect(4)
        .says(&["`AuthorizationFailed` (HTTP 403)"]);
    run("apply dev -v --yes --format json").expect(0);
    let ended = run("plan dev -v");
    assert_eq!(ended.code, i32::from(way.method == "azure-cli"), "{ended:#?}");
    run("show plan.json --format json").expect(0);
    let struck: Vec<String> = served.exchanges().into_iter().map(|exchange| exchange.fault).collect();
    for fault in ["passing", "refusal", "expired-token"] {
        assert!(
            struck.iter().any(|name| name == fault),
            "{fault} never struck: {struck:?}"
        );
    }
    let folder = served.end();
    let copied = Folder::empty();
    copy(&folder.path(""), &copied.path(""));
    assert!(keeps_in_files(&secrets, &copied.path("")) > 10);
    assert!(copied.exists("plan.json") && copied.exists("record.jsonl"));
}

#[test]
fn a_client_secret_and_its_tokens_are_nowhere() {
    leaves_nothing(client_secret);
}

#[test]
fn the_assertion_of_a_pod_and_its_tokens_are_nowhere() {
    leaves_nothing(workload_identity);
}

#[test]
fn the_token_of_the_azure_cli_is_nowhere() {
    leaves_nothing(azure_cli);
}

#[test]
fn the_search_finds_a_secret_in_every_disguise() {
    let secret = canary("found");
    for disguise in disguises(&secret) {
        let text = format!("{{\"before\": \"{disguise}\"}}");
        let found = std::panic::catch_unwind(|| keeps(std::slice::from_ref(&secret), "a text", text.as_bytes()));
        assert!(found.is_err(), "{disguise}");
    }
    keeps(&[secret], "a text", b"nothing of the kind");
}

#[test]
fn an_authority_that_says_the_secret_back_is_not_repeated() {
    for status in [400, 401, 500] {
        let folder = estate(Start::Policy);
        let way = client_secret(&folder);
        let message = format!("AADSTS7000215: client_secret={}", way.secrets[0]);
        let action = json!({"kind": "error", "status": status, "code": "invalid_client", "message": message});
        let rules = json!([{"path": "*/token", "signIn": true, "count": "all", "action": action}]);
        let served = Served::new(folder, &rules, 0);
        for line in [
            "plan dev -v --max-wait 1s",
            "apply dev -v --yes --format json --max-wait 1s",
        ] {
            let mut command = served.command(line);
            command.envs(way.variables.iter().map(|(name, value)| (name, value)));
            let run = Run::of(line, &command.output().unwrap()).expect(1);
            keeps(&way.secrets, line, format!("{}\n{}", run.stdout, run.stderr).as_bytes());
        }
    }
}
