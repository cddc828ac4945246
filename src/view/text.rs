//! Text for a terminal or a document: escaped for where it is shown, wrapped to where it fits.
//!
//! Names and values come from Azure and from other people's files; none may move the cursor or open a tag.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

/// Returns text that is seen as it is: characters that control, reorder or cannot be seen are shown as `\u{..}`; tabs and line
/// feeds become blanks. Nor is it a command to a pipeline's log: those start with `::` on a line or with `##` anywhere.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = None;
    for c in text.chars() {
        let command = match c {
            '#' => last == Some('#'),
            ':' => out.trim_start() == ":",
            _ => false,
        };
        match c {
            '\n' | '\t' => out.push(' '),
            c if command || is_unseen(c) => out.push_str(&escaped(c)),
            c => out.push(c),
        }
        last = Some(c);
    }
    out
}

fn escaped(c: char) -> String {
    format!("\\u{{{:x}}}", c as u32)
}

/// Characters that control, reorder what follows them, break lines, or have no width of their own.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns JSON text with what [`plain`] does not let through as JSON's own escapes: the same document for a program.
pub fn json(document: &Value) -> String {
    let mut out = String::new();
    let mut last = None;
    for c in format!("{document:#}").chars() {
        let command = c == '#' && last == Some('#');
        match c {
            '\n' => out.push(c),
            c if command || is_unseen(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
        last = Some(c);
    }
    out
}

/// Returns text that Markdown shows as it is, fit for a table cell; what stands between a pair of backticks, as names do, is code.
pub fn markdown(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // Where not every backtick has its partner, or nothing stands between two, they mean something else.
    let inner = || parts.iter().skip(1).step_by(2);
    if parts.len().is_multiple_of(2) || inner().any(|part| part.trim().is_empty()) {
        return shown(text);
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => shown(part),
        _ => code(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Returns text that Markdown and HTML show as it is.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A backslash does not keep a name from being mentioned.
            '@' => out.push_str("<span>@</span>"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Returns text that HTML shows as it is, in text and in quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns text as a Markdown code span, whatever backticks it holds.
pub fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Returns a value as one line of JSON without control characters, with blanks where it may be broken.
pub fn value(value: &Value) -> String {
    let join = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", join(items.iter().map(self::value).collect())),
        Value::Object(map) => {
            let entry = |(key, item): (&String, &Value)| {
                format!(
                    "{}: {}",
                    plain(&Value::from(key.as_str()).to_string()),
                    self::value(item)
                )
            };
            format!("{{{}}}", join(map.iter().map(entry).collect()))
        }
        scalar => plain(&scalar.to_string()),
    }
}

/// Returns a number with what is counted, such as `1 cluster` and `2 clusters`.
pub fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    }
}

/// Returns how many columns a text takes, one a character.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text into lines of at most `width` columns, at blanks where there are any; the lines after the first are
/// indented by `indent` columns. A width of 0 never breaks.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    if width == 0 || columns(text) <= width {
        return vec![text.to_owned()];
    }
    let indent = indent.min(width / 2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let margin = " ".repeat(indent);
    for word in text.split_inclusive(' ') {
        let mut word = word;
        if columns(&line) + columns(word.trim_end()) > width && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            line = margin.clone();
        }
        if word.trim().is_empty() && line.trim().is_empty() {
            continue; // no line starts with more than its margin
        }
        while columns(&line) + columns(word.trim_end()) > width {
            let room = width.saturating_sub(columns(&line)).max(1);
            let most = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
            // The id of a resource is read part by part.
            let slash = word.get(..most).and_then(|head| head.rfind('/'));
            let cut = slash.filter(|at| *at >= most / 2).map_or(most, |at| at + 1);
            let (head, tail) = word.split_at(cut);
            line.push_str(head);
            lines.push(std::mem::replace(&mut line, margin.clone()));
            word = tail;
        }
        line.push_str(word);
    }
    if !line.trim().is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Whether colour is on.
    pub colour: bool,
}

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// What is added or done.
    pub fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What goes, weakens or failed.
    pub fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// What changes or is held.
    pub fn notice(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// A heading.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// What matters less.
    pub fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_moves_the_cursor_or_opens_a_tag() {
        assert_eq!(plain("a\u{1b}[31mb\r\u{202e}"), "a\\u{1b}[31mb\\u{d}\\u{202e}");
        assert_eq!(markdown("<b>|x_y"), "&lt;b&gt;\\|x\\_y");
        assert_eq!(markdown("the <b> `x_y|z`"), "the &lt;b&gt; `x_y\\|z`");
        assert_eq!(markdown("one ` alone, or ``two``"), "one \\` alone, or \\`\\`two\\`\\`");
        assert_eq!(code("a`b"), "`` a`b ``");
        assert_eq!(code(""), "`  `", "two backticks alone would open a span");
        assert_eq!(plain("a\u{200b}b\u{2028}c\u{9b}31m"), "a\\u{200b}b\\u{2028}c\\u{9b}31m");
        assert_eq!(markdown("@all"), "<span>@</span>all");
        assert_eq!(
            html("<script>\"'&`\u{2028}\u{202e}"),
            "&lt;script&gt;&quot;&#39;&amp;&#96;\\u{2028}\\u{202e}"
        );
    }

    #[test]
    fn nothing_is_a_command_to_a_pipeline() {
        for text in ["##vso[task.setvariable]x", "x ##[error]y", "###[a]"] {
            assert!(!plain(text).contains("##"), "{}", plain(text));
        }
        for text in ["::error::x", " \n ::add-mask::x", ":::x"] {
            assert!(!plain(text).trim_start().starts_with("::"), "{}", plain(text));
        }
        assert_eq!(plain("a::b :: c #1"), "a::b :: c #1");
    }

    #[test]
    fn json_is_the_same_document_without_commands() {
        let document = serde_json::json!({"a": "x\u{9b}##vso[y]\u{202e}\u{e0001}", "##": ["\n", "é"]});
        let text = json(&document);
        assert!(!text.contains("##") && !text.contains('\u{9b}') && !text.contains('\u{202e}'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }

    #[test]
    fn long_text_is_wrapped_with_an_indent() {
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "  three", "  four"]);
        assert_eq!(wrap("abcdefghij", 4, 0), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("abc/defgh/ij", 6, 2), ["abc/", "  defg", "  h/ij"]);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing(text in "[a-z ]{0,80}", width in 1usize..30, indent in 0usize..10) {
            let lines = wrap(&text, width, indent);
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&text));
            for line in &lines {
                prop_assert!(columns(line) <= width.max(columns(text.trim_end()).min(width)) , "{:?}", line);
            }
        }
    }
}
