//! The way to Azure: reqwest over rustls, and azure_core's pipeline on top of whatever transport is handed in.
//!
//! Owns time-outs, certificates, the bearer token policy and our name in requests. Must not know ARM's answers; repeats nothing.

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::headers::USER_AGENT;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientOptions, Context, HttpClient, Pipeline, Request, RetryOptions, Transport, Url};
use std::sync::Arc;
use std::time::Duration;

/// Which proxies requests go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// Those that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
    #[default]
    Environment,
    /// None, as is right for a server on this machine.
    None,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Certificates of authorities, as PEM, trusted besides those of the machine.
    pub extra_authorities: Option<Vec<u8>>,
    /// Which proxies are used.
    pub proxies: Proxies,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long nothing may come before an answer is given up.
    pub read_timeout: Duration,
}

impl Default for TransportOptions {
    /// Returns no further authority, the environment's proxies, 20 s to connect and 60 s to wait for bytes (Azure's own SDK has the same).
    fn default() -> TransportOptions {
        TransportOptions {
            extra_authorities: None,
            proxies: Proxies::Environment,
            connect_timeout: Duration::from_secs(20),
            read_timeout: Duration::from_secs(60),
        }
    }
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The further authorities hold no certificate at all.
    #[error("there is no certificate in the file of authorities")]
    NoCertificate,
    /// The further authorities cannot be read as PEM, or those of the machine cannot be loaded.
    #[error("the certificates of the authorities cannot be used")]
    Certificates(#[source] reqwest::Error),
}

/// Returns a transport over TLS that keeps its connections, reads gzip, and never follows a redirect.
pub fn https_transport(options: &TransportOptions) -> Result<Arc<dyn HttpClient>, TransportError> {
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_keepalive(Duration::from_secs(60))
        .gzip(true);
    if let Some(pem) = &options.extra_authorities {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(TransportError::Certificates)?;
        if certificates.is_empty() {
            return Err(TransportError::NoCertificate);
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if options.proxies == Proxies::None {
        builder = builder.no_proxy();
    }
    Ok(Arc::new(builder.build().map_err(TransportError::Certificates)?))
}

/// Returns a transport for the identity service of the machine that we run on, and for nothing else.
///
/// That service speaks plain HTTP on a link-local or loopback address, so it is never reached through a proxy, which would see the token,
/// and given up soon: elsewhere than in Azure nobody answers there.
pub fn machine_transport() -> Result<Arc<dyn HttpClient>, TransportError> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(30))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build();
    Ok(Arc::new(client.map_err(TransportError::Certificates)?))
}

/// Returns the scope of the token for an endpoint: always the endpoint's own host.
pub(super) fn token_scope(endpoint: &Url) -> String {
    format!("{}/.default", endpoint.as_str().trim_end_matches('/'))
}

/// Returns the pipeline: one try, a bearer token for the endpoint, our name.
pub(super) fn pipeline(
    endpoint: &Url,
    credential: Arc<dyn TokenCredential>,
    transport: Arc<dyn HttpClient>,
    user_agent: String,
) -> Pipeline {
    let options = ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(transport)),
        ..ClientOptions::default()
    };
    let per_try: Vec<Arc<dyn Policy>> = vec![
        Arc::new(BearerTokenAuthorizationPolicy::new(credential, [token_scope(endpoint)])),
        Arc::new(UserAgent(user_agent)),
    ];
    Pipeline::new(
        Some("aksgate"),
        Some(env!("CARGO_PKG_VERSION")),
        options,
        Vec::new(),
        per_try,
        None,
    )
}

/// Replaces the SDK's name in the header by ours: the requests are not those of a Microsoft client library.
#[derive(Debug)]
struct UserAgent(String);

