//! `sprintf` as Go prints: every verb prints something, even one without an argument or with one of the wrong type.

use regorus::Value;
use std::fmt::Write;

/// How wide or precise a verb may ask for; Go's own limit.
const WIDEST: usize = 1_000_000;

/// An argument as OPA hands it to Go.
#[derive(Clone, Debug)]
enum Argument {
    Int(i64),
    /// A whole number beyond 64 bits, in decimal digits.
    Big(String),
    Float(f64),
    Text(String),
}

impl Argument {
    fn new(value: &Value) -> Argument {
        match value {
            Value::Number(number) => {
                let text = value_text(value);
                if let Some(int) = number.as_i64().filter(|_| is_whole(&text)) {
                    Argument::Int(int)
                } else if is_whole(&text) {
                    Argument::Big(text)
                } else {
                    number.as_f64().map_or(Argument::Text(text), Argument::Float)
                }
            }
            Value::String(text) => Argument::Text(text.to_string()),
            other => Argument::Text(value_text(other)),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Argument::Int(_) => "int",
            Argument::Big(_) => "*big.Int",
            Argument::Float(_) => "float64",
            Argument::Text(_) => "string",
        }
    }

    /// Returns the argument as `%v` prints it.
    fn plain(&self) -> String {
        match self {
            Argument::Int(int) => int.to_string(),
            Argument::Big(text) | Argument::Text(text) => text.clone(),
            Argument::Float(float) => general(*float, None, false),
        }
    }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a value in Rego's own notation, as OPA prints what is neither a number nor a text.
pub(super) fn value_text(value: &Value) -> String {
    let list = |open: &str, values: Vec<String>, close: &str| format!("{open}{}{close}", values.join(", "));
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.format_decimal(),
        Value::String(text) => quote(text),
        Value::Array(all) => list("[", all.iter().map(value_text).collect(), "]"),
        Value::Set(all) if all.is_empty() => "set()".to_owned(),
        Value::Set(all) => list("{", all.iter().map(value_text).collect(), "}"),
        Value::Object(all) => {
            let pairs = all
                .iter_sorted()
                .map(|(key, value)| format!("{}: {}", value_text(key), value_text(value)));
            list("{", pairs.collect(), "}")
        }
        Value::Undefined => String::new(),
    }
}

