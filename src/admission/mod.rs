//! What the gates of an environment say of Kubernetes objects before they reach a cluster.
//!
//! Owns which constraints a gate puts into the clusters, resolved from its documents as Azure does it. Must not know files, nor
//! how a verdict is shown. What the constraints mean is `rules`.

mod expression;
pub mod judge;
pub mod judge_dump;
mod judge_place;
#[cfg(test)]
mod judge_tests;
pub mod report;
mod resolve;
pub mod templates;

pub use resolve::{Definitions, ResolveError, gate_rules};
pub use templates::{Published, Templates};

use crate::model::Effect;
use crate::rules::Template;
use serde_json::Value;
use std::fmt;

/// One rule that a gate puts into the clusters: a definition with the values that its assignment gives it, at one stage of the
/// gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRule {
    /// The gate.
    pub gate: String,
    /// The member's policyDefinitionReferenceId; empty for an assignment of a single definition.
    pub reference_id: String,
    /// The definition's name: a GUID, or the name of a rule of our own in Azure.
    pub definition: String,
    /// The exact version that the pin leads to; none for a rule of our own.
    pub version: Option<String>,
    /// What people call it.
    pub title: String,
    /// Its effect at the stage; where overrides give several by location, the strongest.
    pub effect: Effect,
    /// Whether people are warned where it only audits.
    pub warn: bool,
    /// The locations of clusters where the effect is another one, with that effect, in lower case.
    pub elsewhere: Vec<(String, Effect)>,
    /// What is judged.
    pub body: RuleBody,
}

/// What a rule judges by.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleBody {
    /// A constraint.
    Constraint {
        /// Whose constraint it is.
        template: TemplateRef,
        /// Its `match` block.
        matching: Value,
        /// Its parameters.
        parameters: Value,
    },
    /// It cannot be judged here.
    NotJudged(NotJudged),
}

/// The template of a constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateRef {
    /// It stands in the definition.
    Own(Box<Template>),
    /// It is published at an address.
    Published {
        /// The address.
        url: String,
    },
}

/// Why a rule cannot be judged from a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotJudged {
    /// It changes objects and refuses none.
    Mutation,
    /// It judges Azure resources.
    AzureResources,
    /// It is of the oldest form, whose constraint stands elsewhere.
    Legacy,
    /// The switch is a part of the Defender plan, and its rules are in Defender.
    Defender,
    /// The definition, or its version, is not known.
    Unknown {
        /// What is not known.
        what: String,
    },
    /// A template expression that is not understood.
    Expression {
        /// The expression.
        text: String,
    },
    /// The template that stands in the definition cannot be used.
    Template {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for NotJudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotJudged::Mutation => f.write_str("it changes objects on their way in, and refuses none"),
            NotJudged::AzureResources => {
                f.write_str("it judges Azure resources, which Azure Resource Manager does, not admission")
            }
            NotJudged::Legacy => {
                f.write_str("its definition is of the oldest form, whose constraint is not in the definition")
            }
            NotJudged::Defender => f.write_str("what it denies is decided in Defender"),
            NotJudged::Unknown { what } => write!(f, "{what}; `aksgate lock` fetches its facts"),
            NotJudged::Expression { text } => write!(f, "the expression `{text}` is not understood"),
            NotJudged::Template { reason } => write!(f, "its template cannot be used: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;
