//! The conformance suites on every backend. `cargo test -p trilby-conformance -- redis` runs those of one technology.

use std::process::ExitCode;

fn main() -> ExitCode {
    trilby_conformance::harness::main()
}
