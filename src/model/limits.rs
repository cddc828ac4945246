//! How much one apply may take away.

use std::fmt;

/// A share of a whole, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// Reads `0%` to `100%`.
    pub fn parse(text: &str) -> Option<Percent> {
        let digits = text.strip_suffix('%')?;
        let plain = digits == "0" || !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u8 = digits.parse().ok().filter(|_| plain)?;
        (number <= 100).then_some(Percent(number))
    }

    /// Returns whether `part` of `whole` is more than this share.
    pub fn is_passed_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 100 > u128::from(whole) * u128::from(self.0)
    }

    /// Returns the least share that `part` of `whole` does not pass.
    pub fn least(part: u64, whole: u64) -> Percent {
        let all = u128::from(whole.max(1));
        let percent = (u128::from(part) * 100).div_ceil(all).min(100);
        Percent(u8::try_from(percent).unwrap_or(100))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// How much one apply may take away; more needs somebody who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many objects may be deleted whose place nothing takes.
    pub deletes: u64,
    /// How many objects a successor may take the place of.
    pub replaces: u64,
    /// How many objects may be weakened and stay.
    pub weakenings: u64,
    /// How many of the owned objects all of these together may be, from [`FEW`] objects on.
    pub share: Percent,
}

/// With fewer owned objects than this a share says nothing: one of three gates is a third of them.
pub const FEW: u64 = 10;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            deletes: 5,
            replaces: 5,
            weakenings: 5,
            share: Percent(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_whole_percentage() {
        for text in ["0%", "1%", "30%", "100%"] {
            assert_eq!(
                Percent::parse(text).map(|share| share.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "", "%", "30", "101%", "-1%", "+1%", "030%", "00%", "1.5%", " 1%", "1 %", "999%",
        ] {
            assert_eq!(Percent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_passed_by_more_than_it_and_the_least_one_is_not() {
        let share = Percent(30);
        assert!(!share.is_passed_by(3, 10) && share.is_passed_by(4, 10) && share.is_passed_by(1, 3));
        for (part, whole) in [(0, 0), (1, 3), (2, 3), (4, 11), (11, 11), (12, 11), (u64::MAX, 1)] {
            let least = Percent::least(part, whole);
            assert!(
                !least.is_passed_by(part.min(whole), whole),
                "{part} of {whole}: {least}"
            );
        }
    }
}
