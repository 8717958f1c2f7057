//! The asking side: the question for an app id, and what an answer says about where the app is. Pure. The resolver
//! calls it; it must not touch a socket.

use std::net::{IpAddr, SocketAddr};

use component::resolver::Error;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::service::local_name;

/// More endpoints than this in one packet are not from anyone of ours.
const MAX_ENDPOINTS: usize = 64;

/// The packet that asks for every instance of an app.
///
/// It asks for multicast answers as the target does: a unicast one would reach only the process that opened the
/// port of mDNS last.
pub(super) fn question(app_id: &str) -> Result<Vec<u8>, Error> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(local_name(&[app_id])?, RecordType::PTR));
    let bytes = message.to_vec();
    bytes.map_err(|error| Error::Configuration(format!("{app_id:?} cannot be asked for in mDNS: {error}")))
}

/// Where a response says that instances of the app are: at most one address of each, IPv4 before IPv6.
///
/// As in the target, an instance counts only if its first TXT string is the app id, and only with the addresses that
/// the same packet brings. What says goodbye is not there.
pub(super) fn endpoints(message: &Message, app_id: &str) -> Vec<SocketAddr> {
    if message.metadata.message_type != MessageType::Response {
        return Vec::new();
    }
    let Ok(kind) = local_name(&[app_id]) else { return Vec::new() };
    let records = || message.all_sections().filter(|record| record.ttl > 0);
    let mut found = Vec::new();
    for record in records() {
        let RData::SRV(server) = &record.data else { continue };
        if server.port == 0 || !kind.zone_of_case(&record.name) || !has_text(records(), &record.name, app_id) {
            continue;
        }
        let Some(address) = address_of(records(), &server.target) else { continue };
        let endpoint = SocketAddr::new(address, server.port);
        if !found.contains(&endpoint) && found.len() < MAX_ENDPOINTS {
            found.push(endpoint);
        }
    }
    found
}

fn has_text<'a>(mut records: impl Iterator<Item = &'a Record>, instance: &Name, app_id: &str) -> bool {
    records.any(|record| match &record.data {
        RData::TXT(text) => {
            let first = text.txt_data.first();
            record.name.eq_case(instance) && first.is_some_and(|first| **first == *app_id.as_bytes())
        }
        _ => false,
    })
}

fn address_of<'a>(records: impl Iterator<Item = &'a Record>, host: &Name) -> Option<IpAddr> {
    let addresses = records.filter(|record| record.name == *host).filter_map(|record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    addresses.filter(|address| !address.is_unspecified() && !address.is_multicast()).min_by_key(IpAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, AAAA, SRV, TXT};

    use super::*;

    fn response(instance: &[&str], text: &str, addresses: &[RData]) -> Message {
        let (instance, host) = (local_name(instance).unwrap(), local_name(&["host"]).unwrap());
        let mut message = Message::response(0, OpCode::Query);
        let server = RData::SRV(SRV::new(0, 0, 7, host.clone()));
        message.add_answer(Record::from_rdata(instance.clone(), 60, server));
        message.add_answer(Record::from_rdata(instance, 60, RData::TXT(TXT::new(vec![text.to_owned()]))));
        for address in addresses {
            message.add_additional(Record::from_rdata(host.clone(), 60, address.clone()));
        }
        message
    }

    fn v4() -> RData {
        RData::A(A::new(10, 0, 0, 1))
    }

    #[test]
    fn ipv4_is_preferred_to_ipv6() {
        let v6 = RData::AAAA(AAAA("fd00::1".parse().unwrap()));
        let both = response(&["vm:1", "orders"], "orders", &[v6.clone(), v4()]);
        assert_eq!(endpoints(&both, "orders"), ["10.0.0.1:7".parse().unwrap()]);
        let only = response(&["vm:1", "orders"], "orders", &[v6]);
        assert_eq!(endpoints(&only, "orders"), ["[fd00::1]:7".parse().unwrap()]);
    }

    #[test]
    fn other_apps_other_texts_and_missing_addresses_are_no_answer() {
        assert!(endpoints(&response(&["vm:1", "big-orders"], "orders", &[v4()]), "orders").is_empty());
        assert!(endpoints(&response(&["vm:1", "orders"], "Orders", &[v4()]), "orders").is_empty());
        assert!(endpoints(&response(&["vm:1", "orders"], "orders", &[]), "orders").is_empty());
        let unspecified = RData::A(A::new(0, 0, 0, 0));
        assert!(endpoints(&response(&["vm:1", "orders"], "orders", &[unspecified]), "orders").is_empty());
    }

    #[test]
    fn a_question_is_not_an_answer() {
        let mut message = response(&["vm:1", "orders"], "orders", &[v4()]);
        message.metadata.message_type = MessageType::Query;
        assert!(endpoints(&message, "orders").is_empty());
    }

    #[test]
    fn the_question_asks_for_pointers_of_the_app() {
        let message = Message::from_vec(&question("orders").unwrap()).unwrap();
        assert_eq!(message.queries.len(), 1);
        assert_eq!(message.queries[0].name().to_string(), "orders.local.");
        assert_eq!(message.queries[0].query_type(), RecordType::PTR);
        assert!(!message.queries[0].mdns_unicast_response());
        assert!(question("").is_err());
    }
}
