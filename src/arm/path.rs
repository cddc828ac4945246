//! From a resource's path to a URL, and from a link back into the endpoint.
//!
//! Owns percent-encoding, the resource type that a path names, and the rule that no link leaves the endpoint.
//! Must not know requests or api-versions' values.

use azure_core::http::Url;

/// Why a path cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    /// It is not a path of ARM: an empty or dotted segment, a control character, no slash in front.
    #[error("`{0}` is not a path of Azure Resource Manager")]
    Malformed(String),
}

/// Returns the resource type that `path` names, such as `Microsoft.Authorization/policyAssignments`.
///
/// Subscriptions and resource groups, which have no `providers` segment, are `Microsoft.Resources/subscriptions` and `…/resourceGroups`;
/// a resource provider of a subscription is `…/providers`.
pub(super) fn resource_type(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if let [subscriptions, _, providers, _] | [subscriptions, _, providers, _, "register"] = segments.as_slice()
        && subscriptions.eq_ignore_ascii_case("subscriptions")
        && providers.eq_ignore_ascii_case("providers")
    {
        return Some("Microsoft.Resources/providers".to_owned());
    }
    let provider = segments
        .iter()
        .rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    if let Some(at) = provider {
        let mut rest = segments.iter().skip(at + 1);
        let mut found = (*rest.next()?).to_owned();
        for resource_type in rest.step_by(2) {
            found.push('/');
            found.push_str(resource_type);
        }
        return found.contains('/').then_some(found);
    }
    let is = |at: usize, word: &str| {
        segments
            .get(at)
            .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
    };
    match (is(0, "subscriptions"), is(2, "resourceGroups"), segments.len()) {
        (true, _, 1 | 2) => Some("Microsoft.Resources/subscriptions".to_owned()),
        (true, true, 3 | 4) => Some("Microsoft.Resources/resourceGroups".to_owned()),
        _ => None,
    }
}

/// Returns the URL of `path` below `endpoint`, with `query` and the api-version, everything percent-encoded once.
pub(super) fn resource_url(
    endpoint: &Url,
    path: &str,
    query: &[(&str, &str)],
    api_version: &str,
) -> Result<Url, PathError> {
    let malformed = || PathError::Malformed(path.to_owned());
    let rest = path.strip_prefix('/').ok_or_else(malformed)?;
    let mut text = endpoint.as_str().trim_end_matches('/').to_owned();
    for segment in rest.split('/') {
        if matches!(segment, "" | "." | "..") || segment.contains(char::is_control) {
            return Err(malformed());
        }
        text.push('/');
        encode(segment, b"-._~!$&'()*+,;=:@", &mut text);
    }
    text.push('?');
    for (name, value) in query {
        encode(name, b"-._~$", &mut text);
        text.push('=');
        encode(value, b"-._~()/:,*", &mut text);
        text.push('&');
    }
    text.push_str("api-version=");
    encode(api_version, b"-._~", &mut text);
    let url = Url::parse(&text).map_err(|_| malformed())?;
    if same_place(endpoint, &url) {
        Ok(url)
    } else {
        Err(malformed())
    }
}

fn encode(text: &str, plain: &[u8], into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Returns the URL that a link in an answer points to; `Err` with the host that it names if that is not the endpoint's.
///
/// A link is taken as it was given, api-version included; one without a host is below the endpoint.
pub(super) fn follow_link(endpoint: &Url, link: &str) -> Result<Url, String> {
    let url = endpoint
        .join(link.trim())
        .map_err(|_| "no host that can be read".to_owned())?;
    if same_place(endpoint, &url) {
        return Ok(url);
    }
    let host = url.host_str().unwrap_or("no host").to_owned();
    Err(match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    })
}

