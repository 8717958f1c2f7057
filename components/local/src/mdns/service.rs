//! What one registered app says about itself on the multicast group: its probes, its announcements, its goodbye and
//! its answers. Pure: bytes in, bytes out. The resolver calls it; it must not touch a socket.
//!
//! The target registers the app id itself as the service type (`<host>:<process>.<app id>.local.`), which no general
//! mDNS library accepts, with one TXT string that repeats the app id. Records, lifetimes and sections are the target's;
//! where it ignores RFC 6762 and nobody can depend on that, the RFC is followed.

use std::net::IpAddr;

use component::resolver::{Error, Instance};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{PTR, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Seconds a record of the service may be kept, as the target announces it.
const SERVICE_LIFETIME: u32 = 3200;
/// Seconds an address may be kept (RFC 6762, section 10).
const ADDRESS_LIFETIME: u32 = 120;
/// Seconds an asker that does not speak mDNS may keep a record (RFC 6762, section 6.7).
const LEGACY_LIFETIME: u32 = 10;
/// The port of mDNS.
pub(super) const PORT: u16 = 5353;
/// More questions than this in one packet are not from anyone of ours.
const MAX_QUESTIONS: usize = 32;

/// One app as the network sees it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) app_id: String,
    pub(super) port: u16,
    address: IpAddr,
    kind: Name,
    instance: Name,
    host: Name,
    enumeration: Name,
}

/// An answer, and whether only the asker gets it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) unicast: bool,
}

/// The records of one reply while it is put together.
#[derive(Default)]
struct Sections {
    answers: Vec<Record>,
    additionals: Vec<Record>,
}

impl Service {
    /// Names and records of an instance on this host, run by this process.
    pub(super) fn new(instance: &Instance, host: &str, process: u32) -> Result<Self, Error> {
        instance.check()?;
        let host = host.trim_matches('.');
        Ok(Self {
            app_id: instance.app_id.clone(),
            port: instance.internal_port,
            address: parse_address(&instance.address)?,
            kind: local_name(&[&instance.app_id])?,
            instance: local_name(&[&format!("{host}:{process}"), &instance.app_id])?,
            host: local_name(&[host])?,
            enumeration: local_name(&["_services._dns-sd._udp"])?,
        })
    }

