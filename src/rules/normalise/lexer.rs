//! Rego text as tokens, each with its place.

use super::{Refusal, Refused};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A text in double quotes or backquotes.
    Text,
    /// An operator or a bracket.
    Symbol(&'static str),
    /// Behind the last token.
    End,
}

/// A token and where it stands, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether a line ends between the token before and this one.
    pub(super) first_of_line: bool,
    /// Whether anything at all stands between the token before and this one.
    pub(super) apart: bool,
}

/// Longer symbols before their beginnings.
const SYMBOLS: [&str; 24] = [
    ":=", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "&", "|", "{", "}", "[", "]", "(", ")", ",",
    ";", ":",
];

/// Returns the tokens of a text, the last one being [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let gap = at;
        at = skip_blanks(text, at);
        let between = text.get(gap..at).unwrap_or_default();
        let rest = text.get(at..).unwrap_or_default();
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = match first {
            '"' => (Token::Text, quoted(rest).ok_or_else(|| unclosed(at))?),
            '`' => {
                let length = rest.get(1..).and_then(|inner| inner.find('`')).map(|inner| inner + 2);
                (Token::Text, length.ok_or_else(|| unclosed(at))?)
            }
            '_' | 'a'..='z' | 'A'..='Z' => (
                Token::Word,
                length_while(rest, |c| c == '_' || c.is_ascii_alphanumeric()),
            ),
            '0'..='9' => (Token::Number, number(rest)),
            '.' => (Token::Symbol("."), 1),
            _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => (Token::Symbol(symbol), symbol.len()),
                None => {
                    return Err(Refusal::new(
                        at,
                        Refused::Syntax(format!("`{first}` starts nothing in Rego")),
                    ));
                }
            },
        };
        tokens.push(Placed {
            token,
            start: at,
            end: at + length,
            first_of_line: between.contains('\n') || gap == 0,
            apart: !between.is_empty(),
        });
        at += length;
    }
    tokens.push(Placed {
        token: Token::End,
        start: text.len(),
        end: text.len(),
        first_of_line: true,
        apart: true,
    });
    Ok(tokens)
}

fn unclosed(at: usize) -> Refusal {
    Refusal::new(at, Refused::Syntax("this text is never closed".to_owned()))
}

fn length_while(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// Returns where the blanks and comments end that start at `at`.
fn skip_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blanks = length_while(rest, |c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        at += blanks;
        let rest = text.get(at..).unwrap_or_default();
        if !rest.starts_with('#') {
            return at;
        }
        at += length_while(rest, |c| c != '\n');
    }
}

/// Returns the length of the double-quoted text at the start.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns the length of the number at the start.
fn number(text: &str) -> usize {
    let digits = |at: usize| length_while(text.get(at..).unwrap_or_default(), |c| c.is_ascii_digit());
    let mut at = digits(0);
    if text.get(at..).is_some_and(|rest| rest.starts_with('.')) && digits(at + 1) > 0 {
        at += 1 + digits(at + 1);
    }
    if text.get(at..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
        let sign = usize::from(text.get(at + 1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
        if digits(at + 1 + sign) > 0 {
            at += 1 + sign + digits(at + 1 + sign);
        }
    }
    at
}
