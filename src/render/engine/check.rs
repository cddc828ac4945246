//! What a template may contain, decided on its syntax tree before it is ever rendered.
//!
//! Owns the rules that keep values inside JSON strings: it follows the text of the template character by character and
//! knows at each expression whether it stands in a string, in a key, or where a value may stand. Must not know contexts:
//! a template is judged for every value there could be.

use handlebars::Template;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement, TemplateMapping};

use crate::diagnostic::{Diagnostic, Span, did_you_mean};

/// The blocks a template may use.
const BLOCKS: [&str; 4] = ["if", "unless", "each", "with"];
/// What may be called in a condition.
const CONDITIONS: [&str; 10] = ["eq", "ne", "and", "or", "not", "gt", "gte", "lt", "lte", "len"];
/// How deep blocks, and brackets within one expression, may be nested: parsing, checking and rendering each recurse.
const DEPTH: usize = 32;
/// How long a template may be, in bytes.
const LENGTH: usize = 256 * 1024;

/// Compiles a template and checks it.
///
/// Returns the template as Handlebars parsed it, or every mistake in it; `name` is what Handlebars calls it, `file` what
/// the diagnostics do.
pub(super) fn compile(name: &str, file: &str, source: &str) -> Result<Template, Vec<Diagnostic>> {
    if source.len() > LENGTH {
        let label = format!("more than {} KiB", LENGTH / 1024);
        return Err(vec![Diagnostic::file_error("template is too long", file).hint(label)]);
    }
    if let Some(span) = too_deep(source) {
        let label = format!("more than {DEPTH} levels of blocks or brackets");
        return Err(vec![Diagnostic::error(
            "template is nested too deeply",
            file,
            span,
            label,
        )]);
    }
    let template = Template::compile_with_name(source, name.to_owned()).map_err(|error| {
        let message = error.reason().to_string();
        let message: Vec<&str> = message.split_whitespace().collect();
        let summary = "template is not valid Handlebars";
        vec![match error.pos() {
            Some((line, column)) => Diagnostic::error(summary, file, span_at(source, line, column), message.join(" ")),
            None => Diagnostic::file_error(summary, file).hint(message.join(" ")),
        }]
    })?;

    let mut check = Check {
        file,
        source,
        found: Vec::new(),
        opened: None,
    };
    let end = check.template(&template, Place::default(), None);
    if end.inside {
        let span = check.opened.unwrap_or_default();
        check.report("JSON string is not closed", span, "opened here");
    }
    if check.found.is_empty() {
        Ok(template)
    } else {
        Err(check.found)
    }
}

/// Returns the span of the expression or character at a line and column, as pest counts them: lines end with `\n`,
/// columns are characters, both from 1.
pub(super) fn span_at(source: &str, line: usize, column: usize) -> Span {
    let before: usize = source
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = source.get(before..).unwrap_or_default();
    let start = before
        + rest
            .chars()
            .take(column.saturating_sub(1))
            .map(char::len_utf8)
            .sum::<usize>();
    let rest = source.get(start..).unwrap_or_default();
    let length = match rest.find("}}") {
        Some(end) if rest.starts_with("{{") => {
            let tail = rest.get(end..).unwrap_or_default();
            end + tail.chars().take_while(|c| *c == '}').count().min(4)
        }
        _ => rest.chars().next().map_or(0, char::len_utf8),
    };
    Span {
        start,
        end: start + length,
        line,
        column,
    }
}

/// Returns where blocks or brackets are nested deeper than [`DEPTH`].
fn too_deep(source: &str) -> Option<Span> {
    let (mut blocks, mut brackets, mut tag) = (0_usize, 0_usize, false);
    let mut previous = ['\0'; 2];
    let (mut line, mut column) = (1, 0);
    for (start, c) in source.char_indices() {
        column += 1;
        match (previous, c) {
            // `{{~#if` is `{{#if`.
            (['{', '{'], '~') if tag => continue,
            (['{', '{'], '#') => blocks += 1,
            (['{', '{'], '/') => blocks = blocks.saturating_sub(1),
            ([_, '{'], '{') => (tag, brackets) = (true, 0),
            ([_, '}'], '}') => tag = false,
            (_, '(' | '[' | '{') if tag => brackets += 1,
            (_, ')' | ']' | '}') if tag => brackets = brackets.saturating_sub(1),
            (_, '\n') => (line, column) = (line + 1, 0),
            _ => {}
        }
        if blocks > DEPTH || brackets > DEPTH {
            return Some(Span {
                start,
                end: start + c.len_utf8(),
                line,
                column,
            });
        }
        previous = [previous[1], c];
    }
    None
}

