//! What of a message's metadata goes into its properties, and back. Used by the publisher and by subscriptions.

use std::collections::BTreeMap;

use component::Metadata;
use component::settings::SettingValue as _;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::failure::Failure;
use crate::settings::{Lifetime, Plan};

const USUAL_TYPE: &str = "text/plain";

/// What one message asks of the server.
pub(crate) struct Sending {
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
}

impl Sending {
    /// Reads the metadata of a message by the target's rules.
    ///
    /// # Errors
    /// A value that is too long for the protocol.
    pub(crate) fn read(metadata: &Metadata, plan: &Plan) -> Result<Self, Failure> {
        let content_type = find(metadata, "contentType").unwrap_or(USUAL_TYPE);
        let mut properties = BasicProperties::default().with_content_type(short("contentType", content_type)?);
        if plan.delivery_mode > 0 {
            properties = properties.with_delivery_mode(plan.delivery_mode);
        }
        if let Some(lifetime) = lifetime(metadata).or(plan.lifetime) {
            properties = properties.with_expiration(short("ttlInSeconds", &lifetime.milliseconds().to_string())?);
        }
        if let Some(priority) = priority(metadata) {
            properties = properties.with_priority(priority);
        }
        if let Some(id) = find(metadata, "messageID") {
            properties = properties.with_message_id(short("messageID", id)?);
        }
        if let Some(id) = find(metadata, "correlationID") {
            properties = properties.with_correlation_id(short("correlationID", id)?);
        }
        if let Some(word) = find(metadata, "type") {
            properties = properties.with_type(short("type", word)?);
        }
        let routing_key = short("routingKey", metadata.get("routingKey").map_or("", String::as_str))?;
        Ok(Self { routing_key, properties })
    }
}

/// A text of at most 255 bytes.
pub(crate) fn short(what: &str, text: &str) -> Result<ShortString, Failure> {
    ShortString::try_new(text).map_err(|_| Failure::TooLong(what.to_owned()))
}

/// A value under that name: in its own case, or in another.
fn find<'metadata>(metadata: &'metadata Metadata, name: &str) -> Option<&'metadata str> {
    let exact = metadata.get(name).filter(|value| !value.is_empty());
    let other = || metadata.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
    exact.or_else(|| other().map(|(_, value)| value)).map(String::as_str)
}

fn lifetime(metadata: &Metadata) -> Option<Lifetime> {
    let text = find(metadata, "ttl").or_else(|| find(metadata, "ttlInSeconds"))?;
    let read = Lifetime::from_text(text);
    if read.is_none() {
        tracing::warn!("rabbitmq: a message's ttlInSeconds is {text:?}: it is ignored, as it is no time above zero");
    }
    read
}

fn priority(metadata: &Metadata) -> Option<u8> {
    let text = metadata.get("priority").filter(|text| !text.is_empty())?;
    let Ok(number) = text.parse::<i64>() else {
        tracing::warn!("rabbitmq: a message's priority is {text:?}: it is ignored, as it is no whole number");
        return None;
    };
    u8::try_from(number.clamp(0, 255)).ok()
}

/// Properties and headers of a message under the target's names.
pub(crate) fn to_metadata(properties: &BasicProperties) -> Metadata {
    let named = [
        ("metadata.messageid", properties.message_id()),
        ("metadata.correlationid", properties.correlation_id()),
        ("metadata.type", properties.kind()),
        ("metadata.contenttype", properties.content_type()),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_ref()?.to_string())));
    let named = named.filter(|(_, value)| !value.is_empty());
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    let headers = headers.filter_map(|(name, value)| Some((format!("metadata.{name}"), text(value)?)));
    named.chain(headers).collect()
}

