//! What every configuration store promises: values by key, and streams of what changes. The checks talk to
//! `&dyn ConfigurationStore`; values are written by the ground, because the building block only reads.

mod reads;
mod restarts;
mod subject;
mod subscriptions;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// Configuration stores as a kind of component.
pub struct ConfigurationStores;

/// What the checks have to know of a configuration store.
#[derive(Debug, Clone, Copy)]
pub struct ConfigurationProfile {
    /// The metadata that every request must have.
    pub metadata: &'static [(&'static str, &'static str)],
    /// Whose versions values have.
    pub versions: Versions,
}

/// Where the versions of values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// From whoever writes the value.
    Written,
    /// From the store itself, with every write another one.
    Own,
}

impl Kind for ConfigurationStores {
    const NAME: &'static str = "configuration";
    const TITLE: &'static str = "Configuration stores";
    type Profile = ConfigurationProfile;
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        checks![
            reads::values_are_read_by_their_keys[],
            reads::a_missing_key_is_left_out[],
            reads::without_keys_all_values_come[],
            reads::odd_keys_and_values_come_back_unchanged[],
            subscriptions::each_subscriber_hears_of_its_keys_and_no_other[],
            subscriptions::a_key_that_is_not_there_yet_can_be_subscribed_to[],
            subscriptions::a_removed_key_is_told_with_an_empty_value[],
            subscriptions::a_subscription_that_was_dropped_leaves_the_others_alone[],
            subscriptions::the_last_value_reaches_a_slow_subscriber[],
            subscriptions::many_subscriptions_come_and_go[],
            subscriptions::closing_the_store_ends_its_subscriptions[],
            restarts::a_subscription_outlives_a_restart_of_the_server[Restart],
            restarts::what_changed_during_an_outage_is_delivered[Restart],
        ]
    }

    fn capabilities() -> &'static [Capability] {
        &[Capability::Restart]
    }

    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        scope: String,
    ) -> Pin<Box<dyn Future<Output = Subject> + Send>> {
        Box::pin(Subject::open(backend, ground, scope))
    }

    fn close(subject: Subject) -> Checking {
        Box::pin(subject.close())
    }

    fn notes(profile: &ConfigurationProfile) -> Vec<(&'static str, String)> {
        let versions = match profile.versions {
            Versions::Written => "as written",
            Versions::Own => "of its own",
        };
        vec![("versions", versions.to_owned())]
    }
}
