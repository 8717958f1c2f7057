//! What a broker says it can do.

use super::Subject;
use crate::Capability::{BulkPublish, MessageTtl, Wildcards};

pub(super) async fn it_can_what_it_says_and_says_what_it_can(subject: Subject) {
    let (backend, broker) = (subject.backend, &subject.broker);
    assert_eq!(broker.bulk_publisher().is_some(), backend.has(BulkPublish));
    assert_eq!(broker.message_ttl(), backend.has(MessageTtl));
    assert_eq!(broker.wildcard_subscriptions(), backend.has(Wildcards));
}
