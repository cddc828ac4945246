//! Every way to sign in against a scripted authority; nothing leaves the process.

use super::*;
use crate::arm::testing::{Script, answer};
use crate::clock::Timestamp;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, Request};
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Output};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const SCOPE: &str = "https://management.azure.com/.default";
/// Part of every secret here; it must never show.
const CANARY: &str = "canary-7f3a9c";

type Shared<T> = Arc<std::sync::Mutex<T>>;

/// Stands for everything that is asked over HTTP.
#[derive(Debug, Default)]
struct Authority {
    answers: Shared<VecDeque<Result<(u16, String), ErrorKind>>>,
    asked: Shared<Vec<Asked>>,
}

#[derive(Clone, Debug)]
struct Asked {
    method: String,
    url: Url,
    headers: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
}

#[async_trait]
impl HttpClient for Authority {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body() else {
            panic!("a stream")
        };
        let body = Url::parse(&format!("https://x/?{}", String::from_utf8_lossy(body))).unwrap();
        self.asked.lock().unwrap().push(Asked {
            method: request.method().to_string(),
            url: request.url().clone(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
                .collect(),
            form: body.query_pairs().into_owned().collect(),
        });
        let next = self.answers.lock().unwrap().pop_front();
        match next.expect("one request more than there are answers") {
            Ok((status, body)) => Ok(AsyncRawResponse::from_bytes(status.into(), Headers::new(), body)),
            Err(kind) => Err(Error::with_message(kind, "connection refused")),
        }
    }
}

/// Stands for the shell that would run `az` and `azd`: each knows what it prints, or is not installed.
#[derive(Debug, Default)]
struct Shell {
    az: Option<(i32, String, String)>,
    azd: Option<(i32, String, String)>,
    commands: Shared<Vec<String>>,
}

#[async_trait]
impl Executor for Shell {
    async fn run(&self, _program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        use std::os::unix::process::ExitStatusExt;
        let command = args.last().unwrap().to_string_lossy().into_owned();
        let tool = if command.contains("azd ") { &self.azd } else { &self.az };
        let missing = (127, String::new(), "/bin/sh: 1: az: not found".to_owned());
        let (code, stdout, stderr) = tool.clone().unwrap_or(missing);
        self.commands.lock().unwrap().push(command);
        Ok(Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
        })
    }
}

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2027-01-04T12:00:00Z").unwrap()
    }
}

struct World {
    options: SignInOptions,
    asked: Shared<Vec<Asked>>,
    commands: Shared<Vec<String>>,
    notices: Shared<Vec<Notice>>,
}

fn world(method: SignInMethod, values: SignInValues, answers: Vec<Result<(u16, String), ErrorKind>>) -> World {
    with_shell(method, values, answers, Shell::default())
}

fn with_shell(
    method: SignInMethod,
    values: SignInValues,
    answers: Vec<Result<(u16, String), ErrorKind>>,
    shell: Shell,
) -> World {
    let authority = Authority {
        answers: Arc::new(std::sync::Mutex::new(answers.into())),
        ..Authority::default()
    };
    let (asked, commands) = (authority.asked.clone(), shell.commands.clone());
    let notices: Shared<Vec<Notice>> = Arc::default();
    let told = notices.clone();
    let transport: Arc<dyn HttpClient> = Arc::new(authority);
    World {
        options: SignInOptions {
            method,
            tenant: TENANT.to_owned(),
            cloud: Cloud::Public,
            authority: Url::parse("https://login.example/").unwrap(),
            values,
            machine: transport.clone(),
            transport,
            clock: Arc::new(Noon),
            notices: Arc::new(move |notice| told.lock().unwrap().push(notice)),
            executor: Some(Arc::new(shell)),
        },
        asked,
        commands,
        notices,
    }
}

