//! What every message broker promises: what was published arrives, unchanged and at least once, until it is settled. The
//! checks talk to `&dyn PubSub`; what an app's answer means, and dead-letter topics, are the runtime's and tested there.

mod abilities;
mod bounds;
mod consumers;
mod dropped;
mod hearing;
mod publishing;
mod redelivery;
mod restarts;
mod schedules;
mod subject;
mod subscriptions;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// Message brokers as a kind of component.
pub struct Brokers;

/// Names of topics that a broker without a grammar of its own takes.
pub const ODD_TOPICS: &[&str] =
    &["with space", "a/b/c", "a.b.c", "a:b", "UPPER", "upper", "ünïcode-主题", "-", "%2F?&=", "quote\"'`"];

/// What the checks have to know of a broker.
#[derive(Debug, Clone, Copy)]
pub struct BrokerProfile {
    /// Whether two components on one ground see the same topics.
    pub shared: bool,
    /// Odd names of topics that it takes and keeps apart.
    pub odd_topics: &'static [&'static str],
    /// The most deliveries that one subscription hands out before any of them is settled.
    pub in_flight: usize,
    /// How soon a delivery comes again that was dropped without being settled.
    pub again_within: Duration,
    /// The metadata that delays a message by two seconds.
    pub delay: Option<(&'static str, &'static str)>,
    /// The metadata that names the key of a message.
    pub key: Option<&'static str>,
}

impl Kind for Brokers {
    const NAME: &'static str = "pubsub";
    const TITLE: &'static str = "Message brokers";
    type Profile = BrokerProfile;
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        checks![
            abilities::it_can_what_it_says_and_says_what_it_can[],
            publishing::messages_come_byte_for_byte[],
            publishing::a_message_of_a_megabyte_comes_whole[],
            publishing::odd_names_of_topics_are_kept_apart[],
            publishing::the_content_type_comes_with_the_message[ContentType],
            publishing::metadata_comes_with_the_message[MessageMetadata],
            publishing::messages_of_many_publishers_all_come_once[],
            publishing::messages_come_in_their_order[Order],
            publishing::publishing_to_a_topic_without_subscribers_is_no_error[],
            publishing::all_messages_of_a_bulk_come[BulkPublish],
            publishing::a_bulk_keeps_what_each_entry_has_of_its_own[BulkPublish, ContentType],
            publishing::an_empty_bulk_is_no_error[BulkPublish],
            redelivery::a_message_to_be_tried_again_comes_until_it_is_handled[],
            redelivery::tries_have_pauses_between_them[],
            redelivery::a_message_that_always_fails_does_not_hold_up_the_others[],
            redelivery::a_delivery_that_is_dropped_unsettled_comes_again[],
            redelivery::what_was_handled_does_not_come_again[],
            redelivery::failing_now_and_then_everything_is_handled_in_the_end[],
            subscriptions::each_subscription_hears_its_topic_and_no_other[],
            subscriptions::a_subscription_that_ends_leaves_the_others_alone[],
            subscriptions::deliveries_of_an_ended_subscription_can_still_be_settled[],
            subscriptions::messages_wait_for_a_subscription_that_comes_again[Durable],
            subscriptions::messages_wait_for_a_component_that_comes_again[Durable],
            subscriptions::what_an_ended_subscription_had_not_settled_waits_for_the_next[Durable],
            subscriptions::handled_after_its_subscription_ended_it_does_not_come_again[Durable],
            subscriptions::a_pattern_hears_all_topics_it_means[Wildcards],
            subscriptions::fifty_topics_are_heard_at_once[],
            subscriptions::many_subscriptions_come_and_go[],
            subscriptions::closing_the_component_ends_its_subscriptions[],
            consumers::consumers_with_one_id_share_the_messages[Groups],
            consumers::each_consumer_id_gets_all_messages[Groups],
            consumers::what_a_closed_consumer_had_not_settled_goes_to_another[Groups],
            consumers::consumers_that_come_and_go_lose_nothing[Groups, Durable],
            bounds::what_nobody_settles_is_bounded[],
            bounds::a_slow_subscription_does_not_slow_others_down[],
            schedules::a_message_ends_after_its_time_to_live[MessageTtl, Durable],
            schedules::a_delayed_message_comes_when_it_is_due[Delay],
            schedules::messages_of_one_key_come_one_after_the_other[KeyOrder],
            schedules::a_message_to_be_tried_again_holds_up_its_key_alone[KeyOrder],
            dropped::calls_that_are_dropped_lose_nothing_that_was_acknowledged[],
            dropped::a_dropped_subscribe_call_leaves_nobody_behind[],
            dropped::a_dropped_settlement_leaves_the_subscription_working[],
            restarts::nothing_acknowledged_is_lost_in_a_restart[Restart, Durable],
            restarts::a_subscription_goes_on_after_a_restart[Restart, Durable],
            restarts::what_was_in_flight_in_a_restart_comes_again_or_was_settled[Restart, Durable],
        ]
    }

    fn capabilities() -> &'static [Capability] {
        &[
            Capability::ContentType,
            Capability::MessageMetadata,
            Capability::BulkPublish,
            Capability::Order,
            Capability::KeyOrder,
            Capability::Delay,
            Capability::MessageTtl,
            Capability::Wildcards,
            Capability::Groups,
            Capability::Durable,
            Capability::Restart,
        ]
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

    fn notes(profile: &BrokerProfile) -> Vec<(&'static str, String)> {
        vec![("in flight for each subscription", profile.in_flight.to_string())]
    }
}
