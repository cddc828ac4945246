//! The template engine: Handlebars in strict mode, held to JSON documents.
//!
//! Owns what a template may do, how values are written into it, and that what comes out is one JSON object. No value can
//! change the shape of a document: `"{{x}}"` writes a scalar into a JSON string, `{{json x}}` writes a whole value where a
//! value may stand, and everything else that Handlebars can do is refused when the template is loaded (`check`).
//! Must not know what is rendered: no Azure, no estate, no files.

use std::collections::{BTreeMap, HashMap};

use handlebars::template::{HelperTemplate, Parameter, Subexpression, Template, TemplateElement, TemplateMapping};
use handlebars::{Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason};
use serde_json::Value;
use thiserror::Error;

use crate::diagnostic::{Diagnostic, Span, did_you_mean};

mod check;
mod document;
mod html;
#[cfg(test)]
mod tests;

pub use html::{HtmlError, HtmlTemplate};

/// What a template's expressions and blocks are rewritten to call.
#[derive(Clone, Copy)]
enum Call {
    /// Writes a scalar inside a JSON string.
    Text,
    /// Writes a value as JSON.
    Json,
    /// Writes nothing; fails if the value is not in the context.
    Present,
    /// Writes nothing; fails if the value is not a list, an object or null.
    Collection,
}

impl Call {
    const ALL: [Call; 4] = [Call::Text, Call::Json, Call::Present, Call::Collection];

    /// Returns the name of the helper. No template can say it: `=` cannot be in a name.
    fn name(self) -> &'static str {
        match self {
            Call::Text => "=text",
            Call::Json => "=json",
            Call::Present => "=present",
            Call::Collection => "=collection",
        }
    }

    fn parameter(self) -> Parameter {
        Parameter::Name(self.name().to_owned())
    }
}

/// How much of a rendered line is quoted in an error, in characters.
const QUOTED: usize = 160;

/// A document could not be made from a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// There is no such template, or it was refused when it was loaded.
    #[error("no template `{template}`")]
    UnknownTemplate {
        /// The name that was asked for.
        template: String,
    },
    /// An expression cannot be filled from the context.
    #[error("templates/{template}:{}:{}: {message}", .place.line, .place.column)]
    Expression {
        /// The file name below `templates/`.
        template: String,
        /// The expression; of a block, its opening.
        place: Span,
        /// What was missing, or what is wrong with the value.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The rendered text is not one JSON object with unique keys.
    #[error(
        "templates/{template}: the rendered text is not a JSON object at line {line}, column {column}: {message}: `{text}`"
    )]
    NotJson {
        /// The file name below `templates/`.
        template: String,
        /// The line of the rendered text, from 1; the template's own lines may differ.
        line: usize,
        /// The column of the rendered text, from 1.
        column: usize,
        /// What the JSON parser says.
        message: String,
        /// The rendered line, shortened.
        text: String,
    },
}

impl RenderError {
    /// Returns this error as a diagnostic about the template's file.
    pub fn to_diagnostic(&self) -> Diagnostic {
        match self {
            RenderError::UnknownTemplate { template } => {
                Diagnostic::file_error("no such template", &file_name(template))
            }
            RenderError::Expression {
                template,
                place,
                message,
                hint,
            } => {
                let diagnostic = Diagnostic::error(
                    "template cannot be filled",
                    &file_name(template),
                    *place,
                    message.clone(),
                );
                match hint {
                    Some(hint) => diagnostic.hint(hint.clone()),
                    None => diagnostic,
                }
            }
            RenderError::NotJson {
                template,
                line,
                column,
                message,
                text,
            } => Diagnostic::file_error("rendered text is not a JSON object", &file_name(template)).hint(format!(
                "{message} at line {line}, column {column} of the rendered text: `{text}`"
            )),
        }
    }
}

/// The templates of an estate, compiled and checked once.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    registry: Handlebars<'static>,
    sources: BTreeMap<String, String>,
}

