//! Messages on their way into streams.

use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use component::pubsub::{BulkPublishEntry, BulkPublishFailure, BulkPublishRequest, BulkPublisher};
use component::{CallContext, Error, ErrorKind, Metadata, Retry};
use redis::{Cmd, Value, cmd, pipe};

use super::options::Trimming;
use super::{Broker, RedisPubSub, entry, unexpected};
use crate::failure::Failure;
use crate::link::Effect;
use crate::wire::Request;

const DOING: &str = "publish a message";
/// How many messages, and about how many bytes of them, are sent in one go.
const AT_ONCE: usize = 100;
const BYTES_AT_ONCE: usize = 1 << 20;

impl Broker {
    pub(super) async fn publish(&self, topic: &str, data: &Bytes, metadata: &Metadata) -> Result<(), Error> {
        let add = self.add(topic, data, metadata)?;
        self.link.command(&add, Effect::Write, DOING).await.map(drop)
    }

    fn add(&self, topic: &str, data: &Bytes, metadata: &Metadata) -> Result<Cmd, Error> {
        let mut add = cmd("XADD");
        add.arg(topic);
        match self.options.trimming {
            Trimming::Nothing => {}
            Trimming::AboveLength(length) => {
                add.arg("MAXLEN").arg("~").arg(length);
            }
            Trimming::OlderThan(age) => {
                let oldest = self.clock.now().checked_sub(age).unwrap_or(UNIX_EPOCH);
                let oldest = oldest.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                add.arg("MINID").arg("~").arg(format!("{oldest}-1"));
            }
        }
        let metadata = serde_json::to_vec(metadata)
            .map_err(|error| Error::new(ErrorKind::Internal, "redis: metadata cannot be written").caused_by(error))?;
        add.arg("*").arg(entry::DATA).arg(&data[..]).arg(entry::METADATA).arg(metadata);
        Ok(add)
    }

    /// Messages in one go; the errors of those the server did not take.
    async fn publish_part(
        &self,
        request: &BulkPublishRequest,
        part: &[BulkPublishEntry],
    ) -> Result<Vec<(String, Error)>, Error> {
        let mut all = pipe();
        for one in part {
            all.add_command(self.add(&request.topic, &one.data, &with(&request.metadata, &one.metadata))?);
        }
        let answer = self.link.ask(Request::Each(&all, &request.topic), Effect::Write).await;
        let answers = match answer {
            Ok(Value::Array(answers)) if answers.len() == part.len() => answers,
            Ok(_) => return Err(unexpected().into_error(DOING)),
            Err(failure) => return Err(failure.into_error(DOING)),
        };
        let mut refused = Vec::new();
        for (one, answer) in part.iter().zip(answers) {
            let Err(error) = answer.extract_error() else { continue };
            let failure = Failure::Redis(error);
            // Such as one that a node of a cluster sends elsewhere.
            let outcome = if failure.meaning().retry == Retry::NotProcessed {
                self.publish(&request.topic, &one.data, &with(&request.metadata, &one.metadata)).await
            } else {
                Err(failure.into_error(DOING))
            };
            refused.extend(outcome.err().map(|error| (one.id.clone(), error)));
        }
        Ok(refused)
    }
}

/// The metadata of one message of many: its own counts.
fn with(all: &Metadata, own: &Metadata) -> Metadata {
    all.iter().chain(own).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The messages in parts that can be sent in one go.
fn parts(mut entries: &[BulkPublishEntry]) -> Vec<&[BulkPublishEntry]> {
    let mut parts = Vec::new();
    while !entries.is_empty() {
        let mut bytes = 0_usize;
        let fits = |entry: &&BulkPublishEntry| {
            bytes = bytes.saturating_add(entry.data.len());
            bytes <= BYTES_AT_ONCE
        };
        let count = entries.iter().take(AT_ONCE).take_while(fits).count().max(1);
        let (part, rest) = entries.split_at(count);
        parts.push(part);
        entries = rest;
    }
    parts
}

#[async_trait]
impl BulkPublisher for RedisPubSub {
    async fn bulk_publish(&self, _: &CallContext, request: &BulkPublishRequest) -> Result<(), BulkPublishFailure> {
        let mut failure = BulkPublishFailure::default();
        for part in parts(&request.entries) {
            match self.0.publish_part(request, part).await {
                Ok(refused) => failure.entries.extend(refused),
                Err(error) => {
                    let (kind, retry, text) = (error.kind(), error.retry(), error.to_string());
                    let each = |one: &BulkPublishEntry| (one.id.clone(), Error::new(kind, &text).with_retry(retry));
                    failure.entries.extend(part.iter().map(each));
                }
            }
        }
        if failure.entries.is_empty() { Ok(()) } else { Err(failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> BulkPublishEntry {
        BulkPublishEntry { data: vec![0; bytes].into(), ..BulkPublishEntry::default() }
    }

    #[test]
    fn parts_are_bounded_in_number_and_bytes_and_hold_everything() {
        let sizes = |entries: Vec<BulkPublishEntry>| parts(&entries).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(sizes((0..250).map(|_| entry(1)).collect()), [100, 100, 50]);
        assert_eq!(sizes(vec![entry(2 << 20), entry(600 << 10), entry(600 << 10), entry(1)]), [1, 1, 2]);
        assert_eq!(sizes(Vec::new()), Vec::<usize>::new());
    }

    #[test]
    fn a_messages_own_metadata_counts() {
        let metadata = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Metadata>()
        };
        let both = with(&metadata(&[("a", "1"), ("b", "1")]), &metadata(&[("b", "2")]));
        assert_eq!(both, metadata(&[("a", "1"), ("b", "2")]));
    }
}
