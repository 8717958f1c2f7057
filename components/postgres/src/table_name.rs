//! Names of tables as settings give them. They stand in statements as they are, since parameters cannot stand for names,
//! so what is no name is refused here.

use std::fmt;

use component::{Error, ErrorKind};

/// A table's name, perhaps behind a schema's: `state`, `public.state`, `"My Schema"."State"`. Unquoted parts are folded
/// to lower case by the server, as with the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName(String);

impl TableName {
    /// Takes up to three parts between dots, each a plain identifier or one in double quotes.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Error> {
        if is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!(
            "metadata field {field} makes the table name {text:?}: expected an identifier such as state or \
             public.state, with other characters only in double quotes"
        );
        Err(Error::new(ErrorKind::InvalidArgument, message))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_name(text: &str) -> bool {
    let mut rest = text;
    for _ in 0..3 {
        match after_part(rest) {
            None => return false,
            Some("") => return true,
            Some(more) => match more.strip_prefix('.') {
                Some(next) => rest = next,
                None => return false,
            },
        }
    }
    false
}

/// What is left behind one identifier at the start of a text; `None` where there is none.
fn after_part(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter| !is_plain(letter)).unwrap_or(text.len());
        let starts_well =
            text.starts_with(|letter: char| is_plain(letter) && !letter.is_ascii_digit() && letter != '$');
        return if starts_well { text.get(end..) } else { None };
    };
    let mut letters = quoted.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\0' => return None,
            '"' if letters.peek().is_some_and(|(_, next)| *next == '"') => drop(letters.next()),
            '"' => return if at == 0 { None } else { quoted.get(at + 1..) },
            _ => {}
        }
    }
    None
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '$' || !letter.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_are_taken_as_they_are() {
        for text in ["state", "public.state", "My_Table$1", "größe", r#""My Schema"."a""b.c""#, r#"a."b".c"#] {
            assert_eq!(TableName::parse("tableName", text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_could_be_more_than_a_name_is_refused() {
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a.b.c.d",
            "1a",
            "$a",
            "state; DROP TABLE state",
            "state--",
            "state (key)",
            "a b",
            "a'b",
            "\"\"",
            "\"a",
            "\"a\"b",
            "\"a\"; DROP TABLE x; --\"",
            "a\n",
            "\"a\0b\"",
        ] {
            assert!(TableName::parse("tableName", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn outside_of_quotes_only_letters_digits_and_dots_are_left(text in "[a\"; .'$-]{0,12}") {
            if is_name(&text) {
                let without_pairs = text.replace("\"\"", "");
                let outside: String = without_pairs.split('"').step_by(2).collect();
                prop_assert!(!outside.contains([';', ' ', '\'', '-']), "{}", text);
            }
        }
    }
}
