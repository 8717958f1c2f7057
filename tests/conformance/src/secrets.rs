//! What every secret store promises: secrets by name and all together, and no value where it does not belong. The ground
//! holds the secrets that the profile names.

mod reads;
mod subject;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// Secret stores as a kind of component.
pub struct SecretStores;

/// What the checks have to know of a secret store.
#[derive(Debug, Clone, Copy)]
pub struct SecretsProfile {
    /// The secrets that the ground holds: a name, and keys with their values.
    pub held: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Names of things beside them that must not be handed out.
    pub kept_back: &'static [&'static str],
    /// Whether a secret that is not there, or kept back, is an error; else it is an empty value.
    pub missing_is_an_error: bool,
}

impl Kind for SecretStores {
    const NAME: &'static str = "secrets";
    const TITLE: &'static str = "Secret stores";
    type Profile = SecretsProfile;
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        checks![
            reads::each_secret_is_read_by_its_name[],
            reads::all_secrets_are_read_at_once[],
            reads::a_secret_that_is_not_there_is_told[],
            reads::what_is_kept_back_is_given_by_no_way[],
            reads::it_tells_whether_secrets_have_several_keys[],
            reads::values_are_not_shown_for_debugging[],
            reads::many_readers_read_at_once[],
        ]
    }

    fn capabilities() -> &'static [Capability] {
        &[Capability::SeveralKeys]
    }

    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        _scope: String,
    ) -> Pin<Box<dyn Future<Output = Subject> + Send>> {
        Box::pin(Subject::open(backend, ground))
    }

    fn close(subject: Subject) -> Checking {
        Box::pin(subject.close())
    }

    fn notes(profile: &SecretsProfile) -> Vec<(&'static str, String)> {
        vec![("what is not there", if profile.missing_is_an_error { "an error" } else { "an empty value" }.to_owned())]
    }
}
