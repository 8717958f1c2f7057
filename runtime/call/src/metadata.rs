//! The header map of an invocation as it stands on the wire between sidecars (`map<string, ListStringValue>`).
//!
//! Names keep the case of their origin: canonical (`Content-Type`) when the call came over HTTP, lower case when it came
//! over gRPC. The receiver's conversions depend on that case, so it is kept exactly.

use std::collections::HashMap;

/// The values of one header, in order of arrival.
pub type Values = wire::internals::ListStringValue;

/// Headers of a call or an answer, by name in the case of their origin.
pub type Metadata = HashMap<String, Values>;

/// The first value of `name`, compared without case.
pub fn first<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    match metadata.get(name) {
        Some(values) => Some(values),
        None => metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, values)| values),
    }
    .and_then(|values| values.values.first())
    .map(String::as_str)
}

/// Replaces whatever stands under `name`, in any case, with one value.
pub fn set(metadata: &mut Metadata, name: &str, value: impl Into<String>) {
    remove_ignoring_case(metadata, name);
    metadata.insert(name.to_owned(), Values { values: vec![value.into()] });
}

/// Removes every spelling of `name`.
pub fn remove_ignoring_case(metadata: &mut Metadata, name: &str) {
    metadata.retain(|key, _| !key.eq_ignore_ascii_case(name));
}

/// Whether the call came in over gRPC: the target tells by the lower-case `content-type` key.
pub fn is_grpc(metadata: &Metadata) -> bool {
    metadata
        .get("content-type")
        .and_then(|values| values.values.first())
        .is_some_and(|value| value.starts_with("application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_every_spelling() {
        let mut metadata = Metadata::new();
        metadata.insert("Dapr-Caller-App-Id".into(), Values { values: vec!["spoof".into()] });
        metadata.insert("DAPR-CALLER-APP-ID".into(), Values { values: vec!["spoof".into()] });
        set(&mut metadata, "dapr-caller-app-id", "me");
        assert_eq!(metadata.len(), 1);
        assert_eq!(first(&metadata, "DAPR-caller-app-id"), Some("me"));
    }

    #[test]
    fn only_the_lower_case_content_type_marks_grpc() {
        let mut metadata = Metadata::new();
        metadata.insert("Content-Type".into(), Values { values: vec!["application/grpc".into()] });
        assert!(!is_grpc(&metadata));
        metadata.insert("content-type".into(), Values { values: vec!["application/grpc+proto".into()] });
        assert!(is_grpc(&metadata));
    }
}
