//! Subscriptions between a broker and a recipient that the test holds in its hands.
