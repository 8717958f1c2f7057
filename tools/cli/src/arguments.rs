//! The command line as clap sees it: every command of the target with its flags, and the commands that this build does
//! not have yet. `entry` parses with it, `completion` prints it. It decides nothing.

use clap::{Arg, ArgAction, Command, ValueHint};

use crate::flags;

/// The commands of the target that this build refuses, with what the target does there.
pub(crate) const NOT_BUILT: [(&str, &str); 12] = [
    ("annotate", "Add annotations to a Kubernetes manifest"),
    ("build-info", "Print build information"),
    ("components", "List components"),
    ("configurations", "List configurations"),
    ("logs", "Show the logs of a sidecar in Kubernetes"),
    ("mcpservers", "List MCP servers"),
    ("mtls", "Manage certificates in Kubernetes"),
    ("scheduler", "Manage scheduled jobs and reminders"),
    ("status", "Show the health of the control plane in Kubernetes"),
    ("uninstall", "Remove what init has installed"),
    ("upgrade", "Upgrade the control plane in Kubernetes"),
    ("workflow", "Manage workflows"),
];

/// The whole command line, under the name it was called by.
pub(crate) fn command_line(program: &str) -> Command {
    let name = if program == "dapr" { "dapr" } else { "trilby" };
    let mut command = Command::new(name)
        .about("Runs distributed applications: each app with its sidecar, on this machine")
        .args_override_self(true)
        .disable_help_subcommand(true)
        .arg(switch("version", "Print the versions").short('v'))
        .arg(switch("log-as-json", "Print status lines and sidecar logs as JSON").global(true))
        .arg(text("runtime-path", "The folder that holds .dapr with default resources and configuration").global(true))
        .arg(
            text("runtime-dir", "The folder of run records and of the registry of names [env: TRILBY_RUNTIME_DIR]")
                .global(true)
                .value_hint(ValueHint::DirPath),
        )
        .subcommand(flags::run_command())
        .subcommand(list())
        .subcommand(stop())
        .subcommand(invoke())
        .subcommand(publish())
        .subcommand(anything(
            Command::new("hub")
                .about("Keep what the apps of this machine share; `hub --help` lists start, status, stop, config"),
        ))
        .subcommand(check())
        .subcommand(certs())
        .subcommand(version())
        .subcommand(completion())
        .subcommand(anything(Command::new("init").about("Nothing to install: says so, and succeeds")));
    for (name, about) in NOT_BUILT {
        command = command.subcommand(anything(Command::new(name).about(format!("{about} (not in this build yet)"))));
    }
    command
}

/// A flag with a text value.
pub(crate) fn text(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).num_args(1).allow_hyphen_values(true)
}

/// A flag with a whole number.
pub(crate) fn number(name: &'static str, help: &'static str) -> Arg {
    text(name, help).value_parser(clap::value_parser!(i64)).value_name("NUMBER")
}

/// A flag that is on when named; `--name=false` turns it off, in the spellings of Go.
pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
        .hide_possible_values(true)
        .value_parser(go_boolean)
        .action(ArgAction::Set)
}

/// A path to a file or a folder.
pub(crate) fn path(name: &'static str, help: &'static str) -> Arg {
    text(name, help).value_hint(ValueHint::AnyPath)
}

fn go_boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// The flag of every command that could also work in Kubernetes.
pub(crate) fn kubernetes() -> Arg {
    switch("kubernetes", "Work in Kubernetes (not in this build yet)").short('k')
}

fn list() -> Command {
    Command::new("list")
        .about("List the sidecars that run on this machine")
        .arg(switch("all-namespaces", "All namespaces (Kubernetes only)").short('A'))
        .arg(kubernetes())
        .arg(text("namespace", "The namespace (Kubernetes only)"))
        .arg(text("output", "The form of the list: json, yaml or table (default)").short('o'))
}

