//! Holds our packets against those of the reference, so that both stay the same without it at hand.
//!
//! Recorded on 2026-11-23 from a daprd of commit d8450742 (`-app-id orders -dapr-internal-grpc-port 50002`, with
//! `DAPR_HOST_IP=10.1.2.3`, host `vm`, process 8425) by a socket that had joined 224.0.0.251 and asked once.

use component::resolver::Instance;
use hickory_proto::op::Message;
use hickory_proto::rr::Record;

use super::query;
use super::service::{PORT, Service};

const PROBE: &str = "e9d00000000100000002000007766d3a38343235066f7264657273056c6f63616c00000c000107766d3a38343235066f72\
    64657273056c6f63616c000021000100000c80001000000000c35202766d056c6f63616c0007766d3a38343235066f7264657273056c6f6361\
    6c000010000100000c800007066f7264657273";
const ANNOUNCEMENT: &str = "00008000000000050000000007766d3a38343235066f7264657273056c6f63616c000021800100000c800010000\
    00000c35202766d056c6f63616c00c00c0010800100000c800007066f7264657273c014000c000100000c800002c00c095f736572766963657\
    3075f646e732d7364045f756470c01b000c000100000c800002c014c032000180010000007800040a010203";
const QUESTION: &str = "000000000001000000000000066f7264657273056c6f63616c00000c0001";
const ANSWER: &str = "000084000000000100000003066f7264657273056c6f63616c00000c000100000c80000a07766d3a38343235c00cc02400\
    21000100000c80001000000000c35202766d056c6f63616c00c0240010000100000c800007066f7264657273c040000100010000007800040a\
    010203";
const GOODBYE: &str = "00008000000000050000000007766d3a38343235066f7264657273056c6f63616c0000218001000000000010000000\
    00c35202766d056c6f63616c0007766d3a38343235066f7264657273056c6f63616c0000108001000000000007066f7264657273066f7264657273\
    056c6f63616c00000c000100000000001607766d3a38343235066f7264657273056c6f63616c00095f7365727669636573075f646e732d7364\
    045f756470056c6f63616c00000c000100000000000e066f7264657273056c6f63616c0002766d056c6f63616c00000180010000000000040a\
    010203";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn recorded(hexadecimal: &str) -> Message {
    Message::from_vec(&bytes(hexadecimal)).unwrap()
}

fn ours() -> Service {
    let instance =
        Instance { app_id: "orders".into(), address: "10.1.2.3".into(), internal_port: 50002, ..Instance::default() };
    Service::new(&instance, "vm", 8425).unwrap()
}

/// Everything about a record that is on the wire.
fn facts(records: &[Record]) -> Vec<String> {
    let fact = |record: &Record| format!("{record} flush={}", record.mdns_cache_flush);
    records.iter().map(fact).collect()
}

fn assert_same_sections(ours: &[u8], theirs: &Message) {
    let ours = Message::from_vec(ours).unwrap();
    assert_eq!(ours.queries, theirs.queries);
    assert_eq!(facts(&ours.answers), facts(&theirs.answers));
    assert_eq!(facts(&ours.authorities), facts(&theirs.authorities));
    assert_eq!(facts(&ours.additionals), facts(&theirs.additionals));
}

#[test]
fn our_probe_and_our_announcement_are_those_of_the_reference() {
    assert_same_sections(&ours().probe().unwrap(), &recorded(PROBE));
    assert_same_sections(&ours().announcement().unwrap(), &recorded(ANNOUNCEMENT));
}

#[test]
fn our_question_and_our_answer_are_those_of_the_reference() {
    assert_eq!(query::question("orders").unwrap(), bytes(QUESTION));
    let reply = ours().answer(&recorded(QUESTION), PORT).unwrap();
    assert!(!reply.unicast);
    assert_same_sections(&reply.bytes, &recorded(ANSWER));
    assert_eq!(&reply.bytes[..12], &bytes(ANSWER)[..12]);
}

#[test]
fn our_goodbye_is_that_of_the_reference_but_for_the_address_of_the_host() {
    let goodbye = Message::from_vec(&ours().goodbye().unwrap()).unwrap();
    let theirs = recorded(GOODBYE);
    assert_eq!(facts(&goodbye.answers), facts(&theirs.answers[..4]));
    assert_eq!(theirs.answers.len(), 5);
}

#[test]
fn the_packets_of_the_reference_are_understood() {
    let endpoint = ["10.1.2.3:50002".parse().unwrap()];
    assert_eq!(query::endpoints(&recorded(ANSWER), "orders"), endpoint);
    assert_eq!(query::endpoints(&recorded(ANNOUNCEMENT), "orders"), endpoint);
    assert!(query::endpoints(&recorded(GOODBYE), "orders").is_empty());
    assert!(query::endpoints(&recorded(PROBE), "orders").is_empty());
}
