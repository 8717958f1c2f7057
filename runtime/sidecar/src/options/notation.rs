//! The notations of sizes and durations on the command line, one function each.
//! Called by the other parts of the options only.

use std::time::Duration;

/// Reads a resource quantity of Kubernetes that is a whole number of bytes and not negative: `4Mi`, `2G`, `1.5Ki`.
///
/// # Errors
/// The target's sentence when it is no quantity, or no whole number of bytes.
pub(super) fn parse_quantity(text: &str) -> Result<u64, String> {
    let not_a_quantity =
        || "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".to_owned();
    let not_whole = || format!("cannot get bytes from resource quantity value '{text}'");
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at_checked(end).ok_or_else(not_a_quantity)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(not_a_quantity());
    }
    let (multiplier, divisor): (u128, u128) = match suffix {
        "" => (1, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "m" => (1, 1_000),
        "u" => (1, 1_000_000),
        "n" => (1, 1_000_000_000),
        _ => match suffix.strip_prefix(['e', 'E']).and_then(|power| power.parse::<i32>().ok()) {
            Some(power @ 0..=18) => (10_u128.pow(power.unsigned_abs()), 1),
            Some(power @ -18..0) => (1, 10_u128.pow(power.unsigned_abs())),
            _ => return Err(not_a_quantity()),
        },
    };
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 18).ok_or_else(not_whole)?;
    let scale = 10_u128.pow(places) * divisor;
    let digits: u128 = format!("0{whole}{fraction}").parse().map_err(|_| not_whole())?;
    let scaled = digits.checked_mul(multiplier).ok_or_else(not_whole)?;
    if scaled % scale != 0 {
        return Err(not_whole());
    }
    i64::try_from(scaled / scale).ok().and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(not_whole)
}

/// Reads a duration of Go: `1h30m`, `1.5s`, `300ms`, `0`. The first part says whether it is negative.
///
/// # Errors
/// The target's sentence.
pub(super) fn parse_go_duration(text: &str) -> Result<(bool, Duration), String> {
    let refuse = || format!("time: invalid duration {}", telemetry::quote(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok((false, Duration::ZERO));
    }
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(|| missing_unit(text))?;
        let (number, after) = rest.split_at_checked(end).ok_or_else(refuse)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end).ok_or_else(refuse)?;
        let size: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    telemetry::quote(unit),
                    telemetry::quote(text)
                ));
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(refuse());
        }
        let whole: u128 = format!("0{whole}").parse().map_err(|_| refuse())?;
        let places = fraction.get(..fraction.len().min(18)).unwrap_or_default();
        let parts: u128 = format!("0{places}").parse().map_err(|_| refuse())?;
        let scale = 10_u128.pow(u32::try_from(places.len()).unwrap_or_default());
        let added = whole.checked_mul(size).and_then(|sum| sum.checked_add(parts * size / scale));
        nanoseconds = added.and_then(|added| nanoseconds.checked_add(added)).ok_or_else(refuse)?;
        rest = after;
    }
    let limited = i64::try_from(nanoseconds).ok().and_then(|limited| u64::try_from(limited).ok());
    Ok((negative && nanoseconds > 0, Duration::from_nanos(limited.ok_or_else(refuse)?)))
}

fn missing_unit(text: &str) -> String {
    format!("time: missing unit in duration {}", telemetry::quote(text))
}
