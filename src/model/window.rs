//! When a step may be taken: days and hours in a time zone, and freezes.
//!
//! Owns how they are read and when they are open. The data of the zones is in the program, so that every machine decides alike.

use crate::model::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The times at which a gate may be closed further; always if nothing is stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    zone: TimeZone,
    /// The hours of the week; all of them if empty.
    hours: Vec<Hours>,
    freezes: Vec<Freeze>,
}

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    days: Vec<Weekday>,
    /// Minutes of the day.
    from: u16,
    /// Minutes of the day, the last one not among them.
    to: u16,
}

/// Days on which nothing is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    from: Date,
    until: Date,
    reason: String,
}

/// The days of the week as files write them.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// How far ahead the next opening is looked for.
const DAYS_AHEAD: i64 = 800;

impl Hours {
    /// Reads days such as `mon` and hours such as `09:00-16:30`; none if one of them is no such thing, or the hours end before they begin.
    pub fn parse(days: &[&str], hours: &str) -> Option<Hours> {
        let (from, to) = hours.split_once('-')?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        let days: Option<Vec<Weekday>> = days
            .iter()
            .map(|day| {
                let at = DAYS.iter().position(|known| known == day)?;
                Weekday::from_monday_zero_offset(i8::try_from(at).ok()?).ok()
            })
            .collect();
        let days = days.filter(|days| !days.is_empty())?;
        (from < to).then_some(Hours { days, from, to })
    }
}

/// Reads `09:30` as minutes of the day; `24:00` is its end.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let all = number(hours)? * 60 + number(minutes).filter(|minutes| *minutes < 60)?;
    (all <= 24 * 60).then_some(all)
}

/// Returns whether a text names hours of a day, such as `09:00-16:30`.
pub fn is_hours(text: &str) -> bool {
    Hours::parse(&["mon"], text).is_some()
}

/// Returns whether a text is a day such as `2027-01-31`.
pub fn is_day(text: &str) -> bool {
    text.len() == 10 && text.starts_with("20") && text.parse::<Date>().is_ok()
}

/// Returns whether a text names a time zone of the IANA database, in its spelling.
pub fn is_time_zone(text: &str) -> bool {
    zone(text).is_some()
}

fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

impl Freeze {
    /// Reads the first day of a freeze and the day at whose beginning it ends; none if there is no day between.
    pub fn parse(from: &str, until: &str, reason: &str) -> Option<Freeze> {
        let (from, until): (Date, Date) = (from.parse().ok()?, until.parse().ok()?);
        (from < until).then(|| Freeze {
            from,
            until,
            reason: reason.to_owned(),
        })
    }
}

impl Windows {
    /// Returns the windows in a time zone; none if there is no such zone.
    pub fn new(zone_name: &str, hours: Vec<Hours>, freezes: Vec<Freeze>) -> Option<Windows> {
        Some(Windows {
            zone: zone(zone_name)?,
            hours,
            freezes,
        })
    }

    /// Returns why it is not the time now, and when it will be, if that is known; none if it is.
    pub fn closed(&self, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
        let (date, minute) = self.local(now)?;
        let frozen = self.freezes.iter().find(|freeze| freeze.takes(date));
        let why = match frozen {
            Some(freeze) => format!("a freeze until {}: {}", freeze.until, freeze.reason),
            None if self.is_within(date, minute) => return None,
            None => "outside the hours in which this environment is changed".to_owned(),
        };
        Some((why, self.opens(now, date)))
    }

    fn local(&self, at: Timestamp) -> Option<(Date, u16)> {
        let zoned = jiff::Timestamp::from_second(at.seconds())
            .ok()?
            .to_zoned_datetime(self.zone.clone());
        let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
        Some((zoned.date(), u16::try_from(minute).ok()?))
    }

    fn is_within(&self, date: Date, minute: u16) -> bool {
        let takes = |hours: &Hours| hours.days.contains(&date.weekday()) && (hours.from..hours.to).contains(&minute);
        self.hours.is_empty() || self.hours.iter().any(takes)
    }

