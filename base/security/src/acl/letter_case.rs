//! Lower case as the target has it: Go's `unicode.ToLower`, one character for one character, of Unicode 15.0. Used on both
//! sides of every comparison with an operation of an HTTP app.
//!
//! Rust's `str::to_lowercase` is not that: it knows the final sigma, makes two characters of U+0130, and follows newer
//! versions of Unicode.

/// The lower case of a character.
pub(super) fn lower(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        '\u{130}' => 'i',
        // Pairs that Unicode got after version 15.0.
        '\u{1c89}' | '\u{a7cb}'..='\u{a7ce}' | '\u{a7d2}' | '\u{a7d4}' | '\u{a7da}' | '\u{a7dc}' => character,
        '\u{10d50}'..='\u{10d65}' | '\u{16ea0}'..='\u{16eb8}' => character,
        other => other.to_lowercase().next().unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that Go 1.26.8 lowers: first, last, distance to the next, what is added. Recorded by asking
    /// `unicode.ToLower` for each code point.
    const RECORDED: &str = include_str!("letter_case.txt");

    fn recorded() -> std::collections::BTreeMap<u32, u32> {
        let mut pairs = std::collections::BTreeMap::new();
        for line in RECORDED.lines() {
            let mut fields = line.split(' ');
            let mut hexadecimal = || u32::from_str_radix(fields.next().unwrap(), 16).unwrap();
            let (first, last) = (hexadecimal(), hexadecimal());
            let step: usize = fields.next().unwrap().parse().unwrap();
            let added: i32 = fields.next().unwrap().parse().unwrap();
            for from in (first..=last).step_by(step) {
                pairs.insert(from, from.checked_add_signed(added).unwrap());
            }
        }
        pairs
    }

    #[test]
    fn every_character_is_lowered_as_in_go() {
        let recorded = recorded();
        assert_eq!(recorded.len(), 1433);
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let expected = recorded.get(&u32::from(character)).copied().unwrap_or(u32::from(character));
            assert_eq!(u32::from(lower(character)), expected, "{character:?}");
        }
    }

    #[test]
    fn the_known_traps() {
        assert_eq!(lower('\u{212a}'), 'k', "the Kelvin sign");
        assert_eq!(lower('\u{130}'), 'i', "one character, not i and a dot above");
        assert_eq!("ΟΔΟΣ".chars().map(lower).collect::<String>(), "οδοσ", "no final sigma");
        assert_eq!(lower('ß'), 'ß');
    }
}
