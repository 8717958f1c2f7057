//! Many requests at the same time: each gets its turn, also when they wait for each other, and some need none.

use std::time::{Duration, Instant};

use service::ServeOptions;
use tokio::io::AsyncReadExt;

use crate::frames::Peer;
use crate::server::{TOGETHER, start};

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
}

async fn asking(port: u16, path: &str, count: usize) -> Vec<Peer> {
    let mut peers = Vec::new();
    for _ in 0..count {
        let mut peer = Peer::connect(port).await;
        peer.send(&get(path)).await;
        peers.push(peer);
    }
    peers
}

async fn is_answered(peer: &mut Peer) -> bool {
    let mut start = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(10), peer.stream.read_exact(&mut start)).await;
    matches!(read, Ok(Ok(_))) && &start == b"HTTP/1.1 200"
}

#[tokio::test]
async fn requests_that_wait_for_each_other_are_all_answered() {
    let server = start(ServeOptions::default()).await;
    let mut peers = asking(server.port, "/together", TOGETHER).await;
    for peer in &mut peers {
        assert!(is_answered(peer).await);
    }
}

#[tokio::test]
async fn requests_that_take_their_time_do_not_queue_behind_each_other() {
    service::raise_open_file_limit();
    let server = start(ServeOptions::default()).await;
    let began = Instant::now();
    // Each takes 300 ms: one group of 64 after the other would take 3 s.
    let mut peers = asking(server.port, "/slow", 640).await;
    for peer in &mut peers {
        assert!(is_answered(peer).await);
    }
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_request_behind_many_waits_and_an_urgent_one_does_not() {
    let urgent: Option<fn(&str) -> bool> = Some(|path| path == "/urgent");
    for _ in 0..20 {
        let server = start(ServeOptions { urgent, ..ServeOptions::default() }).await;
        let hanging = asking(server.port, "/hang", 64).await;
        let mut calm = asking(server.port, "/", 1).await;
        let began = Instant::now();
        let mut pressing = asking(server.port, "/urgent", 1).await;
        assert!(is_answered(pressing.last_mut().unwrap()).await);
        // The one that waits is let in when nothing else gets done for 25 ms.
        let is_early = began.elapsed() < Duration::from_millis(10);
        let waits = calm.last_mut().unwrap().stream.try_read(&mut [0]).is_err();
        assert!(is_answered(calm.last_mut().unwrap()).await);
        drop(hanging);
        if is_early {
            assert!(waits, "the gate did not hold it back");
            return;
        }
    }
    panic!("this machine never answered within 10 ms");
}

#[tokio::test]
async fn who_leaves_the_queue_holds_up_nobody() {
    let server = start(ServeOptions::default()).await;
    let hanging = asking(server.port, "/hang", 64).await;
    let gone = asking(server.port, "/slow", 200).await;
    drop(gone);
    drop(hanging);
    for peer in &mut asking(server.port, "/", 100).await {
        assert!(is_answered(peer).await);
    }
}
