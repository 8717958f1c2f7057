//! `pubsub.rabbitmq`: on classic queues.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use servers::RabbitMq;

use crate::Capability::{Durable, Groups, MessageTtl, Order, Restart};
use crate::pubsub::{BrokerProfile, Brokers, ODD_TOPICS};
use crate::{Backend, Ground, Starting, Unavailable};

pub(super) const PUBSUB: &[Backend<Brokers>] = &[Backend {
    name: "rabbitmq",
    component_type: "pubsub.rabbitmq",
    version: "v1",
    capabilities: &[Order, MessageTtl, Groups, Durable, Restart],
    start,
    profile: BrokerProfile {
        shared: true,
        odd_topics: ODD_TOPICS,
        in_flight: 64,
        again_within: Duration::from_secs(2),
        delay: None,
        key: None,
    },
}];

struct Server(Arc<Mutex<RabbitMq>>);

#[async_trait]
impl Ground for Server {
    fn properties(&self) -> Vec<(String, String)> {
        let server = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        vec![("connectionString".to_owned(), server.connection_string())]
    }

    async fn restart(&self) {
        let server = Arc::clone(&self.0);
        let restarting = move || {
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            server.kill();
            server.restart();
        };
        tokio::task::spawn_blocking(restarting).await.expect("it starts again");
    }
}

fn start() -> Starting {
    Box::pin(async {
        let started = tokio::task::spawn_blocking(|| RabbitMq::alone().start()).await;
        let server = started.expect("a server starts, or says why not");
        let server = server.ok_or_else(|| Unavailable("rabbitmq-server is not installed".to_owned()))?;
        Ok(Arc::new(Server(Arc::new(Mutex::new(server)))) as Arc<dyn Ground>)
    })
}
