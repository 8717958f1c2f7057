//! What a call says about the machine it came through: `X-Forwarded-For`, `X-Forwarded-Host`, `Forwarded` (RFC 7239).

use std::net::IpAddr;

use call::{Metadata, Value};

/// The values for this machine, made once.
#[derive(Debug, Clone, Default)]
pub struct Forwarded {
    address: Option<Value>,
    host: Option<Value>,
    combined: Option<Value>,
}

impl Forwarded {
    /// The values for an address and a host name; an empty one is left out.
    pub fn new(address: &str, host: &str) -> Self {
        let quoted = match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("\"[{address}]\""),
            _ => address.to_owned(),
        };
        let mut parts = Vec::new();
        if !address.is_empty() {
            parts.push(format!("for={quoted};by={quoted}"));
        }
        if !host.is_empty() {
            parts.push(format!("host={host}"));
        }
        let value = |text: &str| (!text.is_empty()).then(|| Value::from(text));
        Self { address: value(address), host: value(host), combined: value(&parts.join(";")) }
    }

    /// Appends the values to those that a call already has.
    pub(super) fn add(&self, metadata: &mut Metadata) {
        let values =
            [("X-Forwarded-For", &self.address), ("X-Forwarded-Host", &self.host), ("Forwarded", &self.combined)];
        for (name, value) in values {
            if let Some(value) = value {
                metadata.append(name, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_quoted_and_values_are_appended() {
        let forwarded = Forwarded::new("fd00::1", "machine");
        let mut metadata: Metadata = [("X-Forwarded-For", "1.2.3.4")].into_iter().collect();
        forwarded.add(&mut metadata);
        assert_eq!(metadata.get("X-Forwarded-For").unwrap().as_slice(), ["1.2.3.4", "fd00::1"]);
        assert_eq!(metadata.get("Forwarded").unwrap().as_slice(), ["for=\"[fd00::1]\";by=\"[fd00::1]\";host=machine"]);
    }
}
