//! The options of the hub and its commands: flags and variables, checked. It opens nothing but the runtime folder, which it makes.

pub(crate) mod flags;

use std::path::PathBuf;
use std::time::Duration;

use hubclient::{LONGEST_SOCKET_PATH, SOCKET_VARIABLE, socket_in};
use schedule::{GoDuration, parse_go_duration};
use service::flags::{Given, Kind};
use service::{Environment, runtime_folder};
use telemetry::LogLevel;

use self::flags::FLAGS;

const DATA_VARIABLE: &str = "TRILBY_DATA_DIR";
const IDLE_VARIABLE: &str = "TRILBY_HUB_IDLE_TIMEOUT";

/// Where a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its socket.
    pub socket: PathBuf,
    /// The folder of its data.
    pub data: PathBuf,
}

/// How the hub logs.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// From which importance on.
    pub level: LogLevel,
    /// As JSON.
    pub json: bool,
    /// A file instead of the standard output.
    pub file: Option<PathBuf>,
}

/// What the hub is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub place: Place,
    /// After how long without a client it ends; `None`: never.
    pub idle: Option<Duration>,
    /// How it logs.
    pub log: LogSettings,
    /// Whether it leaves the terminal.
    pub detached: bool,
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The words that are no flags.
    pub(crate) words: Vec<String>,
    pub(crate) options: Options,
    pub(crate) json: bool,
    pub(crate) database: String,
}

/// Reads a command line (without the program's name); `Err(None)` when help was asked for.
pub(crate) fn parse(arguments: &[String], environment: &Environment) -> Result<Asked, Option<String>> {
    let given = Given::read(FLAGS, arguments.iter().cloned()).map_err(Some)?;
    if given.help {
        return Err(None);
    }
    let options = options(&given, environment).map_err(Some)?;
    let database = given.text("database").to_owned();
    hubclient::layout::check_database(&database).map_err(Some)?;
    Ok(Asked { words: words(arguments), options, json: given.boolean("json"), database })
}

fn options(given: &Given, environment: &Environment) -> Result<Options, String> {
    let idle = match environment.get(IDLE_VARIABLE).filter(|_| !given.is_set("idle-timeout")) {
        Some(text) if !text.is_empty() => {
            let duration = parse_go_duration(text).map_err(|error| format!("the variable {IDLE_VARIABLE}: {error}"))?;
            GoDuration::to_std_or_zero(duration)
        }
        _ => given.duration("idle-timeout"),
    };
    Ok(Options {
        place: Place { socket: socket(given, environment)?, data: data(given, environment)? },
        idle: Some(idle).filter(|idle| !idle.is_zero()),
        log: LogSettings {
            level: LogLevel::parse(given.text("log-level"))?,
            json: given.boolean("log-as-json"),
            file: given.non_empty("log-file").map(PathBuf::from),
        },
        detached: given.boolean("detached"),
    })
}

fn socket(given: &Given, environment: &Environment) -> Result<PathBuf, String> {
    let named = given.non_empty("socket").or_else(|| {
        // A folder on the command line is nearer than a socket among the variables.
        environment.get(SOCKET_VARIABLE).filter(|path| !path.is_empty() && given.non_empty("runtime-dir").is_none())
    });
    let socket = match named {
        Some(path) => std::path::absolute(path).map_err(|error| format!("the socket {path}: {error}"))?,
        None => {
            let folder = runtime_folder::open(given.non_empty("runtime-dir"), environment)?;
            let socket = socket_in(&folder);
            if let Some(own) = socket.parent().filter(|own| *own != folder) {
                runtime_folder::own(own)?;
            }
            socket
        }
    };
    let length = socket.as_os_str().len();
    if length > LONGEST_SOCKET_PATH {
        return Err(format!(
            "the path of the socket {} has {length} bytes; the system allows {LONGEST_SOCKET_PATH}, choose a shorter one with --socket \
             or {SOCKET_VARIABLE}",
            socket.display()
        ));
    }
    Ok(socket)
}

