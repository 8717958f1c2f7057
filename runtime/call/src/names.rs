//! Header names as Go spells them (`Content-Type`), which receivers of the target recognise. Those that most calls carry are
//! there already; others are made.

use crate::metadata::Name;

/// Names that most calls carry, in their canonical and lower-case spelling.
const KNOWN: [(&str, &str); 30] = [
    ("accept", "Accept"),
    ("accept-encoding", "Accept-Encoding"),
    ("accept-language", "Accept-Language"),
    ("authorization", "Authorization"),
    ("baggage", "Baggage"),
    ("cache-control", "Cache-Control"),
    ("content-encoding", "Content-Encoding"),
    ("content-length", "Content-Length"),
    ("content-type", "Content-Type"),
    ("cookie", "Cookie"),
    ("date", "Date"),
    ("etag", "Etag"),
    ("forwarded", "Forwarded"),
    ("location", "Location"),
    ("origin", "Origin"),
    ("referer", "Referer"),
    ("server", "Server"),
    ("set-cookie", "Set-Cookie"),
    ("traceparent", "Traceparent"),
    ("tracestate", "Tracestate"),
    ("user-agent", "User-Agent"),
    ("vary", "Vary"),
    ("x-forwarded-for", "X-Forwarded-For"),
    ("x-forwarded-host", "X-Forwarded-Host"),
    ("x-request-id", "X-Request-Id"),
    ("dapr-caller-app-id", "Dapr-Caller-App-Id"),
    ("dapr-caller-namespace", "Dapr-Caller-Namespace"),
    ("dapr-callee-app-id", "Dapr-Callee-App-Id"),
    ("destination-app-id", "Destination-App-Id"),
    (":authority", ":authority"),
];

/// A lower-case name as Go spells it.
pub(crate) fn canonical(name: &str) -> Name {
    let known = KNOWN.iter().filter(|(known, _)| known.len() == name.len()).find(|(known, _)| *known == name);
    if let Some((_, canonical)) = known {
        return Name::Borrowed(canonical);
    }
    Name::Owned(spelled(name))
}

fn spelled(name: &str) -> String {
    let mut upper = true;
    let spelled = name.chars().map(|character| {
        let mapped = if upper { character.to_ascii_uppercase() } else { character };
        upper = character == '-';
        mapped
    });
    spelled.collect()
}

/// A name as it is, in whatever case it came.
pub(crate) fn kept(name: &str) -> Name {
    let same = KNOWN.iter().filter(|(known, _)| known.len() == name.len());
    for (lower, canonical) in same {
        if *lower == name {
            return Name::Borrowed(lower);
        }
        if *canonical == name {
            return Name::Borrowed(canonical);
        }
    }
    Name::Owned(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_go_spells_them_whether_they_are_known_or_not() {
        for (lower, canonical) in KNOWN {
            assert_eq!(spelled(lower), canonical);
            assert_eq!((&*kept(lower), &*kept(canonical)), (lower, canonical));
        }
        assert_eq!(super::canonical("x-own-name"), "X-Own-Name");
        assert_eq!(kept("x-OWN"), "x-OWN");
    }
}
