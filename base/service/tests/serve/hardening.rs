//! One client that means harm must not cost the others more than its own connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use service::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::frames::{
    ACK, CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE, Peer, RST_STREAM, SETTINGS,
    STATUS_200, WINDOW_UPDATE, block, frame, get, request,
};
use crate::server::start;

/// More than any buffer between the two ends holds.
const FLOOD: usize = 64 << 20;

/// Sends the same bytes until the other end closes or stops reading; how many it took.
async fn flood(peer: &mut Peer, piece: &[u8]) -> usize {
    let mut sent = 0;
    while sent < FLOOD {
        let stalled = Duration::from_millis(500);
        match tokio::time::timeout(stalled, peer.stream.write_all(piece)).await {
            Ok(Ok(())) => sent += piece.len(),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut() {
    let limit = Duration::from_millis(200);
    let server = start(ServeOptions { header_read_timeout: limit, ..ServeOptions::default() }).await;
    for head in [b"GET / HTTP/1.1\r\nhost: x\r\nfiller: xxxxxxxxxxxxxxxx".as_slice(), PREFACE] {
        let mut peer = Peer::connect(server.port).await;
        let mut taken = 0;
        for byte in head {
            if peer.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            taken += 1;
            tokio::time::sleep(limit / 8).await;
        }
        assert!(taken < head.len(), "the whole slow head was taken");
    }
    server.is_responsive().await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_and_leaves_no_handler() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    for round in 0..100_u32 {
        let streams = (0..1000).map(|index| 2 * (round * 1000 + index) + 1);
        let wave: Vec<u8> = streams
            .flat_map(|id| [request(id, "GET", "/hang", END_STREAM), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())])
            .flatten()
            .collect();
        if peer.stream.write_all(&wave).await.is_err() {
            break;
        }
        assert!(round < 99, "the connection was not given up");
    }
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, 0);
    server.is_responsive().await;
}

/// CVE-2025-8671: the server resets the streams, so that a limit of the client's own resets does not see them.
#[tokio::test]
async fn a_flood_of_streams_that_we_have_to_reset_ends_its_connection_and_leaves_no_handler() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    let (too_much, mut sent) = (i32::MAX.to_be_bytes(), 0);
    let mut refused = None;
    while sent < 20_000 && refused.is_none() {
        let streams = (sent..sent + 100).map(|index| 2 * index + 1);
        let wave: Vec<u8> = streams
            .flat_map(|id| [request(id, "GET", "/hang", END_STREAM), frame(WINDOW_UPDATE, 0, id, &too_much)])
            .flatten()
            .collect();
        if peer.stream.write_all(&wave).await.is_err() {
            break;
        }
        sent += 100;
        let mut resets = 0;
        while resets < 100 && refused.is_none() {
            let Some(frame) = peer.receive().await else { break };
            resets += usize::from(frame.kind == RST_STREAM);
            refused = (frame.kind == GOAWAY).then(|| frame.payload[7]);
        }
    }
    assert_eq!(refused, Some(ENHANCE_YOUR_CALM), "after {sent} streams");
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, 0);
    server.is_responsive().await;
}

#[tokio::test]
async fn a_head_without_end_is_given_up_within_its_limit() {
    let server = start(ServeOptions::default()).await;
    let filler = block(&[("filler", &"x".repeat(100))]).repeat(100);
    let one = block(&[("f", "")]);
    for (piece, most) in [(filler.as_slice(), 4 << 20), (&one, 4 << 20), (&[], 4 << 20)] {
        let mut peer = Peer::http2(server.port).await;
        peer.send(&frame(HEADERS, END_STREAM, 1, &block(&[(":method", "GET"), (":path", "/")]))).await;
        let wave = frame(CONTINUATION, 0, 1, piece).repeat((64 << 10) / (piece.len() + 9));
        let sent = flood(&mut peer, &wave).await;
        assert!(sent < most, "{sent} bytes of a head were taken, {} in each frame", piece.len());
    }
    server.is_responsive().await;
}

#[tokio::test]
async fn a_flood_of_pings_or_settings_is_not_buffered() {
    let server = start(ServeOptions::default()).await;
    for piece in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])] {
        let mut peer = Peer::http2(server.port).await;
        // The answers are never read, so whoever holds them has to stop taking more.
        let sent = flood(&mut peer, &piece.repeat(1000)).await;
        assert!(sent < FLOOD, "{sent} bytes were taken");
        server.is_responsive().await;
    }
}

#[tokio::test]
async fn a_flood_of_empty_data_ends_its_connection_or_is_not_buffered() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&request(1, "POST", "/hang", 0)).await;
    let sent = flood(&mut peer, &frame(DATA, 0, 1, &[]).repeat(1000)).await;
    assert!(sent < FLOOD, "{sent} bytes were taken");
    server.is_responsive().await;
}

