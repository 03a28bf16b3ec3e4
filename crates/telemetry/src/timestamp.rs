//! Points in time as text, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A point in time, split as calendars do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    year: u64,
    month: u64,
    day: u64,
    second: u64,
    nanos: u32,
}

impl Timestamp {
    /// Times before 1970 read as 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (year, month, day) = date(since.as_secs() / SECONDS_PER_DAY);
        Self {
            year,
            month,
            day,
            second: since.as_secs() % SECONDS_PER_DAY,
            nanos: since.subsec_nanos(),
        }
    }

    /// `2026-11-23T20:15:00.123456789Z`
    pub fn rfc3339(self) -> String {
        let Self {
            year,
            month,
            day,
            nanos,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{}.{nanos:09}Z", self.clock())
    }

    /// `23/Nov/2026:20:15:00 +0000`
    pub fn common_log(self) -> String {
        let month = MONTHS.iter().zip(1..).find(|(_, number)| *number == self.month);
        let month = month.map_or("", |(name, _)| name);
        format!("{:02}/{month}/{:04}:{} +0000", self.day, self.year, self.clock())
    }

    fn clock(self) -> String {
        let second = self.second;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

/// Year, month and day of a day counted from 1970-01-01. The year is taken to begin in March, so that the leap
/// day is its last and months follow a pattern of 153 days in five.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::of(UNIX_EPOCH + Duration::new(seconds, 7))
    }

    #[test]
    fn days_fall_on_their_dates() {
        assert_eq!(at(0).rfc3339(), "1970-01-01T00:00:00.000000007Z");
        assert_eq!(at(951_827_696).rfc3339(), "2000-02-29T12:34:56.000000007Z");
        assert_eq!(at(4_107_542_399).rfc3339(), "2100-02-28T23:59:59.000000007Z");
        assert_eq!(at(4_107_542_400).rfc3339(), "2100-03-01T00:00:00.000000007Z");
    }

    #[test]
    fn the_common_log_names_the_month() {
        assert_eq!(at(1_767_225_599).common_log(), "31/Dec/2025:23:59:59 +0000");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for day in 1..100_000 {
            let now = date(day);
            let (year, month, date) = before;
            let next_day = now == (year, month, date + 1);
            let next_month = now == (year, month + 1, 1) && date >= 28;
            let next_year = now == (year + 1, 1, 1) && (month, date) == (12, 31);
            assert!(next_day || next_month || next_year, "{before:?} then {now:?}");
            before = now;
        }
    }
}
