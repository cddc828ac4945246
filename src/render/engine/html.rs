//! A page of HTML from a template: Handlebars in strict mode, every value escaped.
//!
//! Owns what such a template may do: expressions that are escaped, and blocks over what is in the context. What would write a value as it
//! is, or bring in another template, is refused when the template is loaded. Must not know pages, nor how text is escaped: that comes in.

use super::rewrite;
use super::{Call, expression_error};
use handlebars::template::{Template, TemplateElement};
use handlebars::{Context, Handlebars};
use serde_json::Value;
use thiserror::Error;

/// What a template is called; there is one in a registry.
const NAME: &str = "page.html.hbs";

/// A page could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HtmlError {
    /// The template is not valid Handlebars.
    #[error("the page's template is not valid: {0}")]
    Template(String),
    /// The template does what no template of a page may.
    #[error("the page's template is not allowed to {0}")]
    Refused(&'static str),
    /// An expression cannot be filled from the context.
    #[error("the page cannot be filled: {0}")]
    Fill(String),
}

/// A template of a page, compiled and checked.
#[derive(Debug)]
pub struct HtmlTemplate {
    registry: Handlebars<'static>,
    source: String,
}

impl HtmlTemplate {
    /// Compiles and checks a template whose values `escape` makes fit for text and for quoted attributes.
    ///
    /// # Errors
    /// It is not valid, or it would write a value as it is, or bring in another template.
    pub fn compile(source: &str, escape: fn(&str) -> String) -> Result<HtmlTemplate, HtmlError> {
        let mut template = Template::compile_with_name(source, NAME.to_owned())
            .map_err(|error| HtmlError::Template(error.reason().to_string()))?;
        check(&template)?;
        rewrite(&mut template, None, false);
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(escape);
        for call in [Call::Present, Call::Collection] {
            registry.register_helper(call.name(), Box::new(call));
        }
        registry.register_template(NAME, template);
        Ok(HtmlTemplate {
            registry,
            source: source.to_owned(),
        })
    }

    /// Returns the page that the template makes of a context.
    ///
    /// # Errors
    /// A name that the template uses is not in the context, in a condition too.
    pub fn render(&self, context: &Value) -> Result<String, HtmlError> {
        let rendered = Context::wraps(context).and_then(|context| self.registry.render_with_context(NAME, &context));
        rendered.map_err(|error| HtmlError::Fill(expression_error(NAME, &self.source, &error).to_string()))
    }
}

fn check(template: &Template) -> Result<(), HtmlError> {
    for element in &template.elements {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) | TemplateElement::Expression(_) => {}
            TemplateElement::HelperBlock(block) => {
                for branch in [&block.template, &block.inverse].into_iter().flatten() {
                    check(branch)?;
                }
            }
            TemplateElement::HtmlExpression(_) => return Err(HtmlError::Refused("write a value as it is")),
            _ => return Err(HtmlError::Refused("bring in another template")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn escape(text: &str) -> String {
        text.replace('<', "&lt;")
    }

    fn page(source: &str, context: &Value) -> Result<String, HtmlError> {
        HtmlTemplate::compile(source, escape)?.render(context)
    }

    #[test]
    fn values_are_escaped_wherever_they_come_from() {
        let context = json!({"a": "<b>", "list": [{"x": "<i>"}], "yes": true});
        let source = "{{a}}{{#each list}}{{x}}{{../a}}{{/each}}{{#if yes}}{{a}}{{else}}no{{/if}}";
        assert_eq!(page(source, &context).unwrap(), "&lt;b>&lt;i>&lt;b>&lt;b>");
    }

    #[test]
    fn what_would_not_be_escaped_is_refused() {
        for source in [
            "{{{a}}}",
            "{{&a}}",
            "{{#if a}}{{{a}}}{{/if}}",
            "{{#if a}}x{{else}}{{{a}}}{{/if}}",
            "{{> other}}",
        ] {
            let refused = page(source, &json!({"a": "x", "other": "x"}));
            assert!(matches!(refused, Err(HtmlError::Refused(_))), "{source}: {refused:?}");
        }
        assert!(matches!(
            HtmlTemplate::compile("{{#if}}", escape),
            Err(HtmlError::Template(_))
        ));
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_in_conditions_too() {
        for source in ["{{b}}", "{{#if b}}x{{/if}}", "{{#each b}}x{{/each}}"] {
            let error = page(source, &json!({"a": 1})).unwrap_err();
            let named = error.to_string().contains("`b`");
            assert!(matches!(error, HtmlError::Fill(_)) && named, "{source}: {error}");
        }
    }
}
