//! What the settings come to.

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<(Plan, Place), String> {
    let properties: Properties = pairs.iter().copied().collect();
    RabbitSettings::read("bus", "app", &properties).map_err(|error| error.to_string())
}

fn plan(pairs: &[(&str, &str)]) -> Plan {
    read(pairs).unwrap().0
}

#[test]
fn nothing_given_loses_nothing() {
    let plan = plan(&[]);
    assert_eq!(plan.consumer, "app");
    assert!(plan.durable && plan.confirm && !plan.auto_ack);
    assert_eq!((plan.delivery_mode, plan.after_failure), (2, AfterFailure::Again));
    assert_eq!((plan.deleted_when_unused, plan.prefetch, plan.concurrency), (None, 64, 64));
}

#[test]
fn what_is_given_is_done_as_the_target_does_it() {
    let given = [
        ("consumerID", "c"),
        ("deliveryMode", "0"),
        ("requeueInFailure", "false"),
        ("publisherConfirm", "false"),
        ("deletedWhenUnused", "true"),
    ];
    let plan = plan(&given);
    assert_eq!((plan.consumer.as_str(), plan.delivery_mode), ("c", 0));
    assert_eq!((plan.after_failure, plan.confirm), (AfterFailure::Away, false));
    assert_eq!(plan.deleted_when_unused, Some(true));
}

#[test]
fn a_dead_letter_queue_gets_what_fails_unless_it_is_to_be_tried_again() {
    assert_eq!(plan(&[("enableDeadLetter", "true")]).after_failure, AfterFailure::Away);
    let both = [("enableDeadLetter", "true"), ("requeueInFailure", "true")];
    assert_eq!(plan(&both).after_failure, AfterFailure::Again);
}

#[test]
fn one_after_the_other_needs_no_prefetch() {
    let single = plan(&[("concurrency", "single")]);
    assert_eq!((single.prefetch, single.concurrency), (1, 1));
    let single = plan(&[("concurrencyMode", "single"), ("prefetchCount", "20")]);
    assert_eq!((single.prefetch, single.concurrency), (20, 1));
    assert!(read(&[("concurrency", "some")]).err().unwrap().contains("invalid concurrencyMode some"));
}

#[test]
fn lives_are_seconds_or_durations() {
    let life = |text| read(&[("ttlInSeconds", text)]).map(|(plan, _)| plan.lifetime.unwrap().milliseconds());
    assert_eq!(life("10"), Ok(10_000));
    assert_eq!(life("1500ms"), Ok(1500));
    assert!(life("-3").unwrap_err().contains("ttlInSeconds"));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let why = |pairs: &[(&str, &str)]| read(pairs).err().unwrap();
    assert!(why(&[("exchangeKind", "x-delayed")]).contains("invalid RabbitMQ exchange kind x-delayed"));
    assert!(why(&[("deliveryMode", "3")]).contains("deliveryMode"));
    assert!(why(&[("saslExternal", "true")]).contains("caCert, clientCert, clientKey"));
    let both = [("connectionString", "amqp://u:sesame@h"), ("protocol", "amqps")];
    assert!(why(&both).contains("protocol does not match") && !why(&both).contains("sesame"));
    let text = why(&[("connectionString", "http://u:sesame@h")]);
    assert!(text.contains("connectionString") && !text.contains("sesame"), "{text}");
}

#[test]
fn secrets_are_not_shown() {
    let pairs = [("connectionString", "amqp://u:sesame@h"), ("password", "open"), ("clientKey", "key!")];
    let settings = RabbitSettings::parse(&pairs.into_iter().collect()).unwrap();
    let text = format!("{settings:?}");
    assert!(!["sesame", "open\"", "key!"].iter().any(|secret| text.contains(secret)), "{text}");
}
