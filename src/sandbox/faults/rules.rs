//! The file of fault rules, read with every mistake named at once.
//!
//! It must not know how a fault is carried out.

use serde_json::{Map, Value};

use super::answers::Refusal;

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answers an error. With `after` the request takes effect first.
    Refuse {
        /// The status, code and text.
        refusal: Refusal,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
        /// Whether the request takes effect before.
        after: bool,
    },
    /// Loses the connection without an answer, before or after the request took effect.
    Reset {
        /// Whether the request takes effect before.
        after: bool,
    },
    /// Never answers: says that the request came, and waits until its client is gone.
    Hold {
        /// Whether the request takes effect before.
        after: bool,
    },
    /// Loses the connection in the middle of the answer's body.
    Cut,
    /// Answers late.
    Slow {
        /// How late.
        milliseconds: u64,
    },
    /// Answers 404 to the next reads of what a matching PUT has just made.
    NotFoundAfterPut {
        /// How many reads of each new resource.
        reads: u64,
    },
    /// Answers reads as things stood a while ago.
    Stale {
        /// How long ago, on the sandbox's clock.
        seconds: u64,
    },
    /// Says that the operation, or the resource's provisioning, failed.
    OperationFails,
    /// Says that the operation, or the resource's provisioning, is still running.
    OperationHangs,
    /// Leaves the headers out that say where the operation can be polled.
    OperationLost,
    /// Leaves one extension of a Defender plan off, and says so in its `operationStatus`.
    PricingPartial {
        /// Which; by default the first one that the request turns on.
        extension: Option<String>,
    },
    /// Lets all links of the answer (`nextLink` and where to poll) name another host.
    ForeignLink {
        /// The host.
        host: String,
    },
    /// Answers 307 with the same path on another host.
    Redirect {
        /// The host.
        host: String,
    },
    /// Adds so much to the answer's body.
    Huge {
        /// How much, in bytes.
        bytes: u64,
    },
    /// Answers a page for people where JSON was asked.
    Html {
        /// The status.
        status: u16,
    },
    /// Answers this document with status 200, as if it were what is there.
    Answer {
        /// The document.
        body: Value,
    },
    /// Answers 401, and does so to every later request that carries the same token.
    ExpiredToken,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What the record calls it; the action's name by default.
    pub name: String,
    /// The method in upper case; any by default.
    pub method: Option<String>,
    /// The pattern of the path.
    pub path: String,
    /// The pattern of the decoded query; any by default.
    pub query: Option<String>,
    /// Whether it concerns sign-in instead of resource management.
    pub sign_in: bool,
    /// The first matching call that it strikes, from 1.
    pub nth: u64,
    /// Strikes this one and then each such one of the matching calls.
    pub every: u64,
    /// How often it strikes at most; `None` is without end.
    pub count: Option<u64>,
    /// How long it strikes, in seconds of the sandbox's clock after its first time.
    pub for_seconds: Option<u64>,
    /// How likely it strikes a call that is due, in percent.
    pub percent: u64,
    /// What it does.
    pub action: Action,
}

/// A file of fault rules.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// Where the draws of `percent` begin.
    pub seed: u64,
    /// The rules; the first one that is due strikes.
    pub rules: Vec<Rule>,
}

/// The names of all actions, each with the keys that it takes.
pub const ACTIONS: &[(&str, &[&str])] = &[
    ("throttle", &["retryAfter", "after"]),
    ("error", &["status", "code", "message", "retryAfter", "after"]),
    ("not-found", &["after"]),
    ("precondition-failed", &["after"]),
    ("etag-mismatch", &["after"]),
    ("operation-not-allowed", &["after"]),
    ("authorization-failed", &["after"]),
    ("scope-locked", &["after"]),
    ("disallowed-by-policy", &["after"]),
    ("principal-not-found", &["after"]),
    ("reset", &["after"]),
    ("hold", &["after"]),
    ("cut", &[]),
    ("slow", &["milliseconds"]),
    ("not-found-after-put", &["reads"]),
    ("stale", &["seconds"]),
    ("operation-fails", &[]),
    ("operation-hangs", &[]),
    ("operation-lost", &[]),
    ("pricing-partial", &["extension"]),
    ("foreign-link", &["host"]),
    ("redirect", &["host"]),
    ("huge", &["bytes"]),
    ("html", &["status"]),
    ("answer", &["body"]),
    ("expired-token", &[]),
];
/// The keys of a rule.
pub const RULE_KEYS: &[&str] = &[
    "name",
    "method",
    "path",
    "query",
    "signIn",
    "nth",
    "every",
    "count",
    "forSeconds",
    "percent",
    "action",
];
/// The keys of the file.
pub const FILE_KEYS: &[&str] = &["$schema", "formatVersion", "seed", "rules"];
const METHODS: [&str; 6] = ["GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"];
/// The version of the file's format.
pub const FORMAT_VERSION: u64 = 1;
/// The largest answer that may be asked for, in bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// The longest time that may be asked for, in milliseconds: a day.
const LONGEST: u64 = 86_400_000;
/// The host that a fault names by default: reserved, no name server ever answers it.
const ELSEWHERE: &str = "elsewhere.invalid";

