//! Why a component could not be loaded, in the words of the target: people and tests search logs for them.

use std::fmt;

use component::{Error, LookupError, Spec};

/// Why a component could not be loaded. Its text is `process component <name> error: ...`.
#[derive(Debug)]
pub struct LoadError {
    name: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// The part of the type before its dot is no family of components.
    IncorrectType(String),
    Init {
        log_name: String,
        cause: InitFailure,
    },
}

/// What went wrong between finding the implementation and its being ready.
#[derive(Debug)]
pub(crate) enum InitFailure {
    /// No such type or version.
    Create { log_name: String, cause: LookupError },
    /// The constructor, or the block it is for, refused.
    Init { log_name: String, cause: Error },
    /// It was not ready in time.
    Timeout { log_name: String },
    /// Another component has the name.
    Duplicate { name: String },
}

impl LoadError {
    pub(crate) fn incorrect_type(spec: &Spec) -> Self {
        Self { name: spec.name.clone(), reason: Reason::IncorrectType(spec.component_type.clone()) }
    }

    pub(crate) fn init(spec: &Spec, cause: InitFailure) -> Self {
        Self { name: spec.name.clone(), reason: Reason::Init { log_name: spec.log_name(), cause } }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process component {} error: ", self.name)?;
        match &self.reason {
            Reason::IncorrectType(component_type) => write!(formatter, "incorrect type {component_type}"),
            Reason::Init { log_name, cause } => {
                write!(formatter, "[INIT_COMPONENT_FAILURE]: initialization error occurred for {log_name}: {cause}")
            }
        }
    }
}

impl fmt::Display for InitFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitFailure::Create { log_name, cause } => {
                write!(formatter, "[CREATE_COMPONENT_FAILURE]: initialization error occurred for {log_name}: {cause}")
            }
            InitFailure::Init { log_name, cause } => {
                write!(formatter, "[INIT_COMPONENT_FAILURE]: initialization error occurred for {log_name}: {cause}")
            }
            InitFailure::Timeout { log_name } => write!(formatter, "init timeout for component {log_name}"),
            InitFailure::Duplicate { name } => write!(formatter, "component {name} already exists"),
        }
    }
}

impl std::error::Error for LoadError {}
