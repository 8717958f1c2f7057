//! Publishers, one for each key of each topic: the next message of a key goes out when the one before was acknowledged,
//! and one that was not acknowledged is sent again as it was.

use std::time::Duration;

use serde_json::json;
use testkit::{Call, Channel};
use tokio::task::JoinSet;
use wire::runtime::PublishEventRequest;
use wire::runtime::dapr_client::DaprClient;

use super::fleet::Fleet;
use super::{Kind, Log, ORDERS, PARCELS, Run};
use crate::loss::{Event, Name};

const KEYS: u32 = 8;
/// When a publisher takes it that no answer will come.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Publishers(JoinSet<()>);

impl Publishers {
    pub(super) fn begin(run: &Run, fleet: &Fleet, log: &Log) -> Self {
        let mut running = JoinSet::new();
        let of_each = u32::try_from(run.plan.messages).expect("they are not that many").div_ceil(2 * KEYS);
        for topic in [ORDERS, PARCELS] {
            for key in 0..KEYS {
                let publisher = Publisher {
                    // Both doors are used.
                    door: if key % 2 == 0 { Door::Http } else { Door::Grpc(None) },
                    ports: (fleet.publisher.http_port, fleet.publisher.grpc_port),
                    with_key: run.broker == Kind::Hub,
                };
                let names = (0..of_each).map(move |number| Name { topic, key, number });
                running.spawn(publish_all(publisher, names.collect(), log.clone()));
            }
        }
        Self(running)
    }

    pub(super) async fn end(self) {
        self.0.join_all().await;
    }
}

async fn publish_all(mut publisher: Publisher, names: Vec<Name>, log: Log) {
    for name in names {
        log.passes_gate().await;
        loop {
            log.note(Event::Sent(name));
            let answered = tokio::time::timeout(PATIENCE, publisher.publish(&name)).await;
            if answered == Ok(true) {
                log.note(Event::Acknowledged(name));
                break;
            }
            publisher.hang_up();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

enum Door {
    Http,
    Grpc(Option<DaprClient<Channel>>),
}

struct Publisher {
    door: Door,
    ports: (u16, u16),
    with_key: bool,
}

impl Publisher {
    fn hang_up(&mut self) {
        if let Door::Grpc(client) = &mut self.door {
            *client = None;
        }
    }

    /// Sends a message once; whether it was acknowledged.
    async fn publish(&mut self, name: &Name) -> bool {
        let data = json!({"topic": name.topic, "key": name.key, "number": name.number});
        let key = self.with_key.then(|| ("orderingKey".to_owned(), format!("key-{}", name.key)));
        match &mut self.door {
            Door::Http => {
                let query = key.map(|(name, key)| format!("?metadata.{name}={key}")).unwrap_or_default();
                let path = format!("/v1.0/publish/mail/{}{query}", name.topic);
                let answer = Call::to(self.ports.0, "POST", &path).json(&data).try_send().await;
                answer.is_ok_and(|answer| (200..300).contains(&answer.status))
            }
            Door::Grpc(client) => {
                if client.is_none() {
                    let Ok(channel) = Channel::try_connect(self.ports.1).await else { return false };
                    *client = Some(DaprClient::new(channel));
                }
                let request = PublishEventRequest {
                    pubsub_name: "mail".to_owned(),
                    topic: name.topic.to_owned(),
                    data: data.to_string().into(),
                    data_content_type: "application/json".to_owned(),
                    metadata: key.into_iter().collect(),
                };
                let Some(client) = client else { return false };
                client.publish_event(request).await.is_ok()
            }
        }
    }
}
