//! Points in time and lengths of time, to the second.
//!
//! Owns how they are read and written. Must not know a clock: "now" always comes in as an argument.

use std::fmt;

/// A point in time in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time `seconds` after 1970-01-01T00:00:00Z.
    pub fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Reads an RFC 3339 time such as `2027-01-04T08:00:00Z`; fractions of a second are dropped.
    pub fn parse(text: &str) -> Option<Timestamp> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_second()))
    }

    /// Reads an HTTP date such as `Mon, 04 Jan 2027 08:00:00 GMT`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|zoned| Timestamp(zoned.timestamp().as_second()))
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Returns this time moved on by `period`.
    pub fn plus(self, period: Period) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(period.0).unwrap_or(i64::MAX)))
    }

    /// Returns how long it is from `earlier` to this time; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Period {
        Period(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

/// A length of time in whole seconds, written like `7d`, `90m` or `1d12h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(u64);

impl Period {
    /// Returns a period of so many seconds.
    pub const fn from_seconds(seconds: u64) -> Period {
        Period(seconds)
    }

    /// Reads `7d`, `4h`, `90m`, `30s` or a sequence of these, largest unit first, each unit once.
    pub fn parse(text: &str) -> Option<Period> {
        let mut rest = text;
        let mut total: u64 = 0;
        let mut smallest = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest.get(..digits)?.parse().ok()?;
            let mut tail = rest.get(digits..)?.chars();
            let unit = match tail.next()? {
                'd' => 86_400,
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
            if unit >= smallest {
                return None;
            }
            smallest = unit;
            total = total.checked_add(number.checked_mul(unit)?)?;
            rest = tail.as_str();
        }
        (smallest != u64::MAX).then_some(Period(total))
    }

    /// Returns the number of seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, name) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written() {
        for (text, seconds) in [("7d", 604_800), ("90m", 5_400), ("1d12h", 129_600), ("0s", 0)] {
            assert_eq!(Period::parse(text).map(Period::seconds), Some(seconds), "{text}");
        }
        for text in [
            "",
            "7",
            "d",
            "7w",
            "1h1d",
            "1d1d",
            "-1d",
            "99999999999999999999d",
            "1 d",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
        assert_eq!(Period::from_seconds(5_400).to_string(), "1h30m");
    }

    #[test]
    fn both_date_forms_name_the_same_moment() {
        let iso = Timestamp::parse("2027-01-04T08:00:00.25Z").unwrap();
        assert_eq!(Timestamp::parse_http_date("Mon, 04 Jan 2027 08:00:00 GMT"), Some(iso));
        assert_eq!(iso.to_string(), "2027-01-04T08:00:00Z");
    }
}
