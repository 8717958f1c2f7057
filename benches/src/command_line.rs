//! What to measure, read from the command line. Called by `main`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::rotation::Plan;
use crate::{compare, overload};

/// What was asked for.
pub(crate) struct Chosen {
    /// Our sidecar.
    pub(crate) ours: PathBuf,
    /// The sidecar to compare with.
    pub(crate) peer: Option<PathBuf>,
    /// Who certifies sidecars; without one there is no mTLS.
    pub(crate) authority: Option<Authority>,
    /// What to measure.
    pub(crate) case: Case,
}

/// A sentry to start.
pub(crate) struct Authority {
    /// Its executable.
    pub(crate) program: PathBuf,
    /// How long its certificates count.
    pub(crate) life: Duration,
    /// More flags.
    pub(crate) flags: Vec<String>,
}

/// One kind of measurement.
pub(crate) enum Case {
    /// Ours and the peer's call each other.
    Mixed {
        /// Calls of each kind and direction.
        calls: u64,
    },
    /// One large body each way.
    Stream {
        /// Its size.
        gibibytes: u64,
    },
    /// Many quiet event streams.
    Events {
        /// How many.
        streams: usize,
        /// How long they stay open.
        duration: Duration,
    },
    /// A sidecar that nobody uses.
    Idle {
        /// How long it is watched.
        duration: Duration,
        /// How often its start is timed.
        starts: usize,
    },
    /// Calls while certificates change.
    Rotation(Plan),
    /// Speed of small calls.
    Invoke(InvokePlan),
    /// Everything beside everything.
    Compare(compare::Plan),
    /// Idle keep-alive connections.
    IdleConnections {
        /// How many.
        connections: usize,
    },
    /// More calls than can be made.
    Overload(overload::Plan),
    /// Is the app of a comparison.
    App {
        /// The broker it subscribes at.
        broker: Option<String>,
    },
    /// Is the bare proxy of a comparison.
    Proxy {
        /// Before what.
        to: SocketAddr,
    },
}

impl Case {
    /// Whether the load comes from a core that nobody else uses.
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Compare(_) | Self::IdleConnections { .. } | Self::Overload(_))
    }
}

/// What `invoke` measures.
pub(crate) struct InvokePlan {
    /// Connections at the same time, one row each.
    pub(crate) connections: Vec<usize>,
    /// How long each row is measured.
    pub(crate) duration: Duration,
    /// Calls a second of the paced row; 0 leaves it out.
    pub(crate) rate: u64,
    /// Whether state in memory is measured too.
    pub(crate) state: bool,
    /// How often everything is measured; the median is reported.
    pub(crate) rounds: usize,
}

/// Reads the arguments of this process; ends it when they are wrong.
pub(crate) fn read() -> Chosen {
    let mut matches = command().get_matches();
    let ours = matches.remove_one::<PathBuf>("ours").unwrap_or_default();
    let peer = matches.remove_one::<PathBuf>("peer");
    let life = Duration::from_secs(matches.get_one::<u64>("certificate-life").copied().unwrap_or_default());
    let flags = matches.remove_many::<String>("sentry-flag").into_iter().flatten().collect();
    let program = matches.remove_one::<PathBuf>("sentry");
    let authority = program.map(|program| Authority { program, life, flags });
    let (name, arguments) = matches.subcommand().unwrap_or(("invoke", &matches));
    Chosen { ours, peer, authority, case: case(name, arguments) }
}