/// Returns a text in double quotes as Go writes it.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if is_printed(c) => quoted.push(c),
            c => quoted.push_str(&escape(c)),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(c: char) -> String {
    match u32::from(c) {
        code @ 0..0x80 => format!("\\x{code:02x}"),
        code @ 0x80..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn is_printed(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{f0000}'..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || hidden)
}

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Flags {
    /// Fills a text up to the width.
    fn pad(self, text: &str) -> String {
        let missing = self.width.unwrap_or_default().saturating_sub(text.chars().count());
        if self.minus {
            format!("{text}{}", " ".repeat(missing))
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }

    /// Fills a number up to the width, with zeros behind its sign if that is asked for.
    fn pad_number(self, text: &str) -> String {
        let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
            Some(digits) => text.split_at(text.len() - digits.len()),
            None => ("", text),
        };
        if self.zero && !self.minus {
            let missing = self.width.unwrap_or_default().saturating_sub(text.chars().count());
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        self.pad(text)
    }

    fn sign(self, text: String) -> String {
        match text {
            text if text.starts_with('-') => text,
            text if self.plus => format!("+{text}"),
            text if self.space => format!(" {text}"),
            text => text,
        }
    }
}

/// Returns what the format makes of the values.
pub(super) fn sprintf(format: &str, values: &[Value]) -> String {
    let arguments: Vec<Argument> = values.iter().map(Argument::new).collect();
    let mut printer = Printer {
        rest: format,
        arguments: &arguments,
        next: 0,
        reordered: false,
        good_index: true,
        out: String::new(),
    };
    printer.print();
    printer.out
}

struct Printer<'a> {
    rest: &'a str,
    arguments: &'a [Argument],
    next: usize,
    /// Whether any verb chose its argument: then nothing is called superfluous.
    reordered: bool,
    good_index: bool,
    out: String,
}

impl Printer<'_> {
    fn print(&mut self) {
        while let Some(at) = self.rest.find('%') {
            self.out.push_str(self.rest.get(..at).unwrap_or_default());
            self.rest = self.rest.get(at + 1..).unwrap_or_default();
            self.verb();
        }
        self.out.push_str(self.rest);
        if !self.reordered && self.next < self.arguments.len() {
            let extra = self.arguments.get(self.next..).unwrap_or_default().iter();
            let extra: Vec<String> = extra
                .map(|one| format!("{}={}", one.type_name(), one.plain()))
                .collect();
            let _ = write!(self.out, "%!(EXTRA {})", extra.join(", "));
        }
    }

    fn starts_with(&self, c: char) -> bool {
        self.rest.starts_with(c)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn verb(&mut self) {
        let mut flags = Flags::default();
        self.good_index = true;
        let mut after_index = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '-' => (flags.minus, flags.zero) = (true, false),
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = !flags.minus,
                _ => break,
            }
            self.skip(1);
        }
        self.index(&mut after_index);
        if self.starts_with('*') {
            self.skip(1);
            match self.star() {
                Some(width) => {
                    flags.minus |= width < 0;
                    flags.zero &= width >= 0;
                    flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => self.out.push_str("%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            flags.width = self.number();
            if after_index && flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.starts_with('.') {
            self.skip(1);
            if after_index {
                self.good_index = false;
            }
            self.index(&mut after_index);
            if self.starts_with('*') {
                self.skip(1);
                match self.star() {
                    Some(precision) if precision >= 0 => flags.precision = usize::try_from(precision).ok(),
                    Some(_) => flags.precision = None,
                    None => self.out.push_str("%!(BADPREC)"),
                }
                after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or_default());
            }
        }
        if !after_index {
            self.index(&mut after_index);
        }
        let Some(verb) = self.rest.chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return;
        };
        self.skip(verb.len_utf8());
        if verb == '%' {
            self.out.push('%');
            return;
        }
        if !self.good_index {
            let _ = write!(self.out, "%!{verb}(BADINDEX)");
            return;
        }
        match self.arguments.get(self.next) {
            None => {
                let _ = write!(self.out, "%!{verb}(MISSING)");
            }
            Some(argument) => {
                self.next += 1;
                let text = formatted(argument, verb, flags);
                self.out.push_str(&text);
            }
        }
    }

    /// Reads `[n]`, which chooses the next argument.
    fn index(&mut self, after_index: &mut bool) {
        if !self.starts_with('[') {
            return;
        }
        self.reordered = true;
        let Some(close) = self.rest.find(']') else {
            self.good_index = false;
            self.skip(1);
            return;
        };
        let number = self.rest.get(1..close).and_then(|text| text.parse::<usize>().ok());
        self.skip(close + 1);
        match number
            .and_then(|number| number.checked_sub(1))
            .filter(|index| *index < self.arguments.len())
        {
            Some(index) => {
                self.next = index;
                *after_index = true;
            }
            None => self.good_index = false,
        }
    }

    fn number(&mut self) -> Option<usize> {
        let length = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let number = self.rest.get(..length)?.parse().ok().filter(|number| *number <= WIDEST);
        self.skip(length);
        number
    }

    fn star(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next);
        self.next += usize::from(argument.is_some());
        match argument {
            Some(Argument::Int(int)) if usize::try_from(int.unsigned_abs()).is_ok_and(|wide| wide <= WIDEST) => {
                Some(*int)
            }
            _ => None,
        }
    }
}

fn formatted(argument: &Argument, verb: char, flags: Flags) -> String {
    match (verb, argument) {
        ('T', _) => flags.pad(argument.type_name()),
        ('v', Argument::Text(text)) if flags.sharp => flags.pad(&quote(text)),
        ('v', _) if flags.sharp => flags.pad_number(&argument.plain()),
        (_, Argument::Int(int)) => integer(*int, verb, flags),
        (_, Argument::Big(digits)) => big(digits, verb, flags),
        (_, Argument::Float(float)) => floating(*float, verb, flags),
        (_, Argument::Text(text)) => texts(text, verb, flags),
    }
}

fn wrong(verb: char, argument: &Argument) -> String {
    format!("%!{verb}({}={})", argument.type_name(), argument.plain())
}

fn texts(text: &str, verb: char, flags: Flags) -> String {
    let cut: String = match flags.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    match verb {
        'v' | 's' => {
            let missing = flags.width.unwrap_or_default().saturating_sub(cut.chars().count());
            if flags.zero && !flags.minus {
                format!("{}{cut}", "0".repeat(missing))
            } else {
                flags.pad(&cut)
            }
        }
        'q' if flags.sharp && !cut.contains(['`', '\r']) => flags.pad(&format!("`{cut}`")),
        'q' => flags.pad(&quote(&cut)),
        'x' | 'X' => {
            let bytes = text.as_bytes().iter().take(flags.precision.unwrap_or(usize::MAX));
            let hex: String = bytes
                .map(|byte| {
                    if verb == 'x' {
                        format!("{byte:02x}")
                    } else {
                        format!("{byte:02X}")
                    }
                })
                .collect();
            flags.pad(&hex)
        }
        _ => wrong(verb, &Argument::Text(text.to_owned())),
    }
}

fn big(digits: &str, verb: char, flags: Flags) -> String {
    match verb {
        'v' | 'd' | 's' => flags.pad_number(&flags.sign(digits.to_owned())),
        _ => format!("%!{verb}(big.Int={digits})"),
    }
}

fn integer(int: i64, verb: char, flags: Flags) -> String {
    let absolute = int.unsigned_abs();
    let (prefix, digits) = match verb {
        'v' | 'd' => ("", absolute.to_string()),
        'b' => (if flags.sharp { "0b" } else { "" }, format!("{absolute:b}")),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{absolute:o}")),
        'O' => ("0o", format!("{absolute:o}")),
        'x' => (if flags.sharp { "0x" } else { "" }, format!("{absolute:x}")),
        'X' => (if flags.sharp { "0X" } else { "" }, format!("{absolute:X}")),
        'c' | 'q' | 'U' => return character(int, verb, flags),
        _ => return wrong(verb, &Argument::Int(int)),
    };
    let digits = match flags.precision {
        Some(0) if int == 0 => String::new(),
        Some(least) => format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len()))),
        None => digits,
    };
    let sign = if int < 0 { "-" } else { "" };
    let flags = Flags {
        zero: flags.zero && flags.precision.is_none(),
        ..flags
    };
    if prefix.is_empty() {
        return flags.pad_number(&flags.sign(format!("{sign}{digits}")));
    }
    flags.pad(&flags.sign(format!("{sign}{prefix}{digits}")))
}