#[async_trait]
impl Policy for UserAgent {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header(USER_AGENT, self.0.clone());
        let Some((first, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "no transport behind the policies",
            ));
        };
        first.send(context, request, rest).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::testing::{SECRET, client_over};
    use crate::arm::{ArmErrorKind, NetworkFault};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    fn direct(authority: Option<&str>) -> Arc<dyn HttpClient> {
        https_transport(&TransportOptions {
            extra_authorities: authority.map(|pem| pem.as_bytes().to_vec()),
            proxies: Proxies::None,
            ..TransportOptions::default()
        })
        .unwrap()
    }

    /// Serves one answer a connection over TLS; returns the address, the certificate, and what was asked.
    async fn serve(answers: Vec<Vec<u8>>) -> (SocketAddr, String, tokio::task::JoinHandle<Vec<String>>) {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (socket, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(socket).await else {
                    asked.push("no handshake".to_owned());
                    continue;
                };
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut buffer = [0; 4096];
                    let read = stream.read(&mut buffer).await.unwrap();
                    request.extend_from_slice(&buffer[..read]);
                }
                asked.push(String::from_utf8(request).unwrap());
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.ok();
            }
            asked
        });
        (address, made.cert.pem(), served)
    }

    fn http(head: &str, body: &[u8]) -> Vec<u8> {
        let mut answer = format!(
            "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        answer
    }

    #[tokio::test]
    async fn a_trusted_server_is_asked_over_tls_with_the_token() {
        let (address, pem, served) = serve(vec![http("200 OK", b"{\"name\":\"s\"}")]).await;
        let client = client_over(&format!("https://{address}"), direct(Some(&pem)));
        let resource = client.get("/subscriptions/s").await.unwrap();
        assert_eq!(resource.body["name"], "s");
        let asked = served.await.unwrap();
        assert!(
            asked[0].starts_with("GET /subscriptions/s?api-version=2022-12-01 HTTP/1.1"),
            "{asked:?}"
        );
        assert!(asked[0].contains(SECRET) && asked[0].contains("gzip"), "{asked:?}");
    }

    #[tokio::test]
    async fn an_untrusted_server_sees_no_request_and_is_not_tried_again() {
        let (address, _, served) = serve(vec![Vec::new()]).await;
        let client = client_over(&format!("https://{address}"), direct(None));
        let error = client.get("/subscriptions/s").await.unwrap_err();
        assert_eq!(error.kind(), ArmErrorKind::Network(NetworkFault::Tls), "{error:?}");
        assert_eq!(error.tries(), 1);
        assert!(error.action().unwrap().contains("not trusted"));
        assert_eq!(served.await.unwrap(), ["no handshake"]);
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let redirect = http("302 Found\r\nlocation: https://evil.example/", b"");
        let (address, pem, served) = serve(vec![redirect]).await;
        let client = client_over(&format!("https://{address}"), direct(Some(&pem)));
        let error = client.get("/subscriptions/s").await.unwrap_err();
        assert_eq!(
            (error.status(), error.summary()),
            (Some(302), "azure answered with a redirect")
        );
        assert_eq!(served.await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_read_again() {
        let mut cut = http("200 OK", b"{\"name\":\"s\"}");
        cut.truncate(cut.len() - 3);
        let (address, pem, served) = serve(vec![cut, http("200 OK", b"{\"name\":\"again\"}")]).await;
        let client = client_over(&format!("https://{address}"), direct(Some(&pem)));
        assert_eq!(client.get("/subscriptions/s").await.unwrap().body["name"], "again");
        assert_eq!(served.await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn nobody_at_the_port_is_no_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let client = client_over(&format!("https://{address}"), direct(None));
        let error = client.get("/subscriptions/s").await.unwrap_err();
        assert_eq!(
            error.kind(),
            ArmErrorKind::Network(NetworkFault::NoConnection),
            "{error:?}"
        );
        assert!(error.message().contains(&address.to_string()), "{error}");
        assert_eq!(error.tries(), 3);
        // Links of long operations are signed: no query shows, not even in the source.
        assert!(!format!("{error:?}").contains("api-version"), "{error:?}");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn authorities_that_are_no_certificates_are_an_error() {
        for pem in [
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            "no certificate",
            "",
        ] {
            let options = TransportOptions {
                extra_authorities: Some(pem.as_bytes().to_vec()),
                ..TransportOptions::default()
            };
            assert!(https_transport(&options).is_err(), "{pem}");
        }
    }
}
