//! Tables on standard output, in the form documents use. Called by every case.

use std::time::Duration;

/// A table that is printed when all its rows are known.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()] }
    }

    /// Adds one row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            println!("| {} |", cells.join(" | "));
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                println!("|-{}-|", rule.join("-|-"));
            }
        }
        println!();
    }
}

/// The command that repeats this run, and what it ran on.
pub(crate) fn heading() -> String {
    let arguments: Vec<String> = std::env::args().collect();
    // What this thread may use is less: it has left a core to the generator.
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cores.lines().filter(|line| line.starts_with("processor")).count();
    format!("`{}` on {cores} cores\n", arguments.join(" "))
}

/// Prints a bar and says whether it was met.
pub(crate) fn bar(name: &str, measured: &str, met: bool) -> bool {
    println!("{} {name}: {measured}", if met { "MET   " } else { "MISSED" });
    met
}

/// Milliseconds with three digits.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

/// Microseconds.
pub(crate) fn microseconds(duration: Duration) -> String {
    format!("{:.1} us", duration.as_secs_f64() * 1e6)
}

/// Megabytes of kibibytes.
pub(crate) fn megabytes(kibibytes: u64) -> String {
    format!("{:.1} MB", kibibytes as f64 / 1024.0)
}

/// `a / b` for two durations or rates; empty without the second.
pub(crate) fn ratio(ours: f64, peer: Option<f64>) -> String {
    match peer {
        Some(peer) if peer > 0.0 => format!("{:.2}", ours / peer),
        _ => String::new(),
    }
}
