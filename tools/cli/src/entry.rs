//! The entry of the command line: parses, calls the command, turns its result into a line and an exit code. The
//! executable calls `main`. Failures return 1, a wrong use of the command line 255, as in the target.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use service::Environment;

use crate::arguments::command_line;
use crate::console::Console;
use crate::nearest::nearest;
use crate::session::Session;
use crate::{certs, check, completion, invoke, list, publish, run, stop, tied, version};

const BAD_USAGE: u8 = 255;

/// Runs the command line. `program` is the name it was called by, `arguments` what stands behind it.
#[must_use]
pub fn main(program: &str, arguments: Vec<OsString>) -> ExitCode {
    if tied::is_meant(&arguments) {
        return tied::become_program(&arguments);
    }
    let environment = Environment::from_process();
    let line = std::iter::once(OsString::from(program)).chain(arguments);
    let matches = match command_line(program).try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => return refused(program, &error, &environment),
    };
    let active = matches.subcommand().map_or(&matches, |(_, active)| active);
    let json = matches.get_one::<bool>("log-as-json") == Some(&true) || switch(active, "log-as-json");
    let runtime_dir = matches.get_one::<String>("runtime-dir").cloned();
    let session = Session { console: Console::open(&environment, json), environment, runtime_dir };
    let code = match carry_out(program, &matches, &session) {
        Ok(code) => code,
        Err(error) => {
            session.console.failure(format!("{error:#}"));
            1
        }
    };
    session.console.flush();
    ExitCode::from(code)
}

fn switch(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or_default()
}

/// Help was asked for, or the line cannot be understood.
fn refused(program: &str, error: &clap::Error, environment: &Environment) -> ExitCode {
    let console = Console::open(environment, false);
    if let Some(sentence) = unknown_command(program, error) {
        console.failure(sentence);
        console.flush();
        return ExitCode::from(BAD_USAGE);
    }
    let text = error.render().to_string();
    if error.use_stderr() {
        console.print_error(text);
        console.flush();
        return ExitCode::from(BAD_USAGE);
    }
    console.print(text);
    console.flush();
    ExitCode::SUCCESS
}

/// The sentence for a command that does not exist.
fn unknown_command(program: &str, error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return None;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let command = command_line(program);
    let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let meant = nearest(name, &known).map(|meant| format!("was {meant} meant? ")).unwrap_or_default();
    Some(format!("there is no command {name}; {meant}`{} --help` lists the commands", command.get_name()))
}

fn carry_out(program: &str, matches: &ArgMatches, session: &Session) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(command(program, matches, session))
}

async fn command(program: &str, matches: &ArgMatches, session: &Session) -> Result<u8> {
    let Some((name, active)) = matches.subcommand() else {
        if switch(matches, "version") {
            version::version("", session).await?;
        } else {
            session.console.print(command_line(program).render_help().to_string());
        }
        return Ok(0);
    };
    match name {
        "run" => return run::run(active, session).await,
        "list" => list::list(active, session).await?,
        "stop" => stop::stop(active, session).await?,
        "invoke" => invoke::invoke(active, session).await?,
        "publish" => publish::publish(active, session).await?,
        "check" => check::check(active, session).await?,
        "certs" => match active.subcommand() {
            Some(("check", asked)) => certs::check(asked, session).await?,
            _ => session.console.print(help_of(program, "certs")),
        },
        "version" => version::version(active.get_one::<String>("output").map_or("", String::as_str), session).await?,
        "completion" => match completion::script(active, command_line(program)) {
            Some(script) => session.console.print(script),
            None => session.console.print(help_of(program, "completion")),
        },
        "init" => session.console.success("Nothing to install: everything is in this executable. Try `run --help`."),
        // The executable has taken it, unless a flag came first.
        "hub" => bail!("`hub` comes before its flags: try `{program} hub --help`"),
        name => bail!("the command {name} is not in this build yet; `--help` lists what is"),
    }
    Ok(0)
}

fn help_of(program: &str, name: &str) -> String {
    let mut command = command_line(program);
    let help = command.find_subcommand_mut(name).map(|found| found.render_help().to_string());
    help.unwrap_or_default()
}