    /// Asks whether somebody else has this name. The target sends it and waits for no answer.
    pub(super) fn probe(&self) -> Option<Vec<u8>> {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(self.instance.clone(), RecordType::PTR));
        message.authorities = vec![self.server(SERVICE_LIFETIME), self.text(SERVICE_LIFETIME)];
        message.to_vec().ok()
    }

    /// Tells everybody that the app is here.
    pub(super) fn announcement(&self) -> Option<Vec<u8>> {
        let mut message = response(0);
        message.answers = self.everything(SERVICE_LIFETIME);
        message.answers.push(flushing(self.address_record()));
        message.to_vec().ok()
    }

    /// Tells everybody that the app is gone. The address of the host stays: other apps live there.
    pub(super) fn goodbye(&self) -> Option<Vec<u8>> {
        let mut message = response(0);
        message.answers = self.everything(0);
        message.to_vec().ok()
    }

    /// The answer to a packet that came from `source_port`, if it asks for anything of ours.
    pub(super) fn answer(&self, query: &Message, source_port: u16) -> Option<Reply> {
        let is_question = query.metadata.message_type == MessageType::Query && query.metadata.op_code == OpCode::Query;
        // A probe carries what it wants to claim as authority; it is not a question for us.
        if !is_question || !query.authorities.is_empty() || query.queries.len() > MAX_QUESTIONS {
            return None;
        }
        let mut sections = Sections::default();
        let mut asked = Vec::new();
        for question in &query.queries {
            if self.answer_question(question, &query.answers, &mut sections) {
                asked.push(question.clone());
            }
        }
        if asked.is_empty() {
            return None;
        }
        let legacy = source_port != PORT;
        let unicast = legacy || asked.iter().all(Query::mdns_unicast_response);
        let mut message = response(if unicast { query.metadata.id } else { 0 });
        message.answers = without_repeats(sections.answers);
        message.additionals = without_repeats(sections.additionals);
        if legacy {
            make_legacy(&mut message, asked);
        }
        Some(Reply { bytes: message.to_vec().ok()?, unicast })
    }

    fn answer_question(&self, question: &Query, known: &[Record], sections: &mut Sections) -> bool {
        if !matches!(question.query_class(), DNSClass::IN | DNSClass::ANY) {
            return false;
        }
        let (name, kind) = (question.name(), question.query_type());
        let pointer = matches!(kind, RecordType::PTR | RecordType::ANY);
        if name.eq_case(&self.kind) && pointer {
            let record = self.pointer(SERVICE_LIFETIME);
            if is_known(&record, known) {
                return false;
            }
            sections.answers.push(record);
            let more = [self.server(SERVICE_LIFETIME), self.text(SERVICE_LIFETIME), self.address_record()];
            sections.additionals.extend(more);
        } else if name.eq_case(&self.enumeration) && pointer {
            let record = self.enumerated(SERVICE_LIFETIME);
            if is_known(&record, known) {
                return false;
            }
            sections.answers.push(record);
        } else if name.eq_case(&self.instance) {
            // The target answers with all of it, whichever record is asked for.
            sections.answers.extend(self.everything(SERVICE_LIFETIME));
            sections.answers.push(self.address_record());
        } else if name.eq_case(&self.host) && self.answers_for_host(kind) {
            sections.answers.push(self.address_record());
        } else {
            return false;
        }
        true
    }

    /// The loopback address means another host to whoever asks from outside, so it is told only along with the port.
    fn answers_for_host(&self, kind: RecordType) -> bool {
        let record = self.address_record().record_type();
        !self.address.is_loopback() && (kind == record || kind == RecordType::ANY)
    }

    fn everything(&self, lifetime: u32) -> Vec<Record> {
        let (server, text) = (flushing(self.server(lifetime)), flushing(self.text(lifetime)));
        vec![server, text, self.pointer(lifetime), self.enumerated(lifetime)]
    }

    fn pointer(&self, lifetime: u32) -> Record {
        Record::from_rdata(self.kind.clone(), lifetime, RData::PTR(PTR(self.instance.clone())))
    }

    fn enumerated(&self, lifetime: u32) -> Record {
        Record::from_rdata(self.enumeration.clone(), lifetime, RData::PTR(PTR(self.kind.clone())))
    }

    fn server(&self, lifetime: u32) -> Record {
        let server = SRV::new(0, 0, self.port, self.host.clone());
        Record::from_rdata(self.instance.clone(), lifetime, RData::SRV(server))
    }

    fn text(&self, lifetime: u32) -> Record {
        let text = TXT::from_bytes(vec![self.app_id.as_bytes()]);
        Record::from_rdata(self.instance.clone(), lifetime, RData::TXT(text))
    }

    fn address_record(&self) -> Record {
        let data = match self.address {
            IpAddr::V4(address) => RData::A(address.into()),
            IpAddr::V6(address) => RData::AAAA(address.into()),
        };
        Record::from_rdata(self.host.clone(), ADDRESS_LIFETIME, data)
    }
}

/// The name of these dotted parts under `local.`, letter for letter.
pub(super) fn local_name(parts: &[&str]) -> Result<Name, Error> {
    let labels = parts.iter().flat_map(|part| part.trim_matches('.').split('.')).chain(["local"]);
    Name::from_labels(labels.map(str::as_bytes))
        .map_err(|error| Error::Configuration(format!("{:?} cannot be a name in mDNS: {error}", parts.join("."))))
}

fn parse_address(text: &str) -> Result<IpAddr, Error> {
    // The runtime passes on what it listens on, which may be these two forms; the target fails on them.
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = if bare.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { bare };
    bare.parse().map_err(|_| Error::Configuration(format!("Failed to parse given IP: {text}")))
}

