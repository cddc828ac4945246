//! The door over TLS on loopback, in a process of its own: for any client, and for several at once.
//!
//! Owns sockets, certificates, and the sandbox's clock, which runs with real time here. Signals are the caller's. It must not know what is asked.

/// An address to listen at, for callers that have no business with the network otherwise.
pub use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::body::{Lost, Sent};
use super::door::{Door, DoorError};
use super::faults::{Core, Layer, Outcome, Reply, Rules, answers};
use super::quota::Quotas;
use super::{Request, Response, Sandbox, authority, record};
use crate::clock::{Sleeper, Stopwatch};
use crate::store;

/// The largest request body that is read, in bytes; ARM's own limit is 4 MiB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// How long a client may take to shake hands, and open requests to end when the server stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a sandbox is served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The directory of the sandbox.
    pub directory: PathBuf,
    /// The address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A file to which each exchange but sign-in is added as a line of JSON, without tokens.
    pub record: Option<PathBuf>,
    /// How long each answer takes at least.
    pub latency: Duration,
    /// Whether Azure's limits on requests hold.
    pub quotas: bool,
    /// The faults that strike.
    pub faults: Rules,
}

/// Where a sandbox is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The address that was bound.
    pub address: SocketAddr,
    /// The URL for clients, such as `https://localhost:8443`.
    pub url: String,
    /// The certificate authority to trust, in PEM; it is new with each start.
    pub authority_file: PathBuf,
}

/// What whoever serves is told.
#[derive(Debug)]
pub enum Told<'a> {
    /// The address is bound.
    Listening(&'a Listening),
    /// A request, by method and path, came that a fault keeps without an answer; if the fault lets it take effect, it has.
    Held(&'a str),
}

/// Why a sandbox could not be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The sandbox cannot be used.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The address cannot be bound.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be made.
    #[error("cannot make the certificate: {0}")]
    Certificate(String),
    /// The certificate authority cannot be written.
    #[error("cannot write `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

/// Serves until `stop` ends, such as by a signal; open requests are answered first.
///
/// `sleeper` bounds how long clients may dally; `tell` is first told when the address is bound.
///
/// # Errors
/// When the sandbox, the address or the certificate cannot be used.
pub async fn serve(
    options: ServeOptions,
    sleeper: Arc<dyn Sleeper>,
    mut tell: impl FnMut(Told<'_>),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let door = Door::open(&options.directory)?;
    let (config, authority) = certificates()?;
    let authority_file = options.directory.join("ca.pem");
    store::replace(&authority_file, authority.as_bytes()).map_err(|source| ServeError::File {
        path: authority_file.clone(),
        source,
    })?;
    let listen = |source| ServeError::Listen {
        address: options.listen,
        source,
    };
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    tell(Told::Listening(&Listening {
        address,
        url: format!("https://localhost:{}", address.port()),
        authority_file,
    }));

    let (stopping, stopped) = watch::channel(false);
    let (held, mut holds) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        door,
        record: options.record,
        running: Stopwatch::start(),
        sleeper: Arc::clone(&sleeper),
        latency: options.latency,
        quotas: options.quotas.then(Quotas::default),
        faults: Layer::new(options.faults),
        tokens: AtomicU64::new(0),
        counted: Mutex::new(0),
        host: format!("localhost:{}", address.port()),
        held,
        stopped: stopped.clone(),
    });
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // A connection that breaks before it is accepted concerns nobody else; too many open files need a moment.
                    sleeper.sleep(Duration::from_millis(50)).await;
                    continue;
                };
                connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&shared), stopped.clone()));
            }
            Some(request) = holds.recv() => tell(Told::Held(&request)),
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // Nobody listens any more when all connections have ended already.
    let _ = stopping.send(true);
    tokio::select! {
        () = sleeper.sleep(PATIENCE) => {}
        () = async { while connections.join_next().await.is_some() {} } => {}
    }
    Ok(())
}

struct Shared {
    door: Door,
    record: Option<PathBuf>,
    running: Stopwatch,
    sleeper: Arc<dyn Sleeper>,
    latency: Duration,
    quotas: Option<Quotas>,
    faults: Layer,
    /// How many tokens were asked for.
    tokens: AtomicU64,
    /// How many of the seconds that passed are in the sandbox's clock.
    counted: Mutex<u64>,
    /// The host that a link names when the request named none.
    host: String,
    /// Takes the requests that are kept without an answer.
    held: mpsc::UnboundedSender<String>,
    /// Turns true when the server stops.
    stopped: watch::Receiver<bool>,
}

