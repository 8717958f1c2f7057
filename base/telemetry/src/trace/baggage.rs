//! Checking the `baggage` header by the rules of the target's library (W3C Baggage; 64 members, 8192 bytes).
//! Called by the HTTP and gRPC doors, which refuse a request with bad baggage: HTTP 400 with the error as plain text,
//! gRPC InvalidArgument.

use std::fmt;

use crate::quote;

/// At most this many distinct members.
const MAX_MEMBERS: usize = 64;
/// At most this many bytes, as sent and as written again.
const MAX_BYTES: usize = 8192;
/// Of more errors only the number is told.
const MAX_ERRORS: usize = 5;

/// Baggage that passed the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baggage {
    /// All values of the header joined with a comma, as sent: what is forwarded, and returned over HTTP.
    pub header: String,
    /// Parsed and written again, of repeated names the last: what is returned over gRPC.
    pub canonical: String,
}

/// Why baggage is refused. Its text is the target's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBaggage(String);

impl fmt::Display for InvalidBaggage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "invalid baggage header: {}", self.0)
    }
}

impl std::error::Error for InvalidBaggage {}

/// Checks the values of all `baggage` headers of a request; `None` when there are none.
///
/// # Errors
/// [`InvalidBaggage`] with every fault found, each on a line.
pub fn check<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<Baggage>, InvalidBaggage> {
    let values: Vec<&str> = values.into_iter().collect();
    if values.is_empty() {
        return Ok(None);
    }
    let header = values.join(",");
    if header.is_empty() {
        return Ok(Some(Baggage { header, canonical: String::new() }));
    }
    let members = parse(&header).map_err(|faults| InvalidBaggage(faults.join("\n")))?;
    let canonical: Vec<String> = members.into_iter().map(|member| member.text).collect();
    Ok(Some(Baggage { header, canonical: canonical.join(",") }))
}

struct Member {
    key: String,
    text: String,
}

fn parse(header: &str) -> Result<Vec<Member>, Vec<String>> {
    if header.len() > MAX_BYTES {
        return Err(vec![format!("baggage-string too large: {}", header.len())]);
    }
    let mut members: Vec<Member> = Vec::new();
    let mut faults = Vec::new();
    let mut invalid = 0;
    for text in header.split(',') {
        if members.len() >= MAX_MEMBERS {
            faults.push("too many list-members in baggage-string".to_owned());
            break;
        }
        match parse_member(text) {
            Ok(member) => {
                let size = |member: &Member| member.text.len() + 1;
                let others: usize = members.iter().filter(|other| other.key != member.key).map(size).sum();
                if others + member.text.len() > MAX_BYTES {
                    faults.push("baggage-string too large".to_owned());
                    break;
                }
                match members.iter_mut().find(|other| other.key == member.key) {
                    Some(other) => *other = member,
                    None => members.push(member),
                }
            }
            Err(fault) => {
                invalid += 1;
                if invalid <= MAX_ERRORS {
                    faults.push(fault);
                }
            }
        }
    }
    if invalid > MAX_ERRORS {
        faults.push(format!("and {} more invalid member(s)", invalid - MAX_ERRORS));
    }
    if faults.is_empty() { Ok(members) } else { Err(faults) }
}

fn parse_member(text: &str) -> Result<Member, String> {
    let (pair, properties) = match text.split_once(';') {
        Some((pair, properties)) => (pair, Some(properties)),
        None => (text, None),
    };
    let mut written = Vec::new();
    for property in properties.into_iter().flat_map(|all| all.split(';')) {
        let fault = || format!("invalid baggage list-member property: {}", quote(property));
        written.push(if property.is_empty() { String::new() } else { parse_property(property).ok_or_else(fault)? });
    }
    let Some((key, raw)) = pair.split_once('=') else {
        return Err(format!("invalid baggage list-member: {}", quote(text)));
    };
    let (key, value) = (key.trim(), raw.trim());
    if !is_key(key) {
        return Err(format!("invalid key: {}", quote(key)));
    }
    if !value.bytes().all(is_value_byte) {
        return Err(format!("invalid value: {}", quote(raw)));
    }
    let value = unescape(value).map_err(|part| format!("invalid value: invalid URL escape {}", quote(&part)))?;
    let mut member = format!("{key}={}", escape(&value));
    if properties.is_some() {
        member.push(';');
        written.retain(|property| !property.is_empty());
        member.push_str(&written.join(";"));
    }
    Ok(Member { key: key.to_owned(), text: member })
}

fn parse_property(text: &str) -> Option<String> {
    let blank = [' ', '\t'];
    match text.split_once('=') {
        None => Some(text.trim_matches(blank)).filter(|key| is_key(key)).map(str::to_owned),
        Some((key, value)) => {
            let (key, value) = (key.trim_matches(blank), value.trim_matches(blank));
            if !is_key(key) || !value.bytes().all(is_value_byte) {
                return None;
            }
            Some(format!("{key}={}", escape(&unescape(value).ok()?)))
        }
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// Decodes percent signs; bytes that are not UTF-8 become U+FFFD. The error is the part that is no escape.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return Err(format!("%{}", after.chars().take(2).collect::<String>()));
        };
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if is_value_byte(byte) && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(header: &str) -> String {
        check([header]).unwrap_err().to_string()
    }

    #[test]
    fn good_baggage_is_kept_as_sent_and_written_again() {
        let baggage = check(["a=1;p=x;q, b = %20z%C3%A9", "a=2"]).unwrap().unwrap();
        assert_eq!(baggage.header, "a=1;p=x;q, b = %20z%C3%A9,a=2");
        assert_eq!(baggage.canonical, "a=2,b=%20z%C3%A9");
        assert_eq!(check([]), Ok(None));
    }

    #[test]
    fn bad_baggage_is_refused_with_the_text_of_the_target() {
        assert_eq!(fault("nothing"), "invalid baggage header: invalid baggage list-member: \"nothing\"");
        assert_eq!(fault("k y=1"), "invalid baggage header: invalid key: \"k y\"");
        assert_eq!(fault("k=a b"), "invalid baggage header: invalid value: \"a b\"");
        assert_eq!(fault("k=%zz"), "invalid baggage header: invalid value: invalid URL escape \"%zz\"");
        assert_eq!(fault("k=1;=2"), "invalid baggage header: invalid baggage list-member property: \"=2\"");
        assert_eq!(fault("=1,=2"), "invalid baggage header: invalid key: \"\"\ninvalid key: \"\"");
        assert!(fault(&",".repeat(9)).ends_with("\nand 5 more invalid member(s)"));
    }

    #[test]
    fn limits_hold() {
        let many: Vec<String> = (0..65).map(|number| format!("k{number}=1")).collect();
        assert_eq!(fault(&many.join(",")), "invalid baggage header: too many list-members in baggage-string");
        assert!(check([many[..64].join(",").as_str()]).is_ok());
        assert_eq!(fault(&format!("k={}", "x".repeat(8191))), "invalid baggage header: baggage-string too large: 8193");
    }

    proptest! {
        #[test]
        fn what_is_written_again_is_valid_and_stays(header in "[a-c=;,% 0-9é]{0,40}") {
            if let Ok(Some(baggage)) = check([header.as_str()]) && !baggage.canonical.is_empty() {
                let again = check([baggage.canonical.as_str()]).unwrap().unwrap();
                prop_assert_eq!(again.canonical, baggage.canonical);
            }
        }
    }
}
