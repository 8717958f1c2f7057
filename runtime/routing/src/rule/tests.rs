//! What expressions mean, and that no expression and no event ends the process or keeps it busy. Run by `cargo test`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event() -> Map<String, Value> {
    let Value::Object(event) = json!({
        "id": "A234", "type": "order.created", "source": "shop", "specversion": "1.0", "subject": "123",
        "data": {"amount": 12.5, "count": 3, "big": 9_007_199_254_740_993_u64, "tags": ["new", "paid"], "none": null, "ok": true},
    }) else {
        panic!("not an object")
    };
    event
}

fn ask(expression: &str) -> Result<bool, Error> {
    Rule::compile(expression).and_then(|rule| rule.matches(&event()))
}

#[test]
fn an_empty_expression_matches_everything() {
    assert_eq!(ask(""), Ok(true));
    assert_eq!(ask(" \n"), Ok(true));
}

#[test]
fn attributes_are_compared_whatever_number_they_are() {
    for (expression, expected) in [
        ("event.type == 'order.created'", true),
        ("event.type == \"other\"", false),
        ("event['type'] == 'order.created'", true),
        ("event.data.count == 3", true),
        ("event.data.count == 3.0", true),
        ("event.data.count > 2", true),
        ("event.data.count >= 4", false),
        ("event.data.amount > 12 && event.data.amount < 13", true),
        ("event.data.count != 3", false),
        ("int(event.data.count) % 2 == 1", true),
        ("double(event.data.count) / 2.0 == 1.5", true),
        ("int(event.subject) == 123", true),
        ("string(event.data.count) == '3'", true),
        ("event.data.none == null", true),
        ("event.data.ok", true),
        ("!event.data.ok", false),
        ("event.data.count in [1, 2, 3]", true),
        ("'paid' in event.data.tags", true),
        ("'data' in event", true),
        ("event.data.tags[0] == 'new'", true),
        ("size(event.data.tags) == 2", true),
        ("event.type.startsWith('order.') && event.type.endsWith('created')", true),
        ("event.type.contains('nothing')", false),
        ("event.type.matches('^order\\\\.[a-z]+$')", true),
        ("matches(event.id, '[A-Z][0-9]+')", true),
        ("event.data.tags.exists(tag, tag == 'paid')", true),
        ("event.data.tags.all(tag, size(tag) > 3)", false),
        ("event.data.tags.filter(tag, tag.startsWith('n')).size() == 1", true),
        ("event.type == 'x' ? false : true", true),
    ] {
        assert_eq!(ask(expression), Ok(expected), "{expression}");
    }
}

#[test]
fn a_missing_attribute_is_an_error_and_can_be_asked_for() {
    assert!(matches!(ask("event.missing == 'a'"), Err(Error::Failed(_))));
    assert!(matches!(ask("event.data.missing.deeper == 'a'"), Err(Error::Failed(_))));
    assert!(matches!(ask("other.type == 'a'"), Err(Error::Failed(_))));
    assert_eq!(ask("has(event.missing)"), Ok(false));
    assert_eq!(ask("has(event.data.count)"), Ok(true));
    assert_eq!(ask("has(event.missing) && event.missing == 'a'"), Ok(false));
}

#[test]
fn one_side_that_decides_hides_an_error_of_the_other() {
    assert_eq!(ask("event.missing == 'a' || event.type == 'order.created'"), Ok(true));
    assert_eq!(ask("event.missing == 'a' && event.type == 'other'"), Ok(false));
    assert!(ask("event.missing == 'a' || event.type == 'other'").is_err());
}

#[test]
fn what_is_neither_true_nor_false_is_an_error() {
    let told = ask("event.type").unwrap_err();
    assert_eq!(told.to_string(), "the result of match expression event.type was not a boolean");
}

#[test]
fn what_is_not_an_expression_is_refused() {
    for expression in ["event.type ==", "(", "'", "event.type = 'a'", "event.", "1 +", "\u{0}", "event.type == 'a';"] {
        assert!(matches!(Rule::compile(expression), Err(Error::Refused(_))), "{expression}");
    }
}

#[test]
fn a_function_that_does_not_exist_is_an_error() {
    assert!(ask("nothing(event.type)").is_err());
    assert!(ask("event.type.nothing()").is_err());
}