impl Engine {
    /// Compiles and checks templates, given as text by their file name below `templates/`.
    ///
    /// Returns an engine of all that are allowed, and every mistake in the others, in the order of their names.
    pub fn load(templates: &BTreeMap<String, String>) -> (Engine, Vec<Diagnostic>) {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        // Every expression is rewritten to a helper below; should one slip through, it is still escaped.
        registry.register_escape_fn(json_string_content);
        for call in Call::ALL {
            registry.register_helper(call.name(), Box::new(call));
        }

        let mut diagnostics = Vec::new();
        let mut sources = BTreeMap::new();
        for (name, source) in templates {
            match check::compile(name, &file_name(name), source) {
                Ok(mut template) => {
                    rewrite(&mut template, None, true);
                    registry.register_template(name, template);
                    sources.insert(name.clone(), source.clone());
                }
                Err(mut found) => diagnostics.append(&mut found),
            }
        }
        (Engine { registry, sources }, diagnostics)
    }

    /// Returns the names of the templates that were loaded and allowed, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Returns the document that a template makes of a context: always a JSON object.
    ///
    /// Every name that a template uses must be in the context, in conditions too; what may be absent is given as `null`.
    pub fn render(&self, name: &str, context: &Value) -> Result<Value, RenderError> {
        let Some(source) = self.sources.get(name) else {
            return Err(RenderError::UnknownTemplate {
                template: name.to_owned(),
            });
        };
        let rendered = Context::wraps(context)
            .and_then(|context| self.registry.render_with_context(name, &context))
            .map_err(|error| expression_error(name, source, &error))?;
        document::parse(&rendered).map_err(|error| not_json(name, &rendered, &error))
    }
}

fn file_name(template: &str) -> String {
    format!("templates/{template}")
}

fn expression_error(name: &str, source: &str, error: &handlebars::RenderError) -> RenderError {
    let place = check::span_at(source, error.line_no.unwrap_or(1), error.column_no.unwrap_or(1));
    let fault = match error.reason() {
        RenderErrorReason::NestedError(nested) => nested.downcast_ref::<Fault>().cloned(),
        _ => None,
    };
    let fault = fault.unwrap_or_else(|| Fault {
        message: match error.reason() {
            // `each` and `with` say so of a value that is there and empty (`Call::Present` has seen it).
            RenderErrorReason::MissingVariable(Some(path)) => {
                format!("`{path}` is null or empty, and the block has no `{{{{else}}}}`")
            }
            reason => reason.to_string(),
        },
        hint: None,
    });
    RenderError::Expression {
        template: name.to_owned(),
        place,
        message: fault.message,
        hint: fault.hint,
    }
}

fn not_json(name: &str, rendered: &str, error: &serde_json::Error) -> RenderError {
    let line = rendered
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default()
        .trim();
    let mut text: String = line.chars().take(QUOTED).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    let message = error.to_string();
    RenderError::NotJson {
        template: name.to_owned(),
        line: error.line(),
        column: error.column(),
        message: message.split(" at line ").next().unwrap_or_default().to_owned(),
        text,
    }
}

/// Makes the checked template call our own helpers only.
///
/// A plain expression becomes a call of [`Call::Text`], so that no helper's name can hide a variable and no value is written
/// that is not a scalar. Before each block stands a check that what it asks for is in the context: Handlebars takes a
/// missing variable for false, strict or not, and a slip of the pen would drop a part of the document in silence. Of a page of HTML only
/// the blocks are rewritten (`is_document` is false): its plain expressions are escaped by the registry.
fn rewrite(template: &mut Template, block: Option<&TemplateMapping>, is_document: bool) {
    let elements = std::mem::take(&mut template.elements);
    let mapping = std::mem::take(&mut template.mapping);
    for (index, mut element) in elements.into_iter().enumerate() {
        // The branches of `else if` have no mapping: the place of the block stands in.
        let place = mapping.get(index).or(block);
        match &mut element {
            TemplateElement::Expression(expression) if is_document => rewrite_expression(expression),
            TemplateElement::HelperBlock(helper) => {
                let collection = helper.name.as_name() == Some("each");
                let mut paths = Vec::new();
                helper
                    .params
                    .iter()
                    .for_each(|parameter| collect_paths(parameter, &mut paths));
                for path in paths {
                    let call = if collection { Call::Collection } else { Call::Present };
                    let call = Subexpression::new(call.parameter(), vec![path], HashMap::new());
                    template.elements.push(*call.element);
                    template.mapping.extend(place.cloned());
                }
                for branch in [&mut helper.template, &mut helper.inverse].into_iter().flatten() {
                    rewrite(branch, place, is_document);
                }
            }
            _ => {}
        }
        template.elements.push(element);
        template.mapping.extend(place.cloned());
    }
}