fn case(name: &str, arguments: &ArgMatches) -> Case {
    let number = |name: &str| arguments.get_one::<u64>(name).copied().unwrap_or_default();
    let size = |name: &str| usize::try_from(number(name)).unwrap_or(usize::MAX);
    let duration = Duration::from_secs;
    match name {
        "mixed" => Case::Mixed { calls: number("calls") },
        "stream" => Case::Stream { gibibytes: number("gib") },
        "events" => Case::Events { streams: size("streams"), duration: duration(number("seconds")) },
        "rotation" => Case::Rotation(Plan {
            rate: number("rate"),
            rotations: number("rotations"),
            away: duration(number("away")),
            expire: arguments.get_flag("expire"),
        }),
        "idle" => Case::Idle { duration: duration(number("seconds")), starts: size("starts").max(1) },
        "compare" => Case::Compare(comparison(arguments)),
        "idle-connections" => Case::IdleConnections { connections: size("connections") },
        "overload" => {
            Case::Overload(overload::Plan { duration: duration(number("seconds")), connections: size("connections") })
        }
        "app" => Case::App { broker: arguments.get_one::<String>("subscribe").cloned() },
        "proxy" => Case::Proxy {
            to: arguments.get_one::<SocketAddr>("to").copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
        },
        _ => Case::Invoke(InvokePlan {
            connections: arguments.get_many::<usize>("connections").into_iter().flatten().copied().collect(),
            duration: duration(number("seconds")),
            rate: number("rate"),
            state: !arguments.get_flag("no-state"),
            rounds: size("rounds").max(1),
        }),
    }
}

fn comparison(arguments: &ArgMatches) -> compare::Plan {
    let number = |name: &str| arguments.get_one::<u64>(name).copied().unwrap_or_default();
    let list = |name: &str| arguments.get_many::<usize>(name).into_iter().flatten().copied().collect::<Vec<_>>();
    let bars = arguments.get_flag("bars");
    let wanted: Vec<&String> = arguments.get_many("case").into_iter().flatten().collect();
    let is_wanted = |case: &compare::Case| match wanted.is_empty() {
        // The bars are about what needs no server.
        true => !bars || case.is_in_bars(),
        false => wanted.iter().any(|name| **name == case.name()),
    };
    compare::Plan {
        cases: compare::Case::all().into_iter().filter(is_wanted).collect(),
        sizes: if bars { vec![1024] } else { list("sizes") },
        connections: if bars { vec![1, 16, 256] } else { list("connections") },
        rate: if bars { 1000 } else { number("rate") },
        duration: Duration::from_secs(if bars { 2 } else { number("seconds") }),
        rounds: usize::try_from(number("rounds")).unwrap_or(usize::MAX).max(if bars { 5 } else { 1 }),
        starts: usize::try_from(number("starts")).unwrap_or(usize::MAX),
        bars,
        json: arguments.get_one::<PathBuf>("json").cloned(),
        chart: arguments.get_one::<PathBuf>("chart").cloned(),
    }
}

fn comparison_command() -> Command {
    let list = |name: &'static str, default: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name).value_delimiter(',').default_value(default);
        argument.value_parser(value_parser!(usize)).help(help)
    };
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    let names: Vec<String> = compare::Case::all().iter().map(compare::Case::name).collect();
    Command::new("compare")
        .about("The same load on the app, on bare proxies, and through sidecars, in turn")
        .arg(
            Arg::new("case")
                .long("case")
                .value_delimiter(',')
                .value_parser(clap::builder::PossibleValuesParser::new(names))
                .help("Which cases; all without this"),
        )
        .arg(list("sizes", "1024,102400", "Bytes of a body"))
        .arg(list("connections", "1,16,256", "Connections of the closed loop"))
        .arg(number("rate", "1000", "Calls a second of the open loop; 0 leaves it out"))
        .arg(number("seconds", "5", "How long each measurement takes"))
        .arg(number("rounds", "5", "How often to measure; medians count"))
        .arg(number("starts", "5", "How often starts are timed"))
        .arg(
            Arg::new("bars")
                .long("bars")
                .action(ArgAction::SetTrue)
                .help("Measures what the bars need for 2 s each (5 s where a p99 counts), and says which are met; at least five rounds"),
        )
        .arg(file("json", "Writes all numbers there"))
        .arg(file("chart", "Writes an SVG chart of the CPU time for each call there"))
}

