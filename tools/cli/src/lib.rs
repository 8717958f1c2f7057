//! The command line: run, list, stop, invoke, version, completion.

mod api;
mod arguments;
mod completion;
mod console;
mod entry;
mod flags;
mod folder;
mod group;
mod instances;
mod invoke;
mod launch;
mod list;
mod logs;
mod names;
mod nearest;
mod orphans;
mod output;
mod pair;
mod plan;
mod ports;
mod preflight;
mod process;
mod readiness;
mod record;
mod run;
mod run_file;
mod run_file_keys;
mod run_file_merge;
mod session;
mod sidecar_program;
mod stop;
mod tied;
mod verdict;
mod version;

pub use entry::main;
