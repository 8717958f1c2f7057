//! Exchanges and queues as the target declares them, so that both may share them. Used by the publisher and by
//! subscriptions. A declaration that the server refuses ends its channel, so each has one of its own.

use component::settings::SettingValue as _;
use component::{Error, ErrorKind, Metadata};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::failure::Failure;
use crate::link::{Live, in_time};
use crate::message::short;
use crate::settings::Plan;

/// What a subscription needs to be there.
pub(crate) struct Wish {
    pub(crate) topic: ShortString,
    pub(crate) queue: ShortString,
    routing_keys: Vec<ShortString>,
    arguments: FieldTable,
    dead: Option<DeadLetters>,
}

struct DeadLetters {
    exchange: ShortString,
    queue: ShortString,
    arguments: FieldTable,
}

impl Wish {
    /// Reads a subscription by the target's rules.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn read(topic: &str, metadata: &Metadata, plan: &Plan) -> Result<Self, Error> {
        let given = |name: &str| metadata.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let queue = given("queueName").map_or_else(|| format!("{}-{topic}", plan.consumer), str::to_owned);
        let name = |what: &str, text: &str| short(what, text).map_err(|failure| invalid(&failure.to_string()));
        let mut arguments = limits(plan);
        let dead = if plan.dead_letter {
            let exchange = name("the name of the dead letter exchange", &format!("dlx-{queue}"))?;
            insert(&mut arguments, "x-dead-letter-exchange", text(exchange.as_str()));
            let mut arguments = limits(plan);
            insert(&mut arguments, "x-queue-mode", text("lazy"));
            let queue = name("the name of the dead letter queue", &format!("dlq-{queue}"))?;
            Some(DeadLetters { exchange, queue, arguments })
        } else {
            None
        };
        if let Some(priority) = given("maxPriority") {
            let priority = number("maxPriority", priority)?.min(255);
            insert(&mut arguments, "x-max-priority", AMQPValue::ShortShortUInt(u8::try_from(priority).unwrap_or(255)));
        }
        let kind = given("queueType").unwrap_or("classic");
        if !matches!(kind, "classic" | "quorum") {
            return Err(invalid(&format!("invalid queue type {kind}. Valid types are classic and quorum")));
        }
        insert(&mut arguments, "x-queue-type", text(kind));
        if given("singleActiveConsumer").and_then(bool::from_text) == Some(true) {
            insert(&mut arguments, "x-single-active-consumer", AMQPValue::Boolean(true));
        }
        for (field, argument) in [("maxLenBytes", "x-max-length-bytes"), ("maxLen", "x-max-length")] {
            if let Some(limit) = given(field) {
                let limit = i64::try_from(number(field, limit)?).unwrap_or(i64::MAX);
                insert(&mut arguments, argument, AMQPValue::LongLongInt(limit));
            }
        }
        let keys = given("routingKey").unwrap_or_default().split(',');
        Ok(Self {
            topic: name("the name of the topic", topic)?,
            queue: name("the name of the queue", &queue)?,
            routing_keys: keys.map(|key| name("a routing key", key)).collect::<Result<_, _>>()?,
            arguments,
            dead,
        })
    }

    /// Makes sure that everything is there.
    pub(crate) async fn fulfil(&self, live: &Live, plan: &Plan) -> Result<(), Failure> {
        declare_exchange(live, &self.topic, plan).await?;
        if let Some(dead) = &self.dead {
            let durable = Plan { durable: true, exchange_kind: ExchangeKind::Fanout, ..plan.clone() };
            declare_exchange(live, &dead.exchange, &durable).await?;
            declare_queue(live, &dead.queue, &dead.arguments, &durable).await?;
            bind(&live.channel().await?, &dead.queue, &dead.exchange, &ShortString::default()).await?;
        }
        declare_queue(live, &self.queue, &self.arguments, plan).await?;
        let channel = live.channel().await?;
        for key in &self.routing_keys {
            bind(&channel, &self.queue, &self.topic, key).await?;
        }
        Ok(())
    }
}

/// Makes sure that the exchange of a topic is there. Unless the settings say whether it goes with its last queue, it does, as
/// in the target; one that does not is as good.
pub(crate) async fn declare_exchange(live: &Live, name: &ShortString, plan: &Plan) -> Result<(), Failure> {
    let (first, other) = choices(plan.deleted_when_unused, true);
    let declare = async |auto_delete| {
        let options = ExchangeDeclareOptions { durable: plan.durable, auto_delete, ..Default::default() };
        let channel = live.channel().await?;
        let kind = plan.exchange_kind.clone();
        in_time(channel.exchange_declare(name.clone(), kind, options, FieldTable::default())).await
    };
    match (declare(first).await, other) {
        (Err(failure), Some(other)) if failure.is_mismatch() => declare(other).await.map_err(|_| failure),
        (declared, _) => declared,
    }
}

