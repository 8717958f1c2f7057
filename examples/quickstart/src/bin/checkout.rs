//! The app that calls: it sends `orders` one order a second (or after `CHECKOUT_PAUSE_MS`), counts them in the state store, and says what to try next.

use std::io;
use std::time::Duration;

use quickstart::Sidecar;

const STORE: &str = "statestore";
const KEY: &str = "orders-sent";
/// How often the first order is tried again while the other app and its sidecar are still starting.
const PATIENCE: u32 = 120;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = quickstart::number("DAPR_HTTP_PORT", 3500);
    let sidecar = Sidecar::on(port);
    let orders = quickstart::number("CHECKOUT_ORDERS", 10);
    let pause = Duration::from_millis(quickstart::number("CHECKOUT_PAUSE_MS", 1000).into());
    let mut failures = 0;
    let mut number = 1;
    while number <= orders {
        match order(sidecar, number).await {
            Ok(count) => {
                println!("order {number} accepted by the app orders; the state store counts {count}");
                number += 1;
            }
            Err(error) if failures < PATIENCE => {
                if failures == 0 {
                    println!("not yet, trying again: {error}");
                }
                failures += 1;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
    }
    println!("{}", next(port));
    // Stays, so that there is something to try it with.
    std::future::pending().await
}

/// Sends one order and counts it.
async fn order(sidecar: Sidecar, number: u16) -> io::Result<u64> {
    let (status, body) = sidecar.invoke("orders", "orders", format!(r#"{{"orderId":{number}}}"#)).await?;
    if !status.is_success() {
        return Err(io::Error::other(format!("{status}: {body}")));
    }
    let before = sidecar.state(STORE, KEY).await?.and_then(|count| count.parse().ok()).unwrap_or(0);
    let count: u64 = before + 1;
    sidecar.save(STORE, KEY, &count.to_string()).await?;
    Ok(count)
}

fn next(port: u16) -> String {
    format!(
        "
Done. Each order went checkout -> its sidecar -> the sidecar of orders -> orders, which published it through the hub to
shipping. Messages that are not shipped yet wait in the hub, whichever app ends or is killed.

Try next, in another terminal:
  cargo run -- list
  cargo run -- invoke --app-id orders --method orders --data '{{\"orderId\":42}}'
  cargo run -- publish --publish-app-id orders --pubsub pubsub --topic accepted-orders --data '{{\"orderId\":43}}'
  curl http://localhost:{port}/v1.0/state/{STORE}/{KEY}
  curl http://localhost:{port}/v1.0/metadata
Ctrl-C here ends the apps and their sidecars.
"
    )
}