fn stop() -> Command {
    Command::new("stop")
        .about("Stop apps and their sidecars")
        .arg(text("app-id", "The app to stop").short('a'))
        .arg(path("run-file", "Stop what this run file (or the dapr.yaml in this folder) has started").short('f'))
        .arg(kubernetes())
        .arg(Arg::new("app-ids").num_args(0..).help("More apps to stop"))
}

fn invoke() -> Command {
    Command::new("invoke")
        .about("Call a method of an app")
        .arg(text("app-id", "The app to call").short('a').required(true))
        .arg(text("method", "The method to call").short('m').required(true))
        .arg(text("data", "The data to send, JSON").short('d'))
        .arg(path("data-file", "A file with the data to send, JSON").short('f'))
        .arg(text("verb", "The HTTP verb").short('v').default_value("POST"))
        .arg(path("unix-domain-socket", "The folder of the sidecar's sockets").short('u'))
}

fn publish() -> Command {
    Command::new("publish")
        .about("Publish a message to a topic")
        .arg(text("publish-app-id", "The app that publishes").short('i').required(true))
        .arg(text("pubsub", "The pub/sub component").short('p').required(true))
        .arg(text("topic", "The topic").short('t').required(true))
        .arg(text("data", "The data to send, JSON").short('d'))
        .arg(path("data-file", "A file with the data to send, JSON").short('f'))
        .arg(text("metadata", "Metadata of the message, as a JSON object").short('m'))
        .arg(path("unix-domain-socket", "The folder of the sidecar's sockets").short('u'))
}

fn check() -> Command {
    Command::new("check")
        .about("Say what is wrong with resource files, without starting anything; fails when there is an error")
        .arg(
            Arg::new("paths")
                .num_args(1..)
                .required(true)
                .value_name("PATH")
                .value_hint(ValueHint::AnyPath)
                .help("Folders and files with resources"),
        )
        .arg(text("output", "The form of the answer: json or text (default)").short('o'))
}

fn certs() -> Command {
    let check = Command::new("check")
        .about("Say who holds which certificate, and until when; fails when one has ended")
        .arg(
            path(
                "issuer-credentials",
                "A folder of sentry to look into (default: those of the sentries that run here)",
            )
            .action(ArgAction::Append)
            .value_hint(ValueHint::DirPath),
        )
        .arg(
            text("address", "A host:port that shows a certificate (default: the sidecars that run here)")
                .action(ArgAction::Append),
        )
        .arg(
            number("days", "Certificates of a longer life that end within so many days are marked").default_value("30"),
        )
        .arg(text("output", "The form of the answer: json or table (default)").short('o'));
    Command::new("certs").about("Look after certificates").subcommand(check)
}

fn version() -> Command {
    Command::new("version")
        .about("Print the versions of the command line and of the sidecar")
        .arg(text("output", "The form of the answer: json").short('o'))
}

fn completion() -> Command {
    let mut command = Command::new("completion").about("Print a completion script for a shell");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        command = command.subcommand(Command::new(shell).about(format!("Print the completion script for {shell}")));
    }
    command
}

/// Lets a command take whatever follows, so that it can be refused with a sentence.
fn anything(command: Command) -> Command {
    let rest = Arg::new("rest").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true).hide(true);
    command.disable_help_flag(true).arg(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line("trilby").debug_assert();
    }

    #[test]
    fn every_command_of_the_target_is_known() {
        let known: Vec<String> = command_line("dapr").get_subcommands().map(|c| c.get_name().to_owned()).collect();
        assert_eq!(known.len(), 23, "the 20 of the target, and hub, check and certs");
        assert!(command_line("dapr").try_get_matches_from(["dapr", "mtls", "export", "-o", "x", "--help"]).is_ok());
    }

    #[test]
    fn an_unknown_flag_is_refused_with_the_nearest_name() {
        let error = command_line("dapr").try_get_matches_from(["dapr", "run", "--app-prt", "1"]).unwrap_err();
        assert!(error.to_string().contains("--app-port"), "{error}");
    }
}
