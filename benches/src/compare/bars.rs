//! The bars of `rig compare --bars`: which number of which case must be how much better, and what must be measured for it. Called by
//! `compare`. It measures nothing; a bar whose numbers were not measured is told as such and counts as missed.

use super::case::{Case, Kind};
use super::results::{Key, Metric, Results, Row, load_name};
use crate::client::Protocol;
use crate::offer::Load;
use crate::statistics::Spread;

const SIZE: usize = 1024;

/// How many times less, or more, ours must be.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {most:.3}"),
            Self::AtLeast(least) => format!("at least {least:.1}"),
        }
    }
}

/// Whether a bar, or reading it, needs this way of this case under this load: the yardsticks only where they are held against, and
/// more than one load only where a bar names it.
pub(crate) fn needs(case: Case, load: Load, way: &str) -> bool {
    let sidecars = matches!(way, "ours" | "peer");
    let paced = load.rate > 0.0;
    if case.kind != Kind::Invoke || case.protocol != Protocol::Http {
        return sidecars && (paced || load.connections == 16);
    }
    match load_name(load).as_str() {
        "1 conn" => sidecars || way == "direct",
        "16 conn" => sidecars || matches!(way, "hyper" | "nginx" | "haproxy" | "ours, one"),
        "256 conn" => sidecars,
        // The direct calls show how precise the load was.
        _ => paced && (sidecars || way == "direct"),
    }
}

/// Whether a bar is about the p99 of this case at a steady rate.
pub(crate) fn about_tail(case: Case) -> bool {
    matches!(case.kind, Kind::StateGet | Kind::StateSet | Kind::Publish)
}

/// Holds what was measured against bars 1 to 4; whether all were met. `paced` is the name of the paced load.
pub(crate) fn check(results: &mut Results, paced: &str, with_mtls: bool) -> bool {
    let mtls = if with_mtls { "mTLS on" } else { "mTLS off" };
    let sixth = Bound::AtMost(1.0 / 6.0);
    let (fifth, third) = (Bound::AtMost(0.2), Bound::AtMost(1.0 / 3.0));
    let mut met = true;
    for load in [paced, "16 conn"] {
        met &= peers(results, 1, ("invoke-http", load), Metric::Cpu, sixth);
        for case in ["invoke-grpc", "proxy-unary", "proxy-stream"] {
            met &= peers(results, 1, (case, load), Metric::Cpu, fifth);
        }
    }
    for metric in [Metric::Median, Metric::Tail] {
        let added = added_latency(results, metric);
        let name = format!("latency added to direct, {}, one after the other, {mtls}", metric.name());
        met &= tell(results, 1, &name, added, fifth);
    }
    for load in ["16 conn", "256 conn"] {
        met &= peers(results, 1, ("invoke-http", load), Metric::Rate, Bound::AtLeast(5.0));
    }
    for kind in ["state-get", "state-set", "publish"] {
        for protocol in ["http", "grpc"] {
            let case = format!("{kind}-{protocol}");
            met &= peers(results, 2, (&case, "16 conn"), Metric::Cpu, third);
            met &= peers(results, 2, (&case, paced), Metric::Cpu, third);
            met &= peers(results, 2, (&case, paced), Metric::Tail, third);
        }
    }
    for load in [paced, "256 conn"] {
        met &= peers(results, 3, ("invoke-http", load), Metric::Resident, sixth);
    }
    let idle = started(results, |start| vec![start.idle]);
    met &= tell(results, 3, "resident, idle", idle, Bound::AtMost(0.125));
    let ready = started(results, |start| start.ready.clone());
    met &= tell(results, 3, "start to ready", ready, fifth);
    for (ways, most) in [(("ours, one", "hyper"), 1.3), (("ours", "hyper"), 3.0), (("hyper", "nginx"), 1.2)] {
        let name = format!("CPU a call, {} against {}, 16 conn", ways.0, ways.1);
        let ratio = results.ratio(&key("invoke-http", "16 conn"), ways, Metric::Cpu);
        met &= tell(results, 4, &name, ratio, Bound::AtMost(most));
    }
    met
}

fn key(case: &str, load: &str) -> Key {
    Key { case: case.to_owned(), size: SIZE, load: load.to_owned() }
}

