//! The brokers of a run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use servers::{RabbitMq, Redis};
use testkit::Program;

use crate::process::Process;

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The hub, as a process of its own.
    Hub,
    /// Redis streams; every write is on the disk before it is acknowledged.
    Redis,
    /// RabbitMQ.
    RabbitMq,
}

/// A running broker.
pub enum Broker {
    /// See [`Kind::Hub`].
    Hub(Hub),
    /// See [`Kind::Redis`].
    Redis(Box<Redis>),
    /// See [`Kind::RabbitMq`].
    RabbitMq(Box<RabbitMq>),
}

/// The hub's process and place.
pub struct Hub {
    folder: PathBuf,
    process: Option<Process>,
}

impl Hub {
    fn socket(&self) -> PathBuf {
        self.folder.join("hub.sock")
    }

    fn run(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let mut command = Command::new(Program::under_test().to_command().get_program());
        command.arg("hub").arg("--socket").arg(self.socket()).arg("--data-dir").arg(self.folder.join("hub"));
        command.args(["--idle-timeout", "0s"]);
        self.process = Some(Process::start(command, &self.folder.join("hub.log")));
        while !self.socket().exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Broker {
    /// Starts one that keeps its files in `folder`, if it has none of its own. Blocks.
    #[must_use]
    pub fn start(kind: Kind, folder: &Path) -> Option<Self> {
        Some(match kind {
            Kind::Hub => {
                let mut hub = Hub { folder: folder.to_owned(), process: None };
                hub.run();
                Self::Hub(hub)
            }
            Kind::Redis => Self::Redis(Box::new(Redis::alone().durable().start()?)),
            Kind::RabbitMq => Self::RabbitMq(Box::new(RabbitMq::alone().start()?)),
        })
    }

    /// kill -9.
    pub fn kill(&mut self) {
        match self {
            Self::Hub(hub) => {
                if let Some(process) = hub.process.take() {
                    process.kill();
                }
            }
            Self::Redis(redis) => redis.kill(),
            Self::RabbitMq(rabbit) => rabbit.kill(),
        }
    }

    /// Starts it again on its data, and waits until it is ready. Blocks.
    pub fn restart(&mut self) {
        match self {
            Self::Hub(hub) => hub.run(),
            Self::Redis(redis) => redis.restart(),
            Self::RabbitMq(rabbit) => rabbit.restart(),
        }
    }

    /// The component `mail`.
    #[must_use]
    pub fn component(&self) -> String {
        let (component_type, metadata) = match self {
            Self::Hub(hub) => ("pubsub.embedded", vec![("socket", hub.socket().display().to_string())]),
            Self::Redis(redis) => (
                "pubsub.redis",
                vec![
                    ("redisHost", redis.address()),
                    ("processingTimeout", "3s".to_owned()),
                    ("redeliverInterval", "1s".to_owned()),
                ],
            ),
            Self::RabbitMq(rabbit) => {
                let mut metadata = vec![("connectionString", rabbit.connection_string())];
                for (name, value) in [
                    ("durable", "true"),
                    ("deletedWhenUnused", "false"),
                    ("deliveryMode", "2"),
                    ("publisherConfirm", "true"),
                    ("requeueInFailure", "true"),
                    ("prefetchCount", "50"),
                ] {
                    metadata.push((name, value.to_owned()));
                }
                ("pubsub.rabbitmq", metadata)
            }
        };
        let items: String =
            metadata.iter().map(|(name, value)| format!("  - name: {name}\n    value: \"{value}\"\n")).collect();
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: mail\nspec:\n  type: {component_type}\n  \
             version: v1\n  metadata:\n{items}"
        )
    }
}
