//! Why no answer came: names, connections, certificates, proxies, time.
//!
//! Owns how the failures of the transport are told apart. Must not know ARM.

use std::error::Error;

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// The host's name is not known.
    UnknownHost,
    /// The host was found, but no connection was made.
    NoConnection,
    /// The two ends did not agree on a secure connection, or the certificate is not trusted.
    Tls,
    /// The proxy did not let us through.
    Proxy,
    /// Nothing came for too long.
    Timeout,
    /// The connection broke before the whole answer was there.
    Interrupted,
}

impl NetworkFault {
    /// Returns in a few words what happened.
    pub(super) fn summary(self) -> &'static str {
        match self {
            NetworkFault::UnknownHost => "unknown host",
            NetworkFault::NoConnection => "no connection",
            NetworkFault::Tls => "no secure connection",
            NetworkFault::Proxy => "the proxy did not let the request through",
            NetworkFault::Timeout => "no answer in time",
            NetworkFault::Interrupted => "the connection broke",
        }
    }

    /// Returns whether another try may do better; a certificate does not become valid by asking again.
    pub(super) fn may_pass(self) -> bool {
        !matches!(self, NetworkFault::Tls)
    }
}

/// Tells a failure of the transport apart; `connecting` if it happened before a request could be sent.
pub(super) fn classify(error: &(dyn Error + 'static), connecting: bool) -> NetworkFault {
    let mut texts = String::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    let mut timeout = false;
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            if error.is_dns() {
                return NetworkFault::UnknownHost;
            }
            timeout |= error.is_timeout();
        }
        if is_tls(error) {
            return NetworkFault::Tls;
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            timeout |= error.kind() == std::io::ErrorKind::TimedOut;
        }
        texts.push_str(&error.to_string().to_ascii_lowercase());
        texts.push('\n');
        next = error.source();
    }
    // The resolver's and the proxy's own error types are private; their texts are all there is.
    if texts.contains("dns error") || texts.contains("failed to lookup address") {
        NetworkFault::UnknownHost
    } else if texts.contains("proxy") || texts.contains("tunnel error") {
        NetworkFault::Proxy
    } else if timeout {
        NetworkFault::Timeout
    } else if connecting {
        NetworkFault::NoConnection
    } else {
        NetworkFault::Interrupted
    }
}

fn is_tls(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|inner| is_tls(inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn faults_are_told_apart() {
        for (error, connecting, expected) in [
            (
                io::Error::other(rustls::Error::HandshakeNotComplete),
                true,
                NetworkFault::Tls,
            ),
            (
                io::Error::other(io::Error::other(rustls::Error::HandshakeNotComplete)),
                true,
                NetworkFault::Tls,
            ),
            (
                io::Error::other("dns error: failed to lookup address information: Name or service not known"),
                true,
                NetworkFault::UnknownHost,
            ),
            (
                io::Error::other("tunnel error: proxy authorization required"),
                true,
                NetworkFault::Proxy,
            ),
            (io::Error::from(io::ErrorKind::TimedOut), true, NetworkFault::Timeout),
            (
                io::Error::from(io::ErrorKind::ConnectionRefused),
                true,
                NetworkFault::NoConnection,
            ),
            (
                io::Error::from(io::ErrorKind::ConnectionReset),
                false,
                NetworkFault::Interrupted,
            ),
        ] {
            assert_eq!(classify(&error, connecting), expected, "{error}");
        }
    }
}
