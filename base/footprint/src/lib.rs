//! Gives back memory that only the start of a process needed. Called once by a role that has become ready and will mostly
//! wait. It never touches data, only code, which the kernel reads again from the executable when it is called.

mod code;

pub use code::release_code;
