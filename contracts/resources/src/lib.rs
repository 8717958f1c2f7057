//! Resource kinds of the target (Component, Configuration, ...) and how they are loaded.