impl Rules {
    /// Reads a file of fault rules.
    ///
    /// # Errors
    /// One line per mistake, each with where it is, such as `rules[2].action.status`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| vec![format!("it is no JSON: {error}")])?;
        let mut problems = Vec::new();
        let file = Keys::of(&value, "", FILE_KEYS, &mut problems);
        if file.get("formatVersion").and_then(Value::as_u64) != Some(FORMAT_VERSION) {
            problems.push(format!(
                "formatVersion: this program reads {FORMAT_VERSION}, and the file must state it"
            ));
        }
        let seed = file.number("seed", 0, u64::MAX, &mut problems).unwrap_or(0);
        let rules = match file.get("rules") {
            Some(Value::Array(rules)) => rules
                .iter()
                .enumerate()
                .filter_map(|(index, rule)| parse_rule(rule, &format!("rules[{index}]"), &mut problems))
                .collect(),
            _ => {
                problems.push("rules: must be a list".to_owned());
                Vec::new()
            }
        };
        if problems.is_empty() {
            Ok(Self { seed, rules })
        } else {
            Err(problems)
        }
    }
}

fn parse_rule(value: &Value, at: &str, problems: &mut Vec<String>) -> Option<Rule> {
    let keys = Keys::of(value, at, RULE_KEYS, problems);
    let method = keys.text("method", problems).map(|method| method.to_ascii_uppercase());
    if let Some(method) = method.as_deref().filter(|method| !METHODS.contains(method)) {
        problems.push(format!("{at}.method: `{method}` is none of {}", METHODS.join(", ")));
    }
    let path = keys.text("path", problems);
    if path.is_none() && keys.get("path").is_none() {
        problems.push(format!("{at}.path: is missing; `*` means every path"));
    }
    let for_seconds = keys.number("forSeconds", 1, LONGEST / 1000, problems);
    let percent = keys.number("percent", 1, 100, problems);
    let every = keys.number("every", 1, u64::MAX, problems);
    let count = match keys.get("count") {
        Some(Value::String(all)) if all == "all" => None,
        Some(_) => keys.number_or("count", 1, u64::MAX, " or \"all\"", problems),
        // Whoever says how long, how likely or how regularly does not mean once.
        None if for_seconds.is_some() || percent.is_some() || every.is_some() => None,
        None => Some(1),
    };
    let action_value = keys.get("action").cloned().unwrap_or_default();
    let action = parse_action(&action_value, &format!("{at}.action"), problems)?;
    let kind = action_value.get("kind").and_then(Value::as_str).unwrap_or_default();
    Some(Rule {
        name: keys.text("name", problems).unwrap_or_else(|| kind.to_owned()),
        method,
        path: path?,
        query: keys.text("query", problems),
        sign_in: keys.flag("signIn", problems),
        nth: keys.number("nth", 1, u64::MAX, problems).unwrap_or(1),
        every: every.unwrap_or(1),
        count: if matches!(action, Action::NotFoundAfterPut { .. }) && keys.get("count").is_none() {
            None
        } else {
            count
        },
        for_seconds,
        percent: percent.unwrap_or(100),
        action,
    })
}

