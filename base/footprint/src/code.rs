//! The code of the executable: mapped page by page as it is called, with its neighbours, and never unmapped by itself. Parsing
//! options, loading resources and shaking hands touch most of it once; what a waiting process calls is a small part. The same
//! holds for the constants that the file begins with, and for what the dynamic linker reads there once.

use std::io;
use std::ops::Range;

/// The kernel maps with each page that is used its neighbours up to this size, but only within a mapping (`fault_around_bytes`
/// is 64 KiB, of which most is never used).
const PIECE: usize = 32 << 10;

/// Tells the kernel to forget which pages of our code were used so far; those that are called again come back without
/// reading, since they are in the page cache. Returns how many bytes of code were given up for counting. Does nothing where
/// there is no `/proc`.
///
/// # Errors
/// When the kernel refuses.
pub fn release_code() -> io::Result<usize> {
    let mut released = 0;
    for range in mapped()?.iter().map(|mapping| &mapping.range) {
        advise(range, Advice::Forget)?;
        released += range.len();
    }
    Ok(released)
}

/// Divides the mapping of our code into pieces, so that a page that is used brings fewer neighbours along, and forgets as
/// [`release_code`] does. This takes a millisecond, once. Returns the number of pieces that were marked.
///
/// # Errors
/// When the kernel refuses.
pub fn divide_code() -> io::Result<usize> {
    let mut marked = 0;
    for mapping in mapped()?.iter().filter(|mapping| mapping.is_code) {
        for piece in pieces(&mapping.range) {
            advise(&piece, Advice::Differ)?;
            marked += 1;
        }
    }
    release_code()?;
    Ok(marked)
}

/// Every other piece of a mapping: those that have to differ from their neighbours.
fn pieces(range: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    let starts = (range.start.next_multiple_of(PIECE)..end).step_by(2 * PIECE);
    starts.map(move |start| start..end.min(start + PIECE))
}

/// A mapping of our executable that is never written.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<usize>,
    /// Code, and no constants.
    is_code: bool,
}

fn mapped() -> io::Result<Vec<Mapping>> {
    let (Ok(maps), Ok(executable)) = (std::fs::read_to_string("/proc/self/maps"), std::fs::read_link("/proc/self/exe"))
    else {
        return Ok(Vec::new());
    };
    let executable = executable.to_string_lossy();
    let mut mappings: Vec<Mapping> = Vec::new();
    for next in maps.lines().filter_map(|line| code_of(line, &executable)) {
        // What was divided before is one range again.
        match mappings.last_mut() {
            Some(last) if last.range.end == next.range.start && last.is_code == next.is_code => {
                last.range.end = next.range.end;
            }
            _ => mappings.push(next),
        }
    }
    Ok(mappings)
}

/// What a line of `/proc/self/maps` says of code or the constants of this file.
fn code_of(line: &str, executable: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let is_code = rest.starts_with("r-xp ");
    // What was relocated is read-only too, but lies further on in the file, and must stay.
    let is_constant = is_code || rest.starts_with("r--p 00000000 ");
    let is_ours = is_constant && rest.ends_with(executable) && !executable.is_empty();
    let (start, end) = range.split_once('-').filter(|_| is_ours)?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (start <= end).then_some(Mapping { range: start..end, is_code })
}

/// What the kernel is told of a range.
#[derive(Clone, Copy)]
enum Advice {
    /// Its pages may go.
    Forget,
    /// It is left out of core dumps, which have no code anyway: what differs from its neighbours is a mapping of its own.
    Differ,
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the kernel's advice about memory has no safe form")]
fn advise(range: &Range<usize>, advice: Advice) -> io::Result<()> {
    use nix::sys::mman::{MmapAdvise, madvise};
    let Some(address) = std::ptr::NonNull::new(std::ptr::with_exposed_provenance_mut(range.start)) else {
        return Ok(());
    };
    let advice = match advice {
        Advice::Forget => MmapAdvise::MADV_DONTNEED,
        Advice::Differ => MmapAdvise::MADV_DONTDUMP,
    };
    // SAFETY: the range is part of mappings of the executable that the kernel listed as not writable, and either executable or
    // the beginning of the file. No linker relocates those, so none of its pages differs from the file: whoever reads or runs one
    // afterwards gets the same bytes. What a core dump has in it changes nothing for the process.
    unsafe { madvise(address, range.len(), advice) }.map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &Range<usize>, _: Advice) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_the_executable_is_meant() {
        let line = "55d0c0a00000-55d0c0b00000 r-xp 00020000 fe:00 1234    /usr/bin/trilby";
        let range = 0x55d0_c0a0_0000..0x55d0_c0b0_0000;
        let code = Mapping { range: range.clone(), is_code: true };
        assert_eq!(code_of(line, "/usr/bin/trilby"), Some(code));
        assert_eq!(code_of(line, "/usr/bin/other"), None);
        assert_eq!(code_of(&line.replace("r-xp", "r--p"), "/usr/bin/trilby"), None);
        let constants = line.replace("r-xp 00020000", "r--p 00000000");
        assert_eq!(code_of(&constants, "/usr/bin/trilby"), Some(Mapping { range, is_code: false }));
        assert_eq!(code_of(&line.replace("r-xp", "rwxp"), "/usr/bin/trilby"), None);
        assert_eq!(code_of("7ffc-7ffd r-xp 0 0 0 [vdso]", ""), None);
        assert_eq!(code_of("", "/usr/bin/trilby"), None);
    }

    #[test]
    fn every_other_piece_is_marked_within_the_mapping() {
        let pieces: Vec<_> = pieces(&(PIECE - 4096..3 * PIECE + 4096)).collect();
        assert_eq!(pieces, [PIECE..2 * PIECE, 3 * PIECE..3 * PIECE + 4096]);
        assert_eq!(super::pieces(&(4096..8192)).count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn divided_code_is_many_mappings_to_the_kernel_and_one_to_us() {
        let lines = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let (before, mappings) = (lines(), mapped().unwrap());
        let marked = divide_code().unwrap();
        assert!(marked > 3, "{marked}");
        assert!(lines() > before + marked, "{} after {before}", lines());
        assert_eq!(mapped().unwrap(), mappings);
        assert_eq!(divide_code().unwrap(), marked);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_goes_on() {
        assert!(release_code().unwrap() > 0);
        let text: String = (0..100).map(|number| format!("{number} ")).collect();
        assert!(text.starts_with("0 1 2 ") && text.ends_with("99 "));
    }
}
