//! Times as text, for events: years 1970 to 9999, to the second, in UTC. Each event carries its time, and a general formatter takes
//! ten times as long. Called by `envelope`.

const DAY: u64 = 86_400;
/// Days of four hundred years, after which the calendar repeats itself.
const ERA: u64 = 146_097;
/// Days from the first of March of the year 0 to 1970.
const BEFORE: u64 = 719_468;

/// Seconds since 1970 as RFC 3339 has them.
pub(super) fn written(seconds: u64) -> String {
    let (year, month, day) = date(seconds / DAY);
    let left = seconds % DAY;
    let mut text = String::with_capacity("1970-01-01T00:00:00Z".len());
    for (number, end) in [
        (year / 100, None),
        (year % 100, Some('-')),
        (month, Some('-')),
        (day, Some('T')),
        (left / 3600, Some(':')),
        (left / 60 % 60, Some(':')),
        (left % 60, Some('Z')),
    ] {
        text.extend([digit(number / 10), digit(number)].into_iter().chain(end));
    }
    text
}

fn digit(number: u64) -> char {
    char::from(b'0' + u8::try_from(number % 10).unwrap_or_default())
}

/// Year, month and day of a day since 1970. Years begin in March here, so that the day of a leap year is their last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + BEFORE;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March have 31, 30, 31, 30, 31 days, and again.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_a_general_formatter_writes_them() {
        let general = |seconds: u64| jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().to_string();
        // Every day of eight centuries at another time, and the ends of the range.
        let days = (0..300_000_u64).map(|day| day * DAY + day * 7919 % DAY);
        for seconds in days.chain([0, DAY - 1, 951_782_400, 4_107_542_399, 253_402_207_200]) {
            assert_eq!(written(seconds), general(seconds), "{seconds}");
        }
    }
}
