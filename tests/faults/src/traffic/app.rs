//! The app that handles messages. It lives in the test's process, so that it forgets nothing when it is killed; to its
//! sidecar a kill looks as any other: connections break in the middle and its port is closed.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Arrived, BoxedBody, body_of};

use super::{Log, ORDERS, PARCELS};
use crate::loss::{Event, Name};
use crate::schedule::End;

/// How the app behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// What it takes for each message.
    pub pace: Duration,
    /// It fails every so manieth message, those of `orders` once and those of `parcels` always; never where 0.
    pub fails_every: u32,
}

impl Default for Manners {
    fn default() -> Self {
        Self { pace: Duration::from_millis(5), fails_every: 40 }
    }
}

pub(super) struct App {
    port: u16,
    running: Option<testkit::App>,
    desk: Arc<Desk>,
}

/// What outlives the app's ends.
struct Desk {
    manners: Manners,
    log: Log,
    draining: AtomicBool,
    busy: AtomicUsize,
    failed: Mutex<HashSet<Name>>,
}

struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl App {
    pub(super) async fn start(manners: Manners, log: &Log) -> Self {
        let desk = Desk {
            manners,
            log: log.clone(),
            draining: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            failed: Mutex::default(),
        };
        let mut app = Self { port: testkit::free_port(), running: None, desk: Arc::new(desk) };
        app.begin().await;
        app
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it: at once, or after what it has begun is done.
    pub(super) async fn end(&mut self, end: End) {
        if end == End::Asked {
            self.desk.draining.store(true, Ordering::SeqCst);
            let began = Instant::now();
            while self.desk.busy.load(Ordering::SeqCst) > 0 && began.elapsed() < Duration::from_secs(2) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The answers need a moment to leave.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(self.running.take());
    }

    pub(super) async fn begin(&mut self) {
        // The listener of the one before is closed by a task that has to be scheduled first.
        while TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.desk.draining.store(false, Ordering::SeqCst);
        let desk = Arc::clone(&self.desk);
        let app = testkit::App::http().otherwise(move |arrived| {
            let desk = Arc::clone(&desk);
            async move { desk.answer(arrived).await }
        });
        self.running = Some(app.start_on(self.port).await);
    }
}

fn answer(status: u16, body: &Value) -> http_response::Response {
    http_response::json(status, body)
}

/// Responses as the test kit's apps give them.
mod http_response {
    use super::{BoxedBody, Value, body_of};

    pub(super) type Response = http::Response<BoxedBody>;

    pub(super) fn json(status: u16, body: &Value) -> Response {
        let builder = http::Response::builder().status(status).header("content-type", "application/json");
        builder.body(body_of(body.to_string())).expect("a response")
    }
}

impl Desk {
    async fn answer(&self, arrived: Arrived) -> http_response::Response {
        let path = arrived.uri.path().to_owned();
        if path == "/dapr/subscribe" {
            return answer(200, &subscriptions());
        }
        if !["/orders", "/parcels", "/dead"].contains(&path.as_str()) {
            return answer(404, &Value::Null);
        }
        if self.draining.load(Ordering::SeqCst) {
            // It takes nothing new: whoever asks sees its end.
            std::future::pending::<()>().await;
        }
        self.busy.fetch_add(1, Ordering::SeqCst);
        let _busy = Busy(&self.busy);
        let Ok(body) = arrived.read().await else { return answer(400, &Value::Null) };
        let Some(name) = read_name(&body) else {
            self.log.note(Event::Unreadable(String::from_utf8_lossy(&body).into_owned()));
            return answer(200, &Value::Null);
        };
        if path == "/dead" {
            self.log.note(Event::DeadLettered(name));
            return answer(200, &json!({"status": "SUCCESS"}));
        }
        tokio::time::sleep(self.manners.pace).await;
        if self.is_to_fail(&name) {
            self.log.note(Event::Failed(name));
            return answer(500, &json!({"error": "it is to fail"}));
        }
        self.log.note(Event::Handled(name));
        answer(200, &json!({"status": "SUCCESS"}))
    }

    fn is_to_fail(&self, name: &Name) -> bool {
        let every = self.manners.fails_every;
        if every == 0 || name.number % every != every / 2 {
            return false;
        }
        let first = self.failed.lock().expect("no holder panics").insert(*name);
        name.topic == PARCELS || first
    }
}

fn subscriptions() -> Value {
    json!([
        {"pubsubname": "mail", "topic": ORDERS, "route": "/orders"},
        {"pubsubname": "mail", "topic": PARCELS, "route": "/parcels", "deadLetterTopic": "dead"},
        {"pubsubname": "mail", "topic": "dead", "route": "/dead"},
    ])
}

/// The message in a cloud event.
fn read_name(body: &[u8]) -> Option<Name> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let data = &event["data"];
    let number = |name: &str| data[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let topic = [ORDERS, PARCELS].into_iter().find(|topic| data["topic"] == *topic)?;
    Some(Name { topic, key: number("key")?, number: number("number")? })
}
