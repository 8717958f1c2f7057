//! The text of a scrape: the Prometheus text format, with numbers written as the target writes them, since the bounds of
//! buckets are part of what a series is called. Called by `Metrics::render`.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::distribution::Distribution;
use super::names::{Family, Kind};
use super::registry::{Registry, Series, Value};

/// Powers of ten that are written without an exponent.
const PLAIN: std::ops::Range<i32> = -4..6;

pub(super) fn families_into(page: &mut String, registry: &Registry) {
    registry.each(|series| family_into(page, series));
}

fn family_into(page: &mut String, series: &Series) {
    let family = series.family;
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Latency | Kind::Size => "histogram",
    };
    let mut rows = series.rows.iter().filter(|(_, value)| is_used(family, value)).peekable();
    if rows.peek().is_some() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(page, "# HELP {} {}\n# TYPE {} {kind}", family.name, family.help, family.name);
    }
    for (values, value) in rows {
        let labels = labels(family, values);
        match value {
            Value::Number(number) => {
                let bits = number.load(Ordering::Relaxed);
                #[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only")]
                let shown = if family.kind == Kind::Gauge { f64::from_bits(bits) } else { bits as f64 };
                let _ = writeln!(page, "{}{} {}", family.name, braced(&labels), number_text(shown));
            }
            Value::Distribution(distribution) => distribution_into(page, family.name, &labels, distribution),
        }
    }
}

/// Whether anything was counted: handles are resolved before, and a series appears with its first count, as in the target.
fn is_used(family: &Family, value: &Value) -> bool {
    match value {
        Value::Number(number) => family.kind == Kind::Gauge || number.load(Ordering::Relaxed) > 0,
        Value::Distribution(distribution) => distribution.counts().any(|count| count > 0),
    }
}

fn distribution_into(page: &mut String, name: &str, labels: &str, distribution: &Distribution) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = distribution.bounds.shown.iter().copied().chain([f64::INFINITY]);
    let mut total = 0;
    for (bound, count) in bounds.zip(distribution.counts()) {
        total += count;
        let _ = writeln!(page, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {total}", number_text(bound));
    }
    let _ = writeln!(page, "{name}_sum{} {}", braced(labels), number_text(distribution.sum()));
    let _ = writeln!(page, "{name}_count{} {total}", braced(labels));
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

/// The labels by name.
fn labels(family: &Family, values: &[Box<str>]) -> String {
    let mut pairs: Vec<(&str, &str)> =
        family.labels.iter().copied().zip(values.iter().map(std::ops::Deref::deref)).collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (name, value) in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                letter => text.push(letter),
            }
        }
        text.push('"');
    }
    text
}

/// A number in its shortest form, with an exponent where Go's `%g` has one.
fn number_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let exponential = format!("{value:e}");
    let Some((digits, exponent)) = exponential.split_once('e') else { return exponential };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if PLAIN.contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::number_text;

    /// As the reference (and Go's strconv with 'g' and the shortest precision) writes them.
    #[test]
    fn numbers_are_written_as_the_target_writes_them() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.011_797, "0.011797"),
            (262_144.0, "262144"),
            (100_000.0, "100000"),
            (1_048_576.0, "1.048576e+06"),
            (4_294_967_296.0, "4.294967296e+09"),
            (1_000_000.0, "1e+06"),
            (6036.5, "6036.5"),
            (1_234_567.5, "1.2345675e+06"),
            (0.000_01, "1e-05"),
            (f64::INFINITY, "+Inf"),
        ];
        for (number, text) in cases {
            assert_eq!(number_text(number), text);
        }
    }
}
