//! Where the instructions of a path go, function by function, from what callgrind wrote. Called by `counts`. The numbers are those of
//! `callgrind_annotate`, for one call.

use std::process::Command;

use anyhow::Context;

use super::driver::{Driver, Profile, told_by};

const ROWS: usize = 60;

/// Counts one path and prints its functions: first with all they call, then alone.
pub(super) fn run(driver: &Driver, path: &str) -> anyhow::Result<()> {
    let profile = driver.count(path)?;
    println!("{path}: {} instructions a call; system calls: {}", profile.instructions, profile.system_calls()?);
    for (flag, heading) in [("--inclusive=yes", "with all it calls"), ("--inclusive=no", "alone")] {
        println!("\ninstructions a call, {heading}");
        let mut annotate = Command::new("callgrind_annotate");
        annotate.args(["--threshold=100", "--auto=no", flag]).arg(&profile.file);
        let told = told_by(&mut annotate)?;
        let rows: Vec<(u64, &str)> = told.lines().filter_map(row).take(ROWS).collect();
        let whole = rows.first().context("callgrind_annotate names no function")?.0;
        let whole = if flag == "--inclusive=no" { profile.instructions } else { Profile::per_call(whole) };
        for (instructions, function) in rows {
            let own = Profile::per_call(instructions);
            println!("{own:>9} {:5.1} %  {function}", own as f64 / whole.max(1) as f64 * 100.0);
        }
    }
    println!("\nthe whole of it, with who calls whom: callgrind_annotate --tree=both {}", profile.file.display());
    Ok(())
}

/// The instructions and the name of a function in a line of `callgrind_annotate`: `1,234 ( 5.00%)  FILE:FUNCTION [OBJECT]`.
fn row(line: &str) -> Option<(u64, &str)> {
    let (count, rest) = line.trim_start().split_once(' ')?;
    let count = count.replace(',', "").parse().ok()?;
    let (_, place) = rest.split_once(')')?;
    // Totals have no place.
    let (_, function) = place.trim().split_once(':')?;
    Some((count, function.rsplit_once(" [").map_or(function, |(function, _)| function)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_count_and_a_function_without_its_file() {
        let line = " 7,882,219 ( 2.29%)  ???:<core::hash::sip::Hasher<S> as core::hash::Hasher>::write [/root/counts]";
        assert_eq!(row(line), Some((7_882_219, "<core::hash::sip::Hasher<S> as core::hash::Hasher>::write")));
        assert_eq!(row("43 (100.0%)  ./string/memmove.S:memcpy [/lib/libc.so.6]"), Some((43, "memcpy")));
    }

    #[test]
    fn totals_and_headings_are_no_rows() {
        assert_eq!(row("344,712,319 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(row("Ir                   file:function"), None);
        assert_eq!(row("--------"), None);
    }
}
