//! The only place of the stand-in that reads the clock, and the hub's way to write a time.

use time::OffsetDateTime;

/// What the hub writes for "never".
pub(crate) const NEVER: &str = "0001-01-01T00:00:00Z";

#[expect(clippy::disallowed_methods, reason = "a stand-in stamps what it accepts, as the service does")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// ISO 8601 with the seven fraction digits of .NET, e.g. `2026-11-20T10:00:00.1234567Z`.
pub(crate) fn timestamp(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second, nano) = time.to_hms_nano();
    let ticks = nano / 100;
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z", u8::from(month))
}

/// Milliseconds since 1970, as in `iothub-enqueuedtime`.
pub(crate) fn epoch_milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_seven_fraction_digits() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(1_795_168_800_123_456_789).unwrap();
        assert_eq!(timestamp(time), "2026-11-20T10:00:00.1234567Z");
        assert_eq!(epoch_milliseconds(time), 1_795_168_800_123);
    }
}
