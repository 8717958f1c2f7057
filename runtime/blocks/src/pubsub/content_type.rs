//! What a content type says of the data of an event. The rules are the target's: letter case and what follows a semicolon do
//! not count, and a space before the semicolon does.

/// How data of a content type stands in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It is an event already.
    CloudEvent,
    /// JSON.
    Json,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A cloud event in Protocol Buffers, which is bytes.
    CloudEventProtobuf,
    /// Protocol Buffers: bytes if it is a cloud event, otherwise as any other.
    Protobuf,
    /// Anything else.
    Other,
}

impl Content {
    /// What a content type says.
    pub fn of(content_type: &str) -> Self {
        let lower = content_type.to_lowercase();
        match lower.split(';').next().unwrap_or_default() {
            "application/cloudevents+json" => Self::CloudEvent,
            "application/json" => Self::Json,
            "application/octet-stream" => Self::Binary,
            "application/cloudevents+protobuf" => Self::CloudEventProtobuf,
            "application/x-protobuf" => Self::Protobuf,
            "application/xml" => Self::Text,
            _ if lower.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_and_parameters_do_not_count() {
        for (given, expected) in [
            ("Application/JSON; charset=utf-8", Content::Json),
            ("application/json ;x", Content::Other),
            ("application/cloudevents+json", Content::CloudEvent),
            ("application/cloudevents+json; charset=UTF-8", Content::CloudEvent),
            ("application/octet-stream", Content::Binary),
            ("TEXT/anything", Content::Text),
            ("application/xml;", Content::Text),
            ("application/x-protobuf", Content::Protobuf),
            ("application/cloudevents+protobuf", Content::CloudEventProtobuf),
            ("application/vnd.api+json", Content::Other),
            ("", Content::Other),
        ] {
            assert_eq!(Content::of(given), expected, "{given}");
        }
    }
}
