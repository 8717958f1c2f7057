//! The commands about the hub: start, status, topics, stop, config. `entry` calls them; they talk to the hub as any client does.

mod config;
mod start;
mod status;
mod topics;

use std::process::ExitCode;
use std::time::Duration;

use hubclient::{Client, Error, Spawner};
use service::Tasks;

use crate::options::{Asked, Place};

/// What stands before the flags in the help.
pub(crate) const HELP: &str = "\
The hub of this user: the process that the apps of one machine share.

  hub                       run it here
  hub start                 start it, unless it runs
  hub status                tell how it is
  hub topics                list topics and their consumer groups
  hub stop                  end it
  hub config set KEY VALUE  set a value of configuration.embedded
  hub config get KEY        print it
  hub config delete KEY     remove it
  hub config list           print all values

";

/// How long a command waits for a hub.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs the command that the words name.
pub(crate) fn run(asked: &Asked) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
    let done = runtime.block_on(async {
        match words.as_slice() {
            ["start"] => start::start(&asked.options).await,
            ["status"] => status::status(&asked.options.place, asked.json).await,
            ["topics"] => topics::topics(&client(&asked.options.place, PATIENCE), asked.json).await,
            ["stop"] => stop(&asked.options.place).await,
            ["config", rest @ ..] => {
                config::config(&client(&asked.options.place, PATIENCE), &asked.database, rest).await
            }
            other => Err(format!("there is no command hub {}; `hub --help` lists the commands", other.join(" "))),
        }
    });
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(reason) => failed(&reason),
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}

fn spawner() -> Spawner {
    let tasks = Tasks::new();
    Spawner::new(move |name, work| drop(tasks.spawn(name, work)))
}

fn client(place: &Place, patience: Duration) -> Client {
    let sockets = vec![place.socket.clone()];
    Client::new(hubclient::Options { sockets, name: None, patience, spawner: spawner() })
}

/// Whether a hub answers at this place, in whatever version of the protocol.
pub(crate) async fn answers(place: &Place, patience: Duration) -> bool {
    let client = client(place, patience);
    match tokio::time::timeout(2 * patience, client.status()).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => !matches!(error, Error::Unreachable(_) | Error::Broken(_)),
        Err(_) => false,
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Unreachable(reason) => format!("no hub runs ({reason}); start one with `trilby hub start`"),
        error => error.to_string(),
    }
}

/// Ends the hub, and waits until it has ended. A hub of another version is ended by its process.
async fn stop(place: &Place) -> Result<String, String> {
    let client = client(place, PATIENCE);
    let gone = match client.connect().await {
        Err(Error::Unreachable(_)) => return Ok("No hub runs.\n".to_owned()),
        Err(Error::Refused(reason)) => terminate(place, &reason)?,
        Err(error) => return Err(explain(&error)),
        Ok(()) => {
            let ended = client.disconnected();
            tokio::pin!(ended);
            // The one is begun before the other, so that its end is not missed.
            let stopped = tokio::select! {
                biased;
                _ = &mut ended => Ok(()),
                stopped = client.stop() => stopped,
            };
            match stopped {
                Ok(()) | Err(Error::Broken(_)) => {}
                Err(error) => return Err(explain(&error)),
            }
            String::new()
        }
    };
    for _ in 0..200 {
        match crate::lock_file::take(&place.socket) {
            Ok(Some(_)) => return Ok(format!("{gone}The hub has ended.\n")),
            // There is no event for the end of a process that is not a child.
            Ok(None) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("the hub was told to end, and has not ended within 10 s".to_owned())
}

/// Ends the process that holds the lock, when it is ours and speaks another version.
fn terminate(place: &Place, reason: &str) -> Result<String, String> {
    let path = place.socket.with_extension("lock");
    let pid = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<i32>().ok());
    let pid = pid.filter(|pid| *pid > 1).ok_or_else(|| reason.to_owned())?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)
        .map_err(|error| format!("{reason}; and process {pid} cannot be ended: {error}"))?;
    Ok(format!("{reason}\n"))
}
