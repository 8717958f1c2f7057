//! Developer commands of the project: `cargo xtask <command>`.
//!
//! This file only finds the command; each command lives in a file of its own. Nothing here is part of the product.

use std::process::ExitCode;

mod check;
mod counts;
mod gen_components;
mod gen_conformance;
mod gen_errors;
mod gen_wire;
mod generate;
mod release;
mod servers;
mod test;
mod variables;

/// One command: its name, its arguments as the usage line shows them, what it does, and the function that does it.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "check",
        arguments: "[--structure]",
        about: "the house style, the dependency rules, rustfmt and clippy; with --structure only what needs no compiler",
        run: check::run,
    },
    Command {
        name: "test",
        arguments: "[--long]",
        about: "build, then every test this machine can run; with --long also what takes hours",
        run: test::run,
    },
    Command {
        name: "gen",
        arguments: "[--check]",
        about: "write the generated files (wire types, reference pages); with --check only compare them",
        run: generate::run,
    },
    Command {
        name: "counts",
        arguments: "[--check | --annotate PATH]",
        about: "count the instructions of the hot paths under callgrind and keep them; --check says which grew, --annotate where they go",
        run: counts::run,
    },
    Command {
        name: "release",
        arguments: "",
        about: "build the release guided by a profile of the rig's work; needs llvm-profdata, half an hour of two cores",
        run: release::run,
    },
    Command {
        name: "servers",
        arguments: "[NAME...]",
        about: "start the real servers of the tests (redis, redis-tls, redis-user, sentinel, cluster, postgres, etcd) until Ctrl-C",
        run: servers::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        return usage();
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("xtask: there is no command {name:?}");
        return usage();
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask <command>\n");
    for command in COMMANDS {
        let call = format!("{} {}", command.name, command.arguments);
        eprintln!("  {call:<24}{}", command.about);
    }
    ExitCode::FAILURE
}
