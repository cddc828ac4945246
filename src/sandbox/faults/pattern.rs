//! Path patterns of fault rules: `*` stands for any text, slashes included; all else matches itself, without case.

/// Returns whether `text` as a whole fits `pattern`.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The first place is as good as any other: what follows the star may be any text.
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_case_does_not_matter() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "/a/b"),
            ("/a/B", "/A/b"),
            ("/a*", "/a"),
            (
                "*/policyassignments/*",
                "/subscriptions/s/providers/Microsoft.Authorization/policyAssignments/x",
            ),
            ("/a*c*e", "/abcde"),
            ("**", "x"),
            ("a*ba", "abba"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("/a", "/a/b"),
            ("/a*c", "/abcd"),
            (
                "*/policyAssignments/*",
                "/providers/Microsoft.Authorization/policyAssignments",
            ),
            ("a*a", "a"),
            ("a.c", "abc"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