fn parse_action(value: &Value, at: &str, problems: &mut Vec<String>) -> Option<Action> {
    let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some((kind, own)) = ACTIONS.iter().find(|(known, _)| *known == kind) else {
        let known: Vec<&str> = ACTIONS.iter().map(|(known, _)| *known).collect();
        problems.push(format!("{at}.kind: `{kind}` is none of {}", known.join(", ")));
        return None;
    };
    let mut allowed = vec!["kind"];
    allowed.extend_from_slice(own);
    let keys = Keys::of(value, at, &allowed, problems);
    let after = keys.flag("after", problems);
    let host = |problems: &mut Vec<String>| {
        let host = keys.text("host", problems).unwrap_or_else(|| ELSEWHERE.to_owned());
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)) {
            problems.push(format!("{at}.host: `{host}` is no host with an optional port"));
        }
        host
    };
    Some(match *kind {
        "reset" => Action::Reset { after },
        "hold" => Action::Hold { after },
        "cut" => Action::Cut,
        "slow" => Action::Slow {
            milliseconds: keys.needed("milliseconds", 1, LONGEST, problems),
        },
        "not-found-after-put" => Action::NotFoundAfterPut {
            reads: keys.number("reads", 1, u64::MAX, problems).unwrap_or(1),
        },
        "stale" => Action::Stale {
            seconds: keys.needed("seconds", 1, LONGEST / 1000, problems),
        },
        "operation-fails" => Action::OperationFails,
        "operation-hangs" => Action::OperationHangs,
        "operation-lost" => Action::OperationLost,
        "pricing-partial" => Action::PricingPartial {
            extension: keys.text("extension", problems),
        },
        "foreign-link" => Action::ForeignLink { host: host(problems) },
        "redirect" => Action::Redirect { host: host(problems) },
        "huge" => Action::Huge {
            bytes: keys
                .number("bytes", 1, MOST_BYTES, problems)
                .unwrap_or(100 * 1024 * 1024),
        },
        "html" => Action::Html {
            status: keys.status(200, 200, problems),
        },
        "answer" => Action::Answer {
            body: keys.object_needed("body", problems),
        },
        "expired-token" => Action::ExpiredToken,
        "error" => {
            let status = keys.needed("status", 400, 599, problems);
            let code = keys.text("code", problems);
            let message = keys.text("message", problems);
            Action::Refuse {
                refusal: Refusal::status(u16::try_from(status).unwrap_or(500), code, message),
                retry_after: keys.number("retryAfter", 0, LONGEST / 1000, problems),
                after,
            }
        }
        named => Action::Refuse {
            refusal: Refusal::named(named)?,
            retry_after: keys.number("retryAfter", 0, LONGEST / 1000, problems),
            after,
        },
    })
}

/// An object of the file, and where it stands.
struct Keys<'a> {
    object: Option<&'a Map<String, Value>>,
    at: String,
}

impl<'a> Keys<'a> {
    fn of(value: &'a Value, at: &str, allowed: &[&str], problems: &mut Vec<String>) -> Self {
        let object = value.as_object();
        let shown = if at.is_empty() { "the file" } else { at };
        match object {
            None => problems.push(format!("{shown}: must be an object")),
            Some(object) => {
                for key in object.keys().filter(|key| !allowed.contains(&key.as_str())) {
                    problems.push(format!(
                        "{shown}: unknown key `{key}`; known are {}",
                        allowed.join(", ")
                    ));
                }
            }
        }
        let at = if at.is_empty() { String::new() } else { format!("{at}.") };
        Self { object, at }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.and_then(|object| object.get(key))
    }

    fn text(&self, key: &str, problems: &mut Vec<String>) -> Option<String> {
        let value = self.get(key)?;
        if value.as_str().is_none_or(str::is_empty) {
            problems.push(format!("{}{key}: must be a text that is not empty", self.at));
        }
        value.as_str().map(str::to_owned)
    }

