//! The mDNS resolver on a real network: with itself, and with the reference's sidecar where one is at hand
//! (`TRILBY_REFERENCE_DAPRD` names its executable). What the host cannot do is skipped and said.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use component::resolver::{Error, Instance, ResolveRequest, Resolver, Search};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::Mdns;

fn instance(app_id: &str, address: &str, port: u16) -> Instance {
    Instance { app_id: app_id.into(), address: address.into(), internal_port: port, ..Instance::default() }
}

fn request(id: &str, search: Search) -> ResolveRequest {
    ResolveRequest { id: id.into(), search, ..ResolveRequest::default() }
}

/// A name that no other run on this network uses.
fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

/// A resolver that announces an app, unless this host has no multicast.
async fn registered(app_id: &str, address: &str, port: u16) -> Option<Mdns> {
    let resolver = Mdns::new();
    match resolver.register(&instance(app_id, address, port)).await {
        Ok(()) => Some(resolver),
        Err(Error::Unavailable(reason)) => {
            eprintln!("SKIPPED: this host has no multicast: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn one_process_finds_what_another_registers_in_an_instant_and_not_after_it_closes() {
    let app_id = unique("orders");
    let Some(callee) = registered(&app_id, "127.0.0.1", 7001).await else { return };
    let caller = Mdns::new();
    let started = Instant::now();
    let resolved = caller.resolve(&request(&app_id, Search::First)).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(resolved.addresses, ["127.0.0.1:7001"]);
    callee.close().await.unwrap();
    let error = caller.resolve(&request(&app_id, Search::First)).await.unwrap_err();
    assert_eq!(error, Error::NotFound(format!("couldn't find service: {app_id}")));
    caller.close().await.unwrap();
    assert!(matches!(caller.resolve(&request(&app_id, Search::First)).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_search_for_all_finds_every_instance_in_both_families() {
    let app_id = unique("orders");
    let Some(first) = registered(&app_id, "127.0.0.1", 7001).await else { return };
    let second = registered(&app_id, "127.0.0.1", 7002).await.unwrap();
    let third = registered(&app_id, "[::1]", 7003).await.unwrap();
    let mut found = Mdns::new().resolve(&request(&app_id, Search::All)).await.unwrap().addresses;
    found.sort();
    assert_eq!(found, ["127.0.0.1:7001", "127.0.0.1:7002", "[::1]:7003"]);
    for resolver in [first, second, third] {
        resolver.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_hundred_callers_of_one_app_are_served_together() {
    let app_id = unique("orders");
    let Some(_callee) = registered(&app_id, "127.0.0.1", 7001).await else { return };
    let caller = std::sync::Arc::new(Mdns::new());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (caller, app_id) = (caller.clone(), app_id.clone());
        calls.spawn(async move { caller.resolve(&request(&app_id, Search::First)).await.unwrap().addresses });
    }
    assert!(calls.join_all().await.iter().all(|addresses| addresses == &["127.0.0.1:7001"]));
}

#[tokio::test]
async fn an_app_is_registered_once_per_port() {
    let app_id = unique("orders");
    let Some(resolver) = registered(&app_id, "127.0.0.1", 7001).await else { return };
    let error = resolver.register(&instance(&app_id, "127.0.0.1", 7001)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("app id {app_id} already registered for port 7001"));
}

/// A sidecar of the reference, ended when dropped.
struct Reference {
    _process: Child,
    http_port: u16,
    internal_port: u16,
    _folder: tempfile::TempDir,
}

impl Reference {
    /// Starts one and waits until its HTTP API is there; `None` when no executable is named.
    async fn start(app_id: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test has no other way to be told where the reference is")]
        let Ok(executable) = std::env::var("TRILBY_REFERENCE_DAPRD") else {
            eprintln!("SKIPPED: TRILBY_REFERENCE_DAPRD does not name a sidecar of the reference");
            return None;
        };
        assert!(Path::new(&executable).exists(), "{executable} does not exist");
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports().await;
        let flags = ["-dapr-http-port", "-dapr-grpc-port", "-dapr-internal-grpc-port", "-metrics-port"];
        let mut command = Command::new(executable);
        command.args(["-app-id", app_id, "-resources-path"]).arg(folder.path());
        for (flag, port) in flags.iter().zip(ports) {
            command.arg(flag).arg(port.to_string());
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let reference = Self { _process: process, http_port: ports[0], internal_port: ports[2], _folder: folder };
        let started = Instant::now();
        while !reference.get("/v1.0/healthz").await.is_ok_and(|answer| answer.contains("204")) {
            assert!(started.elapsed() < Duration::from_secs(30), "the reference does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(reference)
    }

    async fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http_port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

async fn free_ports() -> [u16; 4] {
    let mut listeners = Vec::new();
    for _ in 0..4 {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
    }
    std::array::from_fn(|position| listeners[position].local_addr().unwrap().port())
}

#[tokio::test]
async fn a_sidecar_of_the_reference_is_found() {
    let app_id = unique("reference");
    let Some(reference) = Reference::start(&app_id).await else { return };
    let caller = Mdns::new();
    for search in [Search::First, Search::All] {
        let started = Instant::now();
        let resolved = caller.resolve(&request(&app_id, search)).await.unwrap();
        eprintln!("found the reference at {:?} after {:?}", resolved.addresses, started.elapsed());
        assert_eq!(resolved.addresses.len(), 1);
        assert!(resolved.addresses[0].ends_with(&format!(":{}", reference.internal_port)));
    }
}

#[tokio::test]
async fn a_sidecar_of_the_reference_finds_us() {
    let Some(reference) = Reference::start(&unique("reference")).await else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let app_id = unique("trilby");
    let port = listener.local_addr().unwrap().port();
    let resolver = registered(&app_id, "127.0.0.1", port).await.unwrap();
    let path = format!("/v1.0/invoke/{app_id}/method/x");
    let (called, answered) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(5), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut preface = [0; 14];
            stream.read_exact(&mut preface).await.unwrap();
            preface
        }),
        tokio::time::timeout(Duration::from_secs(2), reference.get(&path)),
    );
    eprintln!("the reference called us with {:?}", called.as_ref().map(|preface| String::from_utf8_lossy(preface)));
    assert_eq!(&called.unwrap(), b"PRI * HTTP/2.0");
    drop(answered);
    resolver.close().await.unwrap();
}
