//! One core for the generator of load, the others for what is measured. Called by `main`. What is started later inherits the
//! cores of the thread that starts it; so the main thread gets those of the measured, and only the threads that make load move.

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const THIS_THREAD: Pid = Pid::from_raw(0);

/// Who runs where.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    generator: CpuSet,
    measured: CpuSet,
    /// How the table's heading tells it.
    count: usize,
}

impl Cores {
    /// The first core this process may use for the generator, the rest for others; `None` when there is only one.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn split() -> anyhow::Result<Option<Self>> {
        let all = sched_getaffinity(THIS_THREAD).context("asking for the cores of this process")?;
        let usable: Vec<usize> = (0..CpuSet::count()).filter(|core| all.is_set(*core).unwrap_or_default()).collect();
        let Some((first, rest)) = usable.split_first().filter(|(_, rest)| !rest.is_empty()) else { return Ok(None) };
        let (mut generator, mut measured) = (CpuSet::new(), CpuSet::new());
        generator.set(*first)?;
        for core in rest {
            measured.set(*core)?;
        }
        Ok(Some(Self { generator, measured, count: rest.len() }))
    }

    /// Moves the calling thread to the core of the generator.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub(crate) fn generate_here(&self) -> anyhow::Result<()> {
        sched_setaffinity(THIS_THREAD, &self.generator).context("pinning the generator to its core")
    }

    /// Moves the calling thread, and all it starts from now on, to the cores of the measured.
    ///
    /// # Errors
    /// When the kernel does not allow it.
    pub(crate) fn measure_here(&self) -> anyhow::Result<()> {
        sched_setaffinity(THIS_THREAD, &self.measured).context("keeping the measured off the generator's core")
    }

    /// How many cores the measured have.
    pub(crate) fn measured(&self) -> usize {
        self.count
    }
}
