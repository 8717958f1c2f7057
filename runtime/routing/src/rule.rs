//! One compiled expression, and asking it about an event. The edge that nothing of the interpreter gets past.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use cel::{Context, Env, Program, Value as Cel};
use serde_json::{Map, Value};

use crate::bounds::{self, Shape};
use crate::{Error, values};

/// Parsing goes as deep as the text does, before its depth can be known.
const STACK: usize = 64 << 20;
/// What a failed expression says of itself; values of the event stand in it.
const WORDS: usize = 512;

/// A match expression, compiled. The empty one matches everything.
pub struct Rule {
    text: String,
    compiled: Option<Compiled>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Rule").field(&self.text).finish()
    }
}

struct Compiled {
    program: Program,
    shape: Shape,
    env: Arc<Env>,
}

impl Rule {
    /// Compiles an expression. Space around it does not count.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason.
    pub fn compile(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self { text: String::new(), compiled: None });
        }
        bounds::check_text(text).map_err(Error::Refused)?;
        let parsing = thread::scope(|scope| {
            let parse = thread::Builder::new().name("match expression".into()).stack_size(STACK);
            let parsing = parse.spawn_scoped(scope, || compile(text));
            parsing.map(thread::ScopedJoinHandle::join)
        });
        let parsed =
            parsing.map_err(|error| Error::Refused(format!("the match expression was not parsed: {error}")))?;
        let compiled = parsed.map_err(|panic| Error::Refused(panicked(&*panic)))??;
        Ok(Self { text: text.to_owned(), compiled: Some(compiled) })
    }

    /// The expression, trimmed; empty if it matches everything.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the rule is for this event.
    ///
    /// # Errors
    /// When the expression fails on it, as it does on an attribute that is not there, or gives neither true nor false.
    pub fn matches(&self, event: &Map<String, Value>) -> Result<bool, Error> {
        let Some(compiled) = &self.compiled else { return Ok(true) };
        let (value, parts) = values::convert(event)?;
        if !compiled.shape.allows(parts) {
            return Err(Error::TooLarge);
        }
        let executed = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(&compiled.env));
            context.add_variable_from_value("event", value);
            compiled.program.execute(&context).map_err(|error| Error::Failed(shorten(error.to_string())))
        }));
        match executed {
            Ok(Ok(Cel::Bool(matched))) => Ok(matched),
            Ok(Ok(_)) => Err(Error::NotBoolean(self.text.clone())),
            Ok(Err(error)) => Err(error),
            Err(panic) => Err(Error::Failed(panicked(&*panic))),
        }
    }
}

fn compile(text: &str) -> Result<Compiled, Error> {
    let env = Arc::new(Env::stdlib());
    let program = env.compile(text).map_err(|error| Error::Refused(shorten(error.to_string())))?;
    let shape = bounds::measure(program.expression()).map_err(Error::Refused)?;
    Ok(Compiled { program, shape, env })
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let reason = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    shorten(format!("the match expression could not be worked on: {}", reason.unwrap_or("no reason given")))
}

fn shorten(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(WORDS) {
        text.truncate(at);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests;
