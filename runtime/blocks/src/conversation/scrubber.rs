//! Takes out of a text what looks like personal data: addresses, numbers of cards, phones, accounts and books, and so on.
//! What is found and what stands in its place is the target's; unlike there, findings that overlap leave nothing behind.

use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

/// What is taken out, in the order in which the target looks for it. Of two findings at one place the longer counts, then
/// the later kind.
const KINDS: &[(&str, &[&str])] = &[
    ("<STREET_ADDRESS>", &[STREET]),
    ("<CREDIT_CARD>", &[r"(?:[0-9]{4}[- ]?){3}[0-9]{4}|[0-9]{15,16}"]),
    ("<PHONE_NUMBER>", &[PHONE_WITH_EXTENSION, PHONE]),
    ("<EMAIL_ADDRESS>", &[EMAIL]),
    ("<IP>", &[IP]),
    ("<ZIP_CODE>", &[r"(?-u:\b)[0-9]{5}(?:[-\t\n\f\r ][0-9]{4})?(?-u:\b)"]),
    ("<PO_BOX>", &[r"(?i)P\.? ?O\.? Box [0-9]+"]),
    ("<US_SSN>", &[r"[0-9]{3}-[0-9]{2}-[0-9]{4}"]),
    ("<ISBN>", &[r"(?:[0-9]-?){9}[0-9xX]", r"(?:[0-9]-?){12}[0-9xX]"]),
    ("<MAC_ADDRESS>", &[r"(?:[a-fA-F0-9]{2}[:-]){5}[a-fA-F0-9]{2}"]),
    ("<IBAN>", &[r"[A-Z]{2}[0-9]{2}[A-Z0-9]{4}[0-9]{7}(?:[A-Z0-9]?){0,16}"]),
];

/// Links and repositories stay whole, whatever is found in them.
const KEPT: &[&str] = &[LINK, r"(?:git|ssh|https?|git@[0-9A-Za-z_.]+):(?://)?[0-9A-Za-z_.@:/\-~]+\.git/?"];

const STREET: &str = r"(?i)[0-9]{1,4} [0-9A-Za-z_\t\n\f\r ]{1,20}(?:street|st|avenue|ave|road|rd|highway|hwy|square|sq|trail|trl|drive|dr|court|ct|park|parkway|pkwy|circle|cir|boulevard|blvd)[^0-9A-Za-z_]?";

const PHONE: &str = r"/(?:\+?[0-9]{1,3}[-.\t\n\f\r *]?)?(?:[0-9][\t\n\f\r ]?){8,11}|(?:\+?[0-9]{1,3}[-.\t\n\f\r *]?)?(?:\(?[0-9]{2,3}\)?[-.\t\n\f\r *]?)?[0-9]{2,3}[-.\t\n\f\r *]?[0-9]{2,6}|(?:\(\+?[0-9]{1,2}\)|\+?[0-9]{1,2})[\t\n\f\r ]*[0-9]{2}[\t\n\f\r ]*[0-9]{3}[\t\n\f\r ]*[0-9]{4}/gm";

const PHONE_WITH_EXTENSION: &str = r"(?i)(?:(?:\+?1[\t\n\f\r ]*(?:[.-][\t\n\f\r ]*)?)?(?:\([\t\n\f\r ]*(?:[2-9]1[02-9]|[2-9][02-8]1|[2-9][02-8][02-9])[\t\n\f\r ]*\)|(?:[2-9]1[02-9]|[2-9][02-8]1|[2-9][02-8][02-9]))[\t\n\f\r ]*(?:[.-][\t\n\f\r ]*)?)?(?:[2-9]1[02-9]|[2-9][02-9]1|[2-9][02-9]{2})[\t\n\f\r ]*(?:[.-][\t\n\f\r ]*)?[0-9]{4}[\t\n\f\r ]*(?:#|x\.?|ext\.?|extension)[\t\n\f\r ]*(?:[0-9]+)?";

const EMAIL: &str =
    r"(?i)[A-Za-z0-9!#$%&'*+/=?^_{|.}~-]+@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";

