//! The loaded components and the one function every call to a component goes through.
