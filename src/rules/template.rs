//! Constraint templates: the checked value of a document, or of a rule of our own.

use super::native;
use super::normalise::{Refused, Version};
use super::schema::{self, ParameterError, Unknown};
use super::sight::Sight;
use serde_json::Value;

/// Where Gatekeeper asks for verdicts.
const TARGET: &str = "admission.k8s.gatekeeper.sh";

/// A constraint template: what a kind of constraint means.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    kind: String,
    schema: Value,
    /// Whether fields stay that the schema does not know, as in templates from before they had to be structural.
    legacy: bool,
    code: Code,
}

/// What a template is written in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Code {
    /// Rego.
    Rego {
        version: Version,
        /// The rule, then its libraries.
        texts: Vec<String>,
    },
    /// CEL.
    Native(native::Source),
}

/// Which of a template's texts something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The rule itself.
    Rule,
    /// A library, counted from 0.
    Library(usize),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Rule => f.write_str("rule"),
            Source::Library(index) => write!(f, "library {}", index + 1),
        }
    }
}

/// Why something is no template that can be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Another kind of document.
    #[error("not a ConstraintTemplate: it is `{found}`")]
    Kind {
        /// Its version and kind.
        found: String,
    },
    /// Something is not there, or is not what it should be.
    #[error("`{path}` should be {wanted}")]
    Shape {
        /// Where in the document.
        path: &'static str,
        /// What should stand there.
        wanted: &'static str,
    },
    /// The name is not the kind in lower case.
    #[error("the template is called `{name}`, and for its kind `{kind}` that must be `{wanted}`", wanted = kind.to_lowercase())]
    Name {
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// Another target.
    #[error("the target `{0}` is not `{TARGET}`")]
    Target(String),
    /// Another language.
    #[error("the template has neither Rego nor CEL; its engine `{0}` is not supported")]
    Engine(String),
    /// CEL that is not taken.
    #[error("`{place}`: {reason}")]
    Cel {
        /// Which part of the source.
        place: String,
        /// Why.
        reason: String,
    },
    /// Rego that is not taken.
    #[error("{source_name}, line {line}, column {column}: {reason}")]
    Rego {
        /// Which text.
        source_name: Source,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// Why.
        reason: Refused,
    },
    /// Rego that our engine does not take.
    #[error("{place}{message}")]
    Load {
        /// Where, ending in `: `, if the engine said it.
        place: String,
        /// What the engine says.
        message: String,
    },
}

impl Template {
    /// Reads a ConstraintTemplate.
    pub fn from_document(document: &Value) -> Result<Template, TemplateError> {
        let text = |path: &str| document.pointer(path).and_then(Value::as_str);
        let api_version = text("/apiVersion").unwrap_or_default();
        let kind = text("/kind").unwrap_or_default();
        if kind != "ConstraintTemplate" || !api_version.starts_with("templates.gatekeeper.sh/") {
            return Err(TemplateError::Kind {
                found: format!("{api_version}, {kind}"),
            });
        }
        let kind = text("/spec/crd/spec/names/kind")
            .filter(|kind| !kind.is_empty())
            .ok_or(TemplateError::Shape {
                path: "spec.crd.spec.names.kind",
                wanted: "the kind of the constraints",
            })?;
        let name = text("/metadata/name").unwrap_or_default();
        if name != kind.to_lowercase() {
            return Err(TemplateError::Name {
                name: name.to_owned(),
                kind: kind.to_owned(),
            });
        }
        let schema = document
            .pointer("/spec/crd/spec/validation/openAPIV3Schema")
            .cloned()
            .unwrap_or_default();
        let legacy = document
            .pointer("/spec/crd/spec/validation/legacySchema")
            .and_then(Value::as_bool)
            .unwrap_or(!api_version.ends_with("/v1"));
        let targets = document.pointer("/spec/targets").and_then(Value::as_array);
        let Some([target]) = targets.map(Vec::as_slice) else {
            return Err(TemplateError::Shape {
                path: "spec.targets",
                wanted: "a list of one target",
            });
        };
        let target_name = target.get("target").and_then(Value::as_str).unwrap_or_default();
        if target_name != TARGET {
            return Err(TemplateError::Target(target_name.to_owned()));
        }
        Ok(Template {
            kind: kind.to_owned(),
            schema,
            legacy,
            code: code_of(target)?,
        })
    }

