//! Match expressions of topic routes: which messages of a topic a rule is for.
//!
//! Called by the subscriptions of `blocks`. The language is CEL with the one variable `event`, the cloud event, as in the
//! target. It has no I/O and no state. Expressions and events come from others: neither can end the process or keep a
//! thread for long.

mod bounds;
mod error;
mod rule;
mod values;

pub use error::Error;
pub use rule::Rule;