fn character(int: i64, verb: char, flags: Flags) -> String {
    let c = u32::try_from(int)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER);
    match verb {
        'c' => flags.pad(&c.to_string()),
        'U' => flags.pad(&format!("U+{int:04X}")),
        _ => {
            let inner = match c {
                '\'' => "\\'".to_owned(),
                '"' => "\"".to_owned(),
                c => quote(&c.to_string()).trim_matches('"').to_owned(),
            };
            flags.pad(&format!("'{inner}'"))
        }
    }
}

fn floating(float: f64, verb: char, flags: Flags) -> String {
    let text = match verb {
        'v' | 'g' => general(float, flags.precision, false),
        'G' => general(float, flags.precision, true),
        'f' | 'F' => format!("{float:.*}", flags.precision.unwrap_or(6)),
        'e' => exponent(float, Some(flags.precision.unwrap_or(6)), 'e'),
        'E' => exponent(float, Some(flags.precision.unwrap_or(6)), 'E'),
        _ => return wrong(verb, &Argument::Float(float)),
    };
    flags.pad_number(&flags.sign(text))
}

/// Returns a number with an exponent of at least two digits.
fn exponent(float: f64, precision: Option<usize>, letter: char) -> String {
    let text = match precision {
        Some(precision) => format!("{float:.precision$e}"),
        None => format!("{float:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{letter}{sign}{digits:0>2}")
}

/// Returns a number in the shorter of its two notations.
fn general(float: f64, precision: Option<usize>, upper: bool) -> String {
    let letter = if upper { 'E' } else { 'e' };
    let shortest = match precision {
        Some(precision) => format!("{float:.*e}", precision.max(1) - 1),
        None => format!("{float:e}"),
    };
    let power = shortest.split_once('e').map_or("0", |(_, power)| power);
    let power: i64 = power.parse().unwrap_or_default();
    let limit = match precision {
        Some(precision) => i64::try_from(precision.max(1)).unwrap_or(i64::MAX),
        None => 6,
    };
    if power < -4 || power >= limit {
        let exact = precision.map(|precision| precision.max(1) - 1);
        let text = exponent(float, exact, letter);
        return match (exact, text.split_once(letter)) {
            (Some(_), Some((mantissa, rest))) if mantissa.contains('.') => {
                format!("{}{letter}{rest}", mantissa.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => text,
        };
    }
    match precision {
        None => format!("{float}"),
        Some(precision) => {
            let decimals = i64::try_from(precision.max(1)).unwrap_or(i64::MAX) - 1 - power;
            let text = format!("{float:.*}", usize::try_from(decimals).unwrap_or_default());
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
    }
}
