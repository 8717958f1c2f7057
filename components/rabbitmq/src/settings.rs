//! The metadata of `pubsub.rabbitmq`, by the target's names, and what it comes to. Read by the constructor; nothing here
//! connects. What is not given is done so that nothing is lost; what is given is done as the target does it.

use std::time::Duration;

use component::settings::SettingValue;
use component::{Error, ErrorKind, Properties, Settings};
use lapin::ExchangeKind;

use crate::place::Place;
use crate::tls::Pem;

/// How many messages may be unsettled where the settings do not say it.
const USUAL_PREFETCH: u16 = 64;

/// What the target's component reads.
#[derive(Clone, Settings)]
pub(crate) struct RabbitSettings {
    /// Where the server is and who we are: `amqp://user:password@host:port/vhost`, or `amqps` for TLS.
    #[setting(aliases("host"), secret)]
    connection_string: String,
    /// `amqp` or `amqps`, where there is no connection string; with one it must say the same.
    protocol: String,
    /// Host, perhaps with a port, where there is no connection string.
    #[setting(default = "localhost")]
    hostname: String,
    /// User, where there is no connection string; guest if empty.
    username: String,
    /// Password, where there is no connection string.
    #[setting(secret)]
    password: String,
    /// Queues of subscriptions are called consumerID-topic. The app id unless given.
    #[setting(name = "consumerID")]
    consumer_id: String,
    /// Whether exchanges and queues outlive a restart of the server.
    #[setting(default = "true")]
    durable: bool,
    /// Whether what fails moves to the queue dlq-consumerID-topic.
    enable_dead_letter: bool,
    /// Whether queues go with their last consumer, and their messages with them; exchanges go with their last queue. Unless
    /// given, exchanges do and queues do not, and those that are already there are used as they are.
    deleted_when_unused: Option<bool>,
    /// Whether messages count as done with as soon as they are handed to the app: those that fail are lost.
    auto_ack: bool,
    /// Whether what fails is delivered again, after a growing wait. Unless given, it is where it would otherwise be lost; if
    /// false, what fails moves to the dead-letter queue, or is lost where there is none.
    requeue_in_failure: Option<bool>,
    /// 2: messages outlive a restart of the server, the case unless given; 0 or 1: they do not.
    #[setting(max = 2)]
    delivery_mode: Option<u8>,
    /// How many messages a subscription may have unsettled; 0 for our own bound: 64, or 1 with concurrency single.
    prefetch_count: u16,
    /// The longest wait between tries to connect.
    #[setting(default = "3s")]
    reconnect_wait_seconds: Duration,
    /// The greatest number of messages in a queue; the oldest go.
    max_len: i64,
    /// The greatest number of bytes in a queue; the oldest messages go.
    max_len_bytes: i64,
    /// `fanout`, `topic`, `direct` or `headers`.
    #[setting(default = "fanout")]
    exchange_kind: String,
    /// What the server calls our connections.
    client_name: String,
    /// How often both ends say that they are there; with 0 the server's wish.
    #[setting(default = "10s")]
    heart_beat: Duration,
    /// Whether a publish waits until the server has the message. It does unless told false: then messages can be lost.
    publisher_confirm: Option<bool>,
    /// Whether we log in with our certificate. Needs amqps, caCert, clientCert and clientKey.
    sasl_external: bool,
    /// `parallel`, or `single`: one message after the other. With a prefetchCount above 1, what fails is then overtaken.
    #[setting(aliases("concurrencyMode"), default = "parallel")]
    concurrency: String,
    /// How long messages live that do not say it themselves: a duration, or a number of seconds.
    #[setting(name = "ttlInSeconds", aliases("ttl"))]
    ttl_in_seconds: Option<Lifetime>,
    /// Whether properties and headers of a message are handed on as metadata.
    publish_message_properties_to_metadata: bool,
    /// Certificate of the authority that signed the server's, in PEM; the system's are believed unless given.
    ca_cert: String,
    /// Our certificate, in PEM.
    client_cert: String,
    /// The key of our certificate, in PEM.
    #[setting(secret)]
    client_key: String,
}

/// How long a message lives: a Go duration, or a whole number of seconds above zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lifetime(Duration);

impl SettingValue for Lifetime {
    const KIND: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as 1m30s, or a number of seconds above zero";

    fn from_text(text: &str) -> Option<Self> {
        if let Ok(duration) = schedule::parse_go_duration(text) {
            // A negative one is none, as in the target.
            return Some(Self(duration.to_std().unwrap_or_default()));
        }
        let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds > 0)?;
        Some(Self(Duration::from_secs(seconds)))
    }
}

impl Lifetime {
    /// As the server wants it.
    pub(crate) fn milliseconds(self) -> u128 {
        self.0.as_millis()
    }
}

/// What becomes of a message that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// It is delivered again, after a wait.
    Again,
    /// The server moves it to the dead-letter queue or, without one, drops it.
    Away,
}

/// The settings, understood.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) consumer: String,
    pub(crate) durable: bool,
    pub(crate) dead_letter: bool,
    pub(crate) deleted_when_unused: Option<bool>,
    pub(crate) auto_ack: bool,
    pub(crate) after_failure: AfterFailure,
    pub(crate) delivery_mode: u8,
    /// Most unsettled messages that the server sends.
    pub(crate) prefetch: u16,
    /// Most messages that the app works on.
    pub(crate) concurrency: usize,
    pub(crate) reconnect_wait: Duration,
    pub(crate) max_length: Option<i64>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) exchange_kind: ExchangeKind,
    pub(crate) confirm: bool,
    pub(crate) lifetime: Option<Lifetime>,
    pub(crate) properties_to_metadata: bool,
}

