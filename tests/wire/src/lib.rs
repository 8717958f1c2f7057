//! Black-box scenarios against the executables.