/// A value as the target writes it; `None` for no value.
fn text(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::Void => return None,
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(value) => value.to_string(),
        AMQPValue::ShortShortUInt(value) => value.to_string(),
        AMQPValue::ShortInt(value) => value.to_string(),
        AMQPValue::ShortUInt(value) => value.to_string(),
        AMQPValue::LongInt(value) => value.to_string(),
        AMQPValue::LongUInt(value) => value.to_string(),
        AMQPValue::LongLongInt(value) => value.to_string(),
        AMQPValue::Timestamp(value) => value.to_string(),
        AMQPValue::Float(value) => value.to_string(),
        AMQPValue::Double(value) => value.to_string(),
        AMQPValue::DecimalValue(value) => format!("{{{} {}}}", value.scale, value.value),
        AMQPValue::ShortString(value) => value.to_string(),
        AMQPValue::LongString(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        AMQPValue::ByteArray(value) => String::from_utf8_lossy(value.as_slice()).into_owned(),
        AMQPValue::FieldArray(values) => {
            let texts: Vec<String> = values.as_slice().iter().map(nested).collect();
            format!("[{}]", texts.join(" "))
        }
        AMQPValue::FieldTable(table) => {
            let sorted: BTreeMap<&str, String> =
                table.inner().iter().map(|(name, value)| (name.as_str(), nested(value))).collect();
            let texts: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("map[{}]", texts.join(" "))
        }
    })
}

fn nested(value: &AMQPValue) -> String {
    text(value).unwrap_or_else(|| "<nil>".to_owned())
}

/// How often a quorum queue has delivered a message before.
pub(crate) fn delivery_count(properties: &BasicProperties) -> u32 {
    let headers = properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count")).and_then(text);
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use component::Properties;

    use super::*;
    use crate::settings::RabbitSettings;

    fn plan(pairs: &[(&str, &str)]) -> Plan {
        let properties: Properties = pairs.iter().copied().collect();
        RabbitSettings::read("bus", "app", &properties).unwrap().0
    }

    fn sending(metadata: &[(&str, &str)], plan: &Plan) -> Sending {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sending::read(&metadata, plan).unwrap()
    }

    #[test]
    fn metadata_becomes_properties_and_comes_back() {
        let given =
            [("messageid", "m"), ("CorrelationID", "c"), ("type", "t"), ("priority", "300"), ("routingKey", "k")];
        let sending = sending(&given, &plan(&[]));
        let properties = sending.properties;
        assert_eq!((sending.routing_key.as_str(), *properties.priority()), ("k", Some(255)));
        assert_eq!((*properties.delivery_mode(), properties.expiration().clone()), (Some(2), None));
        let back = to_metadata(&properties);
        let pair = |name: &str| back.get(name).map(String::as_str);
        assert_eq!(pair("metadata.messageid"), Some("m"));
        assert_eq!(pair("metadata.correlationid"), Some("c"));
        assert_eq!(pair("metadata.contenttype"), Some("text/plain"));
    }

    #[test]
    fn a_message_lives_as_long_as_it_says_or_the_component() {
        let plan = plan(&[("ttlInSeconds", "7"), ("deliveryMode", "0")]);
        let expiration = |metadata: &[(&str, &str)]| sending(metadata, &plan).properties.expiration().clone().unwrap();
        assert_eq!(expiration(&[]).as_str(), "7000");
        assert_eq!(expiration(&[("ttlInSeconds", "1")]).as_str(), "1000");
        assert_eq!(expiration(&[("ttlInSeconds", "zero")]).as_str(), "7000");
        assert_eq!(*sending(&[], &plan).properties.delivery_mode(), None);
    }

    #[test]
    fn headers_are_written_as_the_target_writes_them() {
        let mut inner = FieldTable::default();
        inner.insert("b".into(), AMQPValue::LongInt(2));
        inner.insert("a".into(), AMQPValue::Void);
        let mut headers = FieldTable::default();
        headers.insert("x".into(), AMQPValue::FieldTable(inner));
        headers.insert("y".into(), AMQPValue::LongString("z".into()));
        headers.insert("none".into(), AMQPValue::Void);
        let back = to_metadata(&BasicProperties::default().with_headers(headers));
        let expected = [("metadata.x", "map[a:<nil> b:2]"), ("metadata.y", "z")];
        let expected: Metadata =
            expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(back, expected);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let metadata = [("routingKey".to_owned(), "k".repeat(256))].into_iter().collect();
        let failure = Sending::read(&metadata, &plan(&[])).err().unwrap();
        assert!(failure.to_string().contains("routingKey is longer than 255 bytes"));
    }
}
