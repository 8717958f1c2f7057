//! Keeps resident memory small: gives back what only the start of a process needed, called by a role that has become ready and
//! will mostly wait, and has the allocator give back what was freed, called by the executable. It never touches what is in use.

mod code;
mod heap;

pub use code::release_code;
pub use heap::give_back_after;
