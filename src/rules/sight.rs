//! What of a request a rule can see, as far as its text proves it.
//!
//! Two requests that are equal there get the same answer. So the Pods of many workloads, which differ in their names, need to be judged
//! once only by rules that cannot see a name.

/// The parts of a request that a rule names, as JSON pointers; everything, where that is not sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight(Option<Vec<String>>);

impl Sight {
    /// Returns a sight that misses nothing.
    pub(super) fn everything() -> Sight {
        Sight(None)
    }

    /// Reads the texts of a rule in Rego.
    ///
    /// Each mention of `input` has to be a fixed path from `input.review` or `input.parameters`; the path ends where it is no longer
    /// fixed. Anything else sees everything.
    pub(super) fn of(texts: &[String]) -> Sight {
        let mut paths = Vec::new();
        for text in texts {
            if !collect(text, &mut paths) {
                return Sight::everything();
            }
        }
        paths.sort();
        paths.dedup();
        Sight(Some(paths))
    }

    /// Returns the parts, if the name of the object is not in one of them.
    pub fn without_name(&self) -> Option<&[String]> {
        let names = ["/object/metadata/name", "/object/metadata/generateName", "/name"];
        let paths = self.0.as_deref()?;
        let sees = |path: &String| {
            let holds = |name: &str| {
                name.strip_prefix(path.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            names.iter().any(|name| holds(name))
        };
        (!paths.iter().any(sees)).then_some(paths)
    }
}

/// Collects the paths of a text; false if something in it is not sure.
fn collect(text: &str, paths: &mut Vec<String>) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut after_dot = false;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => {
                at = text
                    .get(at..)
                    .and_then(|rest| rest.find('\n'))
                    .map_or(bytes.len(), |end| at + end)
            }
            b'"' | b'`' => match string_end(bytes, at) {
                Some(end) => at = end,
                None => return false,
            },
            // A text with values in it.
            b'$' => return false,
            byte if is_word(*byte) => {
                let end = word_end(bytes, at);
                if text.get(at..end) == Some("input") && !after_dot {
                    match path(text, end) {
                        Some((Some(path), end)) => {
                            paths.push(path);
                            at = end;
                        }
                        Some((None, end)) => at = end,
                        None => return false,
                    }
                } else {
                    at = end;
                }
                after_dot = false;
                continue;
            }
            byte if !byte.is_ascii() => return false,
            _ => at += 1,
        }
        after_dot = *byte == b'.';
    }
    true
}

/// Reads the fixed path behind `input`: none if it starts otherwise, no text for the parameters, which do not change.
fn path(text: &str, start: usize) -> Option<(Option<String>, usize)> {
    let (first, mut at) = segment(text, start)?;
    match first {
        "parameters" => return Some((None, at)),
        "review" => {}
        _ => return None,
    }
    let mut path = String::new();
    while let Some((name, end)) = segment(text, at) {
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        at = end;
    }
    Some((Some(path), at))
}

/// Reads `.name` or `["name"]`.
fn segment(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..)?;
    if let Some(name) = rest.strip_prefix('.') {
        let end = word_end(name.as_bytes(), 0);
        return (end > 0).then(|| (name.get(..end).unwrap_or_default(), at + 1 + end));
    }
    let (name, _) = rest.strip_prefix("[\"")?.split_once("\"]")?;
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '\\');
    name.chars().all(plain).then(|| (name, at + name.len() + 4))
}

/// Returns the byte behind a text that starts here; none if it does not end.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = *bytes.get(start)?;
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| is_word(**byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[&str]>) {
        let sight = Sight::of(&[text.to_owned()]);
        let found = sight
            .0
            .as_ref()
            .map(|paths| paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_rule_sees_the_paths_that_it_names() {
        check("x { true }", Some(&[]));
        check(
            "x { c := input.review.object.spec.containers[_]; c.image == input.parameters.image }",
            Some(&["/object/spec/containers"]),
        );
        check("x { input.review.object.spec[field][_] }", Some(&["/object/spec"]));
        check(
            "x { input.review.object.metadata.labels[\"a/b\"] }",
            Some(&["/object/metadata/labels/a~1b"]),
        );
        check("x { f(input.review) }", Some(&[""]));
        check(
            "# input\nx { y.input.z; \"input\"; `input` ; \"a \\\" input\" }",
            Some(&[]),
        );
        check("x { my_input; input_of(1) }", Some(&[]));
        check("x { input.review.object\n .spec }", Some(&["/object"]));
    }

    #[test]
    fn what_is_not_sure_sees_everything() {
        for text in [
            "x { f(input) }",
            "x { input[key].object }",
            "x { y with input as {} }",
            "import input as request\nx { request.review }",
            "x { input.other }",
            "x { $\"{input.review}\" }",
            "x { \"unfinished }",
            "x { ïnput }",
        ] {
            check(text, None);
        }
        assert_eq!(Sight::everything().without_name(), None);
    }

    #[test]
    fn a_name_is_seen_in_whatever_holds_it() {
        let sees = |path: &str| {
            Sight::of(&[format!("x {{ input.review{path} }}")])
                .without_name()
                .is_none()
        };
        for path in [
            "",
            ".object",
            ".object.metadata",
            ".object.metadata.name",
            ".name",
            ".object.metadata[x]",
        ] {
            assert!(sees(path), "{path}");
        }
        for path in [
            ".object.spec",
            ".object.metadata.labels",
            ".object.metadata.namespace",
            ".namespace",
            ".operation",
        ] {
            assert!(!sees(path), "{path}");
        }
    }
}
