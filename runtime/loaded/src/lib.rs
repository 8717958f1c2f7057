//! The loaded components and the one function every call to a component goes through.

mod components;
mod generation;
mod load_error;
mod loader;
mod pipeline;
mod secret_references;

pub use component::middleware::{Next, RemoteAddress};
pub use components::{ComponentInfo, LoadedComponents};
pub use generation::{BlockSettings, Details, Loaded, Pinned, Retired};
pub use load_error::LoadError;
pub use loader::{Admission, Admitted, Loader, Loading};
pub use pipeline::{Pipeline, Stage, Unguarded};
pub use secret_references::{Owner, Resolved, resolve};