impl World {
    fn token(&self) -> Result<String, SignInFault> {
        let credential = sign_in(self.options.clone()).map_err(|error| SignInFault::new(error.detail, error.advice))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let token = runtime.block_on(credential.get_token(&[SCOPE], None));
        let token = token.map_err(|error| {
            assert_eq!(*error.kind(), ErrorKind::Credential);
            let shown = format!("{error} {error:?} {credential:?}");
            assert!(!shown.contains(CANARY), "{shown}");
            error.into_downcast::<SignInFault>().unwrap()
        })?;
        Ok(token.token.secret().to_owned())
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The way that was taken and those that were passed over.
    fn taken(&self) -> (&'static str, Vec<&'static str>) {
        let notices = self.notices.lock().unwrap();
        let [Notice::SignedIn { method, passed_over }] = notices.as_slice() else {
            panic!("{notices:?}")
        };
        (method, passed_over.iter().map(|(method, _)| *method).collect())
    }
}

fn secret(name: &str) -> Secret {
    Secret::new(format!("{CANARY}-{name}"))
}

fn grant() -> Result<(u16, String), ErrorKind> {
    Ok((
        200,
        json!({"token_type": "Bearer", "expires_in": 3600, "access_token": format!("{CANARY}-token")}).to_string(),
    ))
}

fn refusal(status: u16) -> Result<(u16, String), ErrorKind> {
    let body = json!({"error": "invalid_client", "error_codes": [7000215],
        "error_description": "AADSTS7000215: Invalid client secret provided."});
    Ok((status, body.to_string()))
}

fn application() -> SignInValues {
    SignInValues {
        client_id: Some("app".to_owned()),
        ..SignInValues::default()
    }
}

fn with_secret() -> SignInValues {
    SignInValues {
        client_secret: Some(secret("client")),
        ..application()
    }
}

fn in_github() -> SignInValues {
    SignInValues {
        github_url: Some("https://token.example/job?api-version=2.0".to_owned()),
        github_token: Some(secret("request")),
        ..application()
    }
}

fn in_pipelines() -> SignInValues {
    SignInValues {
        pipelines_url: Some("https://dev.example/oidctoken".to_owned()),
        pipelines_token: Some(secret("system")),
        service_connection: Some("connection".to_owned()),
        ..application()
    }
}

#[test]
fn a_client_secret_goes_to_the_clouds_own_authority() {
    let world = world(SignInMethod::ClientSecret, with_secret(), vec![grant()]);
    assert_eq!(world.token().unwrap(), format!("{CANARY}-token"));
    let asked = &world.asked()[0];
    assert_eq!(
        asked.url.as_str(),
        format!("https://login.example/{TENANT}/oauth2/v2.0/token")
    );
    assert_eq!(asked.form["client_secret"], format!("{CANARY}-client"));
    assert_eq!(
        (asked.form["client_id"].as_str(), asked.form["scope"].as_str()),
        ("app", SCOPE)
    );
    assert_eq!(world.taken(), ("client-secret", vec![]));
}

#[test]
fn a_refused_secret_is_told_and_not_tried_again() {
    let world = world(SignInMethod::ClientSecret, with_secret(), vec![refusal(401)]);
    let fault = world.token().unwrap_err();
    assert_eq!(
        fault.detail,
        format!("`client-secret` gave no token for tenant `{TENANT}`: AADSTS7000215: Invalid client secret provided.")
    );
    assert!(fault.advice.contains("AZURE_CLIENT_SECRET"), "{fault:?}");
    assert!(!fault.passing);
}

#[test]
fn an_authority_in_trouble_may_be_asked_again_by_the_client() {
    for answer in [
        refusal(503),
        refusal(429),
        Err(ErrorKind::Io),
        Err(ErrorKind::Connection),
    ] {
        let world = world(SignInMethod::ClientSecret, with_secret(), vec![answer]);
        let fault = world.token().unwrap_err();
        assert!(fault.passing, "{fault:?}");
        assert_eq!(world.asked().len(), 1, "azure_identity repeats nothing");
    }
}

#[test]
fn a_github_job_exchanges_its_own_token() {
    let job = Ok((200, json!({"value": format!("{CANARY}-jwt")}).to_string()));
    let world = world(SignInMethod::GithubOidc, in_github(), vec![job, grant()]);
    world.token().unwrap();
    let asked = world.asked();
    assert_eq!(
        asked[0].url.as_str(),
        "https://token.example/job?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange"
    );
    assert_eq!(asked[0].method, "GET");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {CANARY}-request"));
    assert_eq!(asked[1].form["client_assertion"], format!("{CANARY}-jwt"));
    assert_eq!(
        asked[1].form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
}

#[test]
fn a_pipeline_exchanges_the_token_of_its_service_connection() {
    let job = Ok((200, json!({"oidcToken": "jwt"}).to_string()));
    let world = world(SignInMethod::AzurePipelines, in_pipelines(), vec![job, grant()]);
    world.token().unwrap();
    let asked = world.asked();
    assert_eq!(
        asked[0].url.as_str(),
        "https://dev.example/oidctoken?api-version=7.1&serviceConnectionId=connection"
    );
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].headers["x-tfs-fedauthredirect"], "Suppress");
    assert_eq!(asked[1].form["client_assertion"], "jwt");
}

