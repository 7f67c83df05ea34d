//! Counting what is allocated: what `maxmemory` is measured by.
//!
//! A program that wants limits on memory makes [`Counting`] its global allocator, around the one it uses:
//!
//! ```
//! use std::alloc::System;
//! use pentad::allocator::{Counting, allocated_bytes};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting<System> = Counting(System);
//!
//! let before = allocated_bytes();
//! let block = vec![0_u8; 1_000_000];
//! assert!(allocated_bytes() - before >= block.len());
//! ```
//!
//! This module must not know what memory is used for.

// The trait of allocators is unsafe by its nature. All that is done here is to pass calls on and to count.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// What this thread has allocated, less what it has freed, since it told last.
    static UNTOLD: Cell<isize> = const { Cell::new(0) };
}

/// An allocator that counts. A thread counts up to so many bytes for itself before it tells all, so that counting costs no
/// shared cache line; when it ends it may take them with it. With 0 it tells at once, which is for programs whose threads come
/// and go.
#[derive(Debug)]
pub struct Counting<A, const UNTOLD_BYTES: usize = 65536>(pub A);

/// Bytes that the process has allocated and not freed, in the sizes that allocators round to; exact for the thread that asks,
/// and but for what each other one has not told, those that have ended among them. 0 unless [`Counting`] is the global allocator.
pub fn allocated_bytes() -> usize {
    let untold = UNTOLD.try_with(Cell::get).unwrap_or(0);
    let bytes = ALLOCATED.load(Ordering::Relaxed).saturating_add(untold);
    usize::try_from(bytes).unwrap_or(0)
}

#[inline]
fn count<const UNTOLD_BYTES: usize>(bytes: isize) {
    if UNTOLD_BYTES == 0 {
        ALLOCATED.fetch_add(bytes, Ordering::Relaxed);
        return;
    }
    let told = UNTOLD.try_with(|untold| {
        let sum = untold.get() + bytes;
        if sum.unsigned_abs() < UNTOLD_BYTES {
            untold.set(sum);
        } else {
            untold.set(0);
            ALLOCATED.fetch_add(sum, Ordering::Relaxed);
        }
    });
    // The thread is about to end.
    if told.is_err() {
        ALLOCATED.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What an allocation of this size takes: allocators have a class of sizes for every quarter of a doubling, and for small ones
/// for every 16 bytes, which is what C asks them to align to.
#[inline]
fn rounded(size: usize) -> isize {
    const WORD_BYTES: usize = 8;
    const SMALL_BYTES: usize = 64;
    const LARGE_BYTES: usize = 512 * 1024;
    let rounded = match size {
        0..=WORD_BYTES => size.next_multiple_of(WORD_BYTES),
        _ if size <= SMALL_BYTES => size.next_multiple_of(16),
        _ if size <= LARGE_BYTES => {
            let step = 1 << ((size - 1).ilog2() - 2);
            size.next_multiple_of(step)
        }
        _ => size.saturating_add(4095) & !4095,
    };
    rounded as isize
}

// SAFETY: every call goes to the inner allocator as it came, which keeps the contract; counting neither allocates nor
// unwinds (the thread local has no initializer and no destructor).
unsafe impl<A: GlobalAlloc, const UNTOLD_BYTES: usize> GlobalAlloc for Counting<A, UNTOLD_BYTES> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        let block = unsafe { self.0.alloc(layout) };
        if !block.is_null() {
            count::<UNTOLD_BYTES>(rounded(layout.size()));
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        let block = unsafe { self.0.alloc_zeroed(layout) };
        if !block.is_null() {
            count::<UNTOLD_BYTES>(rounded(layout.size()));
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { self.0.dealloc(block, layout) };
        count::<UNTOLD_BYTES>(-rounded(layout.size()));
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`.
        let new = unsafe { self.0.realloc(block, layout, new_size) };
        if !new.is_null() {
            count::<UNTOLD_BYTES>(rounded(new_size) - rounded(layout.size()));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;

    #[test]
    fn what_is_allocated_is_counted_until_it_is_freed() {
        let counting: Counting<System> = Counting(System);
        let before = allocated_bytes();
        let layout = Layout::from_size_align(100_000, 8).unwrap();
        // SAFETY: the layout is not empty, and what is allocated is given back with the layout it has.
        unsafe {
            let block = counting.alloc(layout);
            assert_eq!(allocated_bytes() - before, 114_688);
            let block = counting.realloc(block, layout, 1_000_000);
            assert_eq!(allocated_bytes() - before, 1_003_520);
            counting.dealloc(block, Layout::from_size_align(1_000_000, 8).unwrap());
        }
        assert_eq!(allocated_bytes(), before);

        // A thread that ends takes nothing with it where everything is told.
        let counting: Counting<System, 0> = Counting(System);
        let alloc = || {
            // SAFETY: the layout is not empty.
            unsafe { counting.alloc(layout) }.expose_provenance()
        };
        let block = std::thread::scope(|scope| scope.spawn(alloc).join()).unwrap();
        assert_eq!(allocated_bytes() - before, 114_688);
        // SAFETY: it was allocated with this layout.
        unsafe { counting.dealloc(std::ptr::with_exposed_provenance_mut(block), layout) };
        assert_eq!(allocated_bytes(), before);
    }

    #[test]
    fn sizes_are_rounded_as_allocators_do() {
        for (size, rounded_size) in [
            (0, 0),
            (1, 8),
            (9, 16),
            (24, 32),
            (40, 48),
            (64, 64),
            (65, 80),
            (81, 96),
            (129, 160),
            (1025, 1280),
        ] {
            assert_eq!(rounded(size), rounded_size, "{size}");
        }
    }
}
