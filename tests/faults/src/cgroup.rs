//! A cap on the memory of a process, kept by the kernel: a control group of version 1 or 2. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIRST_VERSION: &str = "/sys/fs/cgroup/memory";
const SECOND_VERSION: &str = "/sys/fs/cgroup";

/// A group whose processes together may use so much memory and no more; the kernel kills what asks for more.
#[derive(Debug)]
pub struct Cap {
    folder: PathBuf,
    second: bool,
}

impl Cap {
    /// A new group without processes.
    ///
    /// # Errors
    /// Why this machine has none.
    pub fn new(name: &str, bytes: u64) -> Result<Self, String> {
        let controllers = fs::read_to_string(format!("{SECOND_VERSION}/cgroup.controllers")).unwrap_or_default();
        let second = controllers.split_whitespace().any(|name| name == "memory");
        let parent = Path::new(if second { SECOND_VERSION } else { FIRST_VERSION });
        if !parent.join("cgroup.procs").exists() {
            return Err(format!("{} is no control group", parent.display()));
        }
        let folder = parent.join(format!("trilby-{name}-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let cap = Self { folder, second };
        let limit = if second { "memory.max" } else { "memory.limit_in_bytes" };
        cap.write(limit, &bytes.to_string())?;
        // Where swap is not counted there is none to be used, or it does not matter here.
        let _ = cap.write(if second { "memory.swap.max" } else { "memory.swappiness" }, "0");
        Ok(cap)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    /// The same command, within the group from its first moment on.
    #[must_use]
    pub fn hold(&self, command: &Command) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo $$ > \"$1\" && shift && exec \"$@\"", "sh"]);
        shell.arg(self.folder.join("cgroup.procs")).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        shell
    }

    /// The most that was ever used, in bytes, with what the kernel keeps of files.
    #[must_use]
    pub fn peak(&self) -> u64 {
        let text = self.read(if self.second { "memory.peak" } else { "memory.max_usage_in_bytes" });
        text.trim().parse().unwrap_or_default()
    }

    /// How many processes the kernel has killed because of the cap.
    #[must_use]
    pub fn kills(&self) -> u64 {
        let text = self.read(if self.second { "memory.events" } else { "memory.oom_control" });
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        // The processes in it have ended, but the kernel may need a moment to see it.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
