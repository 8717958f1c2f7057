//! Streams: the target's layout, redelivery, consumers and servers that die, places where messages could get lost.

mod faults;
mod layout;
mod places;
mod redelivery;
mod subject;
