//! Faults for processes that keep something, and the record of what they acknowledged, which must survive them. A test
//! takes a subject (a process under load), a fault, and holds the subject against the record afterwards. Only tests use it.

#[cfg(target_os = "linux")]
pub mod cgroup;
pub mod command;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod loss;
pub mod mail;
pub mod process;
pub mod random;
pub mod record;
pub mod schedule;
pub mod sidecar;
pub mod trace;
pub mod traffic;
