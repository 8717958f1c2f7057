//! A number of bytes written as a Kubernetes quantity. Used by settings; it must not round.

use crate::settings::SettingValue;

/// A number of bytes, written as `4Mi`, `4194304`, `1.5k` or `1e6`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl SettingValue for ByteSize {
    const KIND: &'static str = "byte size";
    const EXPECTED: &'static str = "a number of bytes such as 4Mi, 500k or 4194304";

    fn from_text(text: &str) -> Option<Self> {
        schedule::parse_whole_quantity(text).ok().and_then(|bytes| u64::try_from(bytes).ok()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<u64> {
        ByteSize::from_text(text).map(|size| size.0)
    }

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        assert_eq!(parse("4194304"), Some(4 << 20));
        assert_eq!(parse("4Mi"), Some(4 << 20));
        assert_eq!(parse("1.5Ki"), Some(1536));
        assert_eq!(parse("1.5k"), Some(1500));
        assert_eq!(parse(".5k"), Some(500));
        assert_eq!(parse("2e3"), Some(2000));
        assert_eq!(parse("1E"), Some(10u64.pow(18)));
    }

    #[test]
    fn what_is_not_a_whole_number_of_bytes_is_refused() {
        for text in ["", ".", "k", "-1", "1.5", "1.2.3k", "4 Mi", "4MB", "9Ei", "1e99", "four"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn plain_numbers_come_back(number in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse(&number.to_string()), Some(number));
        }

        #[test]
        fn no_text_makes_it_fail_badly(text in ".*") {
            let _ = parse(&text);
        }
    }
}
