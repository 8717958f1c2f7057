//! The text of `--help`. Called when it is asked for, and by the generated reference page.

use std::fmt::Write;

use super::{Flags, Kind};

/// All flags that are not deprecated, with kind, meaning and default.
pub(super) fn text(flags: Flags) -> String {
    let listed = || flags.all.iter().filter(|flag| flag.deprecated.is_none());
    let left = |name: &str, kind: Kind| format!("--{name}{}", kind_name(kind));
    let width = listed().map(|flag| left(flag.name, flag.kind).len()).max().unwrap_or_default();
    let mut page = format!("Usage of {}:\n", flags.program);
    for flag in listed() {
        let default = match flag.default {
            "" | "false" | "0s" => String::new(),
            text if flag.kind == Kind::Text => format!(" (default \"{text}\")"),
            other => format!(" (default {other})"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "      {:width$}   {}{default}", left(flag.name, flag.kind), flag.help);
    }
    page
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => " string",
        Kind::Boolean => "",
        Kind::Integer => " int",
        Kind::Unsigned => " uint",
        Kind::Duration => " duration",
        Kind::List => " strings",
    }
}
