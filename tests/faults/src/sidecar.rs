//! What is put under faults: something that stores several values at once and reads them back, with many clients at it.
//! Here a sidecar over its HTTP API, with any state store; other subjects implement [`Subject`].

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::Program;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::process::Process;
use crate::record::{Count, Record};

/// How long a start and an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a write was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The connection ended: nobody knows.
    Lost(String),
    /// It was answered, with this.
    Answered(String),
}

/// Something that keeps values.
pub trait Subject: Clone + Send + Sync + 'static {
    /// A connection to it.
    type Client: Client;

    /// Starts it with everything it keeps in `folder`, as the last arguments of the command `around`, if that is not
    /// empty.
    fn start(&self, folder: &Path, around: &[&str]) -> Process;

    /// Connects, once it is ready.
    fn connect(&self) -> impl Future<Output = Result<Self::Client, String>> + Send;
}

/// A connection.
pub trait Client: Send {
    /// Stores all or nothing.
    fn write(&mut self, values: &[(String, String)]) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The values of the keys that are there.
    fn read(&mut self, keys: &[String]) -> impl Future<Output = Result<BTreeMap<String, String>, String>> + Send;
}

/// A sidecar with one state store, and a hub of its own if it needs one.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// The one under test, if none.
    program: Option<Program>,
    component: String,
    with_hub: bool,
    app: Option<u16>,
    port: u16,
    others: [u16; 3],
}

impl Sidecar {
    /// With the store `store` of this type and metadata, in which `{folder}` stands for the folder of what is kept and
    /// `{beside}` for that of everything else.
    #[must_use]
    pub fn with_store(component_type: &str, metadata: &[(&str, &str)]) -> Self {
        Self::with_component("store", component_type, metadata)
    }

    fn with_component(name: &str, component_type: &str, metadata: &[(&str, &str)]) -> Self {
        let items: String =
            metadata.iter().map(|(name, value)| format!("  - name: {name}\n    value: \"{value}\"\n")).collect();
        let component = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: {component_type}\n  \
             version: v1\n  metadata:\n{items}"
        );
        let port = testkit::free_port;
        let others = [port(), port(), port()];
        Self { program: None, component, with_hub: false, app: None, port: port(), others }
    }

    /// With `state.sqlite` on the file `state.db`.
    #[must_use]
    pub fn on_sqlite() -> Self {
        Self::with_store("state.sqlite", &[("connectionString", "{folder}/state.db")])
    }

    /// With `state.embedded` on a hub that is started, killed and traced together with it.
    #[must_use]
    pub fn on_hub() -> Self {
        Self::on_hub_with("store", "state.embedded")
    }

    /// With a component of such a hub.
    pub(crate) fn on_hub_with(name: &str, component_type: &str) -> Self {
        let sidecar = Self::with_component(name, component_type, &[("socket", "{beside}/hub.sock")]);
        Self { with_hub: true, ..sidecar }
    }

    /// Another executable than the one under test.
    #[must_use]
    pub fn run_by(self, program: Program) -> Self {
        Self { program: Some(program), ..self }
    }

    /// With an app on this port.
    pub(crate) fn before_app(self, port: u16) -> Self {
        Self { app: Some(port), ..self }
    }

    /// Connects, once a GET of this path is answered well.
    pub(crate) async fn connect_when(&self, path: &str) -> Result<Http, String> {
        let began = Instant::now();
        loop {
            let ready = async {
                let mut client = Http::connect(self.port).await?;
                match client.send("GET", path, "").await? {
                    (200 | 204, _) => Ok(client),
                    (status, text) => Err(format!("{status} {text}")),
                }
            };
            match ready.await {
                Err(error) if began.elapsed() > PATIENCE => return Err(format!("it does not get ready: {error}")),
                Err::<_, String>(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Ok(client) => return Ok(client),
            }
        }
    }
}

impl Subject for Sidecar {
    type Client = Http;

