//! How files open, how they are called, and what a `lib.rs` holds. Called by `check`.

use syn::{Attribute, Item, Meta};

use super::problem::Problem;
use super::sources::{Source, is_for_tests};

/// Names that say nothing of what is inside.
const DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "types", "misc"];
/// Its modules are named after protobuf packages, which are not ours to name.
const NAMED_BY_OTHERS: &str = "contracts/wire";

/// Problems with the shape of one file.
pub(crate) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |line: usize, text: String| problems.push(Problem::new(&source.path, line, text));
    if !source.text.starts_with("//!") {
        report(1, "opens without //!; say what the file is for, who calls it, what it must not do".to_owned());
    }
    let name = source.path.file_stem().and_then(|name| name.to_str()).unwrap_or("");
    if name == "mod" {
        report(1, "mod.rs; name the file after its module, beside the folder".to_owned());
    }
    if !source.path.starts_with(NAMED_BY_OTHERS) {
        if DRAWERS.contains(&name) {
            report(1, format!("a file named {name} is a drawer; name it after what it holds"));
        }
        for item in &source.syntax.items {
            if let Item::Mod(module) = item
                && module.content.is_some()
                && DRAWERS.contains(&module.ident.to_string().as_str())
            {
                let line = module.ident.span().start().line;
                report(line, format!("a module named {} is a drawer; name it after what it holds", module.ident));
            }
        }
    }
    if name == "lib" && !source.is_test {
        problems.extend(source.syntax.items.iter().filter_map(|item| check_contents(source, item)));
    }
    problems
}

/// A `lib.rs` is a table of contents: modules, re-exports, constants. A procedural macro has to be declared there.
fn check_contents(source: &Source, item: &Item) -> Option<Problem> {
    let (what, line) = match item {
        Item::Use(_) | Item::ExternCrate(_) | Item::Const(_) => return None,
        Item::Mod(module) if module.content.is_none() || is_for_tests(&module.attrs) => return None,
        Item::Fn(function) if function.attrs.iter().any(is_macro_declaration) => return None,
        Item::Fn(function) => (format!("function {}", function.sig.ident), function.sig.ident.span()),
        Item::Struct(item) => (format!("struct {}", item.ident), item.ident.span()),
        Item::Enum(item) => (format!("enum {}", item.ident), item.ident.span()),
        Item::Trait(item) => (format!("trait {}", item.ident), item.ident.span()),
        Item::Mod(item) => (format!("inline module {}", item.ident), item.ident.span()),
        Item::Impl(item) => ("an impl".to_owned(), item.impl_token.span),
        Item::Macro(item) => ("a macro".to_owned(), item.mac.bang_token.span),
        other => ("code".to_owned(), syn::spanned::Spanned::span(other)),
    };
    let text = format!("{what} in lib.rs, which is a table of contents; give it a file of its own");
    Some(Problem::new(&source.path, line.start().line, text))
}

fn is_macro_declaration(attribute: &Attribute) -> bool {
    let path = match &attribute.meta {
        Meta::Path(path) => path,
        Meta::List(list) => &list.path,
        Meta::NameValue(pair) => &pair.path,
    };
    path.segments.last().is_some_and(|segment| segment.ident.to_string().starts_with("proc_macro"))
}
