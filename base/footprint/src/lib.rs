//! Gives back memory that only the start of a process needed. Called once by a role that has become ready and will mostly
//! wait. It never touches what was ever written, only code and constants, which the kernel reads again from the
//! executable when they are used.

mod code;

pub use code::release_code;
