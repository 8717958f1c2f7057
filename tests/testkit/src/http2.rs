//! HTTP/2 frame by frame, for what no client library would send (RFC 9113). Header blocks are literals without compression
//! (RFC 7541 6.2.2), so a test sees what it sends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 0 DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 6 PING, 7 GOAWAY, 8 WINDOW_UPDATE, 9 CONTINUATION.
    pub kind: u8,
    /// Flags of the kind: 1 END_STREAM or ACK, 4 END_HEADERS.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
    /// What follows the head of the frame.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    #[must_use]
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame is short").to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], self.kind, self.flags];
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// Encodes headers as literals that are never indexed.
#[must_use]
pub fn header_block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0x10);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 5.1).
fn integer(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        return block.push(u8::try_from(value).expect("below 127"));
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128 + 128).expect("below 256"));
        value /= 128;
    }
    block.push(u8::try_from(value).expect("below 128"));
}

/// One HTTP/2 connection without TLS.
pub struct RawHttp2 {
    stream: TcpStream,
}

impl RawHttp2 {
    /// Connects, sends the preface and these settings (identifier and value).
    pub async fn connect(port: u16, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
        stream.set_nodelay(true).expect("a socket option");
        let mut connection = Self { stream };
        connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| name.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect();
        connection.send(&Frame::new(4, 0, 0, payload)).await;
        connection
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Sends a frame; whether the other side still takes it.
    pub async fn send(&mut self, frame: &Frame) -> bool {
        self.write(&frame.bytes()).await
    }

    /// Sends several frames in one go; whether the other side still takes them.
    pub async fn send_all(&mut self, frames: &[Frame]) -> bool {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        self.write(&bytes).await
    }

    /// The next frame; `None` when the connection ends or nothing comes within `silence`.
    pub async fn receive(&mut self, silence: Duration) -> Option<Frame> {
        let mut head = [0; 9];
        tokio::time::timeout(silence, self.stream.read_exact(&mut head)).await.ok()?.ok()?;
        let [_, _, _, kind, flags, a, b, c, d] = head;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        tokio::time::timeout(silence, self.stream.read_exact(&mut payload)).await.ok()?.ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff, payload })
    }

    /// The next frame that `wanted` accepts.
    pub async fn wait_for(&mut self, silence: Duration, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.receive(silence).await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }
}
