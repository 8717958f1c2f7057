//! What the process itself uses: memory, CPU, open files. Read from `/proc` at each scrape, never in between; elsewhere
//! than on Linux these families are left out. Called by `Metrics::render`.

use std::fmt::Write;
use std::fs;

/// Clock ticks per second in `/proc`; 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the families of the process in Prometheus text.
pub(super) fn render_into(page: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    // The name in parentheses may hold blanks; the fields after it are counted from the third.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |number: usize| after_name.split(' ').nth(number - 3).and_then(|text| text.parse::<f64>().ok());
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().ok()
    };

    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let start = field(22).zip(boot_time()).map(|(ticks, boot)| boot + ticks / TICKS_PER_SECOND);
    let files = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1));
    #[expect(clippy::cast_precision_loss, reason = "a number of files")]
    let files = files.map(|count| count as f64);

    let mut family = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    family("process_cpu_seconds_total", "counter", "CPU time used, in seconds.", cpu);
    family("process_max_fds", "gauge", "Files that may be open.", max_files());
    family("process_open_fds", "gauge", "Files that are open.", files);
    let resident = kilobytes("VmRSS").map(|size| size * 1024.0);
    family("process_resident_memory_bytes", "gauge", "Resident memory, in bytes.", resident);
    family("process_start_time_seconds", "gauge", "Start, in seconds since 1970.", start);
    let reserved = kilobytes("VmSize").map(|size| size * 1024.0);
    family("process_virtual_memory_bytes", "gauge", "Virtual memory, in bytes.", reserved);
}

fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn max_files() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_reports_plausible_numbers() {
        let mut page = String::new();
        render_into(&mut page);
        let value = |name: &str| -> f64 {
            let line = page.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
            line.unwrap().trim().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
