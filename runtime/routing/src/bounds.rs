//! How large an expression may be, and how much work it may make of an event. Called by [`crate::Rule`].
//!
//! The language has no unbounded loops, but loops within loops over a large event take as long as one likes to wait.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr};

/// Bytes of an expression.
pub(crate) const LENGTH: usize = 16 << 10;
/// Brackets within brackets, as they are written.
const BRACKETS: usize = 48;
/// Parts within parts, as they are parsed.
const DEPTH: usize = 160;
/// Loops within loops.
const NESTED: u32 = 3;
/// Loops in all.
const LOOPS: usize = 8;
/// Steps of all loops together.
const STEPS: u64 = 4_000_000;

/// What one expression makes of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Loops within loops.
    nested: u32,
    /// Parts of the expression.
    parts: u64,
}

impl Shape {
    /// Whether the expression may be put to an event of so many parts.
    pub(crate) fn allows(self, event_parts: usize) -> bool {
        let rounds = (event_parts as u64).saturating_add(self.parts);
        self.nested == 0 || rounds.saturating_pow(self.nested) <= STEPS
    }
}

/// Whether the text of an expression may be parsed at all.
///
/// # Errors
/// Why not.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    if text.len() > LENGTH {
        return Err(format!("the match expression is longer than {LENGTH} bytes"));
    }
    let (mut open, mut run) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        run = if matches!(byte, b'!' | b'-') { run + 1 } else { 0 };
        if open > BRACKETS || run > BRACKETS {
            return Err("the match expression is nested too deeply".to_owned());
        }
    }
    Ok(())
}

/// Measures a parsed expression.
///
/// # Errors
/// Why it may not be used.
pub(crate) fn measure(expression: &IdedExpr) -> Result<Shape, String> {
    let (mut loops, mut shape) = (0, Shape { nested: 0, parts: 0 });
    let mut open: Vec<(&IdedExpr, usize, u32)> = vec![(expression, 1, 0)];
    while let Some((next, depth, nested)) = open.pop() {
        if depth > DEPTH {
            return Err("the match expression is nested too deeply".to_owned());
        }
        shape.parts += 1;
        let mut nested = nested;
        if matches!(next.expr, Expr::Comprehension(_)) {
            loops += 1;
            nested += 1;
            shape.nested = shape.nested.max(nested);
        }
        if nested > NESTED || loops > LOOPS {
            return Err(format!(
                "the match expression has more than {LOOPS} loops, or more than {NESTED} in one another"
            ));
        }
        visit(&next.expr, |part| open.push((part, depth + 1, nested)));
    }
    Ok(shape)
}

/// Visits the parts of an expression.
fn visit<'a>(expression: &'a Expr, mut each: impl FnMut(&'a IdedExpr)) {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            call.target.iter().for_each(|target| each(target));
            call.args.iter().for_each(each);
        }
        Expr::Comprehension(comprehension) => {
            each(&comprehension.iter_range);
            each(&comprehension.accu_init);
            each(&comprehension.loop_cond);
            each(&comprehension.loop_step);
            each(&comprehension.result);
        }
        Expr::List(list) => list.elements.iter().for_each(each),
        Expr::Select(select) => each(&select.operand),
        Expr::Map(map) => map.entries.iter().for_each(|entry| visit_entry(&entry.expr, &mut each)),
        Expr::Struct(structure) => structure.entries.iter().for_each(|entry| visit_entry(&entry.expr, &mut each)),
    }
}

fn visit_entry<'a>(entry: &'a EntryExpr, each: &mut impl FnMut(&'a IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => each(&field.value),
        EntryExpr::MapEntry(entry) => {
            each(&entry.key);
            each(&entry.value);
        }
    }
}