impl Shared {
    /// Returns the whole seconds that passed since the last call.
    fn elapsed(&self) -> u64 {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.running.elapsed().as_secs().saturating_sub(*counted);
        *counted += passed;
        passed
    }

    fn answer(&self, request: Request) -> Outcome {
        let recorded = self.record.as_ref().filter(|_| !authority::is_authority(&request));
        let recorded = recorded.map(|path| (path, request.clone()));
        let outcome = self.within_quotas(request);
        if let Some((path, request)) = recorded {
            let answered = match &outcome.reply {
                Reply::Answer(response) | Reply::Padded(response, _) => Some(response),
                Reply::Reset | Reply::Held | Reply::Cut(_) => None,
            };
            let line = record::exchange(&request, answered, outcome.fault.as_deref());
            // The record is an aid: a full disk must not change what the sandbox answers.
            let _ = store::append_line(path, &line);
        }
        outcome
    }

    /// Answers a request for which enough is left of the limits, and says what is left after it.
    fn within_quotas(&self, request: Request) -> Outcome {
        let quotas = self.quotas.as_ref().filter(|_| !authority::is_authority(&request));
        let headers = match quotas.map(|quotas| quotas.take(&request, self.running.elapsed())) {
            Some(Ok(headers)) => headers,
            Some(Err(refused)) => {
                return Outcome {
                    delay: 0,
                    reply: Reply::Answer(*refused),
                    fault: None,
                };
            }
            None => Vec::new(),
        };
        let mut outcome = self.faults.call(request, self);
        if let Reply::Answer(response) | Reply::Padded(response, _) | Reply::Cut(response) = &mut outcome.reply {
            response
                .headers
                .retain(|(name, _)| !headers.iter().any(|(known, _)| known == name));
            response.headers.extend(headers);
        }
        outcome
    }
}

impl Core for Shared {
    fn call(&self, request: Request) -> Response {
        let answered = if authority::is_authority(&request) {
            let serial = self.tokens.fetch_add(1, Ordering::Relaxed);
            self.door
                .with(|sandbox| authority::answer(&sandbox.state, &request, serial))
                .map(|response| response.unwrap_or_else(|| Response::empty(404)))
        } else {
            self.door.call(request, self.elapsed())
        };
        answered.unwrap_or_else(|error| {
            super::error::ArmError::new(500, "InternalServerError", format!("{error}")).response()
        })
    }

    fn sandbox(&self) -> Option<Sandbox> {
        self.door.with(Sandbox::clone).ok()
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    // Without this every small answer waits for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let shaken = tokio::select! {
        () = shared.sleeper.sleep(PATIENCE) => return,
        shaken = acceptor.accept(stream) => shaken,
    };
    let Ok(stream) = shaken else { return };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { respond(shared, request).await }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection ends is the client's business; the state is safe in any case.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.as_mut().await;
        }
    }
}

/// Answers a request; an error loses its connection, or its stream where one connection carries several.
async fn respond(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> Result<hyper::Response<Sent>, Lost> {
    let (parts, body) = request.into_parts();
    let named = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    let named = named.or_else(|| {
        parts
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .map(str::to_owned)
    });
    let origin = format!("https://{}", named.unwrap_or_else(|| shared.host.clone()));
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        let error = super::error::ArmError::new(
            413,
            "RequestContentTooLarge",
            "The request content is too large or was cut.",
        );
        return Ok(into_hyper(error.response()));
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        origin,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: body.to_bytes(),
    };
    let named = format!("{} {}", request.method, request.path);
    // Locks and files block: they stay off the threads that serve sockets.
    let answering = Arc::clone(&shared);
    let Ok(outcome) = tokio::task::spawn_blocking(move || answering.answer(request)).await else {
        let error = super::error::ArmError::new(500, "InternalServerError", "The sandbox failed to answer.");
        return Ok(into_hyper(error.response()));
    };
    let delay = shared.latency.saturating_add(Duration::from_millis(outcome.delay));
    if !delay.is_zero() {
        shared.sleeper.sleep(delay).await;
    }
    match outcome.reply {
        Reply::Answer(response) => Ok(into_hyper(response)),
        Reply::Reset => Err(Lost),
        Reply::Held => {
            // Nobody listens any more when the server stops.
            let _ = shared.held.send(named);
            drop(shared.stopped.clone().wait_for(|stopped| *stopped).await);
            Err(Lost)
        }
        Reply::Cut(response) => Ok(into_hyper_with(response, Sent::half)),
        Reply::Padded(response, padding) => {
            let (start, end) = answers::around_padding(&response);
            Ok(into_hyper_with(response, |_| Sent::padded(start, padding, end)))
        }
    }
}