fn peers(results: &mut Results, bar: u32, (case, load): (&str, &str), metric: Metric, bound: Bound) -> bool {
    let ratio = results.ratio(&key(case, load), ("ours", "peer"), metric);
    tell(results, bar, &format!("{case}, {load}, {}", metric.name()), ratio, bound)
}

/// What two sidecars add to the direct call, ours to the peer's, round by round.
fn added_latency(results: &Results, metric: Metric) -> Option<Spread> {
    let series = |way| results.find("invoke-http", SIZE, "1 conn", way).map(|row: &Row| row.series(metric));
    let (direct, ours, peer) = (series("direct")?, series("ours")?, series("peer")?);
    let added =
        |through: &[f64]| through.iter().zip(&direct).map(|(all, own)| (all - own).max(0.0)).collect::<Vec<_>>();
    Spread::of_ratios(&added(&ours), &added(&peer))
}

/// Ours to the peer's of something about a start: the ratio of the medians.
fn started(results: &Results, of: impl Fn(&super::results::Start) -> Vec<f64>) -> Option<Spread> {
    let find = |way: &str| results.starts.iter().find(|start| start.way == way).map(&of);
    let (ours, peer) = (Spread::of(find("ours")?)?, Spread::of(find("peer")?)?);
    let ratio = (peer.median > 0.0).then(|| ours.median / peer.median)?;
    Some(Spread { median: ratio, min: ours.min / peer.max, max: ours.max / peer.min })
}

fn tell(results: &mut Results, bar: u32, name: &str, ratio: Option<Spread>, bound: Bound) -> bool {
    let met = ratio.is_some_and(|ratio| bound.holds(ratio.median));
    let measured = ratio.map_or_else(|| "not measured".to_owned(), |ratio| ratio.text(3));
    let word = if met { "MET   " } else { "MISSED" };
    results.tell(format!("{word} bar {bar}: {name}, {}: {measured}", bound.text()));
    met
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_bar_holds_to_its_edge() {
        assert!(Bound::AtMost(0.2).holds(0.2) && !Bound::AtMost(0.2).holds(0.21));
        assert!(Bound::AtLeast(5.0).holds(5.0) && !Bound::AtLeast(5.0).holds(4.9));
    }

    #[test]
    fn only_what_a_bar_needs_is_measured() {
        use super::super::case::Backend;
        let case = |kind, protocol| Case { kind, protocol, backend: Backend::Memory };
        let load = |connections, rate| Load { connections, duration: std::time::Duration::from_secs(1), rate };
        let (invoke, get) = (case(Kind::Invoke, Protocol::Http), case(Kind::StateGet, Protocol::Grpc));
        assert!(needs(invoke, load(1, 0.0), "direct") && !needs(invoke, load(1, 0.0), "nginx"));
        assert!(needs(invoke, load(16, 0.0), "nginx") && !needs(invoke, load(16, 0.0), "direct"));
        assert!(needs(invoke, load(256, 0.0), "peer") && !needs(invoke, load(256, 0.0), "hyper"));
        assert!(needs(get, load(16, 1000.0), "ours") && needs(get, load(16, 0.0), "peer"));
        assert!(!needs(get, load(256, 0.0), "ours") && !needs(get, load(1, 0.0), "ours"));
    }

    #[test]
    fn what_was_measured_is_met_and_what_was_not_is_missed() {
        let mut results = results();
        assert!(!check(&mut results, "1000/s", false));
        let line = |part: &str| results.lines.iter().find(|line| line.contains(part)).unwrap();
        assert!(line("invoke-http, 16 conn, cpu_us_per_call").starts_with("MET    bar 1"));
        assert!(line("invoke-http, 16 conn, calls_per_second").contains("MET    bar 1"));
        assert!(line("invoke-http, 256 conn, calls").starts_with("MISSED bar 1"));
        assert!(line("resident, idle").ends_with("not measured"));
    }

    #[test]
    fn added_latency_is_without_the_direct_call() {
        let mut results = results();
        for row in &mut results.rows {
            row.key.load = "1 conn".to_owned();
        }
        let mut direct = results.rows[0].clone();
        direct.way = "direct";
        results.rows.push(direct);
        // Ours adds nothing to the direct call here, whose numbers it has.
        assert_eq!(added_latency(&results, Metric::Median).unwrap().median, 0.0);
    }
}