#[tokio::test]
async fn a_stream_whose_answer_is_not_read_stops_no_other_stream() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&frame(WINDOW_UPDATE, 0, 0, &(16_u32 << 20).to_be_bytes())).await;
    peer.send(&get(1, "/endless")).await;
    for stream in (3..43).step_by(2) {
        peer.send(&get(stream, "/")).await;
        assert_eq!(peer.response(stream).await.unwrap().0, STATUS_200);
    }
    let pulled = server.settled(|seen| seen.pulled.load(Ordering::SeqCst)).await;
    assert!((64 << 10..=512 << 10).contains(&pulled), "{pulled} bytes were taken for a window of 64 KiB");
}

#[tokio::test]
async fn an_answer_for_a_window_without_end_is_not_buffered() {
    const WINDOW: u32 = (1 << 31) - 1;
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::connect(server.port).await;
    peer.send(PREFACE).await;
    let settings = [&[0, 4][..], &WINDOW.to_be_bytes()].concat();
    peer.send(&frame(SETTINGS, 0, 0, &settings)).await;
    peer.send(&frame(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes())).await;
    for stream in [1, 3, 5, 7] {
        peer.send(&get(stream, "/endless")).await;
    }
    let pulled = server.settled(|seen| seen.pulled.load(Ordering::SeqCst)).await;
    // The buffers of the kernel grow to a few MiB.
    assert!(pulled < 16 << 20, "{pulled} bytes were taken for answers nobody reads");
    server.is_responsive().await;
}

#[tokio::test]
async fn uploads_nobody_reads_stop_no_other_stream() {
    let options = ServeOptions::default();
    let window = usize::try_from(options.stream_window).unwrap();
    let server = start(options).await;
    let mut peer = Peer::http2(server.port).await;
    // Our windows are announced by SETTINGS and by an update of the connection's.
    while peer.receive().await.unwrap().kind != WINDOW_UPDATE {}
    peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
    for stream in (1..200).step_by(2) {
        peer.send(&request(stream, "POST", "/hang", 0)).await;
        peer.send(&frame(DATA, 0, stream, &[b'x'; 16_384]).repeat(window / 16_384)).await;
    }
    peer.send(&request(201, "POST", "/echo", 0)).await;
    peer.send(&frame(DATA, END_STREAM, 201, b"still here")).await;
    assert_eq!(peer.response(201).await, Some((STATUS_200, b"still here".to_vec())));
    peer.send(&frame(DATA, 0, 1, &[b'x'; 16_384])).await;
    assert_eq!(peer.response(1).await, None, "more than the window is refused");
}

#[tokio::test]
async fn an_answer_that_is_never_read_is_not_buffered() {
    let server = start(ServeOptions::default()).await;
    let mut peers = Vec::new();
    for _ in 0..8 {
        let mut peer = Peer::connect(server.port).await;
        peer.send(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
        peers.push(peer);
    }
    let pulled = server.settled(|seen| seen.pulled.load(Ordering::SeqCst)).await;
    // The buffers of the kernel grow to a few MiB each.
    assert!(pulled < peers.len() * (32 << 20), "{pulled} bytes were taken for answers nobody reads");
    server.is_responsive().await;
}

#[tokio::test]
async fn too_many_streams_at_once_are_refused() {
    let server = start(ServeOptions { max_concurrent_streams: 10, ..ServeOptions::default() }).await;
    let mut peer = Peer::http2(server.port).await;
    for stream in (1..41).step_by(2) {
        peer.send(&get(stream, "/hang")).await;
    }
    let mut refused = 0;
    while refused < 10 {
        refused += usize::from(peer.receive().await.unwrap().kind == RST_STREAM);
    }
    assert_eq!(server.settled(|seen| seen.hanging.load(Ordering::SeqCst)).await, 10);
}

#[tokio::test]
async fn a_thousand_idle_connections_cost_little_and_stop_nobody() {
    service::raise_open_file_limit();
    let server = start(ServeOptions::default()).await;
    let before = resident_kilobytes();
    let mut idle = Vec::new();
    for index in 0..1000 {
        let mut peer = Peer::connect(server.port).await;
        if index % 2 == 0 {
            peer.send(PREFACE).await;
            peer.send(&frame(SETTINGS, 0, 0, &[])).await;
            peer.send(&get(1, "/")).await;
            peer.response(1).await.unwrap();
        } else {
            peer.send(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let mut answer = [0_u8; 1024];
            assert!(peer.stream.read(&mut answer).await.unwrap() > 0);
        }
        idle.push(peer);
    }
    server.is_responsive().await;
    let grown = resident_kilobytes().saturating_sub(before);
    assert!(grown < 50 * idle.len(), "{grown} KB for {} connections", idle.len());
    // They all still live.
    let last = idle.last_mut().unwrap();
    last.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(last.stream.read(&mut [0_u8; 64]).await.unwrap() > 0);
}

/// Resident memory of this process, 0 where it cannot be told.
fn resident_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|size| size.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn the_end_of_a_harmful_connection_says_why() {
    let server = start(ServeOptions::default()).await;
    let mut peer = Peer::http2(server.port).await;
    peer.send(&frame(HEADERS, END_STREAM, 1, &block(&[(":method", "GET"), (":path", "/")]))).await;
    let small = frame(CONTINUATION, 0, 1, &[]).repeat(100);
    let _ = peer.stream.write_all(&small).await;
    assert_eq!(peer.goaway().await, Some(ENHANCE_YOUR_CALM));
}
