//! What ARM's error bodies say.
//!
//! Owns how they are read (codes and messages at any depth, policies that refused) and that no secret gets into an error's text.
//! Must not know which request was refused.

use serde_json::Value;

/// The ids of a policy that refused a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyHit {
    /// The assignment's id.
    pub assignment: Option<String>,
    /// The definition's id.
    pub definition: Option<String>,
    /// The set definition's id, if the definition is a member of one.
    pub set_definition: Option<String>,
}

/// What an error body says.
#[derive(Debug, Default)]
pub(super) struct Reason {
    /// The codes, outermost first; the last one is the innermost of the first chain.
    pub(super) codes: Vec<String>,
    /// The innermost messages.
    pub(super) message: String,
    pub(super) target: Option<String>,
    pub(super) policies: Vec<PolicyHit>,
}

/// The most messages that are kept of one error.
const MOST_MESSAGES: usize = 5;

/// Reads the body of an error: ARM's envelope, or the error itself.
pub(super) fn read(body: &Value) -> Reason {
    let outer = member(body, "error").filter(|inner| inner.is_object()).unwrap_or(body);
    let mut reason = Reason::default();
    let mut messages = Vec::new();
    gather(outer, 0, &mut reason.codes, &mut messages, &mut reason.policies);
    messages.dedup();
    messages.truncate(MOST_MESSAGES);
    reason.message = messages.join("; ");
    reason.target = text(outer, "target");
    reason
}

/// Walks an ARM error from the outside in: codes in that order, messages and policies of the innermost ones.
fn gather(
    error: &Value,
    depth: usize,
    codes: &mut Vec<String>,
    messages: &mut Vec<String>,
    policies: &mut Vec<PolicyHit>,
) {
    let mut inner: Vec<Value> = Vec::new();
    if depth < 8 {
        inner.extend(
            member(error, "details")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .cloned(),
        );
        inner.extend(member(error, "innererror").filter(|inner| inner.is_object()).cloned());
        // Some services put the answer of the service behind them into the message, as text.
        let nested = member(error, "message").and_then(Value::as_str).map(str::trim);
        if let Some(Ok(value)) = nested
            .filter(|text| text.starts_with('{'))
            .map(serde_json::from_str::<Value>)
        {
            inner.push(member(&value, "error").cloned().unwrap_or(value));
        }
    }
    for info in member(error, "additionalInfo")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let about = member(info, "info").unwrap_or(info);
        let hit = PolicyHit {
            assignment: text(about, "policyAssignmentId"),
            definition: text(about, "policyDefinitionId"),
            set_definition: text(about, "policySetDefinitionId"),
        };
        if hit != PolicyHit::default() && !policies.contains(&hit) {
            policies.push(hit);
        }
    }
    let before = codes.len();
    codes.extend(text(error, "code"));
    let found = messages.len();
    // The first inner error names the code; the others add their messages.
    for (at, error) in inner.iter().filter(|inner| inner.is_object()).enumerate() {
        let mut theirs = Vec::new();
        gather(
            error,
            depth + 1,
            if at == 0 { codes } else { &mut theirs },
            messages,
            policies,
        );
        let known = std::mem::take(&mut theirs);
        codes.splice(before..before, known);
    }
    if messages.len() == found {
        messages.extend(text(error, "message"));
    }
}

/// Returns a member of an object, found without regard to case.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value
        .as_object()?
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn text(value: &Value, name: &str) -> Option<String> {
    member(value, name)
        .and_then(Value::as_str)
        .map(clean)
        .filter(|text| !text.is_empty())
}

/// Returns text fit to be kept: one line, of bounded length, and without anything that looks like a token.
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 4_000;
    let mut cleaned = String::new();
    let mut after_bearer = false;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        if after_bearer && word.len() >= SHORTEST_TOKEN {
            cleaned.push_str(REMOVED);
        } else {
            cleaned.push_str(&without_token(word));
        }
        after_bearer = word.to_ascii_lowercase().ends_with("bearer");
        if cleaned.len() > LONGEST {
            cleaned = cleaned.chars().take(LONGEST).collect();
            cleaned.push('…');
            break;
        }
    }
    cleaned
}

const SHORTEST_TOKEN: usize = 16;
const REMOVED: &str = "(token removed)";

/// A JSON web token starts with the base64 of `{"`, and what matters of it is longer than any word of a message.
fn without_token(word: &str) -> String {
    let mut kept = String::new();
    let mut rest = word;
    while let Some(at) = rest.find("eyJ") {
        let (before, token) = rest.split_at(at);
        let end = token
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.' | '='))
            .unwrap_or(token.len());
        let (token, after) = token.split_at(end);
        kept.push_str(before);
        kept.push_str(if token.len() >= SHORTEST_TOKEN { REMOVED } else { token });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_innermost_code_and_its_messages_are_found() {
        for (body, codes, message) in [
            (json!({"error": {"code": "A", "message": "m"}}), vec!["A"], "m"),
            (json!({"code": "A", "message": "m"}), vec!["A"], "m"),
            (json!({"Error": {"Code": "A", "Message": "m"}}), vec!["A"], "m"),
            (
                json!({"error": {"code": "A", "message": "outer", "details": [
                    {"code": "B", "message": "b", "details": [{"code": "C", "message": "c"}]},
                    {"code": "D", "message": "d"},
                ]}}),
                vec!["D", "A", "B", "C"],
                "c; d",
            ),
            (
                json!({"error": {"code": "A", "message": "m", "innererror": {"code": "B"}}}),
                vec!["A", "B"],
                "m",
            ),
            (
                json!({"error": {"code": "A", "message": "{\"error\":{\"code\":\"B\",\"message\":\"b\"}}"}}),
                vec!["A", "B"],
                "b",
            ),
            (
                json!({"error": {"code": "A", "message": "m", "details": [{"message": "only\r\nwords"}]}}),
                vec!["A"],
                "only words",
            ),
            (json!({"error": "text"}), vec![], ""),
            (json!([]), vec![], ""),
        ] {
            let reason = read(&body);
            assert_eq!(reason.codes, codes, "{body}");
            assert_eq!(reason.message, message, "{body}");
        }
    }

    #[test]
    fn an_endlessly_nested_error_is_read_to_a_bound() {
        let mut body = json!({"code": "X", "message": "deep"});
        for _ in 0..30 {
            body = json!({"code": "X", "details": [body]});
        }
        assert_eq!(read(&json!({"error": body})).codes.len(), 9);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(clean(&"é".repeat(10_000)).chars().count(), 4_001);
    }

    #[test]
    fn words_that_only_look_like_tokens_stay() {
        assert_eq!(
            clean("the word eyJ is short; bearer token"),
            "the word eyJ is short; bearer token"
        );
    }
}
