//! Lists of images: what a person writes, and the regular expression that Azure's definitions take.
//!
//! An entry is a registry, a repository with all below it, or one image. What it stands for is decided on the text of a
//! container's `image` as it is written: a name without its registry (`nginx`) fits no entry.

use crate::yaml::{Kind, Node, Plain};
use serde_json::Value;
use std::collections::BTreeSet;

/// One entry that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image<'a> {
    /// Registry and path, such as `contoso.azurecr.io/shop`.
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

/// Returns the regular expression (RE2, anchored) of images that a list of entries admits; none if an entry is malformed or
/// there is none. The order of the list, and an entry that stands twice, make no difference.
pub(super) fn pattern(list: &Value) -> Option<String> {
    let entries = list.as_array().filter(|entries| !entries.is_empty())?;
    let alternatives: Option<BTreeSet<String>> = entries
        .iter()
        .map(|entry| parse(entry.as_str()?).ok().map(|image| image.alternative()))
        .collect();
    let alternatives: Vec<String> = alternatives?.into_iter().collect();
    Some(format!("^({})$", alternatives.join("|")))
}

/// What is wrong with a value that should be a list of images: the node at fault, what it is, and what to do.
pub(super) struct Mistake<'a> {
    pub node: &'a Node,
    pub label: String,
    pub hint: String,
}

/// Returns what is wrong with a value that should be a list of images.
pub(super) fn mistakes<'a>(name: &str, node: &'a Node) -> Vec<Mistake<'a>> {
    let one = |label: String, hint: &str| {
        let hint = hint.to_owned();
        vec![Mistake { node, label, hint }]
    };
    let entries = match &node.kind {
        Kind::Sequence(entries) => entries,
        Kind::Broken => return Vec::new(),
        _ => {
            let label = format!(
                "`{name}` takes a list of registries, repositories and images, found {}",
                node.describe()
            );
            return one(label, "write it as `[contoso.azurecr.io, mcr.microsoft.com/oss]`");
        }
    };
    if entries.is_empty() {
        return one(
            format!("`{name}` is an empty list: no image would be admitted"),
            "name the registries that images may come from",
        );
    }
    entries
        .iter()
        .filter_map(|entry| {
            let text = match &entry.kind {
                Kind::Broken => return None,
                Kind::Scalar(scalar) if !scalar.plain || scalar.resolve() == Plain::Text => scalar.text.as_str(),
                _ => {
                    return Some(Mistake {
                        node: entry,
                        label: format!("expected a registry, repository or image, found {}", entry.describe()),
                        hint: "such as `contoso.azurecr.io` or `mcr.microsoft.com/oss/kubernetes/pause:3.9`".to_owned(),
                    });
                }
            };
            let (label, hint) = parse(text).err()?;
            Some(Mistake {
                node: entry,
                label,
                hint,
            })
        })
        .collect()
}