#[test]
fn a_job_that_gets_no_token_says_so() {
    for (answer, said, passing) in [
        (
            Ok((403, "no permission".to_owned())),
            "answered 403: no permission",
            false,
        ),
        (Ok((200, "{}".to_owned())), "without a token", false),
        (Ok((200, "<html>".to_owned())), "without a token", false),
        (Ok((500, String::new())), "answered 500", true),
        (Ok((200, "x".repeat(300_000))), "too large", false),
        (Err(ErrorKind::Io), "cannot be reached", true),
    ] {
        let world = world(SignInMethod::GithubOidc, in_github(), vec![answer]);
        let fault = world.token().unwrap_err();
        assert!(fault.detail.contains(said), "{fault:?}");
        assert!(fault.advice.contains("id-token: write"), "{fault:?}");
        assert_eq!(fault.passing, passing, "{fault:?}");
    }
}

#[test]
fn a_jobs_secret_is_not_sent_without_tls() {
    let values = SignInValues {
        github_url: Some("http://token.example/job".to_owned()),
        ..in_github()
    };
    let world = world(SignInMethod::GithubOidc, values, vec![]);
    let fault = world.token().unwrap_err();
    assert!(fault.detail.contains("not an https URL"), "{fault:?}");
}

fn pem(params: &rcgen::KeyPair, keys: &[&rcgen::KeyPair]) -> String {
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()])
        .unwrap()
        .self_signed(params)
        .unwrap();
    let keys: String = keys.iter().map(|key| key.serialize_pem()).collect();
    format!("{}{keys}", certificate.pem())
}

fn rsa() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
}

fn with_certificate(pem: &str) -> SignInValues {
    SignInValues {
        client_certificate: Some(Secret::new(pem.to_owned())),
        ..application()
    }
}

#[test]
fn a_certificate_signs_an_assertion_that_its_key_verifies() {
    let key = rsa();
    let other = rsa();
    // A chain in the wrong order: the certificate that belongs to the key is found.
    let file = format!("{}{}", pem(&other, &[]), pem(&key, &[&key]));
    let world = world(SignInMethod::ClientCertificate, with_certificate(&file), vec![grant()]);
    world.token().unwrap();

    let assertion = world.asked()[0].form["client_assertion"].clone();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let part =
        |text: &str| -> Value { serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap() };
    assert_eq!(
        (part(header)["alg"].as_str(), part(header)["typ"].as_str()),
        (Some("PS256"), Some("JWT"))
    );
    let certificates: Vec<CertificateDer> = CertificateDer::pem_slice_iter(file.as_bytes())
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        part(header)["x5t#S256"],
        BASE64URL_NOPAD.encode(&Sha256::digest(&certificates[1])),
        "the certificate of the key"
    );
    let claims = part(claims);
    assert_eq!(
        claims["aud"],
        format!("https://login.example/{TENANT}/oauth2/v2.0/token")
    );
    assert_eq!(
        (claims["iss"].as_str(), claims["sub"].as_str()),
        (Some("app"), Some("app"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 600);
    assert_eq!(claims["nbf"], Noon.now().seconds());
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);

    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let (_, algorithms) = provider
        .signature_verification_algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == rustls::SignatureScheme::RSA_PSS_SHA256)
        .unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let verified = |key: &rcgen::KeyPair| {
        use rcgen::PublicKeyData;
        algorithms[0]
            .verify_signature(key.der_bytes(), signed.as_bytes(), &signature)
            .is_ok()
    };
    assert!(verified(&key));
    assert!(!verified(&other));
}

