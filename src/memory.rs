//! Memory straight from the system, so that giving it back gives it back.
//!
//! Allocators keep what is freed, each as it likes; what the keyspace is to return when keys go it therefore takes in
//! large pieces from the system itself. And a word to the processor about what will be read soon. One of the few modules
//! with `unsafe`; it must not know what the bytes are.
#![allow(unsafe_code)]

/// Asks the memory for what is at a place, without waiting for it: whoever asks for several things first and looks at them
/// then waits once. A hint; where it is not known how to say it, nothing happens.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction has no effect that a program could see, and is there on every x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: the same of the instruction on these processors.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{place}]", place = in(reg) std::ptr::from_ref(place), options(nostack, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = place;
}

/// Some bytes, zero at first, which cost no memory before they are written to; none by default.
#[derive(Default)]
pub(crate) struct Pages(imp::Pages);

impl Pages {
    /// Whether the allocator does not know of them.
    pub const COME_FROM_THE_SYSTEM: bool = cfg!(all(unix, not(miri)));

    /// So many bytes, a multiple of the system's page. Ends the process as every failing allocation does when the system
    /// has no more.
    pub fn new(len: usize) -> Self {
        Pages(imp::Pages::new(len))
    }
}

impl std::ops::Deref for Pages {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl std::ops::DerefMut for Pages {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({})", self.len())
    }
}

#[cfg(unix)]
mod imp {
    use std::ptr::NonNull;

    pub struct Pages {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: it owns its bytes alone, as a `Box<[u8]>` does.
    unsafe impl Send for Pages {}
    // SAFETY: as above; a shared reference only reads.
    unsafe impl Sync for Pages {}

    impl Default for Pages {
        fn default() -> Self {
            Pages {
                start: NonNull::dangling(),
                len: 0,
            }
        }
    }

    impl Pages {
        pub fn new(len: usize) -> Self {
            #[cfg(fuzzing)]
            if let Some(spare) = super::spare::take(len) {
                return spare;
            }
            // SAFETY: a new anonymous mapping at an address that the system chooses touches nothing that there is.
            let start = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    len,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANON,
                    -1,
                    0,
                )
            };
            match NonNull::new(start.cast::<u8>()) {
                Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Pages { start, len },
                _ => match std::alloc::Layout::array::<u8>(len) {
                    Ok(layout) => std::alloc::handle_alloc_error(layout),
                    Err(_) => panic!("no memory is as large as {len} bytes"),
                },
            }
        }

        #[inline]
        pub fn bytes(&self) -> &[u8] {
            // SAFETY: `len` bytes from `start` on are mapped (or `len` is 0), zeroed by the system, and ours alone.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        #[inline]
        pub fn bytes_mut(&mut self) -> &mut [u8] {
            // SAFETY: as in `bytes`, and `self` is borrowed mutably.
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            #[cfg(fuzzing)]
            if self.len > 0 && super::spare::keep(self) {
                return;
            }
            if self.len > 0 {
                // SAFETY: this is the whole of a mapping that `new` made, and nobody can reach it any more.
                unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
            }
        }
    }
}

/// Fuzzing makes keyspaces and drops them, thousands a second, and half of that would be the system's work. So mappings are
/// kept for the next, with what is in them: an answer that depends on a byte which was never written is then found, too.
#[cfg(fuzzing)]
mod spare {
    use std::cell::RefCell;

    use super::imp::Pages;

    /// As many as two servers with two databases have at first.
    const COUNT_MAX: usize = 4;

    thread_local! {
        static SPARE: RefCell<Vec<Pages>> = const { RefCell::new(Vec::new()) };
    }

    pub fn take(len: usize) -> Option<Pages> {
        SPARE.with_borrow_mut(|spare| {
            let at = spare.iter().position(|pages| pages.bytes().len() == len)?;
            Some(spare.swap_remove(at))
        })
    }

    /// Whether it is kept, and nothing is left of it where it was.
    pub fn keep(pages: &mut Pages) -> bool {
        let kept = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            let has_room = spare.len() < COUNT_MAX;
            if has_room {
                spare.push(std::mem::take(pages));
            }
            has_room
        });
        kept.unwrap_or_default()
    }
}

/// Where there is no `mmap`, the allocator does.
#[cfg(not(unix))]
mod imp {
    #[derive(Default)]
    pub struct Pages(Box<[u8]>);

    impl Pages {
        pub fn new(len: usize) -> Self {
            Pages(vec![0; len].into())
        }

        #[inline]
        pub fn bytes(&self) -> &[u8] {
            &self.0
        }

        #[inline]
        pub fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zero_and_keep_what_is_written() {
        // Miri looks at each byte.
        const LEN: usize = if cfg!(miri) { 1 << 14 } else { 1 << 20 };
        let mut pages = Pages::new(LEN);
        assert!(pages.iter().all(|byte| *byte == 0));
        pages[0] = 1;
        pages[LEN - 1] = 2;
        let other = Pages::new(LEN);
        assert_eq!((pages[0], pages[LEN - 1], other[0]), (1, 2, 0));
        assert_eq!((pages.len(), Pages::default().len()), (LEN, 0));
    }
}
