//! Descriptors: the poller's, lent, and those that the process was started with.
//!
//! The system's descriptor has no safe way to be borrowed from a poller, and a number none to become a descriptor.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::server::Server;

impl AsFd for Server {
    /// The same as [`AsRawFd`], for pollers that take only what cannot be closed under them.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the server's poller, which is neither closed nor exchanged for as long as the
        // server is there, and the server outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

/// A copy of a descriptor that the process was started with, as the environment says in the manner of systemd
/// (`LISTEN_PID`, `LISTEN_FDS`).
pub(crate) fn inherited(number: u32) -> io::Result<OwnedFd> {
    const FIRST: u32 = 3;
    let variable = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let count = variable("LISTEN_FDS").unwrap_or(0);
    let is_for_us = variable("LISTEN_PID") == Some(std::process::id());
    let raw = RawFd::try_from(number).ok();
    match raw.filter(|_| is_for_us && number >= FIRST && number - FIRST < count) {
        // SAFETY: whoever started us says that it is open and meant for us, and nothing in this process closes it: what is
        // used is a copy.
        Some(raw) => unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned(),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the process was not started with such a socket (LISTEN_FDS, LISTEN_PID)",
        )),
    }
}
