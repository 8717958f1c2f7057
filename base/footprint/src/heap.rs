//! What the allocator of the executable does with memory that was freed.

use std::ffi::{c_int, c_long};
use std::time::Duration;

/// The number of mimalloc's option `purge_delay`, which its binding does not name.
const PURGE_DELAY: c_int = 15;

/// Tells mimalloc to give freed memory back to the kernel this soon instead of after a second. It does so while it allocates: memory
/// that stays free in a process that does nothing is not given back. Called first, before there are threads.
#[expect(unsafe_code, reason = "the binding of the allocator's options has no safe form")]
pub fn give_back_after(delay: Duration) {
    let milliseconds = c_long::try_from(delay.as_millis()).unwrap_or(c_long::MAX);
    // SAFETY: the option is one that mimalloc reads as a number of milliseconds each time, and nothing else runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the binding of the allocator's options has no safe form")]
    fn the_option_is_the_one_that_is_a_second_unless_told() {
        // SAFETY: this test is the only one that looks at the allocator's options.
        let read = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(read(), 1000);
        give_back_after(Duration::from_millis(70));
        assert_eq!(read(), 70);
    }
}