impl RabbitSettings {
    /// Reads the metadata of a component and says what of it can lose messages or has no effect.
    ///
    /// # Errors
    /// What cannot be read or does not fit together.
    pub(crate) fn read(name: &str, app: &str, properties: &Properties) -> Result<(Plan, Place), Error> {
        let settings = Self::parse(properties)?;
        let place = settings.place()?;
        let plan = settings.plan(app)?;
        for sentence in settings.warnings(&plan, &place) {
            tracing::warn!("component {name}: {sentence}");
        }
        Ok((plan, place))
    }

    fn place(&self) -> Result<Place, Error> {
        let pem = Pem { authority: &self.ca_cert, certificate: &self.client_cert, key: &self.client_key };
        if self.sasl_external && [pem.authority, pem.certificate, pem.key].contains(&"") {
            return Err(invalid(
                "saslExternal can only be set to true, when all these properties are set: caCert, clientCert, clientKey",
            ));
        }
        let text = if self.connection_string.is_empty() { None } else { Some(self.connection_string.as_str()) };
        let mut place = match text {
            Some(text) => Place::parse(text)?,
            None => {
                let scheme = if self.protocol.is_empty() { "amqp" } else { &self.protocol };
                let mut place = Place::parse(&format!("{scheme}://{}", self.hostname))?;
                place.log_in_as(&self.username, &self.password);
                place
            }
        };
        if !self.protocol.is_empty() && self.protocol != place.scheme() {
            return Err(invalid("metadata field protocol does not match the connectionString"));
        }
        place.encrypt(pem, self.sasl_external)?;
        place.tell(&self.client_name, self.heart_beat)?;
        Ok(place)
    }

    fn plan(&self, app: &str) -> Result<Plan, Error> {
        let single = match self.concurrency.as_str() {
            "single" => true,
            "parallel" => false,
            other => return Err(invalid(&format!("invalid concurrencyMode {other}: expected parallel or single"))),
        };
        let exchange_kind = match self.exchange_kind.as_str() {
            "fanout" => ExchangeKind::Fanout,
            "topic" => ExchangeKind::Topic,
            "direct" => ExchangeKind::Direct,
            "headers" => ExchangeKind::Headers,
            other => return Err(invalid(&format!("invalid RabbitMQ exchange kind {other}"))),
        };
        let again = self.requeue_in_failure.unwrap_or(!self.enable_dead_letter);
        let prefetch = match (self.prefetch_count, single) {
            (0, true) => 1,
            (0, false) => USUAL_PREFETCH,
            (given, _) => given,
        };
        let given = |number: i64| Some(number).filter(|number| *number > 0);
        Ok(Plan {
            consumer: if self.consumer_id.is_empty() { app.to_owned() } else { self.consumer_id.clone() },
            durable: self.durable,
            dead_letter: self.enable_dead_letter,
            deleted_when_unused: self.deleted_when_unused,
            auto_ack: self.auto_ack,
            after_failure: if again { AfterFailure::Again } else { AfterFailure::Away },
            delivery_mode: self.delivery_mode.unwrap_or(2),
            prefetch,
            concurrency: if single { 1 } else { usize::from(prefetch) },
            reconnect_wait: self.reconnect_wait_seconds,
            max_length: given(self.max_len),
            max_bytes: given(self.max_len_bytes),
            exchange_kind,
            confirm: self.publisher_confirm.unwrap_or(true),
            lifetime: self.ttl_in_seconds,
            properties_to_metadata: self.publish_message_properties_to_metadata,
        })
    }

    fn warnings(&self, plan: &Plan, place: &Place) -> Vec<&'static str> {
        let lost_on_failure = plan.after_failure == AfterFailure::Away && !plan.dead_letter;
        let certificates = [&self.ca_cert, &self.client_cert, &self.client_key];
        let logins = [&self.username, &self.password];
        let uncalled_for = !self.connection_string.is_empty() && logins.iter().any(|text| !text.is_empty());
        [
            (plan.auto_ack, "with autoAck, messages that the app does not handle are lost"),
            (lost_on_failure, "with requeueInFailure false and no dead-letter queue, messages that fail are lost"),
            (!plan.durable, "with durable false, messages are lost when the server restarts"),
            (plan.delivery_mode != 2, "with a deliveryMode other than 2, messages are lost when the server restarts"),
            (plan.deleted_when_unused == Some(true), "with deletedWhenUnused, a queue goes with its last subscriber"),
            (!plan.confirm, "with publisherConfirm false, a publish that succeeded can be lost"),
            (uncalled_for, "username and password have no effect beside connectionString"),
            (
                !place.is_encrypted() && certificates.iter().any(|text| !text.is_empty()),
                "caCert, clientCert and clientKey have no effect without amqps",
            ),
            (
                place.has_files(),
                "files of certificates in connectionString have no effect: use caCert, clientCert, clientKey",
            ),
        ]
        .into_iter()
        .filter_map(|(is_so, sentence)| is_so.then_some(sentence))
        .collect()
    }
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("rabbitmq: {text}"))
}

#[cfg(test)]
mod tests;