#[test]
fn certificates_that_cannot_be_used_are_told_apart_before_anything_is_sent() {
    let (key, other) = (rsa(), rsa());
    let elliptic = rcgen::KeyPair::generate().unwrap();
    for (file, said) in [
        (pem(&key, &[&other]), "does not belong to the certificate"),
        (pem(&key, &[]), "no private key"),
        (key.serialize_pem(), "no certificate"),
        (pem(&elliptic, &[&elliptic]), "not an RSA key"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), "encrypted"),
        ("no PEM".to_owned(), "no private key"),
    ] {
        let world = world(SignInMethod::ClientCertificate, with_certificate(&file), vec![]);
        let fault = world.token().unwrap_err();
        assert!(fault.detail.contains(said), "{fault:?}");
        assert!(!format!("{fault:?}").contains("BEGIN"), "{fault:?}");
    }
}

#[test]
fn a_pod_exchanges_the_token_in_its_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    io::Write::write_all(&mut file, b"pod-jwt").unwrap();
    let values = |file: PathBuf| SignInValues {
        federated_token_file: Some(file),
        ..application()
    };
    let missing = world(
        SignInMethod::WorkloadIdentity,
        values(file.path().join("missing")),
        vec![],
    );
    let fault = missing.token().unwrap_err();
    assert!(fault.detail.contains("failed to read federated token"), "{fault:?}");

    let values = values(file.path().to_owned());
    let world = world(SignInMethod::WorkloadIdentity, values, vec![grant()]);
    world.token().unwrap();
    assert_eq!(world.asked()[0].form["client_assertion"], "pod-jwt");
    assert_eq!(world.asked()[0].url.host_str(), Some("login.example"));
}