fn response(id: u16) -> Message {
    let mut message = Message::response(id, OpCode::Query);
    message.metadata.authoritative = true;
    message
}

fn flushing(mut record: Record) -> Record {
    record.mdns_cache_flush = true;
    record
}

/// Whether the asker said that it has this record for at least half its life (RFC 6762, section 7.1).
fn is_known(record: &Record, known: &[Record]) -> bool {
    known
        .iter()
        .any(|other| other.ttl >= record.ttl / 2 && other.data == record.data && other.name.eq_case(&record.name))
}

fn without_repeats(records: Vec<Record>) -> Vec<Record> {
    let mut unique: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        if !unique.iter().any(|other| other.name == record.name && other.data == record.data) {
            unique.push(record);
        }
    }
    unique
}

/// Turns an answer into one for a plain DNS client (RFC 6762, section 6.7).
fn make_legacy(message: &mut Message, mut asked: Vec<Query>) {
    for question in &mut asked {
        question.set_mdns_unicast_response(false);
    }
    message.queries = asked;
    for record in message.answers.iter_mut().chain(&mut message.additionals) {
        record.ttl = record.ttl.min(LEGACY_LIFETIME);
        record.mdns_cache_flush = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::query;
    use super::*;

    fn service(address: &str) -> Service {
        let instance =
            Instance { app_id: "orders".into(), address: address.into(), internal_port: 50002, ..Instance::default() };
        Service::new(&instance, "laptop.lan", 77).unwrap()
    }

    fn question(name: &[&str], kind: RecordType) -> Message {
        let mut message = Message::new(9, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(local_name(name).unwrap(), kind));
        message
    }

    fn parsed(reply: &Reply) -> Message {
        Message::from_vec(&reply.bytes).unwrap()
    }

    #[test]
    fn a_browse_is_answered_with_all_that_is_needed_to_connect() {
        let reply = service("10.1.2.3").answer(&question(&["orders"], RecordType::PTR), PORT).unwrap();
        assert!(!reply.unicast);
        let message = parsed(&reply);
        assert_eq!(message.metadata.message_type, MessageType::Response);
        assert!(message.metadata.authoritative);
        assert!(message.queries.is_empty());
        assert_eq!(message.answers.len(), 1);
        assert_eq!(message.answers[0].ttl, 3200);
        let instance = local_name(&["laptop.lan:77", "orders"]).unwrap();
        assert_eq!(message.answers[0].data, RData::PTR(PTR(instance)));
        let kinds: Vec<_> = message.additionals.iter().map(Record::record_type).collect();
        assert_eq!(kinds, [RecordType::SRV, RecordType::TXT, RecordType::A]);
        assert_eq!(message.additionals[2].ttl, 120);
        assert_eq!(query::endpoints(&message, "orders"), ["10.1.2.3:50002".parse().unwrap()]);
    }

    #[test]
    fn a_wish_for_a_unicast_answer_is_granted() {
        let mut message = question(&["orders"], RecordType::ANY);
        message.queries[0].set_mdns_unicast_response(true);
        let reply = service("10.1.2.3").answer(&message, PORT).unwrap();
        assert!(reply.unicast);
        assert_eq!(parsed(&reply).metadata.id, 9);
    }

    #[test]
    fn a_plain_dns_client_gets_its_question_back_and_short_lifetimes() {
        let reply = service("10.1.2.3").answer(&question(&["laptop:1", "orders"], RecordType::SRV), 40000);
        assert_eq!(reply, None);
        let reply =
            service("10.1.2.3").answer(&question(&["laptop.lan:77", "orders"], RecordType::SRV), 40000).unwrap();
        let message = parsed(&reply);
        assert!(reply.unicast);
        assert_eq!(message.queries.len(), 1);
        assert!(message.answers.iter().all(|record| record.ttl == 10 && !record.mdns_cache_flush));
        assert!(message.answers.iter().any(|record| record.record_type() == RecordType::SRV));
    }

    #[test]
    fn an_answer_the_asker_knows_is_not_repeated() {
        let service = service("10.1.2.3");
        let mut message = question(&["orders"], RecordType::PTR);
        let mut known = service.pointer(1600);
        message.answers = vec![known.clone()];
        assert_eq!(service.answer(&message, PORT), None);
        known.ttl = 1599;
        message.answers = vec![known];
        assert!(service.answer(&message, PORT).is_some());
    }

    #[test]
    fn the_list_of_services_names_the_app() {
        let reply = service("::1").answer(&question(&["_services._dns-sd._udp"], RecordType::PTR), PORT).unwrap();
        assert_eq!(parsed(&reply).answers[0].data.to_string(), "orders.local.");
    }

    #[test]
    fn a_loopback_address_is_not_told_as_the_address_of_the_host() {
        let message = question(&["laptop.lan"], RecordType::A);
        assert!(service("10.1.2.3").answer(&message, PORT).is_some());
        assert_eq!(service("127.0.0.1").answer(&message, PORT), None);
        assert_eq!(service("fd00::2").answer(&message, PORT), None);
    }

    #[test]
    fn probes_responses_and_other_names_are_not_answered() {
        let service = service("10.1.2.3");
        assert_eq!(service.answer(&question(&["Orders"], RecordType::PTR), PORT), None);
        assert_eq!(service.answer(&question(&["orders"], RecordType::A), PORT), None);
        let probe = Message::from_vec(&service.probe().unwrap()).unwrap();
        assert_eq!(service.answer(&probe, PORT), None);
        let announcement = Message::from_vec(&service.announcement().unwrap()).unwrap();
        assert_eq!(service.answer(&announcement, PORT), None);
    }

    #[test]
    fn an_announcement_is_an_endpoint_and_a_goodbye_is_none() {
        let service = service("[fd00::2]");
        let announcement = Message::from_vec(&service.announcement().unwrap()).unwrap();
        assert!(announcement.answers.iter().filter(|record| record.mdns_cache_flush).count() == 3);
        assert_eq!(query::endpoints(&announcement, "orders"), ["[fd00::2]:50002".parse().unwrap()]);
        let goodbye = Message::from_vec(&service.goodbye().unwrap()).unwrap();
        assert!(goodbye.answers.iter().all(|record| record.ttl == 0));
        assert!(query::endpoints(&goodbye, "orders").is_empty());
    }

    #[test]
    fn localhost_is_the_loopback_address_and_other_names_are_refused() {
        assert_eq!(parse_address("localhost"), Ok("127.0.0.1".parse().unwrap()));
        assert_eq!(parse_address("[::1]"), Ok("::1".parse().unwrap()));
        assert_eq!(parse_address("host.lan").unwrap_err().to_string(), "Failed to parse given IP: host.lan");
    }

    #[test]
    fn a_name_that_dns_cannot_carry_is_refused() {
        assert!(local_name(&[&"a".repeat(64)]).is_err());
        assert!(local_name(&["a..b"]).is_err());
        assert!(local_name(&[""]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_ignored(bytes in proptest::collection::vec(any::<u8>(), 0..600), port: u16) {
            if let Ok(message) = Message::from_vec(&bytes) {
                service("10.1.2.3").answer(&message, port);
                query::endpoints(&message, "orders");
            }
        }

        #[test]
        fn damaged_packets_are_answered_or_ignored(position in 0usize..300, value: u8, cut in 0usize..300, port: u16) {
            let service = service("10.1.2.3");
            for mut bytes in [service.announcement().unwrap(), service.probe().unwrap(), query::question("orders").unwrap()] {
                let length = bytes.len();
                bytes[position % length] = value;
                bytes.truncate(length - cut % length);
                if let Ok(message) = Message::from_vec(&bytes) {
                    service.answer(&message, port);
                    query::endpoints(&message, "orders");
                }
            }
        }
    }
}