/// Where in a JSON document the text has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Inside a JSON string.
    inside: bool,
    /// Within an escape of that string.
    escape: Escape,
    /// The string we are in, or the value just left, holds what the context gives; a `:` would make it a key.
    filled: bool,
    /// The last character belongs to a number or a word.
    literal: bool,
    /// The last thing was `{{json x}}`.
    value: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After a backslash.
    Started,
    /// Within `\u`, with so many digits to come.
    Digits(u8),
}

impl Place {
    /// Whether a branch that ends here leaves the strings as they were.
    fn is_beside(self, other: Place) -> bool {
        self.inside == other.inside && self.escape == other.escape
    }

    /// Returns what holds whichever of two ways led here.
    fn either(self, other: Place) -> Place {
        Place {
            inside: self.inside,
            escape: self.escape,
            filled: self.filled || other.filled,
            literal: self.literal || other.literal,
            value: self.value || other.value,
        }
    }
}

struct Check<'a> {
    file: &'a str,
    source: &'a str,
    found: Vec<Diagnostic>,
    /// Where the last JSON string was opened.
    opened: Option<Span>,
}

impl Check<'_> {
    fn report(&mut self, summary: &str, span: Span, label: impl Into<String>) {
        self.report_with(summary, span, label, &[]);
    }

    fn report_with(&mut self, summary: &str, span: Span, label: impl Into<String>, hints: &[&str]) {
        let diagnostic = Diagnostic::error(summary, self.file, span, label);
        let diagnostic = hints.iter().fold(diagnostic, |diagnostic, hint| diagnostic.hint(*hint));
        // The body of a loop is walked more than once.
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    fn span(&self, mapping: Option<&TemplateMapping>) -> Span {
        let (line, column) = mapping.map_or((1, 1), |mapping| (mapping.0, mapping.1));
        span_at(self.source, line, column)
    }

    /// Walks a template from `place`; returns where it ends. `block` is where the block around it stands.
    fn template(&mut self, template: &Template, mut place: Place, block: Option<&TemplateMapping>) -> Place {
        for (index, element) in template.elements.iter().enumerate() {
            let mapping = template.mapping.get(index).or(block);
            let span = self.span(mapping);
            match element {
                TemplateElement::RawString(text) => place = self.text(text, place, span),
                TemplateElement::Comment(_) => {}
                TemplateElement::Expression(expression) => place = self.expression(expression, place, span),
                TemplateElement::HelperBlock(helper) => place = self.block(helper, place, mapping),
                TemplateElement::HtmlExpression(_) => self.report_with(
                    "unescaped expression",
                    span,
                    "would put a value into the document as it is",
                    &["write `\"{{x}}\"` for text, `{{json x}}` without quotes for any other value"],
                ),
                TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => {
                    self.report("partial in a template", span, "a template includes no other template");
                }
                TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                    self.report(
                        "decorator in a template",
                        span,
                        "a template does not change how it is rendered",
                    );
                }
                // The type is open to additions: what is not known is not allowed.
                _ => self.report("unknown syntax in a template", span, "not allowed in a template"),
            }
        }
        place
    }

    fn text(&mut self, text: &str, mut place: Place, start: Span) -> Place {
        for (index, c) in text.char_indices() {
            if place.inside {
                place.escape = match (place.escape, c) {
                    (Escape::None, '\\') => Escape::Started,
                    (Escape::Started, 'u') => Escape::Digits(4),
                    (Escape::Digits(left), _) if left > 1 => Escape::Digits(left - 1),
                    _ => {
                        if place.escape == Escape::None && c == '"' {
                            place.inside = false;
                        }
                        Escape::None
                    }
                };
                continue;
            }
            match c {
                '"' => {
                    self.opened = Some(self.span_in(text, index, start));
                    place = Place {
                        inside: true,
                        ..Place::default()
                    };
                }
                ':' if place.filled => {
                    let span = self.span_in(text, index, start);
                    self.report_with(
                        "expression in an object key",
                        span,
                        "the key before this colon comes from the context",
                        &["two values could make the same key: write the whole object with `{{json x}}`"],
                    );
                    place = Place::default();
                }
                ':' | ',' | '{' | '}' | '[' | ']' => place = Place::default(),
                c if c.is_whitespace() => (place.literal, place.value) = (false, false),
                _ => {
                    if place.value {
                        let span = self.span_in(text, index, start);
                        self.report(
                            "text touches `{{json}}`",
                            span,
                            "would become part of the value before it",
                        );
                    }
                    place = Place {
                        literal: true,
                        ..Place::default()
                    };
                }
            }
        }
        place
    }

    /// Returns the span of a character of raw text, given where the text starts.
    ///
    /// The start is the first character that is not white space, and Handlebars takes some characters out of the text
    /// (white space, the backslash of `\{{`): where the sum does not come out, the start stands for the character.
    fn span_in(&self, text: &str, index: usize, start: Span) -> Span {
        let lead = text.len() - text.trim_start().len();
        let Some(offset) = index.checked_sub(lead) else {
            return start;
        };
        let (Some(before), Some(c)) = (
            self.source.get(start.start..start.start + offset),
            text[index..].chars().next(),
        ) else {
            return start;
        };
        if !self
            .source
            .get(start.start + offset..)
            .is_some_and(|rest| rest.starts_with(c))
        {
            return start;
        }
        let line = start.line + before.matches('\n').count();
        let column = match before.rfind('\n') {
            Some(newline) => before[newline..].chars().count(),
            None => start.column + before.chars().count(),
        };
        Span {
            start: start.start + offset,
            end: start.start + offset + c.len_utf8(),
            line,
            column,
        }
    }

    fn expression(&mut self, expression: &HelperTemplate, place: Place, span: Span) -> Place {
        match &expression.name {
            Parameter::Path(_) if expression.params.is_empty() && expression.hash.is_empty() => self.plain(place, span),
            Parameter::Name(name) if name == "json" => {
                if !matches!(expression.params.as_slice(), [Parameter::Path(_)]) || !expression.hash.is_empty() {
                    self.report("`json` takes one variable", span, "write `{{json x}}`");
                }
                self.structure(place, span)
            }
            Parameter::Name(name) => {
                let near = did_you_mean(name, ["json", "if", "unless", "each", "with"]);
                let near = near.map(|near| format!("did you mean `{near}`?"));
                let hints = near.as_deref().unwrap_or("the only helper that writes is `json`");
                self.report_with(
                    "unknown helper",
                    span,
                    format!("`{name}` cannot be called here"),
                    &[hints],
                );
                place
            }
            _ => {
                self.report(
                    "computed expression",
                    span,
                    "what is written must be named by the template",
                );
                place
            }
        }
    }

    /// `{{x}}`: only in a JSON string, and not within an escape.
    fn plain(&mut self, place: Place, span: Span) -> Place {
        if !place.inside {
            self.report_with(
                "expression outside quotes",
                span,
                "would not be a JSON string",
                &["write `\"{{x}}\"` for text, `{{json x}}` for any other value"],
            );
        } else if place.escape != Escape::None {
            self.report(
                "expression within an escape",
                span,
                "the backslash before it would change the value",
            );
        }
        Place {
            filled: true,
            escape: Escape::None,
            ..place
        }
    }

    /// `{{json x}}`: only where a value may stand, touching nothing that could become part of it.
    fn structure(&mut self, place: Place, span: Span) -> Place {
        if place.inside {
            let hints = ["write `{{x}}` for text in quotes, or take the quotes away"];
            self.report_with("`json` inside quotes", span, "its quotes would end the string", &hints);
            return Place { filled: true, ..place };
        }
        if place.literal || place.value {
            self.report(
                "text touches `{{json}}`",
                span,
                "would become part of the value before it",
            );
        }
        Place {
            filled: true,
            value: true,
            ..Place::default()
        }
    }

    fn block(&mut self, helper: &HelperTemplate, mut place: Place, mapping: Option<&TemplateMapping>) -> Place {
        let span = self.span(mapping);
        let raw = self
            .source
            .get(span.start..)
            .is_some_and(|rest| rest.starts_with("{{{{"));
        let name = match &helper.name {
            _ if raw => {
                self.report("raw block in a template", span, "text is written as it is without one");
                return place;
            }
            Parameter::Name(name) if BLOCKS.contains(&name.as_str()) => name.as_str(),
            name => {
                let name = name.as_name().unwrap_or_default();
                let hint = match did_you_mean(name, BLOCKS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are `{}`", BLOCKS.join("`, `")),
                };
                self.report_with("unknown block", span, format!("`{name}` is not a block"), &[&hint]);
                return place;
            }
        };
        self.block_arguments(helper, name, span);
        if place.escape != Escape::None {
            self.report(
                "block within an escape",
                span,
                "the backslash before it would change what follows",
            );
            place.escape = Escape::None;
        }

        // Whatever is true at the end of one round of a loop is true at the start of the next.
        let mut entry = place;
        let mut end = self.branch(helper.template.as_ref(), entry, mapping);
        while name == "each" && entry.either(end) != entry {
            entry = entry.either(end);
            end = self.branch(helper.template.as_ref(), entry, mapping);
        }
        let other = self.branch(helper.inverse.as_ref(), place, mapping);
        end.either(other)
    }

    /// Walks one branch of a block; returns where it ends, which is beside where it started.
    fn branch(&mut self, branch: Option<&Template>, place: Place, mapping: Option<&TemplateMapping>) -> Place {
        let Some(branch) = branch else { return place };
        let opened = self.opened;
        let end = self.template(branch, place, mapping);
        if end.is_beside(place) {
            if place.inside {
                self.opened = opened;
            }
            return end;
        }
        let label = match (place.inside, end.inside) {
            (false, true) => "opens a JSON string and does not close it",
            (true, false) => "closes the JSON string around it",
            _ => "ends within an escape",
        };
        self.opened = opened;
        let hints = ["each branch must end in or out of quotes as it began"];
        self.report_with("unbalanced quotes in a block", self.span(mapping), label, &hints);
        place
    }

    fn block_arguments(&mut self, helper: &HelperTemplate, name: &str, span: Span) {
        let condition = matches!(name, "if" | "unless");
        let allowed = match helper.params.as_slice() {
            [Parameter::Path(_)] => true,
            [Parameter::Subexpression(_)] if condition => helper.params.iter().all(is_condition),
            _ => false,
        };
        if !allowed {
            let (label, hint) = if condition {
                let hint = format!("a condition may call `{}`", CONDITIONS.join("`, `"));
                (
                    format!("write `{{{{#{name} x}}}}` or `{{{{#{name} (eq x \"y\")}}}}`"),
                    Some(hint),
                )
            } else {
                (format!("write `{{{{#{name} x}}}}`"), None)
            };
            let hints: Vec<&str> = hint.as_deref().into_iter().collect();
            self.report_with(&format!("`{name}` takes one variable"), span, label, &hints);
        }
        if !helper.hash.is_empty() {
            self.report("option of a block", span, format!("`{name}` takes no `key=value`"));
        }
        if condition && helper.block_param.is_some() {
            self.report("block parameter", span, format!("`{name}` takes no `as |x|`"));
        }
    }
}

/// Whether a parameter is a variable, a literal, or a call of what [`CONDITIONS`] allows on such.
fn is_condition(parameter: &Parameter) -> bool {
    match parameter {
        Parameter::Path(_) | Parameter::Literal(_) => true,
        Parameter::Subexpression(call) => match call.as_element() {
            TemplateElement::Expression(call) => {
                matches!(&call.name, Parameter::Name(name) if CONDITIONS.contains(&name.as_str()))
                    && call.hash.is_empty()
                    && call.params.iter().all(is_condition)
            }
            _ => false,
        },
        _ => false,
    }
}
