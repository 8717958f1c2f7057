//! Nothing: the scenarios are in `tests/wire`, one file per promise kept to the outside.
