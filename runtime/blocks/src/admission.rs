//! What a component's metadata may ask of the blocks. Called by the loader, through `sidecar`, before a component is made:
//! what cannot be kept is refused here, never ignored.

use component::{Error, Properties, Spec};
use loaded::BlockSettings;

use crate::{lock, state};

/// Asks the block a component is for, and gives back what that block keeps of the component's metadata.
///
/// # Errors
/// `InvalidArgument` or `NotSupported`.
pub fn admit(spec: &Spec, properties: &Properties) -> Result<Option<BlockSettings>, Error> {
    lock::admit(spec, properties)?;
    state::admit(spec, properties)
}
