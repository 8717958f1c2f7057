//! What a component's metadata may ask of the blocks. Called by the loader, through `sidecar`, before a component is made:
//! what cannot be kept is refused here, never ignored.

use component::{Error, Family, Properties, Spec};
use loaded::Admitted;

use crate::{lock, pubsub, state};

/// Asks the block a component is for. Gives back the metadata as the backend is to get it, and what that block keeps of it.
/// `written` is the metadata before its placeholders were filled in, `filled` after.
///
/// # Errors
/// `InvalidArgument` or `NotSupported`.
pub fn admit(app: &str, spec: &Spec, written: &Properties, filled: Properties) -> Result<Admitted, Error> {
    if spec.family() == Some(Family::PubSub) {
        return pubsub::admit(app, spec, written, &filled);
    }
    lock::admit(spec, &filled)?;
    let settings = state::admit(spec, &filled)?;
    Ok(Admitted { properties: filled, settings })
}
