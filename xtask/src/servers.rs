//! `cargo xtask servers`: the real servers that the tests use, for trying things by hand. Prints where each is as lines a
//! shell can read, stays until Ctrl-C, and stops exactly what it started. Called by `main`.

use std::any::Any;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use nix::sys::signal::{SigSet, Signal};
use servers::{Etcd, Postgres, RabbitMq, Redis, RedisCluster, RedisSentinels, Tls};

const PASSWORD: &str = "trilby-secret";

/// A server that runs as long as it is kept, and the lines that say where it is.
type Started = (Box<dyn Any>, String);

/// Starts one, with a folder for files that clients need. `None` where it is not installed.
type Start = fn(&Path) -> anyhow::Result<Option<Started>>;

/// Each server by name.
const SERVERS: &[(&str, Start)] = &[
    ("redis", redis),
    ("redis-tls", redis_tls),
    ("redis-user", redis_user),
    ("sentinel", sentinel),
    ("cluster", cluster),
    ("postgres", postgres),
    ("etcd", etcd),
    ("rabbitmq", rabbitmq),
];

/// Starts the named servers, or all.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let names: Vec<&str> = SERVERS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = arguments.iter().find(|argument| !names.contains(&argument.as_str())) {
        bail!("there is no server {unknown:?}; there are {}", names.join(", "));
    }
    // Before the first thread, so that every thread leaves them to this one.
    let ends = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    ends.thread_block().context("cannot hold back signals")?;
    let folder = tempfile::Builder::new().prefix("trilby-servers-").tempdir().context("cannot make a folder")?;
    let mut running = Vec::new();
    for (name, start) in SERVERS {
        if !arguments.is_empty() && !arguments.iter().any(|argument| argument == name) {
            continue;
        }
        match start(folder.path())? {
            Some((server, lines)) => {
                print!("{lines}");
                running.push(server);
            }
            None if arguments.is_empty() => {}
            None => bail!("{name} cannot be started here"),
        }
    }
    if running.is_empty() {
        bail!("none of the servers is installed");
    }
    eprintln!("{} servers run until Ctrl-C", running.len());
    ends.wait().context("cannot wait for a signal")?;
    drop(running);
    Ok(())
}

fn line(lines: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(lines, "export TRILBY_{name}='{value}'");
}

fn started(server: impl Any, name: &str, value: &str) -> Started {
    let mut lines = String::new();
    line(&mut lines, name, value);
    (Box::new(server), lines)
}

fn redis(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(redis) = Redis::alone().setting("notify-keyspace-events KA").start() else { return Ok(None) };
    let address = redis.address();
    Ok(Some(started(redis, "REDIS", &address)))
}

fn redis_tls(folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(redis) = Redis::alone().tls(false).start() else { return Ok(None) };
    let mut lines = String::new();
    line(&mut lines, "REDIS_TLS", &redis.address());
    let tls = redis.tls().context("it was started with TLS")?;
    write_files(folder, "REDIS_TLS", tls, &mut lines)?;
    Ok(Some((Box::new(redis), lines)))
}

fn write_files(folder: &Path, name: &str, tls: &Tls, lines: &mut String) -> anyhow::Result<()> {
    let files = [("AUTHORITY", &tls.authority), ("CERTIFICATE", &tls.client_certificate), ("KEY", &tls.client_key)];
    for (part, text) in files {
        let path = folder.join(format!("{name}_{part}.pem").to_lowercase());
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        line(lines, &format!("{name}_{part}"), &path.display().to_string());
    }
    Ok(())
}

fn redis_user(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(redis) = Redis::alone().user("trilby", PASSWORD).start() else { return Ok(None) };
    let mut lines = String::new();
    line(&mut lines, "REDIS_USER", &redis.address());
    line(&mut lines, "REDIS_USER_NAME", "trilby");
    line(&mut lines, "REDIS_USER_PASSWORD", PASSWORD);
    Ok(Some((Box::new(redis), lines)))
}

fn sentinel(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(set) = RedisSentinels::start() else { return Ok(None) };
    let mut lines = String::new();
    line(&mut lines, "REDIS_SENTINELS", &set.addresses().join(","));
    line(&mut lines, "REDIS_SENTINELS_MASTER", set.master_name());
    Ok(Some((Box::new(set), lines)))
}

fn cluster(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(cluster) = RedisCluster::start() else { return Ok(None) };
    let addresses = cluster.addresses().join(",");
    Ok(Some(started(cluster, "REDIS_CLUSTER", &addresses)))
}

fn postgres(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(postgres) = Postgres::alone().start() else { return Ok(None) };
    let connection = postgres.connection_string();
    Ok(Some(started(postgres, "POSTGRES", &connection)))
}

fn etcd(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(etcd) = Etcd::alone().start() else { return Ok(None) };
    let address = etcd.address();
    Ok(Some(started(etcd, "ETCD", &address)))
}

fn rabbitmq(_folder: &Path) -> anyhow::Result<Option<Started>> {
    let Some(rabbit) = RabbitMq::alone().start() else { return Ok(None) };
    let connection = rabbit.connection_string();
    Ok(Some(started(rabbit, "RABBITMQ", &connection)))
}