/// Reads an entry: `HOST[:PORT][/PATH][:TAG][@DIGEST]` (the reference grammar of the OCI distribution specification).
fn parse(text: &str) -> Result<Image<'_>, (String, String)> {
    let wrong = |label: String, hint: &str| Err((label, hint.to_owned()));
    if let Some((scheme, rest)) = text.split_once("://") {
        return wrong(
            format!("`{scheme}://` is no part of an image's name"),
            &format!("write `{}`", rest.trim_end_matches('/')),
        );
    }
    if let Some(found) = text.chars().find(|c| "*^$+()[]{}|\\? ".contains(*c)) {
        return wrong(
            format!("`{found}` cannot be in an image's name"),
            "this is a plain list, not a pattern: a registry or repository stands for all that is below it",
        );
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return wrong(
                format!("`{digest}` is no digest"),
                "a digest is `sha256:` and 64 digits of lower-case hexadecimal",
            );
        }
    }
    let name = name.strip_suffix('/').unwrap_or(name);
    let (host, path) = name
        .split_once('/')
        .map_or((name, None), |(host, path)| (host, Some(path)));
    let (path, tag) = match path.map(|path| {
        path.rsplit_once(':')
            .map_or((path, None), |(path, tag)| (path, Some(tag)))
    }) {
        Some((path, tag)) => (Some(path), tag),
        None => (None, None),
    };
    let is_host = host == "localhost" || host.contains('.') || host.contains(':');
    let host_chars = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':');
    if !is_host {
        return wrong(
            format!("`{host}` is no registry"),
            "write the registry too, such as `docker.io/library/nginx`; images that leave it out are refused",
        );
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) && tag.is_none() {
        return wrong(
            format!("`{text}` has capital letters, and names of registries and repositories have none"),
            &format!("write `{}`", text.to_ascii_lowercase()),
        );
    }
    let (label, port) = host
        .split_once(':')
        .map_or((host, None), |(label, port)| (label, Some(port)));
    let is_label = !label.is_empty() && label.split('.').all(|part| !part.is_empty() && !part.starts_with('-'));
    let is_port = port.is_none_or(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()));
    if !host.chars().all(host_chars) || !is_label || !is_port {
        return wrong(
            format!("`{host}` is no registry"),
            "a registry is a host name, such as `contoso.azurecr.io` or `registry.local:5000`",
        );
    }
    let component = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
    };
    if let Some(part) = path
        .into_iter()
        .flat_map(|path| path.split('/'))
        .find(|part| !component(part))
    {
        return wrong(
            format!("`{part}` is no part of a repository's name"),
            "parts are lower-case letters and digits, with `.`, `_` and `-` between them",
        );
    }
    let tag_chars = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if let Some(tag) = tag
        && (tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(tag_chars))
    {
        return wrong(
            format!("`{tag}` is no tag"),
            "a tag is at most 128 letters, digits, `_`, `.` and `-`",
        );
    }
    if path.is_none() && digest.is_some() {
        return wrong(
            format!("`{text}` has a digest and no repository"),
            "write registry and repository before the digest",
        );
    }
    let length = host.len() + path.map_or(0, |path| path.len() + 1);
    Ok(Image {
        repository: name.get(..length).unwrap_or(name),
        tag,
        digest,
    })
}

impl Image<'_> {
    /// The alternative of the regular expression that stands for this entry.
    fn alternative(&self) -> String {
        let repository = escaped(self.repository);
        let digest = "@sha256:[0-9a-f]{64}";
        match (self.tag, self.digest) {
            (tag, Some(found)) => {
                let tag = tag.map_or("(:[^/@]+)?".to_owned(), |tag| format!(":{}", escaped(tag)));
                format!("{repository}{tag}@{found}")
            }
            (Some(tag), None) => format!("{repository}:{}({digest})?", escaped(tag)),
            (None, None) if !self.repository.contains('/') => format!("{repository}/.+"),
            (None, None) => format!("{repository}([/:@].+)?"),
        }
    }
}

