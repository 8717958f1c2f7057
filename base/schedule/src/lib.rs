//! Pure time and size notations: Go durations, resource quantities.
