//! What a process costs, read from the kernel. Called by every case.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use nix::time::ClockId;
use nix::unistd::Pid;

/// A running process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

/// Memory of a process, KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) resident: u64,
    /// Resident, shared pages counted in part.
    pub(crate) proportional: u64,
    /// The most that was resident since the start or the last [`Process::forget_peak`].
    pub(crate) peak: u64,
    /// Resident and not backed by a file: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Process {
    /// Its memory now.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn memory(self) -> anyhow::Result<Memory> {
        let status = self.read("status")?;
        let rollup = self.read("smaps_rollup")?;
        Ok(Memory {
            resident: field(&status, "VmRSS:")?,
            proportional: field(&rollup, "Pss:")?,
            peak: field(&status, "VmHWM:")?,
            anonymous: field(&status, "RssAnon:")?,
        })
    }

    /// Starts the peak anew.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub(crate) fn forget_peak(self) -> anyhow::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").context("resetting the peak of resident memory")
    }

    /// CPU time so far, user and system, of all its threads, ended ones included. It is the process's CPU clock
    /// (`clock_getcpuclockid`), which counts nanoseconds where `/proc/PID/stat` counts ticks of 10 ms.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let process = Pid::from_raw(i32::try_from(self.0).context("no process id")?);
        let time = ClockId::pid_cpu_clock_id(process).and_then(ClockId::now).context("the process is gone")?;
        Ok(time.into())
    }

    /// How often its threads of now went to sleep by themselves.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn voluntary_switches(self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0)).context("the process is gone")? {
            // A thread may end between the listing and the reading.
            let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
            sum += field(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(sum)
    }

    /// How many threads it has.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn threads(self) -> anyhow::Result<u64> {
        field(&self.read("status")?, "Threads:")
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.0)).context("the process is gone")
    }
}

fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| anyhow!("no field {name}"))?;
    let number = rest.split_whitespace().next().ok_or_else(|| anyhow!("field {name} is empty"))?;
    Ok(number.parse()?)
}
