//! YAML of the command line (run files, a look into Configuration files), read by the same reader as resources: with
//! the place of everything, and the words of standalone Configuration files (YAML 1.2, exact field names, scalars keep
//! their text where strings are due).
//!
//! Called by the command line. What is in a document is decided there.

use serde::de::DeserializeOwned;

use crate::decode::decode;
use crate::error::{Place, Problem};
use crate::node::{Body, Node, parse};
use crate::scalar::{Dialect, string_of};

/// The first document of a text; what follows it is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    root: Option<Node>,
}

impl Document {
    /// Reads a text. One with nothing but comments is an empty document.
    ///
    /// # Errors
    /// Names line and column of what is not YAML, or the limit that was exceeded.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self { root: parse(text, 0)? })
    }

    /// The document as a type; an empty one has every field at its default. Unknown fields are ignored, and of equal
    /// names the last one counts.
    ///
    /// # Errors
    /// Names place, path and what was expected of the first value that does not fit.
    pub fn read<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        self.root.as_ref().map_or_else(|| Ok(T::default()), |root| decode(root, Dialect::Configuration))
    }

    /// The names of the fields of a section, and where each one stands: of the mapping to which the path of names
    /// leads, and of every mapping of a list there. Nothing where there is no mapping.
    pub fn names(&self, path: &[&str]) -> Vec<(String, Place)> {
        let root = self.root.as_ref();
        let section = path.iter().fold(root, |section, name| section.and_then(|section| section.get(name)));
        let mut names = Vec::new();
        match section.map(|section| &section.body) {
            Some(Body::Mapping(entries)) => collect(entries, &mut names),
            Some(Body::List(items)) => {
                for item in items {
                    if let Body::Mapping(entries) = &item.body {
                        collect(entries, &mut names);
                    }
                }
            }
            Some(Body::Scalar(_)) | None => {}
        }
        names
    }
}

fn collect(entries: &[(Node, Node)], names: &mut Vec<(String, Place)>) {
    for (key, _) in entries {
        if let Body::Scalar(scalar) = &key.body
            && let Some(name) = string_of(scalar, Dialect::Configuration)
        {
            names.push((name, key.place));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_document_is_read_with_its_places() {
        let document = Document::parse("a: {x: 1}\nb:\n- y: 2\n- 3\n- z: 4\n---\n: broken [\n").unwrap();
        let place = |line, column| Place { line, column };
        assert_eq!(document.names(&[]), [("a".to_owned(), place(1, 1)), ("b".to_owned(), place(2, 1))]);
        assert_eq!(document.names(&["a"]), [("x".to_owned(), place(1, 5))]);
        assert_eq!(document.names(&["b"]), [("y".to_owned(), place(3, 3)), ("z".to_owned(), place(5, 3))]);
        assert_eq!(document.names(&["a", "x"]), []);
        assert_eq!(document.names(&["c"]), []);
    }

    #[test]
    fn values_are_read_by_the_rules_of_configuration_files() {
        let read = |text| Document::parse(text).unwrap().read::<BTreeMap<String, Option<String>>>();
        let values = read("a: 010\nb: yes\nc:\n").unwrap();
        assert_eq!(
            (values["a"].as_deref(), values["b"].as_deref(), values["c"].as_deref()),
            (Some("010"), Some("yes"), None)
        );
        assert!(read("# nothing\n").unwrap().is_empty());
        let problem = read("a: [1]\n").unwrap_err();
        assert_eq!(problem.to_string(), "line 1, column 4: a: expected a string, found a list");
    }
}
