//! Cuts a query into tokens.

use super::Fault;

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub position: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A name or keyword; `project-away` and `!in` come as one.
    Word(String),
    /// A quoted text.
    Text(String),
    /// A number.
    Number(f64),
    /// An operator or bracket.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 19] = [
    "==", "=~", "!=", "!~", "<=", ">=", "<", ">", "=", "|", "(", ")", "[", "]", ",", ".", "+", ";", "-",
];
/// Keywords of more than one word part.
const HYPHENATED: [&str; 6] = [
    "project-away",
    "project-keep",
    "project-rename",
    "project-reorder",
    "mv-expand",
    "make-series",
];
/// String operators that may be negated by a leading exclamation mark.
const NEGATED: [&str; 8] = [
    "in~",
    "in",
    "contains",
    "has",
    "startswith",
    "endswith",
    "contains_cs",
    "has_cs",
];

/// Cuts `text` into tokens; comments end at their line.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let characters: Vec<char> = text.chars().collect();
    let at = |index: usize| characters.get(index).copied();
    let mut tokens = Vec::new();
    let mut index = 0;
    while let Some(first) = at(index) {
        let position = index;
        if first.is_whitespace() {
            index += 1;
        } else if first == '/' && at(index + 1) == Some('/') {
            while at(index).is_some_and(|character| character != '\n') {
                index += 1;
            }
        } else if first == '\'' || first == '"' || first == '@' && matches!(at(index + 1), Some('\'' | '"')) {
            let verbatim = first == '@';
            index += usize::from(verbatim);
            let quote = at(index);
            index += 1;
            let mut value = String::new();
            loop {
                match at(index) {
                    None => {
                        return Err(Fault {
                            code: "ParserFailure",
                            position,
                            token: value,
                        });
                    }
                    character if character == quote => break,
                    Some('\\') if !verbatim => {
                        match at(index + 1) {
                            Some('n') => value.push('\n'),
                            Some('t') => value.push('\t'),
                            Some(other) => value.push(other),
                            None => {}
                        }
                        index += 1;
                    }
                    Some(character) => value.push(character),
                }
                index += 1;
            }
            index += 1;
            tokens.push(Token {
                kind: TokenKind::Text(value),
                position,
            });
        } else if first.is_ascii_digit() {
            let mut value = String::new();
            while let Some(character) = at(index).filter(|character| character.is_ascii_digit() || *character == '.') {
                value.push(character);
                index += 1;
            }
            let number = value.parse().map_err(|_| Fault {
                code: "ParserFailure",
                position,
                token: value,
            })?;
            tokens.push(Token {
                kind: TokenKind::Number(number),
                position,
            });
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let mut value = String::new();
            while let Some(character) =
                at(index).filter(|character| character.is_alphanumeric() || "_$".contains(*character))
            {
                value.push(character);
                index += 1;
            }
            let starts = |word: &str| {
                word.chars()
                    .enumerate()
                    .all(|(offset, character)| at(position + offset) == Some(character))
                    && !at(position + word.chars().count()).is_some_and(|next| next.is_alphanumeric() || next == '_')
            };
            if let Some(word) = HYPHENATED.iter().find(|word| starts(word)) {
                value = (*word).to_owned();
                index = position + value.chars().count();
            } else if value == "in" && at(index) == Some('~') {
                value.push('~');
                index += 1;
            }
            tokens.push(Token {
                kind: TokenKind::Word(value),
                position,
            });
        } else if let Some(word) = NEGATED.iter().find(|word| {
            first == '!'
                && word
                    .chars()
                    .enumerate()
                    .all(|(offset, character)| at(position + 1 + offset) == Some(character))
                && !at(position + 1 + word.chars().count())
                    .is_some_and(|next| next.is_alphanumeric() || next == '_' || next == '~')
        }) {
            index += 1 + word.chars().count();
            tokens.push(Token {
                kind: TokenKind::Word(format!("!{word}")),
                position,
            });
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| {
                symbol
                    .chars()
                    .enumerate()
                    .all(|(offset, character)| at(position + offset) == Some(character))
            });
            let Some(symbol) = symbol else {
                return Err(Fault {
                    code: "ParserFailure",
                    position,
                    token: first.to_string(),
                });
            };
            index += symbol.len();
            tokens.push(Token {
                kind: TokenKind::Symbol(symbol),
                position,
            });
        }
    }
    Ok(tokens)
}
