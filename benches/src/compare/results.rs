//! What was measured, and what it comes to: series by case, load and way, their medians and ratios; as a table and as JSON. Called by
//! `compare`, `bars` and `chart`. It measures nothing.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::offer::{Load, Outcome};
use crate::report::Table;
use crate::statistics::{Spread, percentile};

/// One number of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Good answers a second.
    Rate,
    /// Latency that half of the calls do not exceed, microseconds.
    Median,
    /// Latency that 99 of 100 calls do not exceed, microseconds.
    Tail,
    /// Latency that 999 of 1,000 calls do not exceed, microseconds.
    FarTail,
    /// CPU time of all processes of the way for each call, microseconds.
    Cpu,
    /// Resident memory of all processes of the way under this load, KiB.
    Resident,
}

impl Metric {
    /// All.
    pub(crate) const ALL: [Self; 6] = [Self::Rate, Self::Median, Self::Tail, Self::FarTail, Self::Cpu, Self::Resident];

    /// As JSON names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "calls_per_second",
            Self::Median => "p50_us",
            Self::Tail => "p99_us",
            Self::FarTail => "p999_us",
            Self::Cpu => "cpu_us_per_call",
            Self::Resident => "resident_kib",
        }
    }
}

/// One round of one way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    rate: f64,
    latencies: [f64; 3],
    /// What 99 of 100 paced calls were made too late by the load itself, microseconds.
    late: Option<f64>,
    /// Of each process: its role, CPU microseconds for each call, resident KiB.
    pub(crate) processes: Vec<(&'static str, f64, u64)>,
}

impl Round {
    /// From what was offered, and from what each process paid for it.
    pub(crate) fn new(outcome: &Outcome, paid: impl IntoIterator<Item = (&'static str, Duration, u64)>) -> Self {
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        let calls = outcome.latencies.len().max(1) as f64;
        Self {
            rate: outcome.rate(),
            latencies: [0.5, 0.99, 0.999].map(|part| micros(outcome.percentile(part))),
            late: (!outcome.late.is_empty()).then(|| micros(percentile(&outcome.late, 0.99))),
            processes: paid.into_iter().map(|(role, cpu, memory)| (role, micros(cpu) / calls, memory)).collect(),
        }
    }

    fn get(&self, metric: Metric) -> f64 {
        let [median, tail, far] = self.latencies;
        match metric {
            Metric::Rate => self.rate,
            Metric::Median => median,
            Metric::Tail => tail,
            Metric::FarTail => far,
            Metric::Cpu => self.processes.iter().map(|(_, cpu, _)| cpu).sum(),
            Metric::Resident => self.processes.iter().map(|(.., memory)| *memory as f64).sum(),
        }
    }
}

/// How a load is named: by its connections, or by its pace.
pub(crate) fn load_name(load: Load) -> String {
    if load.rate > 0.0 { format!("{:.0}/s", load.rate) } else { format!("{} conn", load.connections) }
}

/// What rows are found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The case.
    pub(crate) case: String,
    /// Bytes of a body.
    pub(crate) size: usize,
    /// The load, see [`load_name`].
    pub(crate) load: String,
}

/// All rounds of one way.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Of what.
    pub(crate) key: Key,
    /// Which way.
    pub(crate) way: &'static str,
    /// Round by round.
    pub(crate) rounds: Vec<Round>,
}

impl Row {
    /// A metric, round by round.
    pub(crate) fn series(&self, metric: Metric) -> Vec<f64> {
        self.rounds.iter().map(|round| round.get(metric)).collect()
    }

    /// Its middle.
    pub(crate) fn spread(&self, metric: Metric) -> Option<Spread> {
        Spread::of(self.series(metric))
    }

    /// How late the load itself was; nothing of a closed loop.
    fn late(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|round| round.late))
    }

    fn each_cpu(&self) -> String {
        let roles: Vec<&str> =
            self.rounds.first().into_iter().flat_map(|round| &round.processes).map(|(role, ..)| *role).collect();
        let of = |role: &str| {
            let all = self.rounds.iter().flat_map(|round| &round.processes).filter(move |(own, ..)| *own == role);
            Spread::of(all.map(|(_, cpu, _)| *cpu)).map_or(0.0, |spread| spread.median)
        };
        roles.iter().map(|role| format!("{role} {:.1}", of(role))).collect::<Vec<_>>().join(", ")
    }
}