fn rewrite_expression(expression: &mut HelperTemplate) {
    if expression.params.is_empty() {
        let variable = std::mem::replace(&mut expression.name, Call::Text.parameter());
        expression.params.push(variable);
    } else {
        expression.name = Call::Json.parameter();
    }
}

fn collect_paths(parameter: &Parameter, paths: &mut Vec<Parameter>) {
    match parameter {
        Parameter::Path(_) => paths.push(parameter.clone()),
        Parameter::Subexpression(call) => {
            call.params()
                .into_iter()
                .flatten()
                .for_each(|inner| collect_paths(inner, paths));
        }
        _ => {}
    }
}

/// What a helper has to say about a value, carried through Handlebars' own error.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
struct Fault {
    message: String,
    hint: Option<String>,
}

impl From<Fault> for handlebars::RenderError {
    fn from(fault: Fault) -> handlebars::RenderError {
        RenderErrorReason::NestedError(Box::new(fault)).into()
    }
}

/// Returns the one argument of a helper and the words of the template for it, if it is in the context.
fn argument<'h, 'rc>(
    helper: &'h Helper<'rc>,
    context: &'rc Context,
    render_context: &RenderContext<'_, 'rc>,
) -> Result<(&'h str, &'h Value), Fault> {
    let parameter = helper.param(0).ok_or_else(|| Fault {
        message: "a value is missing".to_owned(),
        hint: None,
    })?;
    let path = parameter.relative_path().map_or("value", String::as_str);
    if parameter.is_value_missing() {
        return Err(missing(path, context, render_context));
    }
    Ok((path, parameter.value()))
}

fn missing<'rc>(path: &str, context: &'rc Context, render_context: &RenderContext<'_, 'rc>) -> Fault {
    let (parent, name) = path.rsplit_once(['.', '/']).unwrap_or(("this", path));
    let parent = if parent.ends_with("..") {
        format!("{parent}/this")
    } else {
        parent.to_owned()
    };
    let siblings = render_context.evaluate(context, &parent).ok();
    let siblings: Vec<&str> = match siblings.as_ref().map(|siblings| siblings.as_json()) {
        Some(Value::Object(fields)) if !path.starts_with('@') => fields.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let hint = match did_you_mean(name, siblings.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if siblings.is_empty() => None,
        None => Some(format!("here are: `{}`", siblings.join("`, `"))),
    };
    Fault {
        message: format!("`{path}` is missing"),
        hint,
    }
}

impl HelperDef for Call {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render_context: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let (path, value) = argument(helper, context, render_context)?;
        match (self, value) {
            (Call::Text, Value::String(text)) => out.write(&json_string_content(text))?,
            (Call::Text, Value::Bool(_) | Value::Number(_)) | (Call::Json, _) => write!(out, "{value}")?,
            (Call::Text, Value::Null | Value::Array(_) | Value::Object(_)) => {
                let hint = format!("without quotes, `{{{{json {path}}}}}` writes any value");
                let message = format!("`{path}` is {}, not text", shape(value));
                return Err(Fault {
                    message,
                    hint: Some(hint),
                }
                .into());
            }
            (Call::Present, _) | (Call::Collection, Value::Null | Value::Array(_) | Value::Object(_)) => {}
            (Call::Collection, _) => {
                let message = format!("`{path}` is {}, not a list or an object", shape(value));
                return Err(Fault { message, hint: None }.into());
            }
        }
        Ok(())
    }
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns text as it stands between the quotes of a JSON string.
fn json_string_content(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}
