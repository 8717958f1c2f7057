//! The hub of one user: the process that apps of one machine share.
