//! The wish to stop, as a tree: a role has one `Shutdown`, its parts have children of it.
//! Signals, the shutdown API and fatal errors ask for it; everything that runs waits for it. It stops nothing itself.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a stop was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A signal arrived; its name, for example `SIGTERM`.
    Signal(&'static str),
    /// Someone asked through an API, or the owner of the role did.
    Api,
    /// A part without which the role cannot go on has failed; the sentence says which and why.
    Fatal(String),
}

#[derive(Debug, Default)]
struct Node {
    reason: OnceLock<Reason>,
    parent: Option<Arc<Node>>,
}

/// A request to stop that many tasks can wait for. A clone is the same request; a `child` also stops when its parent
/// does, and can be stopped alone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    node: Arc<Node>,
}

impl Shutdown {
    /// A new root that nobody asked to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Completes once a stop was requested, here or at a parent.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether a stop was requested, here or at a parent.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Requests a stop with [`Reason::Api`].
    pub fn request(&self) {
        self.request_because(Reason::Api);
    }

    /// Requests a stop. The first reason stays; later requests change nothing.
    pub fn request_because(&self, reason: Reason) {
        if !self.is_requested() {
            self.node.reason.get_or_init(|| reason);
        }
        self.token.cancel();
    }

    /// Why the stop was requested: the reason given here, or else the one of the nearest parent that has one.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let mut node = Some(&self.node);
        while let Some(current) = node {
            if let Some(reason) = current.reason.get() {
                return Some(reason.clone());
            }
            node = current.parent.as_ref();
        }
        None
    }

    /// A request of its own that also fires when this one does.
    #[must_use]
    pub fn child(&self) -> Self {
        let node = Node { reason: OnceLock::new(), parent: Some(Arc::clone(&self.node)) };
        Self { token: self.token.child_token(), node: Arc::new(node) }
    }

    /// The token below, for interfaces that take one.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_stops_with_its_parent_and_knows_why() {
        let root = Shutdown::new();
        let child = root.child().child();
        root.request_because(Reason::Fatal("the disk is gone".into()));
        child.requested().await;
        assert_eq!(child.reason(), Some(Reason::Fatal("the disk is gone".into())));
    }

    #[test]
    fn a_parent_survives_its_child() {
        let root = Shutdown::new();
        root.child().request();
        assert!(!root.is_requested());
        assert_eq!(root.reason(), None);
    }

    #[test]
    fn the_first_reason_stays() {
        let root = Shutdown::new();
        root.request_because(Reason::Signal("SIGTERM"));
        root.request();
        assert_eq!(root.reason(), Some(Reason::Signal("SIGTERM")));
    }
}
