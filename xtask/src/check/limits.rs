//! How long files and functions may be, without their tests. Called by `check`. Arguments are counted by clippy.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Item, ItemFn, ItemMod, Signature, TraitItemFn};

use super::problem::Problem;
use super::sources::{Source, is_for_tests};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 60;

/// Problems with the length of production code.
pub(crate) fn check(source: &Source) -> Vec<Problem> {
    if source.is_test {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let in_tests: usize = source.syntax.items.iter().filter_map(test_lines).sum();
    let lines = source.text.lines().count() - in_tests;
    if lines > FILE_LINES {
        let text =
            format!("{lines} lines without tests, at most {FILE_LINES}; split the file by what its parts are for");
        problems.push(Problem::new(&source.path, 1, text));
    }
    let mut functions = Functions { source, problems };
    functions.visit_file(&source.syntax);
    functions.problems
}

fn test_lines(item: &Item) -> Option<usize> {
    match item {
        Item::Mod(module) if is_for_tests(&module.attrs) && module.content.is_some() => Some(lines_of(item)),
        _ => None,
    }
}

fn lines_of(spanned: &impl Spanned) -> usize {
    let span = spanned.span();
    span.end().line + 1 - span.start().line
}

/// Walks over every function that is not a test.
struct Functions<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Functions<'_> {
    /// Measures from `fn` to the closing brace; documentation and attributes above do not count.
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let start = signature.span().start().line;
        let lines = block.span().end().line + 1 - start;
        if lines > FUNCTION_LINES {
            let name = &signature.ident;
            let text = format!("function {name} has {lines} lines, at most {FUNCTION_LINES}; give its steps names");
            self.problems.push(Problem::new(&self.source.path, start, text));
        }
    }

    fn is_skipped(attributes: &[Attribute]) -> bool {
        is_for_tests(attributes)
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !Self::is_skipped(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !Self::is_skipped(&function.attrs) {
            self.measure(&function.sig, &function.block);
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !Self::is_skipped(&function.attrs) {
            self.measure(&function.sig, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
