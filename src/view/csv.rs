//! Comma-separated values (RFC 4180), for a spreadsheet.

use super::text::plain;

/// Returns one line. Text that a spreadsheet would take for a formula is preceded by an apostrophe.
pub fn line(fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
    fields.join(",") + "\r\n"
}

fn escaped(field: &str) -> String {
    let text = plain(field);
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['|', '%']);
    let text = if formula { format!("'{text}") } else { text };
    match text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_formula_or_leaves_its_field() {
        for (field, expected) in [
            ("cart", "cart"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=cmd|' /c calc'!A1", "'=cmd|' /c calc'!A1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            (" =1", "' =1"),
            ("\t=1", "' =1"),
            ("a\nb", "a b"),
            ("\r\u{1b}[31m", "\\u{d}\\u{1b}[31m"),
        ] {
            assert_eq!(escaped(field), expected, "{field:?}");
        }
        assert_eq!(line(&["a", "b,c", ""]), "a,\"b,c\",\r\n");
    }
}