/// Escapes what a regular expression would read as more than itself; all else that an entry can hold is literal.
fn escaped(text: &str) -> String {
    text.replace('.', "\\.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_lite::Regex;
    use serde_json::json;

    #[track_caller]
    fn admits(entry: &str, images: &[&str]) {
        let pattern = Regex::new(&pattern(&json!([entry])).unwrap()).unwrap();
        for image in images {
            assert!(pattern.is_match(image), "`{entry}` should admit `{image}`");
        }
    }

    #[track_caller]
    fn refuses(entry: &str, images: &[&str]) {
        let pattern = Regex::new(&pattern(&json!([entry])).unwrap()).unwrap();
        for image in images {
            assert!(!pattern.is_match(image), "`{entry}` should refuse `{image}`");
        }
    }

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_registry_admits_its_images_and_no_other_registry() {
        admits(
            "contoso.azurecr.io",
            &["contoso.azurecr.io/shop", "contoso.azurecr.io/shop/web:1@sha256:0"],
        );
        refuses(
            "contoso.azurecr.io",
            &[
                "contoso.azurecr.io",
                "contoso.azurecr.io/",
                "contosoXazurecr.io/shop",
                "contoso.azurecr.io.evil.com/shop",
                "evil.com/contoso.azurecr.io/shop",
                "mycontoso.azurecr.io/shop",
                "contoso.azurecr.io:5000/shop",
                "nginx",
            ],
        );
        admits("registry.local:5000", &["registry.local:5000/a"]);
        refuses("registry.local:5000", &["registry.local:50001/a", "registry.local/a"]);
    }

    #[test]
    fn a_repository_admits_itself_and_what_is_below_it() {
        let entry = "mcr.microsoft.com/oss";
        admits(
            entry,
            &[
                "mcr.microsoft.com/oss",
                "mcr.microsoft.com/oss:1",
                "mcr.microsoft.com/oss@sha256:0",
                "mcr.microsoft.com/oss/kubernetes/pause:3.9",
            ],
        );
        refuses(
            entry,
            &[
                "mcr.microsoft.com/ossified",
                "mcr.microsoft.com/other",
                "mcr.microsoft.com",
            ],
        );
        admits("mcr.microsoft.com/oss/", &["mcr.microsoft.com/oss/a"]);
    }

    #[test]
    fn one_image_admits_that_image_only() {
        let tagged = "docker.io/library/nginx:1.27";
        let with_digest = format!("{tagged}@{DIGEST}");
        admits(tagged, &[tagged, &with_digest]);
        refuses(
            tagged,
            &[
                "docker.io/library/nginx",
                "docker.io/library/nginx:1.270",
                "docker.io/library/nginx:1x27",
            ],
        );
        let pinned = format!("docker.io/library/nginx@{DIGEST}");
        admits(&pinned, &[&pinned, &with_digest]);
        refuses(&pinned, &["docker.io/library/nginx:1.27"]);
        admits(&with_digest, &[&with_digest]);
        refuses(&with_digest, &[&pinned]);
    }

    #[test]
    fn several_entries_admit_what_one_of_them_admits() {
        let sorted = pattern(&json!(["a.io", "b.io/x"])).unwrap();
        assert_eq!(
            pattern(&json!(["b.io/x", "a.io", "b.io/x"])),
            Some(sorted),
            "order is no change"
        );
        let pattern = pattern(&json!(["a.io", "b.io/x"])).unwrap();
        assert_eq!(pattern, r"^(a\.io/.+|b\.io/x([/:@].+)?)$");
        let regex = Regex::new(&pattern).unwrap();
        assert!(regex.is_match("a.io/1") && regex.is_match("b.io/x:2"));
        assert!(!regex.is_match("b.io/y"), "{pattern}");
        assert!(!regex.is_match("c.io/a.io/1"), "the anchors hold for every alternative");
    }

    #[test]
    fn what_is_no_image_is_refused_with_what_to_do() {
        let cases = [
            ("nginx", "docker.io/library/nginx"),
            ("https://contoso.azurecr.io/", "`contoso.azurecr.io`"),
            ("*.azurecr.io", "not a pattern"),
            ("contoso.azurecr.io/.+", "not a pattern"),
            ("Contoso.azurecr.io", "`contoso.azurecr.io`"),
            ("a.io/x@sha256:12", "64 digits"),
            (
                "a.io@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "before the digest",
            ),
            ("a.io/x:", "a tag is"),
            ("a.io//x", "parts are"),
            ("a.io/-x", "parts are"),
            (".io/x", "host name"),
            ("a.io:port/x", "host name"),
            ("", "docker.io"),
        ];
        for (entry, hint) in cases {
            let (_, found) = parse(entry).expect_err(entry);
            assert!(found.contains(hint), "{entry}: {found}");
            assert_eq!(pattern(&json!([entry])), None, "{entry}");
        }
        assert_eq!(
            pattern(&json!([])),
            None,
            "an empty list admits nothing, and is no list to send"
        );
        assert_eq!(pattern(&json!("a.io")), None);
    }
}
