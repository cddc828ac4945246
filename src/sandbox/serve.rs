//! The door over TLS on loopback, in a process of its own: for any client, and for several at once.
//!
//! Owns sockets, certificates, and the sandbox's clock, which runs with real time here. Signals are the caller's. It must not know what is asked.

/// An address to listen at, for callers that have no business with the network otherwise.
pub use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
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
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::door::{Door, DoorError};
use super::{Request, Response, authority};
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
    /// A file to which each exchange is added as a line of JSON, without authorization headers.
    pub record: Option<PathBuf>,
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
/// `sleeper` bounds how long clients may dally; `ready` is called once, when the address is bound.
///
/// # Errors
/// When the sandbox, the address or the certificate cannot be used.
pub async fn serve(
    options: ServeOptions,
    sleeper: Arc<dyn Sleeper>,
    ready: impl FnOnce(&Listening),
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
    ready(&Listening {
        address,
        url: format!("https://localhost:{}", address.port()),
        authority_file,
    });

    let shared = Arc::new(Shared {
        door,
        record: options.record,
        running: Stopwatch::start(),
        sleeper: Arc::clone(&sleeper),
        counted: Mutex::new(0),
        host: format!("localhost:{}", address.port()),
    });
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (stopping, stopped) = watch::channel(false);
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
    /// How many of the seconds that passed are in the sandbox's clock.
    counted: Mutex<u64>,
    /// The host that a link names when the request named none.
    host: String,
}

impl Shared {
    /// Returns the whole seconds that passed since the last call.
    fn elapsed(&self) -> u64 {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.running.elapsed().as_secs().saturating_sub(*counted);
        *counted += passed;
        passed
    }

    fn answer(&self, request: Request) -> Response {
        let recorded = self.record.as_ref().map(|path| (path, request.clone()));
        let answered = match self.door.with(|sandbox| authority::answer(&sandbox.state, &request)) {
            Ok(Some(response)) => return response,
            Ok(None) => self.door.call(request, self.elapsed()),
            Err(error) => Err(error),
        };
        let response = answered.unwrap_or_else(|error| {
            super::error::ArmError::new(500, "InternalServerError", format!("{error}")).response()
        });
        if let Some((path, request)) = recorded {
            // The record is an aid: a full disk must not change what the sandbox answers.
            let _ = store::append_line(path, &exchange(&request, &response).to_string());
        }
        response
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
        async move { Ok::<_, std::convert::Infallible>(respond(shared, request).await) }
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

async fn respond(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
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
        return into_hyper(error.response());
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
    // Locks and files block: they stay off the threads that serve sockets.
    let answered = tokio::task::spawn_blocking(move || shared.answer(request)).await;
    into_hyper(answered.unwrap_or_else(|_| {
        super::error::ArmError::new(500, "InternalServerError", "The sandbox failed to answer.").response()
    }))
}

fn into_hyper(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut answer = hyper::Response::new(Full::new(response.body));
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

/// Returns an exchange as the record holds it: no authorization, and bodies only where they are JSON.
fn exchange(request: &Request, response: &Response) -> Value {
    let headers = |headers: &[(String, String)]| -> Value {
        let kept = headers
            .iter()
            .filter(|(name, _)| !["authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str()));
        Value::Object(kept.map(|(name, value)| (name.clone(), json!(value))).collect())
    };
    let side = |mut side: Value, body: &[u8]| {
        if let Ok(body) = serde_json::from_slice::<Value>(body) {
            super::json::set(&mut side, "", "body", body);
        }
        side
    };
    let query = if request.query.is_empty() {
        String::new()
    } else {
        format!("?{}", request.query)
    };
    json!({
        "request": side(
            json!({"method": request.method, "url": format!("{}{}{query}", request.origin, request.path), "headers": headers(&request.headers)}),
            &request.body,
        ),
        "response": side(json!({"status": response.status, "headers": headers(&response.headers)}), &response.body),
    })
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

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
        let mut answer = String::new();
        // The server closes without a farewell where the client asked it to.
        let _ = stream.read_to_string(&mut answer).await;
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
        };
        runtime.block_on(async {
            let (announce, announced) = oneshot::channel();
            let (stop, stopped) = oneshot::channel::<()>();
            let server = tokio::spawn(serve(
                options.clone(),
                Arc::new(TokioSleeper),
                move |listening| announce.send(listening.clone()).unwrap(),
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
        };
        let error = runtime
            .block_on(serve(options, Arc::new(TokioSleeper), |_| panic!("not ready"), async {}))
            .unwrap_err();
        assert!(matches!(error, ServeError::Listen { .. }), "{error}");
    }
}