    /// Makes a template of a rule that stands alone, written in the Rego before 1.0.
    pub fn from_rego(kind: &str, schema: Value, rego: &str) -> Template {
        Template {
            kind: kind.to_owned(),
            schema,
            legacy: false,
            code: Code::Rego {
                version: Version::V0,
                texts: vec![rego.to_owned()],
            },
        }
    }

    /// Returns the kind of the constraints.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the schema of the parameters, `null` if there is none.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Returns the parameters of a constraint as an API server stores them, if the schema takes them.
    pub fn accepted(&self, given: Option<&Value>) -> Result<Value, ParameterError> {
        let unknown = if self.legacy { Unknown::Kept } else { Unknown::Pruned };
        schema::accepted(&self.schema, given, unknown)
    }

    /// Returns the same of parameters out of which nothing is taken: Gatekeeper's own runs of suites have no API server that would.
    pub(super) fn accepted_whole(&self, given: Option<&Value>) -> Result<Value, ParameterError> {
        schema::accepted(&self.schema, given, Unknown::Kept)
    }

    /// Returns the parameters of a constraint with the defaults of the schema, whether it takes them or not.
    pub fn parameters(&self, given: Option<&Value>) -> Value {
        schema::defaulted(&self.schema, given)
    }

    /// Returns whether the rule may look at other objects than the one it is asked about: whether its text speaks of the inventory, or of
    /// the Namespace that an object is in.
    pub fn is_referential(&self) -> bool {
        match &self.code {
            Code::Rego { texts, .. } => texts
                .iter()
                .flat_map(|text| text.lines())
                .filter(|line| !line.trim_start().starts_with('#'))
                .any(|line| line.contains("inventory")),
            Code::Native(source) => format!("{source:?}").contains("namespaceObject"),
        }
    }

    /// Returns what of a request the rule can see.
    pub fn sight(&self) -> Sight {
        match &self.code {
            Code::Rego { texts, .. } => Sight::of(texts),
            Code::Native(_) => Sight::everything(),
        }
    }

    pub(super) fn code(&self) -> &Code {
        &self.code
    }
}

const LIBRARIES: TemplateError = TemplateError::Shape {
    path: "spec.targets[0].libs",
    wanted: "a list of texts",
};

/// Reads the rule of a target: its Rego, or its CEL where it has none.
fn code_of(target: &Value) -> Result<Code, TemplateError> {
    let filled = |source: &Value| {
        source
            .get("rego")
            .and_then(Value::as_str)
            .is_some_and(|rego| !rego.trim().is_empty())
    };
    if filled(target) {
        return rego(target, Version::V0);
    }
    let engines = target
        .get("code")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let engine_of = |code: &Value| {
        code.get("engine")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    for code in engines.iter().filter(|code| engine_of(code) == "Rego") {
        let Some(source) = code.get("source").filter(|source| filled(source)) else {
            continue;
        };
        return match source.get("version").and_then(Value::as_str) {
            None | Some("" | "v0") => rego(source, Version::V0),
            Some("v1") => rego(source, Version::V1),
            Some(_) => Err(TemplateError::Shape {
                path: "spec.targets[0].code[].source.version",
                wanted: "`v0` or `v1`",
            }),
        };
    }
    if let Some(code) = engines.iter().find(|code| engine_of(code) == "K8sNativeValidation") {
        let source = code.get("source").filter(|source| source.is_object());
        let source = source.ok_or(TemplateError::Shape {
            path: "spec.targets[0].code[].source",
            wanted: "a mapping",
        })?;
        let source = native::Source::read(source).map_err(|(place, reason)| TemplateError::Cel { place, reason })?;
        return Ok(Code::Native(source));
    }
    match engines.first() {
        Some(code) => Err(TemplateError::Engine(engine_of(code))),
        None => Err(TemplateError::Shape {
            path: "spec.targets[0].rego",
            wanted: "the rule",
        }),
    }
}

fn rego(source: &Value, version: Version) -> Result<Code, TemplateError> {
    let rule = source.get("rego").and_then(Value::as_str).unwrap_or_default();
    let mut texts = vec![rule.to_owned()];
    match source.get("libs") {
        None | Some(Value::Null) => {}
        Some(Value::Array(libraries)) => {
            for library in libraries {
                texts.push(library.as_str().ok_or(LIBRARIES)?.to_owned());
            }
        }
        Some(_) => return Err(LIBRARIES),
    }
    Ok(Code::Rego { version, texts })
}
