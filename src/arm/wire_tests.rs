//! The transport against a real server on this machine: protocol, connections, packed answers, and tokens from an authority.

use super::testing::client_over;
use super::*;
use crate::clock::SystemClock;
use crate::config::Cloud;
use azure_core::credentials::Secret;
use azure_core::http::{HttpClient, Url};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// `{"name":"packed"}`, packed by gzip.
const PACKED: [u8; 37] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 75, 204, 77, 85, 178, 82, 42, 72, 76, 206, 78, 77, 81, 170, 5, 0,
    252, 171, 234, 233, 17, 0, 0, 0,
];

struct Asked {
    version: Version,
    line: String,
    authorization: String,
    accepts: String,
    length: String,
    body: String,
}

/// A server that answers tokens at the token endpoint and a packed object everywhere else.
struct Server {
    origin: String,
    authority: Vec<u8>,
    connections: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    async fn start(protocols: &[&[u8]]) -> Server {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            origin: format!("https://{}", listener.local_addr().unwrap()),
            authority: made.cert.pem().into_bytes(),
            connections: Arc::default(),
            asked: Arc::default(),
        };
        let (connections, asked) = (server.connections.clone(), server.asked.clone());
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, asked) = (acceptor.clone(), asked.clone());
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let asked = asked.clone();
                        async move { Ok::<_, Infallible>(reply(request, &asked).await) }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    fn transport(&self) -> Arc<dyn HttpClient> {
        https_transport(&TransportOptions {
            extra_authorities: Some(self.authority.clone()),
            proxies: Proxies::None,
            ..TransportOptions::default()
        })
        .unwrap()
    }
}

async fn reply(request: Request<Incoming>, asked: &Mutex<Vec<Asked>>) -> Response<Full<Bytes>> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let (authorization, accepts) = (header("authorization"), header("accept-encoding"));
    let length = header("content-length");
    let line = format!("{} {}", request.method(), request.uri().path());
    let version = request.version();
    let is_token = line.ends_with("/oauth2/v2.0/token");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    asked.lock().unwrap().push(Asked {
        version,
        line,
        authorization,
        accepts,
        length,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    if is_token {
        let grant = json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "granted"});
        return Response::new(Full::from(grant.to_string()));
    }
    Response::builder()
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Full::from(PACKED.to_vec()))
        .unwrap()
}

#[tokio::test]
async fn answers_are_unpacked_and_one_connection_serves_many_requests() {
    for (protocols, version) in [
        (&[b"h2".as_slice(), b"http/1.1".as_slice()][..], Version::HTTP_2),
        (&[b"http/1.1".as_slice()][..], Version::HTTP_11),
        (&[][..], Version::HTTP_11),
    ] {
        let server = Server::start(protocols).await;
        let client = client_over(&server.origin, server.transport());
        for _ in 0..5 {
            assert_eq!(
                client.get("/subscriptions/s").await.unwrap().body,
                json!({"name": "packed"})
            );
        }
        let asked = server.asked.lock().unwrap();
        assert!(
            asked
                .iter()
                .all(|asked| asked.version == version && asked.accepts.contains("gzip"))
        );
        assert_eq!(
            (asked.len(), server.connections.load(Ordering::SeqCst)),
            (5, 1),
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn a_post_without_a_body_says_that_it_has_none() {
    for protocol in [b"h2".as_slice(), b"http/1.1"] {
        let server = Server::start(&[protocol]).await;
        let client = client_over(&server.origin, server.transport());
        let path = "/subscriptions/s/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults";
        // The answer is no list; what was sent is what counts.
        client.list_by_post(path, &[]).await.unwrap_err();
        let asked = server.asked.lock().unwrap();
        assert_eq!(
            (asked[0].line.split(' ').next(), asked[0].length.as_str()),
            (Some("POST"), "0")
        );
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_connection_of_http_2() {
    let server = Server::start(&[b"h2"]).await;
    let client = client_over(&server.origin, server.transport());
    client.get("/subscriptions/s").await.unwrap();
    let all = (0..20).map(|_| client.get("/subscriptions/s"));
    futures::future::try_join_all(all).await.unwrap();
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_is_fetched_over_the_same_certificates_and_used() {
    let server = Server::start(&[b"h2"]).await;
    let tenant = "11111111-1111-4111-8111-111111111111";
    let options = SignInOptions {
        method: SignInMethod::ClientSecret,
        tenant: tenant.to_owned(),
        cloud: Cloud::Public,
        authority: Url::parse(&server.origin).unwrap(),
        values: SignInValues {
            client_id: Some("app".to_owned()),
            client_secret: Some(Secret::new("s3cret")),
            ..SignInValues::default()
        },
        transport: server.transport(),
        machine: machine_transport().unwrap(),
        clock: Arc::new(SystemClock),
        notices: Arc::new(|_| {}),
        executor: None,
    };
    let mut all = testing::options_over(&server.origin, server.transport());
    all.credential = sign_in(options).unwrap();
    let client = Client::new(all).unwrap();
    client.get("/subscriptions/s").await.unwrap();
    client.get("/subscriptions/s").await.unwrap();
    let asked = server.asked.lock().unwrap();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let token = format!("POST /{tenant}/oauth2/v2.0/token");
    assert_eq!(lines, [token.as_str(), "GET /subscriptions/s", "GET /subscriptions/s"]);
    // The token is for the host that is asked, and for no other one.
    let scope = format!("{}/.default", server.origin)
        .replace(':', "%3A")
        .replace('/', "%2F");
    assert!(asked[0].body.contains(&format!("scope={scope}")), "{}", asked[0].body);
    assert_eq!(asked[1].authorization, "Bearer granted");
    assert!(asked[1..].iter().all(|asked| !asked.body.contains("s3cret")));
}
