//! The executable: chooses the role from argv[0] or the first argument, and nothing else.

fn main() {}
