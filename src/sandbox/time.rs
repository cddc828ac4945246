//! The texts in which ARM gives a time. Times are seconds since 1970 on the sandbox's own clock.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// 2027-01-04T08:00:00Z, where every sandbox starts.
pub const START: i64 = 1_799_049_600;

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns the text of the `Date` header, such as `Mon, 04 Jan 2027 08:00:00 GMT`.
#[must_use]
pub fn http_date(seconds: i64) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&timestamp(seconds))
        .unwrap_or_default()
}

/// Returns the text that resources hold, such as `2027-01-04T08:00:00.0000000Z` (seven digits, as .NET prints them).
#[must_use]
pub fn iso(seconds: i64) -> String {
    timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S.0000000Z").to_string()
}

/// Returns the text without a fraction, such as `2027-01-04T08:00:00Z`.
#[must_use]
pub fn iso_short(seconds: i64) -> String {
    timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the seconds of a text that [`iso`] or [`iso_short`] wrote; none for another text.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_on_a_monday_morning() {
        assert_eq!(http_date(START), "Mon, 04 Jan 2027 08:00:00 GMT");
        assert_eq!(iso(START), "2027-01-04T08:00:00.0000000Z");
        assert_eq!(iso_short(START + 59), "2027-01-04T08:00:59Z");
    }
}