    fn start(&self, folder: &Path, around: &[&str]) -> Process {
        // Next to the folder, so that a fault of its disk meets what is kept and nothing else.
        let beside = folder.with_file_name("sidecar");
        fs::create_dir_all(beside.join("resources")).expect("the folder can be made");
        let component = self.component.replace("{folder}", &folder.display().to_string());
        let component = component.replace("{beside}", &beside.display().to_string());
        fs::write(beside.join("resources/store.yaml"), component).expect("the resource can be written");
        let mut command = self.program.as_ref().unwrap_or_else(|| Program::under_test()).to_command();
        let [grpc, internal, metrics] = self.others;
        command.arg("--app-id=faults").arg(format!("--resources-path={}", beside.join("resources").display()));
        command.arg(format!("--dapr-http-port={}", self.port)).arg(format!("--dapr-grpc-port={grpc}"));
        command.arg(format!("--dapr-internal-grpc-port={internal}")).arg(format!("--metrics-port={metrics}"));
        command.args(self.app.map(|port| format!("--app-port={port}")));
        if self.with_hub {
            command = beside_hub(&command, &beside.join("hub.sock"), &folder.join("hub"));
        }
        Process::start(within(around, &command), &beside.join("log"))
    }

    async fn connect(&self) -> Result<Http, String> {
        let began = Instant::now();
        loop {
            let ready = async {
                let mut client = Http::connect(self.port).await?;
                client.read(&[Record::counter(0)]).await?;
                Ok(client)
            };
            match ready.await {
                Err(error) if began.elapsed() > PATIENCE => return Err(format!("it does not get ready: {error}")),
                Err::<_, String>(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Ok(client) => return Ok(client),
            }
        }
    }
}

/// Starts a hub in the background, then the sidecar in place of the shell.
fn beside_hub(sidecar: &Command, socket: &Path, data: &Path) -> Command {
    // A sidecar that comes before its hub would wait a moment too long.
    let script = r#"rm -f "$2"; "$1" hub --socket "$2" --data-dir "$3" --idle-timeout 0s &
        while [ ! -S "$2" ]; do sleep 0.01; done; shift 3; exec "$@""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(sidecar.get_program()).arg(socket).arg(data);
    shell.arg(sidecar.get_program()).args(sidecar.get_args());
    shell
}

/// The last lines of what the processes of a run said, for the message of a test that fails. `kept` is their folder.
#[must_use]
pub fn last_words(kept: &Path) -> String {
    let log = fs::read_to_string(kept.with_file_name("sidecar").join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
}

/// A command as the last arguments of another.
fn within(around: &[&str], command: &Command) -> Command {
    let Some((program, arguments)) = around.split_first() else {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    };
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    outer
}

/// One connection to the HTTP API, kept.
#[derive(Debug)]
pub struct Http {
    stream: BufReader<TcpStream>,
}

impl Http {
    async fn connect(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, String), String> {
        self.send("POST", path, &body.to_string()).await
    }

    /// Makes a number one larger, unless somebody changed it after it was read; the version that was replaced, if it was.
    /// A key that is not there becomes 1, whoever else does that.
    ///
    /// # Errors
    /// What was answered instead.
    pub async fn count_up(&mut self, key: &str) -> Result<Option<String>, String> {
        let items = self.items(&[key]).await?;
        let number = items[0]["data"].as_u64().unwrap_or(0) + 1;
        let mut item = json!({"key": key, "value": number, "options": {"concurrency": "first-write"}});
        let version = items[0]["etag"].as_str().unwrap_or_default();
        if !version.is_empty() {
            item["etag"] = json!(version);
        }
        match self.post("/v1.0/state/store", &json!([item])).await? {
            (204, _) => Ok(Some(version.to_owned())),
            (409, _) => Ok(None),
            (status, text) => Err(format!("{status} {text}")),
        }
    }

    /// The numbers of keys, 0 for one that is not there.
    ///
    /// # Errors
    /// What was answered instead.
    pub async fn numbers(&mut self, keys: &[&str]) -> Result<Vec<u64>, String> {
        let items = self.items(keys).await?;
        let of = |key: &&str| items.iter().find(|item| item["key"] == **key).and_then(|item| item["data"].as_u64());
        Ok(keys.iter().map(|key| of(key).unwrap_or(0)).collect())
    }

    /// What a bulk read answers.
    async fn items(&mut self, keys: &[impl AsRef<str>]) -> Result<Vec<Value>, String> {
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let (status, text) = self.post("/v1.0/state/store/bulk", &json!({ "keys": keys })).await?;
        if status != 200 {
            return Err(format!("{status} {text}"));
        }
        let items: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match items.iter().find_map(|item| item.get("error")) {
            Some(error) => Err(error.to_string()),
            None => Ok(items),
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        let exchange = async {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \
                 {}\r\n\r\n{body}",
                body.len()
            );
            self.stream.get_mut().write_all(request.as_bytes()).await?;
            let (mut status, mut length, mut chunked) = (0, 0, false);
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let line = line.trim_end();
                if line.is_empty() {
                    break;
                }
                if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                    status = rest.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
                } else if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap_or(0);
                } else {
                    chunked |= line.eq_ignore_ascii_case("transfer-encoding: chunked");
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await?;
            while chunked {
                chunked = read_chunk(&mut self.stream, &mut body).await?;
            }
            Ok::<_, std::io::Error>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time".to_owned())?;
        answer.map_err(|error| error.to_string())
    }
}

/// Appends the next chunk of a body, in which the reference answers what is long; whether more follows.
async fn read_chunk(stream: &mut (impl AsyncBufRead + Unpin), body: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let length = usize::from_str_radix(line.trim_end(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
    let start = body.len();
    body.resize(start + length, 0);
    stream.read_exact(&mut body[start..]).await?;
    line.clear();
    stream.read_line(&mut line).await?;
    Ok(length > 0)
}

impl Client for Http {
    async fn write(&mut self, values: &[(String, String)]) -> Result<(), Refusal> {
        let operations: Vec<Value> = values
            .iter()
            .map(|(key, value)| json!({"operation": "upsert", "request": {"key": key, "value": value}}))
            .collect();
        let body = json!({ "operations": operations });
        match self.post("/v1.0/state/store/transaction", &body).await {
            Ok((204, _)) => Ok(()),
            Ok((status, text)) => Err(Refusal::Answered(format!("{status} {text}"))),
            Err(error) => Err(Refusal::Lost(error)),
        }
    }

    async fn read(&mut self, keys: &[String]) -> Result<BTreeMap<String, String>, String> {
        let mut found = BTreeMap::new();
        for item in self.items(keys).await? {
            if let (Some(key), Some(value)) = (item["key"].as_str(), item["data"].as_str()) {
                found.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(found)
    }
}

/// Clients that write as fast as they are answered.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts `clients` of them; what they are told goes into the record.
    #[must_use]
    pub fn begin<S: Subject>(subject: &S, record: &Record, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for client in 0..clients {
            let (subject, record, stop) = (subject.clone(), record.clone(), Arc::clone(&stop));
            running.spawn(async move { write_until(&subject, &record, client, &stop).await });
        }
        Self { clients: running, stop }
    }

    /// Stops them; says what refusals were answered.
    ///
    /// # Panics
    /// When a client did.
    pub async fn end(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut refusals = Vec::new();
        while let Some(ended) = self.clients.join_next().await {
            refusals.extend(ended.expect("a client ended well"));
        }
        refusals
    }
}

async fn write_until<S: Subject>(subject: &S, record: &Record, client: usize, stop: &AtomicBool) -> Vec<String> {
    let Ok(mut connection) = subject.connect().await else { return Vec::new() };
    let mut refusals = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = record.send_next(client);
        match connection.write(&Record::writes(client, number)).await {
            Ok(()) => record.acknowledge(client, number),
            Err(Refusal::Answered(text)) => refusals.push(text),
            Err(Refusal::Lost(_)) => break,
        }
    }
    refusals
}

/// Holds what the subject has against what clients knew; the record goes on from what was found.
///
/// # Errors
/// Sentences about what is lost or wrong.
pub async fn audit<S: Subject>(subject: &S, record: &Record, knew: &BTreeMap<usize, Count>) -> Result<(), String> {
    let mut connection = subject.connect().await?;
    let mut wrong = Vec::new();
    for (client, count) in knew {
        let found = connection.read(&Record::keys(*client)).await?;
        match Record::audit(*client, *count, &found) {
            Ok(last) => record.go_on_from(*client, last),
            Err(sentence) => wrong.push(sentence),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_in_chunks_is_read_whole_and_no_further() {
        let (mut stream, mut body) = (&b"3\r\n[1,\r\nA\r\n2,3,4,5,6]\r\n0\r\n\r\nHTTP/1.1"[..], Vec::new());
        while read_chunk(&mut stream, &mut body).await.expect("it is well formed") {}
        assert_eq!((body.as_slice(), stream), (&b"[1,2,3,4,5,6]"[..], &b"HTTP/1.1"[..]));
        assert!(read_chunk(&mut &b"x\r\n"[..], &mut body).await.is_err());
    }
}