/// Scheme, host and port agree, and nobody is named in front of the host.
fn same_place(endpoint: &Url, url: &Url) -> bool {
    endpoint.scheme() == url.scheme()
        && endpoint.host_str() == url.host_str()
        && endpoint.port_or_known_default() == url.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Url {
        Url::parse("https://management.azure.com/").unwrap()
    }

    #[test]
    fn resource_types_are_read_from_paths() {
        for (path, expected) in [
            ("/subscriptions", Some("Microsoft.Resources/subscriptions")),
            ("/subscriptions/s", Some("Microsoft.Resources/subscriptions")),
            (
                "/subscriptions/s/resourcegroups",
                Some("Microsoft.Resources/resourceGroups"),
            ),
            (
                "/subscriptions/s/resourceGroups/g",
                Some("Microsoft.Resources/resourceGroups"),
            ),
            (
                "/subscriptions/s/providers/Microsoft.Security/pricings/Containers",
                Some("Microsoft.Security/pricings"),
            ),
            (
                "/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.Authorization/policyAssignments/a",
                Some("Microsoft.Authorization/policyAssignments"),
            ),
            (
                "/providers/Microsoft.Authorization/policyDefinitions/d/versions/1.0.0",
                Some("Microsoft.Authorization/policyDefinitions/versions"),
            ),
            (
                "/subscriptions/s/providers/Microsoft.PolicyInsights",
                Some("Microsoft.Resources/providers"),
            ),
            (
                "/subscriptions/s/providers/Microsoft.PolicyInsights/register",
                Some("Microsoft.Resources/providers"),
            ),
            (
                "/subscriptions/s/providers/Microsoft.Authorization/locks",
                Some("Microsoft.Authorization/locks"),
            ),
            ("/providers/Microsoft.Authorization", None),
            ("/tenants", None),
            ("", None),
        ] {
            assert_eq!(resource_type(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn everything_is_encoded_once() {
        let url = resource_url(
            &endpoint(),
            "/subscriptions/s/resourceGroups/a (b)/providers/X/y/old#50%?é",
            &[("$filter", "policyDefinitionId eq '/a/b' & x")],
            "2025-01-01",
        );
        assert_eq!(
            url.unwrap().as_str(),
            "https://management.azure.com/subscriptions/s/resourceGroups/a%20(b)/providers/X/y/old%2350%25%3F%C3%A9\
             ?$filter=policyDefinitionId%20eq%20%27/a/b%27%20%26%20x&api-version=2025-01-01"
        );
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for path in [
            "",
            "x",
            "//evil.example/x",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a/b\n",
            "/a/",
        ] {
            assert!(resource_url(&endpoint(), path, &[], "v").is_err(), "{path:?}");
        }
        // A name that would be a dotted segment if it were decoded twice stays a name.
        let url = resource_url(&endpoint(), "/a/%2e%2e/b", &[], "v").unwrap();
        assert_eq!(url.path(), "/a/%252e%252e/b");
    }

    #[test]
    fn links_stay_within_the_endpoint() {
        let follow = |link: &str| follow_link(&endpoint(), link);
        for link in [
            "https://management.azure.com/x?$skiptoken=a%20b&api-version=1",
            "https://MANAGEMENT.azure.com:443/x?$skiptoken=a%20b&api-version=1",
            "/x?$skiptoken=a%20b&api-version=1",
        ] {
            assert_eq!(
                follow(link).unwrap().as_str(),
                "https://management.azure.com/x?$skiptoken=a%20b&api-version=1",
                "{link}"
            );
        }
        for (link, host) in [
            ("https://evil.example/x", "https://evil.example"),
            ("//evil.example/x", "https://evil.example"),
            ("http://management.azure.com/x", "http://management.azure.com"),
            ("http://management.azure.com:443/x", "http://management.azure.com:443"),
            (
                "https://management.azure.com:8443/x",
                "https://management.azure.com:8443",
            ),
            (
                "https://management.azure.com.evil.example/x",
                "https://management.azure.com.evil.example",
            ),
            ("https://management.azure.com@evil.example/x", "https://evil.example"),
            ("https://user@management.azure.com/x", "https://management.azure.com"),
            ("file:///etc/passwd", "file://no host"),
            ("https://[", "no host that can be read"),
        ] {
            assert_eq!(follow(link).unwrap_err(), host, "{link}");
        }
    }
}
