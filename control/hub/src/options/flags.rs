//! Every flag of the hub and of its commands. Read by the parser and by `--help`. All of them are ours.

use service::flags::Kind::{Boolean, Duration, Text};
use service::flags::{Flag, Flags, flag};

/// The command line of the hub.
pub(crate) const FLAGS: Flags = Flags { program: "hub", all: ALL };

/// All flags, sorted by name.
pub(crate) const ALL: &[Flag] = &[
    flag(
        "data-dir",
        Text,
        "",
        "Folder of the data; empty is TRILBY_DATA_DIR, else $XDG_DATA_HOME/trilby, else ~/.local/share/trilby",
    ),
    flag("database", Text, "default", "For config: the database of the values"),
    flag("detached", Boolean, "false", "Leave the terminal; start does this"),
    flag(
        "idle-timeout",
        Duration,
        "10m",
        "End after so long without a client; 0 never does (or TRILBY_HUB_IDLE_TIMEOUT)",
    ),
    flag("json", Boolean, "false", "For status and topics: print JSON"),
    flag("log-as-json", Boolean, "false", "Log JSON objects"),
    flag("log-file", Text, "", "File to append the log to"),
    flag("log-level", Text, "info", "debug, info, warn, error or fatal"),
    flag("runtime-dir", Text, "", "Folder of the socket; empty is TRILBY_RUNTIME_DIR, else $XDG_RUNTIME_DIR/trilby"),
    flag("socket", Text, "", "The socket itself (or TRILBY_HUB_SOCKET)"),
];
