//! The functions that texts can call: the engine's own, and ours where it has none or answers otherwise than OPA.
//!
//! Owns which functions there are. Must not know templates or Kubernetes.

mod arithmetic;
mod format;
mod own;
mod pattern;

use super::normalise::{Function, OPERATORS};
use regorus::{Engine, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The engine's functions that answer as OPA does, and how many arguments they take.
const ENGINE: [(&str, usize); 88] = [
    ("abs", 1),
    ("array.concat", 2),
    ("array.reverse", 1),
    ("array.slice", 3),
    ("base64.decode", 1),
    ("base64.encode", 1),
    ("base64.is_valid", 1),
    ("base64url.decode", 1),
    ("base64url.encode", 1),
    ("base64url.encode_no_pad", 1),
    ("bits.and", 2),
    ("bits.lsh", 2),
    ("bits.negate", 1),
    ("bits.or", 2),
    ("bits.rsh", 2),
    ("bits.xor", 2),
    ("ceil", 1),
    ("concat", 2),
    ("contains", 2),
    ("count", 1),
    ("endswith", 2),
    ("floor", 1),
    ("format_int", 2),
    ("glob.match", 3),
    ("graph.reachable", 2),
    ("graph.reachable_paths", 2),
    ("hex.decode", 1),
    ("hex.encode", 1),
    ("indexof", 2),
    ("indexof_n", 2),
    ("intersection", 1),
    ("is_array", 1),
    ("is_boolean", 1),
    ("is_null", 1),
    ("is_number", 1),
    ("is_object", 1),
    ("is_set", 1),
    ("is_string", 1),
    ("json.filter", 2),
    ("json.is_valid", 1),
    ("json.patch", 2),
    ("json.remove", 2),
    ("json.unmarshal", 1),
    ("max", 1),
    ("min", 1),
    ("net.cidr_contains", 2),
    ("net.cidr_is_valid", 1),
    ("object.filter", 2),
    ("object.get", 3),
    ("object.keys", 1),
    ("object.remove", 2),
    ("object.subset", 2),
    ("object.union", 2),
    ("object.union_n", 1),
    ("print", 1),
    ("product", 1),
    ("replace", 3),
    ("round", 1),
    ("semver.compare", 2),
    ("semver.is_valid", 1),
    ("sort", 1),
    ("startswith", 2),
    ("strings.any_prefix_match", 2),
    ("strings.any_suffix_match", 2),
    ("strings.count", 2),
    ("strings.replace_n", 2),
    ("strings.reverse", 1),
    ("substring", 3),
    ("sum", 1),
    ("time.add_date", 4),
    ("time.clock", 1),
    ("time.date", 1),
    ("time.diff", 2),
    ("time.format", 1),
    ("time.parse_duration_ns", 1),
    ("time.parse_ns", 2),
    ("time.parse_rfc3339_ns", 1),
    ("time.weekday", 1),
    ("trim", 2),
    ("trim_left", 2),
    ("trim_prefix", 2),
    ("trim_right", 2),
    ("trim_suffix", 2),
    ("type_name", 1),
    ("union", 1),
    ("units.parse_bytes", 1),
    ("walk", 1),
    ("set", 0),
];

/// Functions that no verdict offline can depend on.
const OUTSIDE: [&str; 8] = [
    "external_data",
    "http.send",
    "net.lookup_ip_addr",
    "opa.runtime",
    "providers.aws.sign_req",
    "rand.intn",
    "time.now_ns",
    "uuid.rfc4122",
];

/// Functions that Rego v1 dropped.
const DEPRECATED: [&str; 10] = [
    "all",
    "any",
    "cast_array",
    "cast_boolean",
    "cast_null",
    "cast_object",
    "cast_set",
    "cast_string",
    "re_match",
    "set_diff",
];

/// Returns every function that a text may call, or that is known and refused.
pub(super) fn functions() -> BTreeMap<&'static str, Function> {
    let engine = ENGINE.iter().map(|(name, arguments)| (*name, *arguments, false));
    let ours = own::FUNCTIONS
        .iter()
        .map(|(name, arguments, _)| (*name, usize::from(*arguments), true));
    let known = engine.chain(ours).map(|(name, arguments, ours)| {
        let deprecated = DEPRECATED.contains(&name);
        (
            name,
            Function::Builtin {
                arguments,
                deprecated,
                ours,
            },
        )
    });
    known
        .chain(OUTSIDE.iter().map(|name| (*name, Function::Outside)))
        .collect()
}

thread_local! {
    /// What makes a whole evaluation fail, wherever in it it happened: the engine forgets some errors inside of functions.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Returns what made the evaluation on this thread fail, and forgets it.
pub(super) fn take_failure() -> Option<String> {
    FAILURE.with(|failure| failure.borrow_mut().take())
}

/// Makes the evaluation on this thread fail.
fn fail(reason: String) -> Value {
    FAILURE.with(|failure| {
        failure.borrow_mut().get_or_insert(reason);
    });
    Value::Undefined
}

/// Gives an engine our functions; those of its own with the same names are not asked any more.
pub(super) fn install(engine: &mut Engine) -> Result<(), String> {
    for (name, arguments, function) in own::FUNCTIONS {
        let call = move |values: Vec<Value>| Ok(function(&values));
        engine
            .add_extension(name.to_owned(), arguments, Box::new(call))
            .map_err(|error| error.to_string())?;
    }
    for (operator, name) in OPERATORS {
        let call = move |values: Vec<Value>| Ok(arithmetic::calculate(operator, &values));
        engine
            .add_extension(name.to_owned(), 2, Box::new(call))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Returns whether a regular expression finds something in a text; none for what is no regular expression to RE2.
pub(super) fn finds(pattern: &str, text: &str) -> Option<bool> {
    let found = pattern::matches(&[Value::from(pattern), Value::from(text)]);
    take_failure();
    found.as_bool().ok().copied()
}