    /// The first opening after now: at the beginning of a day, or of hours of it.
    fn opens(&self, now: Timestamp, today: Date) -> Option<Timestamp> {
        for ahead in 0..=DAYS_AHEAD {
            let date = today.checked_add(jiff::Span::new().try_days(ahead).ok()?).ok()?;
            if self.freezes.iter().any(|freeze| freeze.takes(date)) {
                continue;
            }
            let mut starts: Vec<u16> = self.hours.iter().map(|hours| hours.from).collect();
            starts.push(0);
            starts.sort_unstable();
            let within = starts.into_iter().filter(|start| self.is_within(date, *start));
            let times = within.filter_map(|start| {
                let time = Time::new(i8::try_from(start / 60).ok()?, i8::try_from(start % 60).ok()?, 0, 0).ok()?;
                let zoned = date.to_datetime(time).to_zoned_datetime(self.zone.clone()).ok()?;
                Some(Timestamp::from_seconds(zoned.timestamp().as_second()))
            });
            if let Some(found) = times.filter(|time| *time > now).min() {
                return Some(found);
            }
        }
        None
    }
}

impl Freeze {
    fn takes(&self, date: Date) -> bool {
        self.from <= date && date < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windows() -> Windows {
        let hours = Hours::parse(&["mon", "tue", "wed", "thu"], "09:00-16:00").unwrap();
        let freeze = Freeze::parse("2026-12-21", "2027-01-07", "end of the year").unwrap();
        Windows::new("Europe/Berlin", vec![hours], vec![freeze]).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn hours_are_those_of_the_zone_in_summer_and_in_winter() {
        for (time, open) in [
            ("2026-07-06T06:59:59Z", false), // 08:59 in Berlin, a Monday
            ("2026-07-06T07:00:00Z", true),
            ("2026-07-06T14:00:00Z", false),
            ("2026-11-30T07:30:00Z", false),
            ("2026-11-30T08:00:00Z", true),
            ("2026-12-04T09:00:00Z", false), // a Friday
            ("2026-12-22T09:00:00Z", false), // the freeze
            ("2027-01-07T09:00:00Z", true),
        ] {
            assert_eq!(windows().closed(at(time)).is_none(), open, "{time}");
        }
    }

    #[test]
    fn what_is_closed_says_why_and_when_it_opens() {
        let (why, opens) = windows().closed(at("2026-12-20T12:00:00Z")).unwrap();
        assert_eq!(why, "outside the hours in which this environment is changed");
        assert_eq!(opens, Some(at("2027-01-07T08:00:00Z")), "not within the freeze");
        let (why, _) = windows().closed(at("2026-12-22T09:00:00Z")).unwrap();
        assert_eq!(why, "a freeze until 2027-01-07: end of the year");
        let forever = Freeze::parse("2020-01-01", "2090-01-01", "r").unwrap();
        let windows = Windows::new("UTC", Vec::new(), vec![forever]).unwrap();
        assert_eq!(windows.closed(at("2027-01-07T09:00:00Z")).unwrap().1, None);
    }

    #[test]
    fn texts_are_read_strictly() {
        for text in ["09:00-16:00", "00:00-24:00"] {
            assert!(is_hours(text), "{text}");
        }
        for text in [
            "",
            "9:00-16:00",
            "16:00-09:00",
            "09:00-09:00",
            "09:00-24:01",
            "09:60-10:00",
            "09:00",
        ] {
            assert!(!is_hours(text), "{text}");
        }
        assert!(is_day("2027-01-31") && !is_day("2027-02-30") && !is_day("31.01.2027"));
        assert!(is_time_zone("Europe/Berlin") && is_time_zone("UTC"));
        assert!(!is_time_zone("Europe/Nowhere") && !is_time_zone("europe/berlin") && !is_time_zone(""));
    }

    proptest! {
        #[test]
        fn at_the_time_that_is_told_it_is_open_and_not_before(seconds in 1_700_000_000i64..1_900_000_000) {
            let now = Timestamp::from_seconds(seconds);
            if let Some((_, opens)) = windows().closed(now) {
                let opens = opens.unwrap();
                prop_assert!(opens > now);
                prop_assert!(windows().closed(opens).is_none());
                prop_assert!(windows().closed(Timestamp::from_seconds(opens.seconds() - 1)).is_some());
            }
        }
    }
}