/// Version 4, or version 6 in each of its shortened forms, with an interface and the spaces behind it.
const IP: &str = r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)|(?:(?:[0-9A-Fa-f]{1,4}:){7}(?:[0-9A-Fa-f]{1,4}|:)|(?:[0-9A-Fa-f]{1,4}:){6}(?::[0-9A-Fa-f]{1,4}|V4|:)|(?:[0-9A-Fa-f]{1,4}:){5}(?:(?::[0-9A-Fa-f]{1,4}){1,2}|:V4|:)|(?:[0-9A-Fa-f]{1,4}:){4}(?:(?::[0-9A-Fa-f]{1,4}){1,3}|(?::[0-9A-Fa-f]{1,4})?:V4|:)|(?:[0-9A-Fa-f]{1,4}:){3}(?:(?::[0-9A-Fa-f]{1,4}){1,4}|(?::[0-9A-Fa-f]{1,4}){0,2}:V4|:)|(?:[0-9A-Fa-f]{1,4}:){2}(?:(?::[0-9A-Fa-f]{1,4}){1,5}|(?::[0-9A-Fa-f]{1,4}){0,3}:V4|:)|(?:[0-9A-Fa-f]{1,4}:)(?:(?::[0-9A-Fa-f]{1,4}){1,6}|(?::[0-9A-Fa-f]{1,4}){0,4}:V4|:)|:(?:(?::[0-9A-Fa-f]{1,4}){1,7}|(?::[0-9A-Fa-f]{1,4}){0,5}:V4|:))(?:%.+)?[\t\n\f\r ]*";

/// The last 32 bits of an address of version 6 in the notation of version 4: stands for `V4` in [`IP`].
const V4: &str =
    r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}";

const LINK: &str = r#"https?://(?:[a-z0-9.\-]+|www|[a-z0-9.\-])[.](?:[^\t\n\f\r ()<>]+|\((?:[^\t\n\f\r ()<>]+|\([^\t\n\f\r ()<>]+\))*\))+(?:\((?:[^\t\n\f\r ()<>]+|\([^\t\n\f\r ()<>]+\))*\)|[^\t\n\f\r !()\[\]{};:'".,<>?])"#;

/// Scrubs texts. Its expressions are compiled at the first text.
#[derive(Default)]
pub(super) struct Scrubber {
    expressions: OnceLock<Expressions>,
}

struct Expressions {
    kinds: Vec<(&'static str, Vec<Regex>)>,
    kept: Vec<Regex>,
}

struct Finding {
    range: Range<usize>,
    kind: usize,
    placeholder: &'static str,
}

impl Expressions {
    fn compile() -> Self {
        // A test compiles every one of them.
        let compile = |expression: &&str| Regex::new(&expression.replace("V4", V4)).ok();
        let kinds = KINDS.iter().map(|(name, expressions)| (*name, expressions.iter().filter_map(compile).collect()));
        Self { kinds: kinds.collect(), kept: KEPT.iter().filter_map(compile).collect() }
    }
}

impl Scrubber {
    /// The text with a placeholder for whatever looks like personal data.
    pub(super) fn scrub(&self, text: &str) -> String {
        let expressions = self.expressions.get_or_init(Expressions::compile);
        let kept: Vec<Range<usize>> =
            expressions.kept.iter().flat_map(|regex| regex.find_iter(text)).map(|found| found.range()).collect();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for finding in findings(expressions, text) {
            let overlaps = |link: &Range<usize>| finding.range.start < link.end && link.start < finding.range.end;
            if kept.iter().any(overlaps) || finding.range.end <= at {
                continue;
            }
            out.push_str(text.get(at..finding.range.start).unwrap_or_default());
            out.push_str(finding.placeholder);
            at = finding.range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }
}

/// What is found, by its place.
fn findings(expressions: &Expressions, text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (kind, (placeholder, regexes)) in expressions.kinds.iter().enumerate() {
        let found = regexes.iter().flat_map(|regex| regex.find_iter(text));
        findings.extend(found.map(|found| Finding { range: found.range(), kind, placeholder }));
    }
    findings.sort_by(|one, other| {
        let place = one.range.start.cmp(&other.range.start).then(other.range.end.cmp(&one.range.end));
        place.then(other.kind.cmp(&one.kind))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str) -> String {
        Scrubber::default().scrub(text)
    }

    #[test]
    fn every_expression_compiles() {
        let expressions = Expressions::compile();
        assert_eq!(expressions.kept.len(), KEPT.len());
        for ((name, given), (_, compiled)) in KINDS.iter().zip(&expressions.kinds) {
            assert_eq!(given.len(), compiled.len(), "{name}");
        }
    }

    /// Recorded from the target's daprd with `conversation.echo`; see the README beside the vectors.
    #[test]
    fn texts_are_scrubbed_as_the_target_scrubs_them() {
        let vectors = include_str!("scrubber/vectors.tsv");
        let mut count = 0;
        for line in vectors.lines().filter(|line| !line.is_empty()) {
            let (text, expected) = line.split_once('\t').unwrap();
            assert_eq!(scrub(text), expected, "{text}");
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn findings_that_overlap_leave_nothing_behind() {
        let scrubbed = scrub("reach 192.168.100.200 or me@example.com, 555-12-3456");
        assert_eq!(scrubbed, "reach <IP> or <EMAIL_ADDRESS>, <US_SSN>");
        assert_eq!(scrub("90210 12 Main Street"), "<PHONE_NUMBER><STREET_ADDRESS>");
    }
}
