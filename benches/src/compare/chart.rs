//! A bar chart of CPU time for each call, as SVG. Called by `compare` for `--chart`. Plain text from the numbers, nothing else.

use std::fmt::Write as _;

use super::results::{Metric, Results};

const WIDTH: f64 = 900.0;
const LABELS: f64 = 260.0;
const BAR: f64 = 16.0;
const STEP: f64 = 20.0;
const HEAD: f64 = 28.0;

/// One group for each case and load, one bar for each way; the scale is that of the group, since cases differ by far.
pub(crate) fn svg(results: &Results, heading: &str) -> String {
    let mut body = String::new();
    let mut top = 56.0;
    let mut last = None;
    for row in &results.rows {
        let Some(spread) = row.spread(Metric::Cpu) else { continue };
        if last != Some(&row.key) {
            last = Some(&row.key);
            top += HEAD;
            let title = format!("{}, {} bytes, {}", row.key.case, row.key.size, row.key.load);
            let _ =
                writeln!(body, "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{}</text>", top - 8.0, escape(&title));
        }
        let group = results.rows.iter().filter(|other| other.key == row.key);
        let largest = group.filter_map(|other| other.spread(Metric::Cpu)).map(|spread| spread.max).fold(0.0, f64::max);
        let scale = if largest > 0.0 { (WIDTH - LABELS - 120.0) / largest } else { 0.0 };
        let (length, middle) = (spread.median * scale, top + BAR / 2.0);
        let _ = writeln!(
            body,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABELS:.0}\" y=\"{top:.0}\" width=\"{length:.1}\" height=\"{BAR:.0}\" fill=\"{}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.0}\" y2=\"{middle:.0}\" stroke=\"#222\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{:.1} us</text>",
            LABELS - 8.0,
            top + 12.0,
            escape(row.way),
            colour(row.way),
            LABELS + spread.min * scale,
            LABELS + spread.max * scale,
            LABELS + spread.max * scale + 8.0,
            top + 12.0,
            spread.median,
        );
        top += STEP;
    }
    let height = top + 16.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"20\" font-size=\"15\">CPU \
         time for each call (median; the line is the range of the rounds)</text>\n<text x=\"8\" y=\"38\" font-size=\"10\" \
         fill=\"#666\">{}</text>\n{body}</svg>\n",
        escape(heading.trim())
    )
}

fn colour(way: &str) -> &'static str {
    match way {
        "ours" | "ours, one" => "#2f7d4f",
        "peer" | "peer, one" => "#b5532c",
        _ => "#8899aa",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn every_way_has_a_bar_as_long_as_its_share() {
        let svg = svg(&results(), "run <here> & now");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("run &lt;here&gt; &amp; now"));
        assert_eq!(svg.matches("fill=\"#2f7d4f\"").count(), 1);
        assert_eq!(svg.matches("fill=\"#b5532c\"").count(), 1);
        // The peer's maximum of 300 us is the full 520: its median of 200 two thirds of that, ours of 20 a tenth of those.
        assert!(svg.contains("width=\"346.7\"") && svg.contains("width=\"34.7\""), "{svg}");
    }

    #[test]
    fn nothing_measured_is_an_empty_chart() {
        assert!(!svg(&Results::default(), "").contains("#2f7d4f"));
    }
}
