//! Time and size notations, without I/O: what flags, environment variables, component settings and resources write.
//!
//! Everything here is a pure function of its input. Nothing here reads a clock, a file or a variable.

mod duration;
mod quantity;

pub use duration::{DurationError, GoDuration, format_go_duration, parse_go_duration};
pub use quantity::{Quantity, QuantityError, parse_quantity, parse_whole_quantity};
