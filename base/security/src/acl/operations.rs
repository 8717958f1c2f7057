//! The operations of one policy as a tree of path segments, searched as the target searches its own.
//!
//! Of a node's children, the first in the order of the policy that fits is taken, and there is no way back from it. `**`
//! fits any segment, `*` the last one only, and a `*` inside a segment any characters of it. An operation counts for all
//! paths below it too, so what the policy says about those never counts.

use super::letter_case::lower;
use super::verbs::Verbs;
use super::{Action, Called};

/// What a policy says about one operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// As the policy names it, with a leading slash.
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) verbs: Verbs,
}

/// All operations of a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Operations {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    segment: String,
    kind: Kind,
    operation: Option<Operation>,
    below: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Exact,
    /// A `*` among other characters.
    Pattern,
    /// `*`.
    Last,
    /// `**`.
    Rest,
}

impl Operations {
    /// Adds an operation behind those that are there.
    ///
    /// # Errors
    /// The operation, when there is one of that name.
    pub(super) fn add(&mut self, operation: Operation, folded: bool) -> Result<(), Operation> {
        let name: String = fold(&operation.name, folded).collect();
        let mut nodes = &mut self.nodes;
        let mut segments = segments(&name).peekable();
        while let Some(segment) = segments.next() {
            let at = nodes.iter().position(|node| node.segment == segment).unwrap_or_else(|| {
                nodes.push(Node::new(segment));
                nodes.len() - 1
            });
            let Some(node) = nodes.get_mut(at) else { break };
            if segments.peek().is_none() {
                if node.operation.is_some() {
                    return Err(operation);
                }
                node.operation = Some(operation);
                break;
            }
            nodes = &mut node.below;
        }
        Ok(())
    }

    /// The operation that a call falls under.
    pub(super) fn find(&self, called: Called<'_>) -> Option<&Operation> {
        let folded = matches!(called, Called::Http { .. });
        let mut nodes = &self.nodes;
        let mut segments = segments(called.method()).peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let node = first_fit(nodes, segment, last, folded)?;
            match &node.operation {
                Some(operation) if last || node.kind != Kind::Last => return Some(operation),
                None if last => return first_fit(&node.below, "*", true, folded)?.operation.as_ref(),
                _ => nodes = &node.below,
            }
        }
        None
    }
}

impl Node {
    fn new(segment: &str) -> Self {
        let kind = match segment {
            "*" => Kind::Last,
            "**" => Kind::Rest,
            other if other.contains('*') => Kind::Pattern,
            _ => Kind::Exact,
        };
        Self { segment: segment.to_owned(), kind, operation: None, below: Vec::new() }
    }

    fn fits(&self, segment: &str, last: bool, folded: bool) -> bool {
        match self.kind {
            Kind::Rest => true,
            Kind::Last => last || segment == "*",
            Kind::Exact => fold(segment, folded).eq(self.segment.chars()),
            Kind::Pattern => fits_pattern(fold(segment, folded), self.segment.chars()),
        }
    }
}

fn first_fit<'a>(nodes: &'a [Node], segment: &str, last: bool, folded: bool) -> Option<&'a Node> {
    nodes.iter().find(|node| node.fits(segment, last, folded))
}

/// The segments of a path, with or without its leading slash; the empty path has one, which is empty.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn fold(text: &str, folded: bool) -> impl Iterator<Item = char> + Clone {
    text.chars().map(move |character| if folded { lower(character) } else { character })
}

/// Whether a text fits a pattern in which `*` stands for any characters, also none.
fn fits_pattern(mut text: impl Iterator<Item = char> + Clone, mut pattern: impl Iterator<Item = char> + Clone) -> bool {
    // Where to go on when the characters behind the last `*` do not fit: the `*` takes one character more.
    let mut again = None;
    loop {
        let text_before = text.clone();
        match (text.next(), pattern.next()) {
            (None, None) => return true,
            (_, Some('*')) => {
                text = text_before;
                again = Some((text.clone(), pattern.clone()));
            }
            (Some(left), Some(right)) if left == right => {}
            _ => {
                let Some((longer, rest)) = again.as_mut() else { return false };
                if longer.next().is_none() {
                    return false;
                }
                (text, pattern) = (longer.clone(), rest.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn operations(names: &[&str]) -> Operations {
        let mut operations = Operations::default();
        for name in names {
            let operation = Operation { name: (*name).to_owned(), action: Action::Allow, verbs: Verbs::default() };
            operations.add(operation, false).unwrap();
        }
        operations
    }

    fn found(names: &[&str], method: &str) -> Option<String> {
        operations(names).find(Called::Grpc { method }).map(|operation| operation.name.clone())
    }

    /// The table of the reference's own test of patterns, and what follows from it.
    #[test]
    fn stars_inside_a_segment_stand_for_any_characters() {
        let fits = |text: &str, pattern: &str| fits_pattern(text.chars(), pattern.chars());
        for (text, pattern) in [("ABC.a", "*a"), ("abcd", "a*d"), ("ABC.a", "AB*.a"), ("ab", "a*b"), ("aXbab", "a*ab")]
        {
            assert!(fits(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("abc", "a*d"), ("", "a*"), ("ba", "a*b"), ("ab", "a*b*c")] {
            assert!(!fits(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn an_operation_counts_for_all_below_it() {
        assert_eq!(found(&["/op", "/op/x"], "op/x").as_deref(), Some("/op"));
        assert_eq!(found(&["/op/x", "/op"], "op/x").as_deref(), Some("/op"));
    }

    #[test]
    fn a_star_stands_for_the_last_segment_or_none() {
        let names = ["/op/a/*"];
        assert_eq!(found(&names, "/op/a/b").as_deref(), Some("/op/a/*"));
        assert_eq!(found(&names, "/op/a").as_deref(), Some("/op/a/*"));
        assert_eq!(found(&names, "/op/a/b/c"), None);
        assert_eq!(found(&["/users/*/profile"], "/users/7/profile"), None);
        assert_eq!(found(&["/op/**"], "/op/a/b/c").as_deref(), Some("/op/**"));
    }

    #[test]
    fn the_first_that_fits_counts_and_there_is_no_way_back() {
        assert_eq!(found(&["/op/*", "/op/x"], "/op/x").as_deref(), Some("/op/*"));
        assert_eq!(found(&["/op/x", "/op/*"], "/op/x").as_deref(), Some("/op/x"));
        assert_eq!(found(&["/a*/x", "/ab/y"], "/ab/y"), None);
    }

    #[test]
    fn a_name_given_twice_is_returned() {
        let operation = Operation { name: "/OP".to_owned(), action: Action::Deny, verbs: Verbs::default() };
        let mut both = operations(&["/op"]);
        assert!(both.add(operation.clone(), false).is_ok());
        assert!(both.add(operation, true).is_err());
    }

    /// The definition, without a hurry.
    fn fits_by_definition(text: &[char], pattern: &[char]) -> bool {
        match (text, pattern) {
            ([], []) => true,
            (_, ['*', rest @ ..]) => (0..=text.len()).any(|taken| fits_by_definition(&text[taken..], rest)),
            ([left, text @ ..], [right, pattern @ ..]) => left == right && fits_by_definition(text, pattern),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_what_their_definition_says(text in "[ab*]{0,8}", pattern in "[ab*]{0,6}") {
            let (characters, stars): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            prop_assert_eq!(fits_pattern(text.chars(), pattern.chars()), fits_by_definition(&characters, &stars));
        }
    }
}