/// What a sidecar is before anybody calls: one side.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// Which side.
    pub(crate) way: &'static str,
    /// Milliseconds from the start of the process to ready, one for each start.
    pub(crate) ready: Vec<f64>,
    /// Resident KiB of the idle caller.
    pub(crate) idle: f64,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// Case by case.
    pub(crate) rows: Vec<Row>,
    /// Side by side.
    pub(crate) starts: Vec<Start>,
    /// What was left out, failed to be proven, or met; one line each, as printed.
    pub(crate) lines: Vec<String>,
}

impl Results {
    /// The row of a way.
    pub(crate) fn find(&self, case: &str, size: usize, load: &str, way: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.key.case == case && row.key.size == size && row.key.load == load && row.way == way)
    }

    /// `above / below` of a metric, round by round.
    pub(crate) fn ratio(&self, key: &Key, ways: (&str, &str), metric: Metric) -> Option<Spread> {
        let find = |way| self.find(&key.case, key.size, &key.load, way);
        Spread::of_ratios(&find(ways.0)?.series(metric), &find(ways.1)?.series(metric))
    }

    /// Prints a line and keeps it.
    pub(crate) fn tell(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = Vec::new();
        for row in &self.rows {
            if !keys.contains(&&row.key) {
                keys.push(&row.key);
            }
        }
        keys
    }

    /// Prints the medians and ratios of one case and load.
    pub(crate) fn print_of(&self, key: &Key) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.key == *key).collect();
        table(&rows).print();
        self.ratios(&[key]).print();
    }

    /// Prints all medians, then all ratios.
    pub(crate) fn print(&self) {
        table(&self.rows.iter().collect::<Vec<_>>()).print();
        self.ratios(&self.keys()).print();
    }

    fn ratios(&self, keys: &[&Key]) -> Table {
        let mut ratios = Table::new(&["case", "bytes", "load", "ours/peer", "median (min..max)"]);
        for key in keys {
            for metric in Metric::ALL {
                let Some(spread) = self.ratio(key, ("ours", "peer"), metric) else { continue };
                let cells = [&key.case, &key.size.to_string(), &key.load, metric.name(), &spread.text(3)];
                ratios.row(cells.map(ToString::to_string));
            }
        }
        ratios
    }

    /// As `--json` writes it.
    pub(crate) fn json(&self, heading: &str) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        let mut ratios = Vec::new();
        for key in self.keys() {
            for metric in Metric::ALL {
                let Some(spread) = self.ratio(key, ("ours", "peer"), metric) else { continue };
                ratios.push(json!({
                    "case": key.case,
                    "bytes": key.size,
                    "load": key.load,
                    "metric": metric.name(),
                    "ratio": spread_json(&spread),
                }));
            }
        }
        let start = |start: &Start| {
            let ready = Spread::of(start.ready.iter().copied()).map(|spread| spread_json(&spread));
            json!({ "way": start.way, "ready_ms": ready, "idle_resident_kib": start.idle })
        };
        let starts: Vec<Value> = self.starts.iter().map(start).collect();
        json!({
            "format": 1, "run": heading, "rows": rows, "ratios_ours_to_peer": ratios, "starts": starts, "lines": self.lines
        })
    }
}

fn table(rows: &[&Row]) -> Table {
    let columns = [
        "case",
        "bytes",
        "load",
        "way",
        "calls/s",
        "p50",
        "p99",
        "p99.9",
        "CPU a call",
        "of it",
        "resident",
        "sent late",
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        let of = |metric| row.spread(metric).map_or(0.0, |spread| spread.median);
        let latency = |microseconds: f64| format!("{:.3} ms", microseconds / 1e3);
        table.row([
            row.key.case.clone(),
            row.key.size.to_string(),
            row.key.load.clone(),
            row.way.to_owned(),
            format!("{:.0}", of(Metric::Rate)),
            latency(of(Metric::Median)),
            latency(of(Metric::Tail)),
            latency(of(Metric::FarTail)),
            format!("{:.1} us", of(Metric::Cpu)),
            row.each_cpu(),
            format!("{:.1} MB", of(Metric::Resident) / 1024.0),
            row.late().map_or_else(String::new, |late| latency(late.median)),
        ]);
    }
    table
}

