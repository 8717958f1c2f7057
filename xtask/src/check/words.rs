//! What no file may contain: notes to be done later, unfinished code, silenced lints, tests that do not run. Called by
//! `check`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::problem::Problem;
use super::sources::Source;

/// Written in two parts so that this file does not contain them.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// Problems with single words.
pub(crate) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        if let Some(note) = NOTES.iter().find(|note| line.contains(**note)) {
            let text = format!("{note}: do it, or say in docs/ what is missing and why");
            problems.push(Problem::new(&source.path, index + 1, text));
        }
    }
    if let Ok(tokens) = source.text.parse::<TokenStream>() {
        scan(source, tokens, &mut problems);
    }
    problems
}

fn scan(source: &Source, tokens: TokenStream, problems: &mut Vec<Problem>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let before = |steps: usize| index.checked_sub(steps).and_then(|index| tokens.get(index));
        let text = match token {
            TokenTree::Group(group) => {
                let in_attribute = is(before(1), '#') || (is(before(1), '!') && is(before(2), '#'));
                let found = (in_attribute && group.delimiter() == Delimiter::Bracket)
                    .then(|| forbidden_attribute(group.stream()))
                    .flatten();
                scan(source, group.stream(), problems);
                found
            }
            TokenTree::Ident(word) if is(tokens.get(index + 1), '!') => match word.to_string().as_str() {
                name @ ("todo" | "unimplemented") => {
                    Some(format!("{name}!: write the code, or answer with an error that says what is not built"))
                }
                _ => None,
            },
            _ => None,
        };
        problems.extend(text.map(|text| Problem::new(&source.path, token.span().start().line, text)));
    }
}

fn is(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Looks at the content of `#[...]`, through `cfg_attr` too.
fn forbidden_attribute(content: TokenStream) -> Option<String> {
    let mut tokens = content.into_iter();
    let Some(TokenTree::Ident(name)) = tokens.next() else { return None };
    match name.to_string().as_str() {
        "allow" => {
            Some("#[allow]: write #[expect(lint, reason = \"...\")], so that it goes when it is not needed".into())
        }
        "ignore" => Some("#[ignore]: a test that never runs; let it say SKIPPED where something is missing".into()),
        "cfg_attr" => {
            let Some(TokenTree::Group(group)) = tokens.next() else { return None };
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| is(Some(token), ','))
                .skip(1)
                .find_map(|part| forbidden_attribute(part.iter().cloned().collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let syntax = syn::parse_file(text).unwrap();
        let source = Source { path: PathBuf::from("a.rs"), text: text.to_owned(), syntax, is_test: false };
        check(&source)
            .iter()
            .map(|problem| problem.to_string().split(": ").take(2).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn silenced_lints_and_unfinished_code_are_found_where_they_stand() {
        let text = "#![allow(dead_code)]\n\n#[cfg_attr(test, allow(x))]\nfn a() {\n    vec![todo!()];\n}\n#[ignore]\nfn b() {}\n";
        assert_eq!(lines(text), ["a.rs:1 #[allow]", "a.rs:3 #[allow]", "a.rs:5 todo!", "a.rs:7 #[ignore]"]);
    }

    #[test]
    fn words_in_texts_and_expectations_are_left_alone() {
        assert_eq!(lines("#[expect(x, reason = \"#[allow] is banned, todo!()\")]\nfn a() {}\n"), [""; 0]);
    }
}