fn data(given: &Given, environment: &Environment) -> Result<PathBuf, String> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given
        .non_empty("data-dir")
        .map(PathBuf::from)
        .or_else(|| variable(DATA_VARIABLE))
        .or_else(|| variable("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("trilby")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/share/trilby")));
    let folder = folder
        .ok_or_else(|| format!("there is no home folder for the data; name one with --data-dir or {DATA_VARIABLE}"))?;
    let folder = std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join("hub"))
}

/// The arguments that are neither flags nor their values.
fn words(arguments: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            words.extend(rest.by_ref().cloned());
        } else if let Some(name) = argument.strip_prefix('-').filter(|name| !name.is_empty()) {
            let name = name.strip_prefix('-').unwrap_or(name);
            let takes_next = FLAGS.find(name).is_some_and(|flag| flag.kind != Kind::Boolean);
            if takes_next {
                rest.next();
            }
        } else {
            words.push(argument.clone());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str, variables: &[(&str, &str)]) -> Asked {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&line, &Environment::from_pairs(variables.iter().copied())).unwrap()
    }

    fn fault(line: &str, variables: &[(&str, &str)]) -> String {
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&line, &Environment::from_pairs(variables.iter().copied())).unwrap_err().unwrap()
    }

    #[test]
    fn everything_is_moved_by_flags_and_by_variables() {
        let place = tempfile::tempdir().unwrap();
        let runtime = place.path().to_str().unwrap();
        std::fs::set_permissions(runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let home = [("HOME", "/h"), ("TRILBY_RUNTIME_DIR", runtime)];
        let options = parsed("", &home).options;
        assert_eq!(options.place.socket, place.path().join("hub.sock"));
        assert_eq!(options.place.data, PathBuf::from("/h/.local/share/trilby/hub"));
        assert_eq!(options.idle, Some(Duration::from_secs(600)));
        let moved =
            [("HOME", "/h"), ("TRILBY_HUB_SOCKET", "/s"), ("TRILBY_DATA_DIR", "/d"), ("TRILBY_HUB_IDLE_TIMEOUT", "5s")];
        let options = parsed("", &moved).options;
        assert_eq!(options.place, Place { socket: "/s".into(), data: "/d/hub".into() });
        assert_eq!(options.idle, Some(Duration::from_secs(5)));
        let options = parsed("--socket /t --data-dir=/e --idle-timeout 0s", &moved).options;
        assert_eq!(options.place, Place { socket: "/t".into(), data: "/e/hub".into() });
        assert_eq!(options.idle, None);
        let options = parsed(&format!("--runtime-dir {runtime}"), &moved).options;
        assert_eq!(options.place.socket, place.path().join("hub.sock"));
    }

    #[test]
    fn words_are_told_from_flags_and_their_values() {
        let moved = [("TRILBY_HUB_SOCKET", "/s"), ("TRILBY_DATA_DIR", "/d")];
        let asked = parsed("--socket /x config --json set --database=other key -- -5", &moved);
        assert_eq!(asked.words, ["config", "set", "key", "-5"]);
        assert!(asked.json && asked.database == "other");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let moved = [("TRILBY_HUB_SOCKET", "/s"), ("TRILBY_DATA_DIR", "/d")];
        assert!(fault(&format!("--socket /{}", "x".repeat(107)), &moved).contains("108 bytes"));
        assert!(fault("--database a/b", &moved).contains("a/b"));
        assert!(fault("--sokcet x", &moved).contains("did you mean --socket?"));
        assert!(fault("", &[("TRILBY_HUB_SOCKET", "/s")]).contains("--data-dir"));
        assert!(
            fault("", &[("TRILBY_HUB_IDLE_TIMEOUT", "soon"), ("TRILBY_DATA_DIR", "/d"), ("TRILBY_HUB_SOCKET", "/s")])
                .contains("TRILBY_HUB_IDLE_TIMEOUT")
        );
    }
}
