//! The command `completion`: the completion script for a shell.

use clap::{ArgMatches, Command};
use clap_complete::{Shell, generate};

/// The script for the shell that was named; `None` when none was.
pub(crate) fn script(matches: &ArgMatches, mut command: Command) -> Option<Vec<u8>> {
    let shell = match matches.subcommand_name()? {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::PowerShell,
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::command_line;

    #[test]
    fn every_shell_has_a_script_that_knows_the_flags() {
        for shell in ["bash", "zsh", "fish", "powershell"] {
            let matches = command_line("dapr").try_get_matches_from(["dapr", "completion", shell]).unwrap();
            let script = script(matches.subcommand_matches("completion").unwrap(), command_line("dapr")).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("dapr-http-port") && script.contains("dapr"), "{shell}");
        }
    }
}
