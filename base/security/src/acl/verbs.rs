//! The HTTP verbs that an operation names, as a set. The names are those of the wire (`HTTPExtension.Verb`), which the
//! target compares letter by letter.

/// The verb of a call that has none. No operation can name it.
pub(super) const NONE: &str = "NONE";

const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verbs {
    /// One bit for each of [`KNOWN`].
    named: u16,
    every: bool,
}

impl Verbs {
    /// Reads a list; `*` stands for every verb.
    ///
    /// # Errors
    /// The first name that is no verb.
    pub(super) fn parse(names: &[String]) -> Result<Self, &str> {
        let mut verbs = Self::default();
        for name in names {
            match bit(name) {
                Some(bit) => verbs.named |= bit,
                None if name == "*" => verbs.every = true,
                None => return Err(name),
            }
        }
        Ok(verbs)
    }

    pub(super) fn contains(self, verb: &str) -> bool {
        self.every || bit(verb).is_some_and(|bit| self.named & bit != 0)
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

fn bit(name: &str) -> Option<u16> {
    KNOWN.iter().position(|known| *known == name).map(|at| 1 << at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<Verbs, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Verbs::parse(&names).map_err(str::to_owned)
    }

    #[test]
    fn a_set_has_what_it_names() {
        let some = parse(&["GET", "PATCH"]).unwrap();
        assert!(some.contains("GET") && some.contains("PATCH"));
        assert!(!some.contains("POST") && !some.contains("get"));
        assert!(parse(&["*"]).unwrap().contains("POST"));
        assert!(parse(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_verb_is_refused() {
        for name in ["get", "NONE", "", "GETS", "**"] {
            assert_eq!(parse(&["GET", name]), Err(name.to_owned()));
        }
    }
}
