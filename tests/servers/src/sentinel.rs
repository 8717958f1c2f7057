//! A Redis master with replicas, watched by three sentinels that make a replica the master when it dies. Used by tests.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::missing;
use crate::ports::free_port;
use crate::process::{Process, Recipe, start_somewhere};
use crate::redis::{Redis, RedisBuilder};
use crate::resp::ask;

const MASTER: &str = "trilbymaster";
const QUORUM: usize = 2;
const SENTINELS: usize = 3;

/// A master, its replicas and their sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    sentinels: Vec<Sentinel>,
    /// The servers; the first is the master at the start.
    pub servers: Vec<Redis>,
}

#[derive(Debug)]
struct Sentinel {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl RedisSentinels {
    /// One master, one replica and three sentinels that wait half a second before they give a master up.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(1, None)
    }

    /// With that many replicas, and a password that servers and sentinels share.
    #[must_use]
    pub fn start_with(replicas: usize, password: Option<&str>) -> Option<Self> {
        let mut builder = Redis::alone();
        if let Some(password) = password {
            builder = builder.password(password).setting(&format!("masterauth {password}"));
        }
        let master = builder.clone().start()?;
        let follow = format!("replicaof 127.0.0.1 {}", master.port());
        let follower: RedisBuilder = builder.setting(&follow).setting("repl-diskless-sync-delay 0");
        let mut servers = vec![master];
        for _ in 0..replicas {
            servers.push(follower.clone().start()?);
        }
        for replica in &servers[1..] {
            until("the replica follows its master", || {
                replica.command(&["INFO", "replication"]).is_ok_and(|text| text.contains("master_link_status:up"))
            });
        }
        let master = servers[0].port();
        let sentinels: Vec<Sentinel> =
            (0..SENTINELS).map(|_| start_somewhere("a sentinel", || Sentinel::start(master, password))).collect();
        let all = Self { sentinels, servers };
        until("the sentinels know each other and the replicas", || all.know_each_other(password));
        Some(all)
    }

    fn know_each_other(&self, password: Option<&str>) -> bool {
        let others = format!("num-other-sentinels\n{}", SENTINELS - 1);
        let replicas = format!("num-slaves\n{}", self.servers.len() - 1);
        let question: &[&str] = &["SENTINEL", "MASTER", MASTER];
        self.sentinels.iter().all(|sentinel| {
            let answer = match password {
                Some(password) => ask(sentinel.port, &[&["AUTH", password], question]),
                None => ask(sentinel.port, &[question]),
            };
            answer.is_ok_and(|text| text.contains(&others) && text.contains(&replicas))
        })
    }

    /// The name under which the sentinels know the master.
    #[must_use]
    pub fn master_name(&self) -> &'static str {
        MASTER
    }

    /// The addresses of the sentinels.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect()
    }

    /// Kills the server that is the master at this moment, and answers its place in `servers`.
    pub fn kill_master(&mut self) -> usize {
        let is_master = |server: &Redis| {
            server.command(&["ROLE"]).is_ok_and(|role| role.lines().next().is_some_and(|first| first == "master"))
        };
        let place = self.servers.iter().position(is_master).expect("one of them is the master");
        self.servers[place].kill();
        place
    }

    /// Kills one sentinel.
    pub fn kill_sentinel(&mut self, place: usize) {
        self.sentinels[place].process.kill();
    }
}

impl Sentinel {
    fn start(master: u16, password: Option<&str>) -> Result<Self, String> {
        // Any redis-server is a sentinel when it is told to: only Debian has it in a package of its own.
        let program = missing::program("redis-server", "redis-server").ok_or("redis-server is not installed")?;
        let folder = tempfile::Builder::new().prefix("trilby-sentinel-").tempdir().expect("a folder can be made");
        let port = free_port();
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.path().display()),
            format!("sentinel monitor {MASTER} 127.0.0.1 {master} {QUORUM}"),
            format!("sentinel down-after-milliseconds {MASTER} 500"),
            format!("sentinel failover-timeout {MASTER} 3000"),
        ];
        if let Some(password) = password {
            lines.push(format!("sentinel auth-pass {MASTER} {password}"));
            lines.push(format!("requirepass {password}"));
            lines.push(format!("sentinel sentinel-pass {password}"));
        }
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        let process = Process::start(Recipe {
            program,
            arguments: vec![file.display().to_string(), "--sentinel".to_owned()],
            folder: folder.path().to_owned(),
            ready: "+monitor master",
            stop: Signal::SIGTERM,
            environment: Vec::new(),
            account: None,
        })?;
        Ok(Self { process, port, _folder: folder })
    }
}

/// Asks a server that tells nobody when something has come about, until it has.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "after a minute it is still not so that {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