#[test]
fn an_expression_that_is_too_deep_or_long_is_refused_and_the_process_lives() {
    let deep = 10_000;
    for expression in [
        format!("{}true{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}true", "!".repeat(deep)),
        format!("{}1 == 1", "-".repeat(deep)),
        format!("event{}", ".a".repeat(deep / 2)),
        format!("event{}", "[0]".repeat(deep / 2)),
        format!("{}1 == 1", "1 + ".repeat(deep / 3)),
        format!("{}true", "true ? true : ".repeat(deep / 10)),
        "true || ".repeat(deep) + "true",
    ] {
        let told = Rule::compile(&expression).err();
        assert!(matches!(told, Some(Error::Refused(_))), "{}", expression.get(..40).unwrap());
    }
}

#[test]
fn an_expression_as_deep_as_one_may_be_is_worked_on() {
    assert_eq!(ask(&format!("{}event.data.ok{}", "(".repeat(48), ")".repeat(48))), Ok(true));
    assert_eq!(ask(&format!("{}true{}", "event.data.ok && (".repeat(48), ")".repeat(48))), Ok(true));
    assert_eq!(ask(&("event.data.ok && ".repeat(900) + "true")), Ok(true));
}

#[test]
fn signs_in_a_row_cancel_out_however_many_they_are() {
    assert_eq!(ask(&format!("{}true", "! ".repeat(5_000))), Ok(true));
    assert_eq!(ask(&format!("{}1 == 1", "- ".repeat(5_000))), Ok(true));
}

#[test]
fn loops_over_a_large_event_are_refused_where_they_would_not_end() {
    let nested = "event.data.all(a, event.data.all(b, event.data.all(c, a == b || c == b || true)))";
    let rule = Rule::compile(nested).unwrap();
    let with = |count: usize| match json!({ "data": vec![1; count] }) {
        Value::Object(event) => event,
        _ => panic!("not an object"),
    };
    assert_eq!(rule.matches(&with(10)), Ok(true));
    assert_eq!(rule.matches(&with(100_000)), Err(Error::TooLarge));
    let simple = Rule::compile("event.data.exists(a, a == 2)").unwrap();
    assert_eq!(simple.matches(&with(100_000)), Ok(false));
    let four = "[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))";
    assert!(matches!(Rule::compile(four), Err(Error::Refused(_))));
}

#[test]
fn a_hostile_pattern_of_an_event_is_an_error() {
    let rule = Rule::compile("'a'.matches(event.data)").unwrap();
    for pattern in ["(", "(a{1000}){1000}", "((((((a*)*)*)*)*)*)*$", "\\p{"] {
        let Value::Object(event) = json!({ "data": pattern }) else { panic!("not an object") };
        // Answers or fails, and comes back.
        let _ = rule.matches(&event);
    }
    let Value::Object(event) = json!({ "data": "(" }) else { panic!("not an object") };
    assert!(matches!(rule.matches(&event), Err(Error::Failed(_))));
}

#[test]
fn overflow_and_division_by_zero_are_errors() {
    for expression in [
        "1 / 0 == 1",
        "1 % 0 == 1",
        "9223372036854775807 + 1 == 0",
        "-9223372036854775808 / -1 == 1",
        "int(1e300) == 1",
        "uint(-1) == 1u",
        "int('x') == 1",
        "event.data.tags[9] == ''",
        "event.data.tags[-1] == ''",
    ] {
        assert!(ask(expression).is_err(), "{expression}: {:?}", ask(expression));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_ends_the_process(text in "\\PC{0,60}") {
        let _ = ask(&text);
    }

    #[test]
    fn no_mix_of_words_ends_the_process(
        words in proptest::collection::vec(
            prop::sample::select(vec![
                "event", ".", "data", "type", "==", "&&", "||", "!", "(", ")", "[", "]", "{", "}", ":", ",", "?", "-",
                "1", "0", "2.5", "'a'", "in", "has", "all", "map", "size", "matches", "int", "null", "true", "1u", "b'x'",
                "tags", "count", "+", "*", "/", "%", "<", "r'\\'", "duration", "timestamp",
            ]),
            0..20,
        )
    ) {
        let _ = ask(&words.join(" "));
        let _ = ask(&words.concat());
    }
}
