//! Builders that read like a sentence: apps and sidecars on free ports.
