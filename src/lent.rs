//! A borrow that is handed through code which cannot carry it: a script's callbacks need the request's context, and
//! Lua keeps them for longer than any request lasts.
//!
//! ```text
//!   lend(&mut value, run) ──▶ run ──▶ (Lua) ──▶ callback ──▶ borrow(|value| ...)
//! ```
//!
//! Whoever has the value lends it for the time of a call; whoever is called in that time borrows it, one at a time.
//! This module must not know what is lent. It is one of the few that may be `unsafe`: see the comments.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A type with a lifetime, named without it.
pub trait Family {
    /// The type that is lent.
    type Of<'a>;
}

/// The place where a borrow lies while it is lent; empty otherwise.
pub struct Lent<F: Family> {
    at: AtomicPtr<()>,
    family: PhantomData<fn() -> F>,
}

impl<F: Family> Default for Lent<F> {
    fn default() -> Self {
        Lent {
            at: AtomicPtr::new(ptr::null_mut()),
            family: PhantomData,
        }
    }
}

impl<F: Family> std::fmt::Debug for Lent<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lent")
    }
}

impl<F: Family> Lent<F> {
    /// Lends `value` to whoever calls [`Lent::borrow`] before `run` returns. What was lent before is there again
    /// afterwards.
    pub fn lend<'a, R>(&self, value: &mut F::Of<'a>, run: impl FnOnce() -> R) -> R {
        struct Return<'l> {
            at: &'l AtomicPtr<()>,
            mine: *mut (),
            before: *mut (),
        }
        impl Drop for Return<'_> {
            fn drop(&mut self) {
                // Were it still borrowed, by another thread, the borrow would outlive the value: that must not be.
                if self.at.swap(self.before, Ordering::AcqRel) != self.mine {
                    std::process::abort();
                }
            }
        }
        let mine = ptr::from_mut(value).cast::<()>();
        let before = self.at.swap(mine, Ordering::AcqRel);
        let _return = Return {
            at: &self.at,
            mine,
            before,
        };
        run()
    }

    /// Gives the value that is lent to `with`; `None` when there is none, or it is borrowed already.
    pub fn borrow<R>(&self, with: impl for<'x, 'a> FnOnce(&'x mut F::Of<'a>) -> R) -> Option<R> {
        struct PutBack<'l>(&'l AtomicPtr<()>, *mut ());
        impl Drop for PutBack<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Release);
            }
        }
        let at = self.at.swap(ptr::null_mut(), Ordering::AcqRel);
        if at.is_null() {
            return None;
        }
        let put_back = PutBack(&self.at, at);
        // SAFETY: only `lend` stores a pointer that is not null. It comes from a `&mut F::Of<'a>` that is exclusively
        // borrowed until `lend` returns, and `lend` does not return (it aborts) while the pointer is out. The swap
        // above took the pointer out, so nobody else has it: the reference made here is the only one in use. `with`
        // works for every lifetime, so it cannot keep anything of the value, nor put anything shorter-lived into it.
        let value = unsafe { &mut *at.cast::<F::Of<'_>>() };
        let result = with(value);
        drop(put_back);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text;
    impl Family for Text {
        type Of<'a> = (&'a str, u32);
    }

    #[test]
    fn what_is_lent_is_there_for_the_time_of_the_call_only() {
        let lent = Lent::<Text>::default();
        assert!(lent.borrow(|_| ()).is_none());
        let text = String::from("a");
        let mut value = (&*text, 1);
        let seen = lent.lend(&mut value, || {
            lent.borrow(|value| value.1 += 1);
            lent.borrow(|value| (value.0.len(), value.1))
        });
        assert_eq!((seen, value.1), (Some((1, 2)), 2));
        assert!(lent.borrow(|_| ()).is_none());
    }

    #[test]
    fn it_is_borrowed_by_one_at_a_time_and_lent_again_from_within() {
        let lent = Lent::<Text>::default();
        let mut outer = ("outer", 0);
        lent.lend(&mut outer, || {
            lent.borrow(|value| {
                assert!(lent.borrow(|_| ()).is_none());
                lent.lend(value, || lent.borrow(|value| value.1 += 1));
                value.1 += 1;
            });
            lent.borrow(|value| value.1 += 1)
        });
        assert_eq!(outer.1, 3);
    }

    #[test]
    fn a_panic_gives_it_back() {
        let lent = Lent::<Text>::default();
        let mut value = ("x", 0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            lent.lend(&mut value, || lent.borrow(|_| panic!("on purpose")))
        }));
        assert!(result.is_err() && lent.borrow(|_| ()).is_none());
    }
}
