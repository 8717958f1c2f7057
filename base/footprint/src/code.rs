//! The code of the executable: mapped page by page as it is called, with its neighbours, and never unmapped by itself. Parsing
//! options, loading resources and shaking hands touch most of it once; what a waiting process calls is a small part. The same
//! holds for the constants that the file begins with, and for what the dynamic linker reads there once.

use std::io;

/// Tells the kernel to forget which pages of our code were used so far; those that are called again come back without
/// reading, since they are in the page cache. Returns how many bytes of code were given up for counting. Does nothing where
/// there is no `/proc`.
///
/// # Errors
/// When the kernel refuses.
pub fn release_code() -> io::Result<usize> {
    let (Ok(maps), Ok(executable)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return Ok(0);
    };
    let executable = executable.to_string_lossy();
    let mut released = 0;
    for (start, length) in maps.lines().filter_map(|line| code_of(line, &executable)) {
        forget(start, length)?;
        released += length;
    }
    Ok(released)
}

/// Where a line of `/proc/self/maps` says that code or the constants of this file are, and how long they are.
fn code_of(line: &str, executable: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    // What was relocated is read-only too, but lies further on in the file, and must stay.
    let is_constant = rest.starts_with("r-xp ") || rest.starts_with("r--p 00000000 ");
    let is_ours = is_constant && rest.ends_with(executable) && !executable.is_empty();
    let (start, end) = range.split_once('-').filter(|_| is_ours)?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the kernel's advice about memory has no safe form")]
fn forget(start: usize, length: usize) -> io::Result<()> {
    use nix::sys::mman::{MmapAdvise, madvise};
    let Some(address) = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(start)) else { return Ok(()) };
    // SAFETY: the range is a whole mapping of the executable that the kernel listed as not writable, and either executable or
    // the beginning of the file. No linker relocates those, so none of its pages differs from the file: whoever reads or runs one
    // afterwards gets the same bytes.
    unsafe { madvise(address, length, MmapAdvise::MADV_DONTNEED) }.map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn forget(_: usize, _: usize) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_executable_is_meant() {
        let line = "55d0c0a00000-55d0c0b00000 r-xp 00020000 fe:00 1234    /usr/bin/trilby";
        assert_eq!(code_of(line, "/usr/bin/trilby"), Some((0x55d0_c0a0_0000, 0x10_0000)));
        assert_eq!(code_of(line, "/usr/bin/other"), None);
        assert_eq!(code_of(&line.replace("r-xp", "r--p"), "/usr/bin/trilby"), None);
        let constants = line.replace("r-xp 00020000", "r--p 00000000");
        assert_eq!(code_of(&constants, "/usr/bin/trilby"), Some((0x55d0_c0a0_0000, 0x10_0000)));
        assert_eq!(code_of(&line.replace("r-xp", "rwxp"), "/usr/bin/trilby"), None);
        assert_eq!(code_of("7ffc-7ffd r-xp 0 0 0 [vdso]", ""), None);
        assert_eq!(code_of("", "/usr/bin/trilby"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_goes_on() {
        assert!(release_code().unwrap() > 0);
        let text: String = (0..100).map(|number| format!("{number} ")).collect();
        assert!(text.starts_with("0 1 2 ") && text.ends_with("99 "));
    }
}
