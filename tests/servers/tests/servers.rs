//! The servers start, keep their data over a kill, can be cut off, and are gone in the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use trilby_servers::{Etcd, Postgres, Proxy, RabbitMq, Redis, RedisCluster, RedisSentinels};

#[test]
fn redis_keeps_what_it_acknowledged_over_a_kill() {
    let Some(mut redis) = Redis::alone().durable().start() else { return };
    assert_eq!(redis.command(&["SET", "a", "1"]).unwrap(), "OK");
    redis.kill();
    assert!(redis.command(&["GET", "a"]).is_err());
    redis.restart();
    assert_eq!(redis.command(&["GET", "a"]).unwrap(), "1");
    let port = redis.port();
    drop(redis);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn redis_with_a_user_refuses_others() {
    let Some(redis) = Redis::alone().user("alice", "secret").start() else { return };
    assert_eq!(redis.command(&["ACL", "WHOAMI"]).unwrap(), "alice");
    let Some(mut redis) = Redis::alone().password("secret").tls(true).start() else { return };
    assert_eq!(redis.command(&["ACL", "WHOAMI"]).unwrap(), "default");
    redis.command(&["CONFIG", "SET", "requirepass", "other"]).unwrap();
    assert!(redis.command(&["PING"]).unwrap_err().to_string().contains("WRONGPASS"));
    redis.log_in_with("other");
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
    assert!(redis.tls().unwrap().authority.contains("CERTIFICATE"));
    assert_ne!(redis.port(), redis.plain_port());
}

#[test]
fn a_replica_becomes_master_when_the_master_is_killed() {
    let Some(mut set) = RedisSentinels::start() else { return };
    assert_eq!(set.kill_master(), 0);
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !set.servers[1].command(&["ROLE"]).unwrap().starts_with("master") {
        assert!(std::time::Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(set.addresses().len(), 3);
}

#[test]
fn a_cluster_serves_every_slot() {
    let Some(cluster) = RedisCluster::start() else { return };
    let answers: Vec<_> = cluster.nodes.iter().map(|node| node.command(&["SET", "a", "1"])).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(cluster.addresses().len(), 3);
}

#[test]
fn postgres_keeps_what_it_acknowledged_over_a_kill() {
    let Some(mut postgres) = Postgres::alone().durable().tls().start() else { return };
    postgres.sql("create table t (a int)").unwrap();
    postgres.sql("insert into t values (7)").unwrap();
    postgres.kill();
    assert!(postgres.sql("select a from t").is_err());
    postgres.restart();
    assert_eq!(postgres.sql("select a from t").unwrap(), "7");
    assert!(postgres.connection_string().contains(&postgres.port().to_string()));
}

#[test]
fn rabbitmq_keeps_what_is_durable_over_a_kill_and_is_gone_in_the_end() {
    let Some(mut rabbit) = RabbitMq::alone().tls(true).start() else { return };
    rabbit.control(&["add_user", "client", "secret"]).unwrap();
    rabbit.change_password("other");
    assert!(rabbit.connection_string().contains("guest:other@"));
    assert!(rabbit.control(&["authenticate_user", "guest", "guest"]).is_err());
    rabbit.kill();
    assert!(TcpStream::connect(("127.0.0.1", rabbit.port())).is_err());
    rabbit.restart();
    assert!(rabbit.control(&["list_users"]).unwrap().contains("client"));
    let ports = [rabbit.port(), rabbit.tls_port().unwrap()];
    drop(rabbit);
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[test]
fn etcd_keeps_what_it_acknowledged_over_a_kill() {
    let Some(mut etcd) = Etcd::alone().tls(true).start() else { return };
    etcd.control(&["put", "a", "1"]).unwrap();
    etcd.kill();
    etcd.restart();
    assert_eq!(etcd.control(&["get", "--print-value-only", "a"]).unwrap(), "1");
    etcd.demand_password("secret");
    assert_eq!(etcd.control(&["get", "--print-value-only", "a"]).unwrap(), "1");
    etcd.log_in_with("wrong");
    assert!(etcd.control(&["get", "a"]).is_err());
}

#[test]
fn a_proxy_holds_breaks_and_mends_the_way_to_a_server() {
    let Some(redis) = Redis::alone().start() else { return };
    let proxy = Proxy::to(redis.port());
    let mut answer = [0; 7];
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.read_exact(&mut answer).unwrap();
    proxy.silence();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(stream.read_exact(&mut answer).is_err());
    proxy.mend();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    proxy.cut();
    assert!(!matches!(stream.read(&mut answer), Ok(count) if count > 0));
    let mut fresh = TcpStream::connect(proxy.address()).unwrap();
    let _ = fresh.write_all(b"PING\r\n");
    assert!(!matches!(fresh.read(&mut answer), Ok(count) if count > 0));
    proxy.mend();
    let mut fresh = TcpStream::connect(proxy.address()).unwrap();
    fresh.write_all(b"PING\r\n").unwrap();
    fresh.read_exact(&mut answer).unwrap();
    assert_eq!(proxy.accepted(), 2);
}
