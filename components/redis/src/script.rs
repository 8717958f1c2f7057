//! A Lua script on the server: named by its digest, and sent whole where the server does not know it (any more). Used by
//! the stores.

use std::sync::LazyLock;
use std::time::Duration;

use component::Error;
use redis::{Cmd, Pipeline, Script, Value, cmd, pipe};

use crate::failure::Failure;
use crate::link::{Effect, Link};
use crate::wire::Request;

/// A script, digested when it is first used.
pub(crate) struct Lua {
    text: &'static str,
    digest: LazyLock<String>,
}

/// How many replicas a write waits for, and how long at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replicas {
    pub(crate) count: usize,
    pub(crate) at_most: Duration,
}

/// What a script was given.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The keys it touches; at least one.
    pub(crate) keys: &'a [&'a str],
    /// Everything else.
    pub(crate) arguments: &'a [&'a [u8]],
}

impl Lua {
    /// A script; `digest` is `|| Lua::digest(text)`.
    pub(crate) const fn new(text: &'static str, digest: fn() -> String) -> Self {
        Self { text, digest: LazyLock::new(digest) }
    }

    /// The name a server has for a text.
    pub(crate) fn digest(text: &str) -> String {
        Script::new(text).get_hash().to_owned()
    }

    /// Runs it as one step of the server.
    pub(crate) async fn run(&self, link: &Link, given: Given<'_>, doing: &str) -> Result<Value, Error> {
        let mut answer = link.ask(Request::Command(&self.short(given)), Effect::Write).await;
        if is_unknown(&answer) {
            answer = link.ask(Request::Command(&self.whole(given)), Effect::Write).await;
        }
        answer.map_err(|failure| failure.into_error(doing))
    }

    /// Runs it and then waits for replicas, on a connection on which nobody else is kept waiting. The answer is that of
    /// the script and how many replicas have the write.
    pub(crate) async fn run_and_wait(
        &self,
        link: &Link,
        given: Given<'_>,
        replicas: Replicas,
        doing: &str,
    ) -> Result<(Value, i64), Error> {
        let key = given.keys.first().copied().unwrap_or_default();
        let effect = Effect::WaitingWrite(replicas.at_most);
        let both = replicas.behind(self.short(given));
        let mut answer = link.ask(Request::Pipeline(&both, key), effect).await;
        if is_unknown(&answer) {
            let both = replicas.behind(self.whole(given));
            answer = link.ask(Request::Pipeline(&both, key), effect).await;
        }
        let answer = answer.map_err(|failure| failure.into_error(doing))?;
        let both: Result<(Value, i64), _> = redis::from_redis_value(answer);
        both.map_err(|error| Failure::Redis(error.into()).into_error(doing))
    }

    fn short(&self, given: Given<'_>) -> Cmd {
        command("EVALSHA", &self.digest, given)
    }

    fn whole(&self, given: Given<'_>) -> Cmd {
        command("EVAL", self.text, given)
    }
}

impl Replicas {
    fn behind(self, command: Cmd) -> Pipeline {
        let mut both = pipe();
        let wait = i64::try_from(self.at_most.as_millis()).unwrap_or(i64::MAX);
        both.add_command(command).cmd("WAIT").arg(self.count).arg(wait);
        both
    }
}

fn is_unknown(answer: &Result<Value, Failure>) -> bool {
    // A user may be allowed to send scripts and not to name them.
    answer.as_ref().is_err_and(|failure| matches!(failure.code(), Some("NOSCRIPT" | "NOPERM")))
}

fn command(name: &str, script: &str, given: Given<'_>) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(given.keys.len());
    for key in given.keys {
        command.arg(key);
    }
    for argument in given.arguments {
        command.arg(argument);
    }
    command
}
