//! The executable: chooses the role from argv[0] or the first argument, and nothing else.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Chosen by measurement (docs/decisions): a call through a sidecar makes some hundred small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So long mimalloc keeps what was freed (docs/decisions): at a second, its own choice, a third of what many calls at a time take.
const FREED_IS_KEPT: Duration = Duration::from_millis(50);

/// The processes of the target that are roles of this executable but not built yet.
const NOT_BUILT: [&str; 4] = ["placement", "scheduler", "operator", "injector"];
/// The command line of the target has a command `scheduler` too: these words behind it mean the command.
const SCHEDULER_COMMANDS: [&str; 13] =
    ["list", "get", "g", "ge", "delete", "d", "del", "delete-all", "da", "delall", "export", "import", "help"];

#[derive(Debug, PartialEq)]
enum Role {
    Sidecar,
    Sentry,
    Hub,
    NotBuilt(String),
    CommandLine,
}

fn main() -> ExitCode {
    footprint::give_back_after(FREED_IS_KEPT);
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let program = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    let program = Path::new(&program).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (role, named_by_argument) = choose(&program, &arguments);
    if named_by_argument {
        arguments.remove(0);
    }
    match role {
        Role::Sidecar => sidecar::main(arguments),
        Role::Sentry => sentry::main(arguments),
        Role::Hub => hub::main(arguments),
        Role::NotBuilt(name) => {
            eprintln!(
                "{name} is not in this build yet; this build has the sidecar (daprd), sentry, the hub and the command line (dapr)"
            );
            ExitCode::FAILURE
        }
        Role::CommandLine => cli::main(&program, arguments),
    }
}

/// The role, and whether the first argument named it. As `dapr` the words of the command line come first.
fn choose(program: &str, arguments: &[OsString]) -> (Role, bool) {
    if let Some(role) = by_name(program) {
        return (role, false);
    }
    let word = |index: usize| arguments.get(index).and_then(|argument| argument.to_str()).unwrap_or_default();
    let (first, second) = (word(0), word(1));
    let is_command = first == "scheduler" && (program == "dapr" || SCHEDULER_COMMANDS.contains(&second));
    match by_name(first) {
        Some(role) if !is_command => (role, true),
        Some(_) | None => (Role::CommandLine, false),
    }
}

fn by_name(name: &str) -> Option<Role> {
    match name {
        "daprd" => Some(Role::Sidecar),
        "sentry" => Some(Role::Sentry),
        "hub" => Some(Role::Hub),
        name if NOT_BUILT.contains(&name) => Some(Role::NotBuilt(name.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(line: &[&str]) -> (Role, bool) {
        let arguments: Vec<OsString> = line[1..].iter().map(OsString::from).collect();
        choose(line[0], &arguments)
    }

    #[test]
    fn the_name_of_the_program_is_the_role() {
        assert_eq!(chosen(&["daprd", "run"]), (Role::Sidecar, false));
        assert_eq!(chosen(&["sentry", "-port=1"]), (Role::Sentry, false));
        assert_eq!(chosen(&["dapr", "run"]), (Role::CommandLine, false));
        assert_eq!(chosen(&["placement"]), (Role::NotBuilt("placement".to_owned()), false));
    }

    #[test]
    fn otherwise_the_first_argument_is() {
        assert_eq!(chosen(&["trilby", "daprd", "--app-id", "x"]), (Role::Sidecar, true));
        assert_eq!(chosen(&["dapr", "daprd"]), (Role::Sidecar, true));
        assert_eq!(chosen(&["trilby", "sentry"]), (Role::Sentry, true));
        assert_eq!(chosen(&["trilby", "hub"]), (Role::Hub, true));
        assert_eq!(chosen(&["trilby"]), (Role::CommandLine, false));
        assert_eq!(chosen(&["trilby", "rnu"]), (Role::CommandLine, false));
    }

    #[test]
    fn scheduler_is_a_role_and_a_command() {
        assert_eq!(chosen(&["trilby", "scheduler", "--port", "1"]), (Role::NotBuilt("scheduler".to_owned()), true));
        assert_eq!(chosen(&["trilby", "scheduler", "list"]), (Role::CommandLine, false));
        assert_eq!(chosen(&["dapr", "scheduler"]), (Role::CommandLine, false));
    }
}
