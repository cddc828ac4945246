//! Scalars as they were written, and what they mean by the YAML 1.2 core schema when somebody asks.

/// A scalar: its text and whether it was quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, escapes and line folding undone.
    pub text: String,
    /// Whether it stood plain: neither quoted nor a block.
    pub plain: bool,
}

/// What a scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer,
    /// Another number.
    Float,
    /// Any other text, and everything quoted.
    Text,
}

impl Scalar {
    /// Returns what the scalar means by the core schema; `yes`, `no`, `on` and `off` are texts.
    pub fn resolve(&self) -> Plain {
        if !self.plain {
            return Plain::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
            "true" | "True" | "TRUE" => Plain::Boolean(true),
            "false" | "False" | "FALSE" => Plain::Boolean(false),
            ".nan" | ".NaN" | ".NAN" => Plain::Float,
            text if is_integer(text) => Plain::Integer,
            text if is_float(text) => Plain::Float,
            _ => Plain::Text,
        }
    }
}

fn is_integer(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return !hexadecimal.is_empty() && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    is_digits(text.strip_prefix(['-', '+']).unwrap_or(text))
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (number, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.is_empty() || is_digits(text);
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let cases = [
            (Plain::Null, "| ~ null Null NULL"),
            (Plain::Boolean(true), "true True TRUE"),
            (Plain::Boolean(false), "false False FALSE"),
            (Plain::Integer, "0 7 -19 +3 010 0o17 0xFf 99999999999999999999"),
            (Plain::Float, "1.0 -1.5 .5 1. 1e3 1.2E-3 +12e+03 .inf -.INF .nan"),
            (
                Plain::Text,
                "yes no on off tRUE nULL 1.0.0 9.*.* 1_000 0b1 0o8 0x . e3 1e - + 7d .infinity 1:30 2027-01-31",
            ),
        ];
        for (meaning, texts) in cases {
            for text in texts.split(' ') {
                let text = text.trim_matches('|').to_owned();
                let scalar = Scalar { text, plain: true };
                assert_eq!(scalar.resolve(), meaning, "{}", scalar.text);
                let quoted = Scalar { plain: false, ..scalar };
                assert_eq!(quoted.resolve(), Plain::Text, "{}", quoted.text);
            }
        }
    }
}
