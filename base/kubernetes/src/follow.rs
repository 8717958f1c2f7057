//! All objects of a kind, and what happens to them from then on: a list, and a watch from the version of that list. A watch
//! that ends is taken up again where it ended; when that is too long ago, the list is read anew. Nothing is held but one object
//! at a time. It never gives up, and says in the log what keeps it waiting.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use crate::client::{Client, MAX_OBJECT, causes};
use crate::json_stream::{ListReader, Part, Values};
use crate::object::{Key, Object, WithMeta, read};
use crate::pause::{Pauses, chance};
use crate::resource::query;
use crate::{Error, Refusal, Resource};

const TARGET: &str = "dapr.kubernetes";
/// All objects of one list that is held as a whole.
const MAX_LIST: usize = 64 << 20;
/// From a request to its answer, and between two pieces of a list.
const QUIET: Duration = Duration::from_secs(60);
/// How long a watch is asked to last at least, and how much longer by chance. The API server ends it then.
const WATCH_AT_LEAST: Duration = Duration::from_secs(5 * 60);
const WATCH_MORE: Duration = Duration::from_secs(5 * 60);
/// A watch that ends sooner and without an event has not worked.
const TOO_SOON: Duration = Duration::from_secs(1);
/// After so long a watch counts as one that works.
const STEADY: Duration = Duration::from_secs(30);

/// Which objects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Their kind.
    pub resource: Resource,
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only with such labels, as the API writes it; empty for all.
    pub labels: String,
    /// Only with such fields, as the API writes it; empty for all.
    pub fields: String,
}

impl Selection {
    /// Every object of a kind, in every namespace.
    #[must_use]
    pub fn all(resource: Resource) -> Self {
        Self { resource, namespace: None, labels: String::new(), fields: String::new() }
    }

    fn path(&self, more: &[(&str, &str)]) -> Result<String, Error> {
        let mut pairs = vec![("labelSelector", self.labels.as_str()), ("fieldSelector", self.fields.as_str())];
        pairs.extend_from_slice(more);
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(self.resource.collection(self.namespace.as_deref())? + &query(&pairs))
    }
}

/// What happened.
#[derive(Debug)]
pub enum Change {
    /// A list begins.
    Listing,
    /// This object is there, and like this.
    Present(Object),
    /// The list is complete: what was not named since it began is no longer there.
    Listed,
    /// This object is gone.
    Gone(Key),
}

/// Follows a selection.
pub struct Follow {
    client: Client,
    selection: Selection,
    state: State,
    pauses: Pauses,
    not_before: Option<Instant>,
}

enum State {
    /// List, from any version or from the newest.
    List {
        newest: bool,
    },
    Listing(Listing),
    /// Watch from this version.
    Watch {
        version: String,
    },
    Watching(Watching),
}

/// A list that is being read.
struct Listing {
    body: Incoming,
    reader: ListReader,
}

/// A watch that is open.
struct Watching {
    body: Incoming,
    events: Values,
    /// What it has come to.
    version: String,
    since: Instant,
    /// When the API server ends it.
    lasts: Duration,
    is_used: bool,
}

/// One line of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Follow {
    /// Nothing is asked before [`Follow::next`].
    #[must_use]
    pub fn new(client: Client, selection: Selection) -> Self {
        let state = State::List { newest: false };
        Self { client, selection, state, pauses: Pauses::default(), not_before: None }
    }

    /// Waits for the next change. It may be dropped at any time, and called again.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(due) = self.not_before {
                tokio::time::sleep_until(due).await;
                self.not_before = None;
            }
            match self.step().await {
                Ok(Some(change)) => return change,
                Ok(None) => {}
                Err(error) => self.recover(&error),
            }
        }
    }

    async fn step(&mut self) -> Result<Option<Change>, Error> {
        match &mut self.state {
            State::List { newest } => {
                // Version 0 is whatever the server has at hand; the watch brings what is missing.
                let version = if *newest { "" } else { "0" };
                let path = self.selection.path(&[("resourceVersion", version)])?;
                let body = self.client.stream(&path).await?;
                self.state = State::Listing(Listing { body, reader: ListReader::new(MAX_OBJECT) });
                Ok(Some(Change::Listing))
            }
            State::Listing(listing) => match listing.next().await? {
                Part::Item(json) => Ok(Some(Change::Present(Object::parse(json)?))),
                Part::End(version) => {
                    self.state = State::Watch { version };
                    Ok(Some(Change::Listed))
                }
            },
            State::Watch { version } => {
                let watching = Watching::open(&self.client, &self.selection, version).await?;
                self.state = State::Watching(watching);
                Ok(None)
            }
            State::Watching(watching) => {
                if let Some(event) = watching.next().await? {
                    self.pauses.reset();
                    return happened(event, &mut watching.version);
                }
                self.state = State::Watch { version: std::mem::take(&mut watching.version) };
                Ok(None)
            }
        }
    }

    /// Decides where to go on, and when.
    fn recover(&mut self, error: &Error) {
        if let State::Watching(watching) = &self.state
            && watching.since.elapsed() > STEADY
        {
            self.pauses.reset();
        }
        let state = std::mem::replace(&mut self.state, State::List { newest: true });
        let plural = self.selection.resource.plural;
        let pause = self.pauses.next();
        self.state = match state {
            _ if error.is_gone() => State::List { newest: true },
            State::List { newest } => State::List { newest },
            State::Listing(_) => State::List { newest: true },
            // What cannot be read, or what ends at once, is not taken up where it ended.
            State::Watch { version } | State::Watching(Watching { version, .. })
                if matches!(error, Error::Unreachable(_) | Error::Credentials(_)) && !version.is_empty() =>
            {
                State::Watch { version }
            }
            State::Watch { .. } | State::Watching(_) => State::List { newest: true },
        };
        if error.is_gone() {
            tracing::debug!(target: TARGET, "Reading all {plural} again: {error}");
        } else {
            tracing::warn!(
                target: TARGET,
                "Following {plural} was interrupted and goes on in {:.1} seconds: {error}",
                pause.as_secs_f64()
            );
        }
        self.not_before = Some(Instant::now() + pause);
    }
}