/// Makes sure that a queue is there. Unless the settings say whether it goes with its last consumer, it does not; one of the
/// target that does is used as it is.
async fn declare_queue(live: &Live, name: &ShortString, arguments: &FieldTable, plan: &Plan) -> Result<(), Failure> {
    let (first, other) = choices(plan.deleted_when_unused, false);
    let declare = async |auto_delete| {
        let options = QueueDeclareOptions { durable: plan.durable, auto_delete, ..Default::default() };
        let channel = live.channel().await?;
        in_time(channel.queue_declare(name.clone(), options, arguments.clone())).await.map(drop)
    };
    match (declare(first).await, other) {
        (Err(failure), Some(other)) if failure.is_mismatch() => {
            declare(other).await.map_err(|_| failure)?;
            tracing::warn!(
                "rabbitmq: queue {name} is there already and goes with its last subscriber: what is in it then is lost. Set \
                 deletedWhenUnused to false in every component that uses it, and delete it once"
            );
            Ok(())
        }
        (declared, _) => declared,
    }
}

fn choices(given: Option<bool>, usual: bool) -> (bool, Option<bool>) {
    match given {
        Some(given) => (given, None),
        None => (usual, Some(!usual)),
    }
}

async fn bind(
    channel: &Channel,
    queue: &ShortString,
    exchange: &ShortString,
    key: &ShortString,
) -> Result<(), Failure> {
    let options = QueueBindOptions::default();
    in_time(channel.queue_bind(queue.clone(), exchange.clone(), key.clone(), options, FieldTable::default())).await
}

fn limits(plan: &Plan) -> FieldTable {
    let mut arguments = FieldTable::default();
    for (limit, argument) in [(plan.max_length, "x-max-length"), (plan.max_bytes, "x-max-length-bytes")] {
        if let Some(limit) = limit {
            insert(&mut arguments, argument, AMQPValue::LongLongInt(limit));
        }
    }
    arguments
}

fn insert(arguments: &mut FieldTable, name: &str, value: AMQPValue) {
    arguments.insert(name.into(), value);
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn number(name: &str, text: &str) -> Result<u64, Error> {
    let read = text.parse();
    read.map_err(|_| invalid(&format!("the subscription's {name} is {text:?}: expected a whole number")))
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("rabbitmq: {text}"))
}

#[cfg(test)]
mod tests {
    use component::Properties;

    use super::*;
    use crate::settings::RabbitSettings;

    fn read(settings: &[(&str, &str)], metadata: &[(&str, &str)]) -> Result<Wish, String> {
        let properties: Properties = settings.iter().copied().collect();
        let plan = RabbitSettings::read("bus", "app", &properties).unwrap().0;
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Wish::read("topic", &metadata, &plan).map_err(|error| error.to_string())
    }

    fn arguments(table: &FieldTable) -> String {
        let pairs: Vec<String> = table.inner().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn queues_are_named_and_made_as_the_target_does() {
        let wish = read(&[], &[]).unwrap();
        assert_eq!((wish.queue.as_str(), wish.topic.as_str()), ("app-topic", "topic"));
        assert!(wish.dead.is_none() && wish.routing_keys == [ShortString::default()]);
        assert!(arguments(&wish.arguments).starts_with("x-queue-type=LongString"), "{}", arguments(&wish.arguments));
        let wish = read(&[("enableDeadLetter", "true"), ("maxLen", "5")], &[("routingKey", "a,b")]).unwrap();
        let dead = wish.dead.unwrap();
        assert_eq!((dead.exchange.as_str(), dead.queue.as_str()), ("dlx-app-topic", "dlq-app-topic"));
        assert!(arguments(&dead.arguments).contains("x-max-length=LongLongInt(5)"));
        assert!(arguments(&dead.arguments).contains("x-queue-mode"));
        assert_eq!(wish.routing_keys.len(), 2);
    }

    #[test]
    fn a_subscription_may_say_more_and_nothing_wrong() {
        let metadata = [("queueName", "q"), ("queueType", "quorum"), ("maxPriority", "999"), ("maxLen", "7")];
        let wish = read(&[("maxLen", "5")], &metadata).unwrap();
        assert_eq!(wish.queue.as_str(), "q");
        let said = arguments(&wish.arguments);
        assert!(said.contains("x-max-length=LongLongInt(7)") && said.contains("x-max-priority=ShortShortUInt(255)"));
        assert!(read(&[], &[("queueType", "stream")]).err().unwrap().contains("invalid queue type stream"));
        assert!(read(&[], &[("maxLen", "many")]).err().unwrap().contains("maxLen is \"many\""));
        assert!(read(&[], &[("queueName", &"q".repeat(256))]).err().unwrap().contains("longer than 255 bytes"));
    }
}
