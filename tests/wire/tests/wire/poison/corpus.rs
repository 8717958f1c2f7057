//! Messages that are no cloud events, or only nearly: those that are known to have hurt somebody, and any number more from
//! a seed (`TRILBY_SEED` repeats a run).

use testkit::variable;

/// One message.
pub(crate) struct Poison {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Vec<u8>,
    /// More of the query, for metadata that comes with the message.
    pub(crate) query: String,
}

impl Poison {
    fn event(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), content_type: b"application/cloudevents+json".to_vec(), query: String::new() }
    }

    /// For the message of a test that fails.
    pub(crate) fn told(&self) -> String {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned();
        let content_type = String::from_utf8_lossy(&self.content_type);
        format!("{} bytes of {content_type}{}: {body:?}", self.body.len(), self.query)
    }
}

/// Wrong values of any attribute, as JSON.
fn wrong_values() -> Vec<String> {
    let mut values: Vec<String> = [
        "12345",
        "-0",
        "1e400",
        "-1e308",
        "18446744073709551616",
        "0.1",
        "null",
        "true",
        "[]",
        "{}",
        "[[[]]]",
        "\"\"",
        "\" \"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ufeff\"",
        "\"a\\r\\nInjected: 1\"",
        "\"../../x\"",
        "\"%00\"",
        "\"!!!\"",
        "\"====\"",
        "\"QQ\"",
        "\"2026-99-99T99:99:99Z\"",
        "\"0000-00-00T00:00:00Z\"",
        "\"9999999-01-01T00:00:00Z\"",
        "\"-1\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"00-zzz\"",
        "\"ff-0-0-0\"",
        "\"00-00000000000000000000000000000000-0000000000000000-00\"",
        "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra\"",
        "\"text/plain; charset=\\u0001\"",
        "\"application/json;;;\"",
        "\"multipart/form-data\"",
        "\"é/ü\"",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("7".repeat(400));
    values.push(format!("\"{}\"", "x".repeat(1 << 16)));
    values.push(nested(200));
    values.push(format!("{{\"{}\": 1}}", "k".repeat(1 << 16)));
    values
}

const ATTRIBUTES: [&str; 17] = [
    "id",
    "source",
    "type",
    "specversion",
    "datacontenttype",
    "data",
    "data_base64",
    "subject",
    "time",
    "traceid",
    "traceparent",
    "tracestate",
    "topic",
    "pubsubname",
    "expiration",
    "dataschema",
    "myextension",
];

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// A sound event, with more in it.
fn event(more: &str) -> String {
    format!(
        "{{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"s\", \"type\": \"t\", \"datacontenttype\": \
         \"application/json\", \"data\": {{\"size\": 1}}{more}}}"
    )
}

/// An event in which one attribute is something else (and not there twice).
fn event_with(attribute: &str, value: &str) -> String {
    let sound = [
        ("specversion", "\"1.0\""),
        ("id", "\"1\""),
        ("source", "\"s\""),
        ("type", "\"t\""),
        ("datacontenttype", "\"application/json\""),
        ("data", "{\"size\": 1}"),
    ];
    let kept = sound.iter().filter(|(name, _)| *name != attribute);
    let members: Vec<String> =
        kept.copied().chain([(attribute, value)]).map(|(n, v)| format!("\"{n}\": {v}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// What every run sends.
pub(crate) fn known() -> Vec<Poison> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "null",
        "[]",
        "\"text\"",
        "12",
        "{",
        "{}",
        "}",
        "\u{feff}{}",
        "{\"a\": 1} trailing",
        "[{\"id\": \"1\"}]",
        "\0",
        "{\"id\": \"1\", \"id\": \"2\", \"ID\": 3}",
        "{\"\": {}}",
        "{\"data\": \"x\", \"data_base64\": \"eA==\"}",
        "nul",
        "NaN",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    bodies.extend([
        b"{\"id\": \"\xff\xfe\"}".to_vec(),
        b"\xc0\xaf\xed\xa0\x80".to_vec(),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(),
        vec![0; 1000],
        nested(100_000).into_bytes(),
        "[".repeat(100_000).into_bytes(),
        format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes(),
        format!("1{}", "0".repeat(100_000)).into_bytes(),
        event(&format!(", \"{}\": 1", "k".repeat(1 << 16))).into_bytes(),
        event(&format!(", \"deep\": {}", nested(5_000))).into_bytes(),
        event(", \"id\": 7, \"data\": null, \"type\": []").into_bytes(),
        event(", \"data_base64\": \"not base64\"").into_bytes(),
    ]);
    let mut poisons: Vec<Poison> = bodies.into_iter().map(Poison::event).collect();
    // The vector that took the target down (1.18.3), and its like for every other attribute.
    for attribute in ATTRIBUTES {
        for value in ["12345", "null", "{}", "[]", "true", "\"\\u0000\"", "\"\"", "1e400"] {
            poisons.push(Poison::event(event_with(attribute, value)));
        }
    }
    for query in [
        "&metadata.x-own=a%0D%0AInjected:%201",
        "&metadata.content-length=5",
        "&metadata.transfer-encoding=chunked",
        "&metadata.host=elsewhere",
        "&metadata.a%0D%0AInjected=1",
        "&metadata.%00=1",
        "&metadata.%C3%BC=%C3%BC",
        "&metadata.=1",
        "&metadata.connection=close",
        "&metadata.grpc-timeout=x",
        "&metadata.ttlInSeconds=1",
        "&metadata.te=%FF",
        "&metadata.traceparent=00-zzz",
    ] {
        poisons.push(Poison { query: query.to_owned(), ..Poison::event(event("")) });
    }
    for content_type in
        [&b"text/plain"[..], b"application/json", b"application/octet-stream", b"x", b"\xff", b";;;", b"a/b; c=\"d"]
    {
        poisons.push(Poison { content_type: content_type.to_vec(), ..Poison::event("{\"id\": 1}") });
    }
    poisons
}

/// Messages from a seed.
pub(crate) struct Corpus(fastrand::Rng);

impl Corpus {
    pub(crate) fn for_test(name: &str) -> Self {
        let given = variable("TRILBY_SEED").map(|text| text.parse().expect("TRILBY_SEED is a number"));
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        println!("{name}: TRILBY_SEED={seed}");
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn generated(&mut self, count: usize) -> Vec<Poison> {
        let values = wrong_values();
        (0..count).map(|_| Poison::event(self.one(&values))).collect()
    }

    fn one(&mut self, values: &[String]) -> Vec<u8> {
        let mut members = Vec::new();
        for _ in 0..self.0.usize(1..8) {
            let attribute = self.0.choice(ATTRIBUTES).unwrap_or_default();
            let value = self.0.choice(values.iter()).cloned().unwrap_or_default();
            members.push(format!("\"{attribute}\": {value}"));
        }
        let mut body = match self.0.bool() {
            true => format!("{{{}}}", members.join(", ")),
            false => event(&format!(", {}", members.join(", "))),
        }
        .into_bytes();
        // Some are broken as text, too.
        for _ in 0..self.0.usize(0..6).saturating_sub(3) {
            let place = self.0.usize(0..body.len());
            match self.0.u8(0..4) {
                0 => body[place] = self.0.u8(..),
                1 => drop(body.remove(place)),
                2 => body.insert(place, self.0.u8(..)),
                _ => body.truncate(place.max(1)),
            }
            if body.is_empty() {
                body.push(b'{');
            }
        }
        body
    }
}
