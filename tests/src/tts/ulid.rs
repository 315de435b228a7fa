//! Times and ids as messages show them.

use time::{Duration, OffsetDateTime, UtcOffset};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The time it is.
#[expect(clippy::disallowed_methods, reason = "the stand-in stamps messages as the real one does")]
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A ULID: 48 bits of milliseconds, 80 bits of chance; 26 characters that sort by time.
pub(super) fn ulid(time: OffsetDateTime) -> String {
    let milliseconds = u128::try_from((time - OffsetDateTime::UNIX_EPOCH).whole_milliseconds()).unwrap_or(0);
    let bits = milliseconds << 80 | fastrand::u128(..) >> 48;
    (0..26).rev().map(|place| char::from(CROCKFORD[(bits >> (5 * place) & 31) as usize])).collect()
}

/// RFC 3339 in UTC with no, 3, 6 or 9 fraction digits, whichever is enough.
pub(super) fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let fraction = match time.nanosecond() {
        0 => String::new(),
        nanos if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        nanos => format!(".{nanos:09}"),
    };
    let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// A moment `milliseconds` before or, negative, after `time`.
pub(super) fn before(time: OffsetDateTime, milliseconds: i64) -> String {
    timestamp(time - Duration::milliseconds(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_sort_by_time() {
        let time = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(1_469_918_176_385);
        assert_eq!(ulid(time)[..10], *"01ARYZ6S41");
        assert!(ulid(time) < ulid(time + Duration::milliseconds(1)));
    }

    #[test]
    fn timestamps_have_thousandths_in_groups() {
        let time = OffsetDateTime::UNIX_EPOCH + Duration::seconds(1_746_093_600);
        for (nanos, text) in [(0, "00Z"), (20_000_000, "00.020Z"), (1_500, "00.000001500Z"), (2_000, "00.000002Z")] {
            assert_eq!(timestamp(time + Duration::nanoseconds(nanos)), format!("2025-05-01T10:00:{text}"));
        }
    }
}
