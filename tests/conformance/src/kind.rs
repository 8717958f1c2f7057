//! The shape of a suite: a kind of component, its promises, and the backends they are held against. Each building block's
//! folder fills it in; `harness` runs it and `suites` describes it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Capability, Ground, Starting};

/// The future of something that ends well, or panics with what was broken.
pub type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A kind of component that has a suite.
pub trait Kind: Sized + 'static {
    /// First part of the names of its tests: `state`.
    const NAME: &'static str;
    /// Its heading in the reference page.
    const TITLE: &'static str;
    /// What a backend says of itself beside its capabilities.
    type Profile: Sync;
    /// One component in one check.
    type Subject: Clone + Send + Sync;

    /// Every promise.
    fn checks() -> Vec<Check<Self>>;

    /// The capabilities that a component of this kind may have.
    fn capabilities() -> &'static [Capability];

    /// Makes the component of one check. `scope` begins all names that the check uses.
    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        scope: String,
    ) -> Pin<Box<dyn Future<Output = Self::Subject> + Send>>;

    /// Closes everything the check has made, and holds it against what closing promises.
    fn close(subject: Self::Subject) -> Checking;

    /// What the reference page tells of a profile: a heading and a text.
    fn notes(profile: &Self::Profile) -> Vec<(&'static str, String)>;
}

/// One backend under test.
pub struct Backend<K: Kind> {
    /// Short name, unique in its kind: `redis-cluster`. Tests are found by it.
    pub name: &'static str,
    /// Full type, such as `state.redis`.
    pub component_type: &'static str,
    /// Version, such as `v2`.
    pub version: &'static str,
    /// What it must be able to do. It must refuse the rest.
    pub capabilities: &'static [Capability],
    /// Starts its servers.
    pub start: fn() -> Starting,
    /// What else the checks have to know.
    pub profile: K::Profile,
}

impl<K: Kind> Backend<K> {
    /// Whether it declares a capability.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// One promise.
pub struct Check<K: Kind> {
    /// Name of its function: a sentence.
    pub name: &'static str,
    /// The capabilities it is about; run where the backend has all of them.
    pub needs: &'static [Capability],
    /// Holds the subject against it.
    pub run: fn(K::Subject) -> Checking,
}

impl<K: Kind> Check<K> {
    /// Whether a backend has to keep it.
    pub fn concerns(&self, backend: &Backend<K>) -> bool {
        self.needs.iter().all(|need| backend.has(*need))
    }
}

/// A list of checks out of the names of their functions, each with the capabilities it needs.
macro_rules! checks {
    ($($module:ident::$name:ident [$($need:ident),*]),* $(,)?) => {
        vec![$($crate::kind::Check {
            name: stringify!($name),
            needs: &[$($crate::Capability::$need),*],
            run: |subject| Box::pin($module::$name(subject)),
        }),*]
    };
}

pub(crate) use checks;