fn spread_json(spread: &Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn row_json(row: &Row) -> Value {
    let metrics: Map<String, Value> = Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((metric.name().to_owned(), spread_json(&row.spread(metric)?))))
        .collect();
    let rounds: Vec<Value> = row
        .rounds
        .iter()
        .map(|round| {
            let process = |(role, cpu, memory): &(&str, f64, u64)| {
                json!({ "role": role, "cpu_us_per_call": cpu, "resident_kib": memory })
            };
            Value::from_iter(round.processes.iter().map(process))
        })
        .collect();
    json!({
        "case": row.key.case, "bytes": row.key.size, "load": row.key.load, "way": row.way, "metrics": metrics,
        "processes_by_round": rounds, "sent_late_p99_us": row.late().map(|late| spread_json(&late))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn round(rate: f64, latency: u64, cpu: u64) -> Round {
        let outcome = Outcome {
            latencies: vec![Duration::from_micros(latency); 10],
            elapsed: Duration::from_secs_f64(10.0 / rate),
            late: vec![Duration::from_micros(3)],
            ..Outcome::default()
        };
        Round::new(&outcome, [("caller", Duration::from_micros(cpu * 10), 1024), ("callee", Duration::ZERO, 1024)])
    }

    /// Ours is ten times as good as the peer's.
    pub(crate) fn results() -> Results {
        let key = Key { case: "invoke-http".to_owned(), size: 1024, load: "16 conn".to_owned() };
        let row = |way, rounds| Row { key: key.clone(), way, rounds };
        Results {
            rows: vec![
                row("ours", vec![round(1000.0, 100, 10), round(2000.0, 100, 20), round(3000.0, 100, 30)]),
                row("peer", vec![round(100.0, 1000, 100), round(200.0, 1000, 200), round(300.0, 1000, 300)]),
            ],
            starts: vec![Start { way: "ours", ready: vec![20.0, 10.0], idle: 8192.0 }],
            lines: vec!["MET nothing".to_owned()],
        }
    }

    #[test]
    fn cpu_is_per_call_and_of_all_processes() {
        let row = &results().rows[0];
        assert_eq!(row.spread(Metric::Cpu).unwrap().median, 20.0);
        assert_eq!(row.spread(Metric::Resident).unwrap().median, 2048.0);
        assert_eq!(row.each_cpu(), "caller 20.0, callee 0.0");
        assert_eq!(row.spread(Metric::Tail).unwrap().median, 100.0);
    }

    #[test]
    fn ratios_compare_rounds_of_the_same_number() {
        let results = results();
        let ratio = results.ratio(&results.rows[0].key, ("ours", "peer"), Metric::Cpu).unwrap();
        assert_eq!(ratio.text(2), "0.10 (0.10..0.10)");
        assert_eq!(results.ratio(&results.rows[0].key, ("ours", "nginx"), Metric::Cpu), None);
    }

    #[test]
    fn json_has_medians_spreads_ratios_and_lines() {
        let json = results().json("run");
        assert_eq!(json["rows"][0]["metrics"]["cpu_us_per_call"], json!({ "median": 20.0, "min": 10.0, "max": 30.0 }));
        assert_eq!(json["rows"][1]["processes_by_round"][0][0]["role"], "caller");
        let ratio = json["ratios_ours_to_peer"].as_array().unwrap().iter().find(|ratio| ratio["metric"] == "p99_us");
        assert_eq!(ratio.unwrap()["ratio"]["median"], 0.1);
        assert_eq!(json["starts"][0]["ready_ms"]["median"], 15.0);
        assert_eq!(json["lines"][0], "MET nothing");
        assert_eq!(json["rows"][0]["sent_late_p99_us"]["median"], 3.0);
    }

    #[test]
    fn a_load_is_named_by_its_connections_or_its_pace() {
        let load = Load { connections: 16, duration: Duration::from_secs(1), rate: 0.0 };
        assert_eq!(load_name(load), "16 conn");
        assert_eq!(load_name(Load { rate: 1000.0, ..load }), "1000/s");
    }
}
