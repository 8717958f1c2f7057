//! What `#[derive(Settings)]` promises, on one struct that uses all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{SettingValue, SettingsError};
use crate::{ByteSize, Properties, Settings, Unrecognized};

/// Everything a setting can be.
#[derive(Settings, PartialEq)]
struct Everything {
    /// Host and port
    /// of the server.
    #[setting(name = "redisHost", aliases("host", "server"), required)]
    redis_host: String,
    /// Password.
    #[setting(secret)]
    redis_password: Option<String>,
    #[setting(secret, default = "1")]
    secret_number: u8,
    enabled: bool,
    #[setting(default = "3s")]
    read_timeout: Duration,
    #[setting(default = "10", min = 1, max = 0x3e8)]
    pool_size: u32,
    #[setting(min = -1)]
    retries: Option<i64>,
    ratio: f64,
    #[setting(default = "4Mi")]
    limit: ByteSize,
    topics: Vec<String>,
    labels: BTreeMap<String, String>,
}

fn parse(pairs: &[(&str, &str)]) -> Result<Everything, SettingsError> {
    Everything::parse(&pairs.iter().copied().collect())
}

fn refusal(name: &str, value: &str) -> String {
    parse(&[("host", "h"), (name, value)]).unwrap_err().to_string()
}

#[test]
fn what_is_not_given_takes_its_default() {
    let settings = parse(&[("redisHost", "localhost")]).unwrap();
    let expected = Everything {
        redis_host: "localhost".to_owned(),
        redis_password: None,
        secret_number: 1,
        enabled: false,
        read_timeout: Duration::from_secs(3),
        pool_size: 10,
        retries: None,
        ratio: 0.0,
        limit: ByteSize(4 << 20),
        topics: vec![],
        labels: BTreeMap::new(),
    };
    assert_eq!(settings, expected);
}

#[test]
fn names_are_compared_without_case_and_aliases_stand_in() {
    assert_eq!(parse(&[("REDISHOST", "a")]).unwrap().redis_host, "a");
    assert_eq!(parse(&[("Server", "b"), ("HOST", "a")]).unwrap().redis_host, "a");
    assert_eq!(parse(&[("host", "a"), ("redishost", "b")]).unwrap().redis_host, "b");
}

#[test]
fn values_are_read_as_the_target_reads_them() {
    let settings = parse(&[
        ("host", "h"),
        ("enabled", " Yes "),
        ("readTimeout", "1m30s"),
        ("poolSize", "0x1F"),
        ("retries", "-1"),
        ("ratio", "0.5"),
        ("limit", "1Ki"),
        ("topics", "a, b"),
        ("labels", r#"{"k":"v"}"#),
    ])
    .unwrap();
    assert!(settings.enabled);
    assert_eq!(settings.read_timeout, Duration::from_secs(90));
    assert_eq!(settings.pool_size, 31);
    assert_eq!(settings.retries, Some(-1));
    assert!((settings.ratio - 0.5).abs() < f64::EPSILON);
    assert_eq!(settings.limit, ByteSize(1024));
    assert_eq!(settings.topics, ["a", "b"]);
    assert_eq!(settings.labels, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    assert_eq!(parse(&[("host", "h"), ("readTimeout", "20")]).unwrap().read_timeout, Duration::from_secs(20));
    assert!(!parse(&[("host", "h"), ("enabled", "definitely")]).unwrap().enabled);
}

#[test]
fn an_empty_value_counts_as_not_given_except_for_text() {
    let settings = parse(&[("host", "h"), ("poolSize", ""), ("redisPassword", "")]).unwrap();
    assert_eq!(settings.pool_size, 10);
    assert_eq!(settings.redis_password.as_deref(), Some(""));
}

#[test]
fn refusals_name_the_field_the_value_and_what_was_expected() {
    assert_eq!(parse(&[]).unwrap_err().to_string(), "metadata field redisHost is missing: expected a text");
    assert_eq!(parse(&[("host", "")]).unwrap_err().to_string(), "metadata field redisHost is missing: expected a text");
    let bounds = "expected a whole number from 1 to 1000";
    assert_eq!(refusal("poolSize", "0"), format!("metadata field poolSize is \"0\": {bounds}"));
    assert_eq!(refusal("poolSize", "many"), format!("metadata field poolSize is \"many\": {bounds}"));
    assert_eq!(refusal("retries", "-2"), "metadata field retries is \"-2\": expected a whole number of at least -1");
    assert_eq!(
        refusal("readTimeout", "soon"),
        "metadata field readTimeout is \"soon\": expected a duration such as 1m30s, or a number of seconds"
    );
}

#[test]
fn a_secret_is_shown_neither_in_errors_nor_in_debug() {
    let error = refusal("secretNumber", "hunter2");
    assert!(!error.contains("hunter2"), "{error}");
    let settings = parse(&[("host", "h"), ("redisPassword", "hunter2"), ("secretNumber", "77")]).unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("77"), "{shown}");
    assert!(shown.contains("redis_host: \"h\""), "{shown}");
    let properties: Properties = [("redisPassword", "hunter2")].into_iter().collect();
    assert_eq!(format!("{properties:?}"), "{\"redisPassword\"}");
}

#[test]
fn names_that_differ_only_in_case_are_refused() {
    let error = parse(&[("host", "a"), ("Host", "b")]).unwrap_err();
    assert_eq!(error.to_string(), "key host is duplicate in the metadata");
}

#[test]
fn only_names_that_resemble_a_field_are_near_misses() {
    let properties: Properties = [("redisHots", "h"), ("PoolSize", "1"), ("ownersMail", "x")].into_iter().collect();
    let misses = properties.near_misses(Everything::FIELDS.iter().flat_map(|field| field.names()));
    assert_eq!(misses, [Unrecognized { name: "redisHots".to_owned(), nearest: vec!["redisHost"] }]);
}

#[test]
fn the_schema_tells_all_that_a_reader_needs() {
    let field = |name: &str| *Everything::FIELDS.iter().find(|field| field.name == name).unwrap();
    let host = field("redisHost");
    assert_eq!((host.doc, host.required, host.kind), ("Host and port of the server.", true, "text"));
    assert_eq!(host.aliases, ["host", "server"]);
    let pool = field("poolSize");
    assert_eq!((pool.default, pool.minimum, pool.maximum), (Some("10"), Some(1), Some(1000)));
    assert!(field("redisPassword").secret);
    assert_eq!(Everything::FIELDS.len(), 11);
}

proptest! {
    #[test]
    fn whole_numbers_come_back(number: i64) {
        prop_assert_eq!(i64::from_text(&number.to_string()), Some(number));
    }

    #[test]
    fn no_value_makes_reading_fail_badly(name in "[a-zA-Z]{0,12}", value in ".*") {
        let _ = parse(&[("host", "h"), (&name, &value)]);
        let _ = (i64::from_text(&value), u8::from_text(&value));
    }
}