#[test]
fn a_machine_is_asked_once_for_the_identity_that_is_meant() {
    let token = || {
        Ok((
            200,
            json!({"access_token": "t", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer"})
                .to_string(),
        ))
    };
    for (values, expected) in [(SignInValues::default(), None), (application(), Some("app"))] {
        let world = world(SignInMethod::ManagedIdentity, values, vec![token()]);
        assert_eq!(world.token().unwrap(), "t");
        let asked = &world.asked()[0];
        assert_eq!(asked.url.host_str(), Some("169.254.169.254"));
        let client = asked.url.query_pairs().find(|(name, _)| name == "client_id");
        assert_eq!(client.map(|(_, id)| id.into_owned()).as_deref(), expected);
    }
    for (answer, said, passing) in [
        (Ok((400, String::new())), "not assigned to this machine", false),
        (Ok((404, String::new())), "no such service", false),
        (Ok((503, String::new())), "answered 503", true),
        (
            Err(ErrorKind::Connection),
            "cannot be reached: connection refused",
            true,
        ),
    ] {
        let world = world(SignInMethod::ManagedIdentity, SignInValues::default(), vec![answer]);
        let fault = world.token().unwrap_err();
        assert!(fault.detail.contains(said), "{fault:?}");
        assert_eq!(fault.passing, passing, "{fault:?}");
    }
}

fn az_grants() -> Option<(i32, String, String)> {
    let token = r#"{"accessToken":"az-token","expires_on":4102444800,"tokenType":"Bearer"}"#;
    Some((0, token.to_owned(), String::new()))
}

#[test]
fn tools_are_asked_for_the_tenant_of_the_environment() {
    let shell = Shell {
        az: az_grants(),
        ..Shell::default()
    };
    let world = with_shell(SignInMethod::AzureCli, SignInValues::default(), vec![], shell);
    assert_eq!(world.token().unwrap(), "az-token");
    let command = world.commands.lock().unwrap()[0].clone();
    assert!(
        command.contains(&format!("--scope {SCOPE}")) && command.contains(&format!("--tenant {TENANT}")),
        "{command}"
    );

    let azd = r#"{"token":"azd-token","expiresOn":"2100-01-01T00:00:00Z"}"#;
    let shell = Shell {
        azd: Some((0, azd.to_owned(), String::new())),
        ..Shell::default()
    };
    let world = with_shell(SignInMethod::DeveloperTools, SignInValues::default(), vec![], shell);
    assert_eq!(world.token().unwrap(), "azd-token");
    assert_eq!(world.taken(), ("azure-developer-cli", vec!["azure-cli"]));
    let commands = world.commands.lock().unwrap();
    assert!(commands[1].contains(&format!("--tenant-id {TENANT}")), "{commands:?}");
}

#[test]
fn a_tool_without_a_sign_in_says_what_to_run() {
    let shell = |stderr: &str| Shell {
        az: Some((1, String::new(), stderr.to_owned())),
        ..Shell::default()
    };
    let stderr = "ERROR: Please run 'az login' to setup account.\n";
    let world = with_shell(SignInMethod::AzureCli, SignInValues::default(), vec![], shell(stderr));
    let fault = world.token().unwrap_err();
    assert_eq!(
        fault.detail,
        format!("`azure-cli` gave no token for tenant `{TENANT}`: ERROR: Please run 'az login' to setup account.")
    );
    assert!(
        fault.advice.ends_with(&format!("az login --tenant {TENANT}")),
        "{fault:?}"
    );
    let mut government = with_shell(SignInMethod::AzureCli, SignInValues::default(), vec![], shell("x"));
    government.options.cloud = Cloud::UsGov;
    let advice = government.token().unwrap_err().advice;
    assert!(
        advice.contains("az cloud set --name AzureUSGovernment && az login"),
        "{advice}"
    );
}

#[test]
fn what_a_tool_printed_never_shows() {
    let token = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.{CANARY}.c2lnbmF0dXJl");
    for stdout in [
        format!(r#"{{"accessToken":"{token}","expires_on":"{token}","tokenType":"Bearer"}}"#),
        format!(r#"{{"accessToken":"{token}""#),
        token.clone(),
    ] {
        let shell = Shell {
            az: Some((0, stdout, String::new())),
            ..Shell::default()
        };
        let world = with_shell(SignInMethod::AzureCli, SignInValues::default(), vec![], shell);
        let fault = world.token().unwrap_err();
        let shown = format!("{fault} {fault:?}");
        assert!(
            !shown.contains("eyJ0eXAi") && !shown.contains(CANARY) && !shown.contains("c2lnbmF0dXJl"),
            "{shown}"
        );
    }
}

#[test]
fn auto_takes_what_is_configured_before_who_is_signed_in() {
    let world = world(
        SignInMethod::Auto,
        SignInValues {
            client_secret: Some(secret("client")),
            ..in_github()
        },
        vec![grant()],
    );
    world.token().unwrap();
    assert_eq!(world.taken(), ("client-secret", vec![]));
    assert!(world.commands.lock().unwrap().is_empty());
}

#[test]
fn auto_takes_who_is_signed_in_before_the_machine_and_says_why() {
    let shell = Shell {
        az: az_grants(),
        ..Shell::default()
    };
    let world = with_shell(SignInMethod::Auto, SignInValues::default(), vec![], shell);
    assert_eq!(world.token().unwrap(), "az-token");
    let (method, passed_over) = world.taken();
    assert_eq!(method, "azure-cli");
    assert_eq!(
        passed_over,
        [
            "client-secret",
            "client-certificate",
            "github-oidc",
            "azure-pipelines",
            "workload-identity"
        ]
    );
    let notices = world.notices.lock().unwrap();
    let Notice::SignedIn { passed_over, .. } = &notices[0] else {
        panic!()
    };
    assert_eq!(passed_over[0].1, "AZURE_CLIENT_SECRET is not set");
}

#[test]
fn auto_never_covers_up_a_configured_way_that_fails() {
    let shell = Shell {
        az: az_grants(),
        ..Shell::default()
    };
    let world = with_shell(SignInMethod::Auto, with_secret(), vec![refusal(401)], shell);
    let fault = world.token().unwrap_err();
    assert!(fault.detail.contains("`client-secret` gave no token"), "{fault:?}");
    assert!(world.commands.lock().unwrap().is_empty());
}

#[test]
fn where_no_way_works_one_message_names_them_all() {
    let world = world(
        SignInMethod::Auto,
        SignInValues::default(),
        vec![Err(ErrorKind::Connection)],
    );
    let fault = world.token().unwrap_err();
    for method in SignInMethod::Auto.candidates() {
        assert!(fault.detail.contains(method.name()), "{} {fault:?}", method.name());
    }
    assert!(
        fault.advice.contains("az login") && fault.advice.contains("AZURE_CLIENT_SECRET"),
        "{fault:?}"
    );
    assert!(!fault.passing, "nothing here comes by waiting");
}

#[test]
fn another_tenant_than_the_environments_is_refused() {
    let values = SignInValues {
        tenant_id: Some("22222222-2222-4222-8222-222222222222".to_owned()),
        ..with_secret()
    };
    let fault = world(SignInMethod::ClientSecret, values, vec![]).token().unwrap_err();
    assert!(fault.detail.contains("the environment's tenant is"), "{fault:?}");
}

#[test]
fn a_method_that_lacks_something_is_refused_at_once() {
    for (method, missing) in [
        (SignInMethod::ClientSecret, "AZURE_CLIENT_SECRET"),
        (SignInMethod::ClientCertificate, "AZURE_CLIENT_CERTIFICATE_PATH"),
        (SignInMethod::GithubOidc, "ACTIONS_ID_TOKEN_REQUEST_URL"),
        (SignInMethod::AzurePipelines, "SYSTEM_OIDCREQUESTURI"),
        (SignInMethod::WorkloadIdentity, "AZURE_FEDERATED_TOKEN_FILE"),
    ] {
        let error = sign_in(world(method, SignInValues::default(), vec![]).options).unwrap_err();
        assert_eq!(
            error.detail,
            format!("`{}` cannot sign in: {missing} is not set", method.name())
        );
        assert!(!error.advice.is_empty());
    }
}

#[test]
fn names_of_ways_are_read_back() {
    for method in SignInMethod::ALL {
        assert_eq!(SignInMethod::parse(method.name()), Some(method));
    }
    assert_eq!(SignInMethod::parse("password"), None);
}

#[test]
fn a_client_waits_for_an_authority_in_trouble_and_renews_a_refused_token() {
    // The wait is the client's own: on its sleeper, told like any other, with nothing sent to Azure in between.
    let signing = world(
        SignInMethod::ClientSecret,
        with_secret(),
        vec![refusal(503), Err(ErrorKind::Io), grant(), grant()],
    );
    let credential = sign_in(signing.options.clone()).unwrap();
    let script = Script::with_credential(credential, [answer(401, json!({})), answer(200, json!({}))]);
    script
        .run(|client| async move { client.get("/subscriptions/s").await })
        .unwrap();
    assert_eq!(script.slept().len(), 2);
    assert_eq!(script.requests().len(), 2);
    assert_eq!(signing.asked().len(), 4, "the refused token was not taken from a cache");
}

#[test]
fn no_secret_shows_in_any_debug_text() {
    let values = SignInValues {
        client_secret: Some(secret("client")),
        client_certificate: Some(secret("pem")),
        github_token: Some(secret("request")),
        pipelines_token: Some(secret("system")),
        ..in_github()
    };
    let world = world(SignInMethod::Auto, values.clone(), vec![]);
    let job = oidc::JobToken::github("https://x/", &secret("request"), &world.options.transport).unwrap();
    let key = rsa();
    let certificate = certificate::Certificate::read(&pem(&key, &[&key])).unwrap();
    let assertion = certificate::SignedAssertion {
        certificate,
        client_id: "app".to_owned(),
        audience: world.options.authority.clone(),
        clock: Arc::new(Noon),
    };
    let shown = format!(
        "{values:?} {:?} {job:?} {assertion:?} {:?}",
        world.options,
        sign_in(world.options.clone()).unwrap()
    );
    assert!(!shown.contains(CANARY), "{shown}");
    let inner = BASE64URL_NOPAD.encode(&key.serialize_der()[100..130]);
    assert!(!shown.contains(&inner));
    assert!(shown.contains("thumbprint"));
}