impl Listing {
    async fn next(&mut self) -> Result<Part, Error> {
        loop {
            if let Some(part) = self.reader.next()? {
                return Ok(part);
            }
            match frame(&mut self.body, QUIET).await? {
                Some(bytes) => self.reader.push(&bytes),
                None => return Err(Error::Unreadable("the list ended in the middle".to_owned())),
            }
        }
    }
}

impl Watching {
    async fn open(client: &Client, selection: &Selection, version: &str) -> Result<Self, Error> {
        let lasts = WATCH_AT_LEAST + WATCH_MORE.mul_f64(chance());
        let seconds = lasts.as_secs().to_string();
        let path = selection.path(&[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &seconds),
            ("resourceVersion", version),
        ])?;
        let body = client.stream(&path).await?;
        let (events, version) = (Values::new(MAX_OBJECT), version.to_owned());
        Ok(Self { body, events, version, since: Instant::now(), lasts, is_used: false })
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let wrong = |reason: &str| Err(Error::Unreadable(reason.to_owned()));
        loop {
            if let Some(event) = self.events.next()? {
                self.is_used = true;
                return Ok(Some(event));
            }
            match frame(&mut self.body, self.lasts + QUIET).await? {
                Some(bytes) => self.events.push(&bytes),
                None if !self.events.is_empty() => return wrong("the watch ended in the middle of an event"),
                None if !self.is_used && self.since.elapsed() < TOO_SOON => {
                    return wrong("the watch ended at once, without an event");
                }
                None => return Ok(None),
            }
        }
    }
}

/// What an event says; `version` becomes the one to go on from.
fn happened(json: Bytes, version: &mut String) -> Result<Option<Change>, Error> {
    let event: Event<'_> =
        serde_json::from_slice(&json).map_err(|error| Error::Unreadable(format!("an event: {error}")))?;
    let content = json.slice_ref(event.object.get().as_bytes());
    match event.r#type {
        "ERROR" => Err(Error::Refused(read::<Refusal>(&content)?)),
        "BOOKMARK" => {
            go_on_from(read::<WithMeta>(&content)?.metadata.resource_version, version);
            Ok(None)
        }
        kind @ ("ADDED" | "MODIFIED" | "DELETED") => {
            let object = Object::parse(content)?;
            go_on_from(object.version.clone(), version);
            Ok(Some(if kind == "DELETED" { Change::Gone(object.key) } else { Change::Present(object) }))
        }
        other => Err(Error::Unreadable(format!("an event of the type {other:?}"))),
    }
}

fn go_on_from(seen: String, version: &mut String) {
    if !seen.is_empty() {
        *version = seen;
    }
}

/// The next bytes of a body; `None` at its end.
async fn frame(body: &mut Incoming, quiet: Duration) -> Result<Option<Bytes>, Error> {
    loop {
        let next = timeout(quiet, body.frame()).await;
        let next = next.map_err(|_| Error::Unreachable(format!("nothing came for {} seconds", quiet.as_secs())))?;
        match next {
            None => return Ok(None),
            Some(Err(error)) => return Err(Error::Unreachable(causes(&error))),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

impl Client {
    /// Every object of a selection as it is now, without following it. For lists that are short by their nature: all of it is
    /// held, at most 64 MiB.
    ///
    /// # Errors
    /// [`Error`]; unlike [`Follow`], it does not try again.
    pub async fn list(&self, selection: &Selection) -> Result<Vec<Object>, Error> {
        let body = self.stream(&selection.path(&[])?).await?;
        let mut listing = Listing { body, reader: ListReader::new(MAX_OBJECT) };
        let (mut objects, mut held) = (Vec::new(), 0_usize);
        while let Part::Item(json) = listing.next().await? {
            held = held.saturating_add(json.len());
            if held > MAX_LIST {
                return Err(Error::TooLarge(MAX_LIST));
            }
            objects.push(Object::parse(json)?);
        }
        Ok(objects)
    }

    /// The body of a list or a watch.
    async fn stream(&self, path: &str) -> Result<Incoming, Error> {
        let late = |_| Error::Unreachable(format!("no answer within {} seconds", QUIET.as_secs()));
        let answer = timeout(QUIET, self.send(Method::GET, path, None)).await.map_err(late)??;
        Ok(answer.into_body())
    }
}
