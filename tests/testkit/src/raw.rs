//! HTTP/1.1 byte by byte, for requests that no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One TCP connection.
pub struct RawHttp1 {
    stream: TcpStream,
}

impl RawHttp1 {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream }
    }

    /// Writes these bytes; whether the other side still takes them.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// All that comes until the other side closes or is silent for `silence`.
    pub async fn read(&mut self, silence: Duration) -> String {
        self.read_until(silence, |_| false).await
    }

    /// All that comes until `enough`, the other side closes, or is silent for `silence`.
    pub async fn read_until(&mut self, silence: Duration, enough: impl Fn(&str) -> bool) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if enough(&text) {
                return text;
            }
            match tokio::time::timeout(silence, self.stream.read_buf(&mut read)).await {
                Ok(Ok(1..)) => {}
                _ => return String::from_utf8_lossy(&read).into_owned(),
            }
        }
    }

    /// Whether the other side closes within `limit`; what it still sends is ignored.
    pub async fn closes_within(&mut self, limit: Duration) -> bool {
        let closed = async {
            let mut ignored = Vec::new();
            while let Ok(1..) = self.stream.read_buf(&mut ignored).await {
                ignored.clear();
            }
        };
        tokio::time::timeout(limit, closed).await.is_ok()
    }

    /// Sends a request and reads until the other side closes or is silent for a second.
    pub async fn exchange(port: u16, request: impl AsRef<[u8]>) -> String {
        let mut connection = Self::connect(port).await;
        connection.write(request).await;
        connection.read(Duration::from_secs(1)).await
    }
}