fn into_hyper(response: Response) -> hyper::Response<Sent> {
    into_hyper_with(response, Sent::whole)
}

fn into_hyper_with(response: Response, body: impl FnOnce(bytes::Bytes) -> Sent) -> hyper::Response<Sent> {
    let mut answer = hyper::Response::new(body(response.body));
    *answer.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        // A header that a client made up and had echoed may be none.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// Makes an authority and a certificate of it for loopback; returns the server's side, and the authority in PEM.
fn certificates() -> Result<(ServerConfig, String), ServeError> {
    let failed = |error: rcgen::Error| ServeError::Certificate(error.to_string());
    let mut authority = CertificateParams::new(Vec::new()).map_err(failed)?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "aksgate sandbox authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let authority_key = KeyPair::generate().map_err(failed)?;
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
    let issuer = Issuer::new(authority, authority_key);

    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut server = CertificateParams::new(names).map_err(failed)?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate().map_err(failed)?;
    let server_certificate = server.signed_by(&server_key, &issuer).map_err(failed)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![server_certificate.der().clone()], key)
        })
        .map_err(|error| ServeError::Certificate(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, authority_certificate.pem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TokioSleeper;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use serde_json::Value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    /// Sends on where the server listens.
    fn announcing(announce: oneshot::Sender<Listening>) -> impl FnMut(Told<'_>) {
        let mut announce = Some(announce);
        move |told| {
            if let (Told::Listening(at), Some(announce)) = (told, announce.take()) {
                announce.send(at.clone()).unwrap();
            }
        }
    }

    /// Sends one HTTP/1.1 request over TLS that trusts only the sandbox's authority; returns status line and headers, and body.
    async fn ask(at: &Listening, request: &str) -> std::io::Result<(String, Value)> {
        let pem = store::read(&at.authority_file)?.unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(at.address).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // The server closes without a farewell where the client asked it to.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok((head.to_owned(), serde_json::from_str(body).unwrap_or_default()))
    }

    fn http(method: &str, target: &str, at: &Listening, token: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}",
            at.address.port()
        )
    }

    #[test]
    fn a_client_signs_in_over_tls_asks_and_the_server_ends_cleanly() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("traffic.jsonl");
        let options = ServeOptions {
            directory: directory.path().join("sandbox"),
            listen: "127.0.0.1:0".parse().unwrap(),
            record: Some(record.clone()),
            latency: Duration::ZERO,
            quotas: false,
            faults: Rules::default(),
        };
        runtime.block_on(async {
            let (announce, announced) = oneshot::channel();
            let (stop, stopped) = oneshot::channel::<()>();
            let server = tokio::spawn(serve(
                options.clone(),
                Arc::new(TokioSleeper),
                announcing(announce),
                async { stopped.await.unwrap_or_default() },
            ));
            let at = announced.await.unwrap();
            let form = "grant_type=client_credentials&client_id=a&scope=x";
            let (_, grant) = ask(&at, &http("POST", "/t/oauth2/v2.0/token", &at, "", form)).await.unwrap();
            let token = grant["access_token"].as_str().unwrap().to_owned();
            let target = "/providers/Microsoft.Management/managementGroups/contoso/descendants?api-version=2023-04-01&$top=1";
            let (head, body) = ask(&at, &http("GET", target, &at, &token, "")).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert!(head.contains("date: Mon, 04 Jan 2027 08:0"), "{head}");
            let link = body["nextLink"].as_str().unwrap();
            assert!(link.starts_with(&format!("{}/providers/", at.url)), "links name the host that was asked: {link}");
            let (head, body) = ask(&at, &http("GET", target, &at, "wrong", "")).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 401") && body["error"]["code"] == "InvalidAuthenticationToken", "{head}");
            let plan = "/subscriptions/0a000000-0000-4000-8000-000000000001/providers/Microsoft.Security/pricings/Containers?api-version=2024-01-01";
            let (head, _) = ask(&at, &http("PUT", plan, &at, &token, r#"{"properties":{"pricingTier":"Standard"}}"#)).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            stop.send(()).unwrap();
            server.await.unwrap().unwrap();
            assert!(ask(&at, &http("GET", target, &at, &token, "")).await.is_err(), "nobody listens any more");

            let lines = String::from_utf8(store::read(&record).unwrap().unwrap()).unwrap();
            let exchanges: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(exchanges.iter().map(|one| one["response"]["status"].clone()).collect::<Vec<_>>(), [200, 401, 200]);
            assert_eq!(exchanges[2]["request"]["body"]["properties"]["pricingTier"], "Standard");
            assert!(!lines.contains(&token) && !lines.contains("wrong"), "no token is recorded");
        });
        let seen = super::super::summary(&options.directory).unwrap();
        assert_eq!(
            seen.defender[0].1, "Standard",
            "another process sees what was written over TLS"
        );
    }

    #[test]
    fn faults_reach_the_client_and_the_record() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("traffic.jsonl");
        let faults = serde_json::json!({"formatVersion": 1, "rules": [
            {"path": "/subscriptions", "action": {"kind": "reset"}},
            {"path": "/subscriptions", "nth": 2, "action": {"kind": "cut"}},
            {"path": "/subscriptions", "nth": 3, "action": {"kind": "huge", "bytes": 300_000}},
            {"path": "/subscriptions", "nth": 4, "action": {"kind": "slow", "milliseconds": 20}},
            {"path": "*/token", "signIn": true, "nth": 2, "action": {"kind": "error", "status": 500}},
        ]});
        let options = ServeOptions {
            directory: directory.path().join("sandbox"),
            listen: "127.0.0.1:0".parse().unwrap(),
            record: Some(record.clone()),
            latency: Duration::from_millis(1),
            quotas: false,
            faults: Rules::parse(faults.to_string().as_bytes()).unwrap(),
        };
        runtime.block_on(async {
            let (announce, announced) = oneshot::channel();
            let (stop, stopped) = oneshot::channel::<()>();
            let server = tokio::spawn(serve(options, Arc::new(TokioSleeper), announcing(announce), async {
                stopped.await.unwrap_or_default()
            }));
            let at = announced.await.unwrap();
            let form = "grant_type=client_credentials&client_id=a&scope=x";
            let sign_in = || http("POST", "/t/oauth2/v2.0/token", &at, "", form);
            let (_, grant) = ask(&at, &sign_in()).await.unwrap();
            let token = grant["access_token"].as_str().unwrap().to_owned();
            let (head, _) = ask(&at, &sign_in()).await.unwrap();
            assert!(head.starts_with("HTTP/1.1 500"), "{head}");
            let (_, second) = ask(&at, &sign_in()).await.unwrap();
            assert_ne!(
                second["access_token"], grant["access_token"],
                "each sign-in gives a token of its own"
            );

            let list = http("GET", "/subscriptions?api-version=2022-12-01", &at, &token, "");
            assert_eq!(
                ask(&at, &list).await.unwrap(),
                (String::new(), Value::Null),
                "nothing came"
            );
            let (head, body) = ask(&at, &list).await.unwrap();
            assert!(
                head.starts_with("HTTP/1.1 200") && body == Value::Null,
                "the body is cut: {head}"
            );
            let (head, body) = ask(&at, &list).await.unwrap();
            assert!(
                body["padding"].as_str().unwrap().len() == 300_000 && body["value"].is_array(),
                "{head}"
            );
            let running = Stopwatch::start();
            let (_, body) = ask(&at, &list).await.unwrap();
            assert!(running.elapsed() >= Duration::from_millis(21) && body["value"].is_array());
            stop.send(()).unwrap();
            server.await.unwrap().unwrap();
        });
        let lines = String::from_utf8(store::read(&record).unwrap().unwrap()).unwrap();
        let exchanges: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seen: Vec<(bool, &str)> = exchanges
            .iter()
            .map(|one| (one.get("response").is_some(), one["fault"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(seen, [(false, "reset"), (false, "cut"), (true, "huge"), (true, "slow")]);
    }

    #[test]
    fn an_address_in_use_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let options = ServeOptions {
            directory: directory.path().to_path_buf(),
            listen: taken.local_addr().unwrap(),
            record: None,
            latency: Duration::ZERO,
            quotas: false,
            faults: Rules::default(),
        };
        let error = runtime
            .block_on(serve(options, Arc::new(TokioSleeper), |_| panic!("not ready"), async {}))
            .unwrap_err();
        assert!(matches!(error, ServeError::Listen { .. }), "{error}");
    }
}