    fn flag(&self, key: &str, problems: &mut Vec<String>) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                problems.push(format!("{}{key}: must be true or false", self.at));
                false
            }
        }
    }

    fn number(&self, key: &str, least: u64, most: u64, problems: &mut Vec<String>) -> Option<u64> {
        self.number_or(key, least, most, "", problems)
    }

    fn number_or(&self, key: &str, least: u64, most: u64, or: &str, problems: &mut Vec<String>) -> Option<u64> {
        let number = self.get(key)?.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let range = if most == u64::MAX {
                format!("from {least}")
            } else {
                format!("from {least} to {most}")
            };
            problems.push(format!("{}{key}: must be a whole number {range}{or}", self.at));
        }
        number
    }

    fn needed(&self, key: &str, least: u64, most: u64, problems: &mut Vec<String>) -> u64 {
        if self.get(key).is_none() {
            problems.push(format!("{}{key}: is missing", self.at));
        }
        self.number(key, least, most, problems).unwrap_or(least)
    }

    fn object_needed(&self, key: &str, problems: &mut Vec<String>) -> Value {
        let value = self.get(key).filter(|value| value.is_object());
        if value.is_none() {
            problems.push(format!("{}{key}: must be a JSON object", self.at));
        }
        value.cloned().unwrap_or_default()
    }

    fn status(&self, default: u16, least: u64, problems: &mut Vec<String>) -> u16 {
        let number = self.number("status", least, 599, problems);
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(file: &Value) -> Vec<String> {
        Rules::parse(file.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn every_action_is_read_with_its_keys() {
        for (kind, keys) in ACTIONS {
            let mut action = json!({"kind": kind});
            for key in *keys {
                action[*key] = match *key {
                    "after" => json!(true),
                    "code" | "message" | "extension" | "host" => json!("a.b"),
                    "status" => json!(503),
                    "body" => json!({"id": "/x"}),
                    _ => json!(7),
                };
            }
            let file = json!({"formatVersion": 1, "rules": [{"path": "*", "action": action}]});
            let rules = Rules::parse(file.to_string().as_bytes());
            let rule = &rules.unwrap_or_else(|problems| panic!("{kind}: {problems:?}")).rules[0];
            assert_eq!((rule.name.as_str(), rule.nth, rule.percent), (*kind, 1, 100));
        }
    }

    #[test]
    fn how_often_follows_from_what_is_said() {
        let count = |more: Value| {
            let mut rule = json!({"path": "*", "action": {"kind": "cut"}});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let file = json!({"formatVersion": 1, "rules": [rule]});
            Rules::parse(file.to_string().as_bytes()).unwrap().rules[0].count
        };
        assert_eq!(count(json!({})), Some(1));
        assert_eq!(count(json!({"count": 3})), Some(3));
        for endless in [
            json!({"count": "all"}),
            json!({"forSeconds": 9}),
            json!({"percent": 9}),
            json!({"every": 2}),
        ] {
            assert_eq!(count(endless), None);
        }
        assert_eq!(count(json!({"percent": 9, "count": 2})), Some(2));
    }

    #[test]
    fn all_mistakes_are_named_with_their_place() {
        let file = json!({"formatVersion": 2, "sed": 1, "rules": [
            {"method": "FETCH", "nth": 0, "action": {"kind": "error", "status": 200}},
            {"path": "*", "count": "some", "action": {"kind": "explode"}},
            {"path": 7, "percent": 101, "action": {"kind": "redirect", "host": "a/b", "bytes": 1}},
            5,
        ]});
        let found = problems(&file).join("\n");
        for expected in [
            "formatVersion: this program reads 1",
            "the file: unknown key `sed`; known are $schema, formatVersion, seed, rules",
            "rules[0].method: `FETCH` is none of GET,",
            "rules[0].path: is missing",
            "rules[0].action.status: must be a whole number from 400 to 599",
            "rules[1].count: must be a whole number from 1 or \"all\"",
            "rules[1].action.kind: `explode` is none of throttle,",
            "rules[2].path: must be a text",
            "rules[2].percent: must be a whole number from 1 to 100",
            "rules[2].action: unknown key `bytes`; known are kind, host",
            "rules[2].action.host: `a/b` is no host",
            "rules[3]: must be an object",
        ] {
            assert!(found.contains(expected), "{expected}\n{found}");
        }
        assert!(Rules::parse(b"{").unwrap_err()[0].starts_with("it is no JSON"));
        assert_eq!(problems(&json!({"formatVersion": 1})), ["rules: must be a list"]);
        let missing = json!({"formatVersion": 1, "rules": [{"path": "*", "action": {"kind": "slow"}}]});
        assert_eq!(problems(&missing), ["rules[0].action.milliseconds: is missing"]);
    }

    #[test]
    fn the_schema_knows_the_same_keys_and_actions() {
        let schema: Value = serde_json::from_str(include_str!("../../../schema/sandbox-faults.schema.json")).unwrap();
        let names = |value: &Value| {
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        let sorted = |keys: &[&str]| {
            let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            keys.sort();
            keys
        };
        assert_eq!(names(&schema["properties"]), sorted(FILE_KEYS));
        let rule = &schema["$defs"]["rule"];
        assert_eq!(names(&rule["properties"]), sorted(RULE_KEYS));
        let actions: Vec<(String, Vec<String>)> = schema["$defs"]["action"]["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| {
                let kind = &one["properties"]["kind"];
                let kinds = kind["enum"]
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![kind["const"].clone()]);
                let mut keys = names(&one["properties"]);
                keys.retain(|key| key != "kind");
                kinds
                    .into_iter()
                    .map(move |kind| (kind.as_str().unwrap().to_owned(), keys.clone()))
            })
            .collect();
        for (kind, keys) in ACTIONS {
            let known = actions.iter().find(|(known, _)| known == kind);
            assert_eq!(known.map(|(_, keys)| keys.clone()), Some(sorted(keys)), "{kind}");
        }
        assert_eq!(actions.len(), ACTIONS.len());
    }
}
