//! Rego as Gatekeeper reads it, written so that our engine reads it the same way.
//!
//! Owns what differs between OPA and the engine before anything runs: text is rewritten where that makes them agree, and refused
//! where it does not. What needs no change comes back as it was. Must not know the engine, templates or Kubernetes.

mod bodies;
mod edit;
mod lexer;
mod lint;
mod names;
mod parser;
mod syntax;

pub use edit::Normalised;
pub use lint::Function;

use std::collections::BTreeMap;

/// The operators of arithmetic, and the functions that are written for them: the engine calculates in binary, OPA does not.
pub const OPERATORS: [(&str, &str); 5] = [
    ("+", "arithmetic__.plus"),
    ("-", "arithmetic__.minus"),
    ("*", "arithmetic__.times"),
    ("/", "arithmetic__.divided"),
    ("%", "arithmetic__.modulo"),
];

/// Which Rego a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one before OPA 1.0, with `future.keywords`.
    V0,
    /// The one since OPA 1.0.
    V1,
}

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not Rego as we read it.
    #[error("{0}")]
    Syntax(String),
    /// A function that nobody defines.
    #[error("unknown function `{0}`: neither the rule nor Gatekeeper has it, or it is not supported here")]
    UnknownFunction(String),
    /// A function whose answer is not a matter of the object alone.
    #[error("the function `{0}` asks the network, the clock or chance, which a verdict offline cannot depend on")]
    Outside(String),
    /// A function that OPA dropped.
    #[error("the function `{0}` is gone from Rego v1")]
    Deprecated(String),
    /// A call with too many or too few arguments.
    #[error("the function `{name}` takes {wanted} arguments, not {found}")]
    Arguments {
        /// The function.
        name: String,
        /// How many it takes.
        wanted: usize,
        /// How many it is given.
        found: usize,
    },
    /// A variable that nothing outside of a negation gives a value.
    #[error("the variable `{0}` gets no value outside of this `not`: Gatekeeper refuses it as unsafe")]
    Unsafe(String),
    /// A variable that is assigned twice.
    #[error("the variable `{0}` is assigned above")]
    AssignedTwice(String),
    /// A variable that nothing uses.
    #[error("the variable `{0}` is not used")]
    Unused(String),
    /// A variable called `input` or `data`.
    #[error("a variable cannot be called `{0}`")]
    Shadowed(String),
    /// Data that Gatekeeper does not offer.
    #[error("`{0}` is not offered: a rule reads `data.inventory` and `data.lib`")]
    Data(String),
    /// An import of something else than a library.
    #[error("`{0}` cannot be imported: only `data.lib` and `future.keywords` can")]
    Import(String),
    /// A library in another package.
    #[error("a library is in the package `lib` or below it, not in `{0}`")]
    Package(String),
    /// A rule that needs itself.
    #[error("the rule `{0}` needs its own result")]
    Recursion(String),
    /// No rule that says what violates.
    #[error("no rule `violation[{{\"msg\": …}}]`: Gatekeeper asks for nothing else")]
    NoViolation,
    /// A violation without a message.
    #[error("a violation needs a `msg`")]
    NoMessage,
    /// `else` behind a rule of many values.
    #[error("`else` cannot follow a rule with many values")]
    Else,
}

/// A reason for not taking a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where, in bytes.
    pub at: usize,
    /// Why.
    pub reason: Refused,
}

impl Refusal {
    fn new(at: usize, reason: Refused) -> Refusal {
        Refusal { at, reason }
    }
}

/// The texts of one template, in one version of Rego; the first is the rule, the others are its libraries.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The texts.
    pub texts: &'a [&'a str],
    /// The version of all of them.
    pub version: Version,
}

/// Returns the texts as the engine needs them, and the package of the first; or what is wrong with which text.
///
/// `functions` are those that exist besides the ones the texts define.
pub fn normalise(
    sources: Sources<'_>,
    functions: &BTreeMap<&'static str, Function>,
) -> Result<(String, Vec<Normalised>), (usize, Refusal)> {
    let mut modules = Vec::new();
    for (index, text) in sources.texts.iter().enumerate() {
        let module = lexer::tokens(text).and_then(|tokens| parser::module(text, &tokens, sources.version));
        modules.push(module.map_err(|refusal| (index, refusal))?);
    }
    let names = names::Names::new(&modules);
    for (index, (module, text)) in modules.iter().zip(sources.texts).enumerate() {
        let refused = |refusal| (index, refusal);
        lint::check(module, index == 0, text, sources.version, &names, functions).map_err(refused)?;
    }
    names::recursion(&modules, sources.texts, &names)?;
    let mut normalised = Vec::new();
    for (index, (module, text)) in modules.iter().zip(sources.texts).enumerate() {
        let rewritten = bodies::rewrite(module, text, &names, functions);
        normalised.push(rewritten.map_err(|refusal| (index, refusal))?);
    }
    let package = modules.first().map(|module| module.package.clone()).unwrap_or_default();
    Ok((package, normalised))
}

#[cfg(test)]
mod tests;
