//! Many idle keep-alive connections to one sidecar: what each costs in memory. Bar 5 of the comparison.

use crate::client::{Call, Protocol};
use crate::fleet::Fleet;
use crate::offer::{self, Target};
use crate::report::{self, Table, megabytes};

/// Resident memory with all of them, KiB.
const BAR: u64 = 100 * 1024;
const SETTLE: std::time::Duration = std::time::Duration::from_secs(3);

/// Runs the case; whether its bar was met.
pub(crate) async fn run(fleet: &Fleet, connections: usize) -> anyhow::Result<bool> {
    let mut table = Table::new(&["sidecar", "connections", "before", "with them", "each"]);
    let mut met = true;
    for side in fleet.sides() {
        let sidecar = fleet.start(side, "idle-connections", Some(fleet.app.http_port()), &[]).await?;
        let call = Call::get("/v1.0/healthz");
        let target = Target { address: sidecar.http, protocol: Protocol::Http, call: call.clone() };
        let before = sidecar.process().memory()?.resident;
        let mut held = offer::connect(&target, connections, &fleet.tasks).await?;
        for client in &mut held {
            client.call(&call).await?;
        }
        tokio::time::sleep(SETTLE).await;
        let with = sidecar.process().memory()?.resident;
        // All must still be open: those that were closed cost nothing.
        for client in &mut held {
            client.call(&call).await?;
        }
        let each = with.saturating_sub(before) as f64 / held.len().max(1) as f64;
        let count = held.len().to_string();
        table.row([side.name().to_owned(), count, megabytes(before), megabytes(with), format!("{each:.1} KiB")]);
        if side == crate::fleet::Side::Ours {
            let name = format!("bar 5: {connections} idle connections, resident below 100 MB");
            met = report::bar(&name, &megabytes(with), with < BAR);
        }
        drop(held);
        sidecar.stop().await?;
    }
    table.print();
    Ok(met)
}