/// What is run beside a measurement, by this executable itself.
fn hidden_commands() -> [Command; 2] {
    let to = Arg::new("to").long("to").required(true).value_parser(value_parser!(SocketAddr));
    [
        Command::new("app").hide(true).arg(Arg::new("subscribe").long("subscribe")),
        Command::new("proxy").hide(true).arg(to),
    ]
}

fn number(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).default_value(default).value_parser(value_parser!(u64)).help(help)
}

fn seconds(default: &'static str) -> Arg {
    number("seconds", default, "How long to measure")
}

fn command() -> Command {
    let program = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("DAPRD").value_parser(value_parser!(PathBuf)).global(true).help(help)
    };
    let command = Command::new("rig")
        .about("Measures calls directly, through our sidecars and through a peer's")
        .subcommand_required(true)
        .arg(program("ours", "Our sidecar executable"))
        .arg(program("peer", "The sidecar executable to compare with"))
        .arg(program("sentry", "A sentry executable: sidecars run with mTLS").value_name("SENTRY"))
        .arg(number("certificate-life", "86400", "Seconds that its certificates count").global(true))
        .arg(
            Arg::new("sentry-flag")
                .long("sentry-flag")
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .global(true)
                .help("One more flag of sentry, such as --sentry-flag=--ca-ttl=10m"),
        );
    with_bars(with_speed(command.subcommands(hidden_commands())))
}

/// The commands about speed.
fn with_speed(command: Command) -> Command {
    let connections = Arg::new("connections")
        .long("connections")
        .value_delimiter(',')
        .default_value("1,16,256")
        .value_parser(value_parser!(usize))
        .help("Connections at the same time");
    command
        .subcommand(comparison_command())
        .subcommand(
            Command::new("idle-connections")
                .about("Idle keep-alive connections: the memory of a sidecar that holds them")
                .arg(number("connections", "10000", "How many")),
        )
        .subcommand(
            Command::new("overload")
                .about("Three times the calls that two sidecars can make: what gets through, and what comes after")
                .arg(seconds("10"))
                .arg(number("connections", "1024", "How many calls wait for an answer at the same time, at most")),
        )
        .subcommand(
            Command::new("invoke")
                .about("Speed and CPU of small calls and of state in memory")
                .arg(connections)
                .arg(seconds("5"))
                .arg(number("rate", "1000", "Calls a second of the paced row; 0 leaves it out"))
                .arg(Arg::new("no-state").long("no-state").action(ArgAction::SetTrue).help("Measures invocation only"))
                .arg(number("rounds", "1", "How often to measure; the median counts")),
        )
}

/// The commands that have a bar of their own.
fn with_bars(command: Command) -> Command {
    command
        .subcommand(Command::new("mixed").about("Ours and the peer's call each other: no call may fail").arg(number(
            "calls",
            "10000",
            "Calls of each kind in each direction",
        )))
        .subcommand(
            Command::new("stream")
                .about("One large body up and one down: how much memory the sidecars need for it")
                .arg(number("gib", "1", "Size of the body")),
        )
        .subcommand(
            Command::new("events")
                .about("Open event streams: memory of each, and whether they stay")
                .arg(number("streams", "1000", "How many"))
                .arg(seconds("60")),
        )
        .subcommand(
            Command::new("rotation")
                .about("Calls while certificates change, with --sentry: none may fail")
                .arg(number("rate", "500", "Calls a second"))
                .arg(number("rotations", "30", "How many new certificates each sidecar gets"))
                .arg(number("away", "0", "Seconds that sentry is away in the middle"))
                .arg(
                    Arg::new("expire")
                        .long("expire")
                        .action(ArgAction::SetTrue)
                        .help("Instead: sentry goes until certificates have ended, then comes back"),
                ),
        )
        .subcommand(
            Command::new("idle")
                .about("A sidecar nobody uses: memory, wake-ups, time to be ready")
                .arg(seconds("60"))
                .arg(number("starts", "9", "How many starts are timed")),
        )
}
