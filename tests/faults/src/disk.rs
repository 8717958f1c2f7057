//! A disk whose plug can be pulled. It is one file of a FUSE file system of our own, made a block device by `losetup` and
//! mounted with ext4. Like a real disk it has a write cache: what was written since the last flush may be gone after a
//! cut, all of it, none of it, or any blocks of it. What a process never synced is not even there: it is in the kernel's
//! memory. Needs root.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, INodeNo, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::command::{find, run};
use crate::random::Random;

/// What survives a cut or not: a disk writes this much at once or not at all.
const BLOCK: usize = 4096;
/// The file that is the disk.
const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
const CACHED: Duration = Duration::from_secs(3600);

/// What is on the disk and what is in its cache.
#[derive(Debug)]
struct Platter {
    durable: Vec<u8>,
    present: Vec<u8>,
    /// Written since the last flush, in order: where, and what.
    pending: Vec<(usize, Vec<u8>)>,
    flushes: u64,
}

/// A disk in use: mounted until it is dropped.
#[derive(Debug)]
pub struct Disk {
    platter: Arc<Mutex<Platter>>,
    folder: PathBuf,
    device: String,
    session: Option<BackgroundSession>,
}

/// Why this machine has no such disks, if it has none.
#[must_use]
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("only root may mount disks".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if !Path::new(device).exists() {
            return Some(format!("{device} is missing"));
        }
    }
    let program = ["mkfs.ext4", "losetup", "mount", "umount"].into_iter().find(|program| find(program).is_none())?;
    Some(format!("{program} is not installed"))
}

/// A new disk with an empty ext4 on it.
///
/// # Errors
/// What `mkfs.ext4` or the system said.
pub fn formatted(folder: &Path, megabytes: usize) -> Result<Vec<u8>, String> {
    let path = folder.join("new-disk");
    let told = |error: std::io::Error| error.to_string();
    fs::write(&path, vec![0; megabytes << 20]).map_err(told)?;
    let text = path.display().to_string();
    run("mkfs.ext4", &["-q", "-F", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0", &text])?;
    let image = fs::read(&path).map_err(told)?;
    fs::remove_file(&path).map_err(told)?;
    Ok(image)
}

impl Disk {
    /// Mounts a disk that holds `image`, within `folder`. A file system that was cut recovers here.
    ///
    /// # Errors
    /// What the system said.
    pub fn mount(image: Vec<u8>, folder: &Path) -> Result<Self, String> {
        let (raw, mounted) = (folder.join("raw"), folder.join("mounted"));
        for place in [&raw, &mounted] {
            fs::create_dir_all(place).map_err(|error| error.to_string())?;
        }
        let platter = Platter { durable: image.clone(), present: image, pending: Vec::new(), flushes: 0 };
        let platter = Arc::new(Mutex::new(platter));
        let mut options = Config::default();
        options.mount_options = vec![MountOption::FSName("trilby-faults".to_owned())];
        let session = fuser::spawn_mount(Platters(Arc::clone(&platter)), &raw, &options);
        let session = session.map_err(|error| format!("FUSE: {error}"))?;
        let file = raw.join(NAME).display().to_string();
        let device = run("losetup", &["--find", "--show", &file])?;
        let disk = Self { platter, folder: folder.to_owned(), device, session: Some(session) };
        run("mount", &["-t", "ext4", &disk.device, &mounted.display().to_string()])?;
        Ok(disk)
    }

    /// Where its files are.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.folder.join("mounted")
    }

    /// How often everything written was made to stay.
    ///
    /// # Panics
    /// When another user of the disk did.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.platter.lock().expect("no holder panics").flushes
    }

    /// What is on the disk if its power is cut now.
    ///
    /// # Panics
    /// When another user of the disk did.
    #[must_use]
    pub fn cut(&self, random: &mut Random) -> Vec<u8> {
        let platter = self.platter.lock().expect("no holder panics");
        let mut image = platter.durable.clone();
        let mode = random.below(3);
        for (offset, bytes) in &platter.pending {
            for (index, block) in bytes.chunks(BLOCK).enumerate() {
                let survives = match mode {
                    0 => false,
                    1 => true,
                    _ => random.below(2) == 0,
                };
                if survives {
                    let start = offset + index * BLOCK;
                    image[start..start + block.len()].copy_from_slice(block);
                }
            }
        }
        image
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mounted = self.files().display().to_string();
        // A process that was just killed may need a moment to let go.
        for _ in 0..100 {
            match run("umount", &[&mounted]) {
                Err(error) if error.contains("busy") => std::thread::sleep(Duration::from_millis(20)),
                _ => break,
            }
        }
        for command in [("umount", vec!["-l", &mounted]), ("losetup", vec!["--detach", &self.device])] {
            let _ = run(command.0, &command.1);
        }
        drop(self.session.take());
    }
}

/// The file system with the one file.
struct Platters(Arc<Mutex<Platter>>);

impl Platters {
    fn attributes(&self, file: INodeNo) -> FileAttr {
        let is_file = file == FILE;
        let size = if is_file { self.0.lock().expect("no holder panics").present.len() as u64 } else { 0 };
        FileAttr {
            ino: file,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: if is_file { 0o600 } else { 0o700 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }
}

impl Filesystem for Platters {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == NAME {
            reply.entry(&CACHED, &self.attributes(FILE), fuser::Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&CACHED, &self.attributes(file));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let platter = self.0.lock().expect("no holder panics");
        let start = usize::try_from(offset).expect("the disk is small").min(platter.present.len());
        let end = start.saturating_add(size as usize).min(platter.present.len());
        reply.data(&platter.present[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut platter = self.0.lock().expect("no holder panics");
        let start = usize::try_from(offset).expect("the disk is small");
        let Some(place) = platter.present.get_mut(start..start + data.len()) else {
            return reply.error(Errno::ENOSPC);
        };
        place.copy_from_slice(data);
        platter.pending.push((start, data.to_owned()));
        reply.written(u32::try_from(data.len()).expect("a request is small"));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // The close of a file, which keeps nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut platter = self.0.lock().expect("no holder panics");
        let pending = std::mem::take(&mut platter.pending);
        for (start, bytes) in pending {
            platter.durable[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        platter.flushes += 1;
        reply.ok();
    }
}
