//! Builders that read like a sentence: apps and sidecars as real servers on free ports, and clients for them.
//!
//! `let app = App::http().route("/echo", echo()).start().await; let a = Sidecar::named("a").app(&app).start().await;`
//! Only tests use it. A broken expectation panics with what was seen; nothing here decides what is right.

mod app;
mod authority;
mod certificates;
mod channel;
mod client;
mod http2;
mod kubernetes;
mod notes;
mod ports;
mod program;
mod raw;
mod runtime;
mod sentry;
mod sidecar;
mod skip;

pub use app::answers::{abort_after, chunks, echo, path_echo, reply, sleep_then, status};
pub use app::{App, AppBuilder, Arrived, BoxedBody, Recorded, body_of, channel_body};
pub use authority::{Authority, TurnedAway};
pub use certificates::Certificates;
pub use channel::Channel;
pub use client::{Answer, Call, Opened};
pub use http2::{Frame, RawHttp2, header_block};
pub use kubernetes::{Account, KubernetesApi};
pub use notes::{Note, NotesClient};
pub use ports::free_port;
pub use program::{Program, is_reference, variable};
pub use raw::RawHttp1;
pub use runtime::spawn;
pub use sentry::{Answered, Asked, Sentry, SentryBuilder};
pub use sidecar::process::Memory;
pub use sidecar::{Ended, Registry, Sidecar, SidecarBuilder, unique};
pub use skip::{may_open_files, skip};

/// Ends the test, loudly, when the executable under test is the reference: what follows is a deliberate difference.
#[macro_export]
macro_rules! ours_only {
    ($reason:expr) => {
        if $crate::is_reference() {
            $crate::skip("on the reference", $reason);
            return;
        }
    };
}
