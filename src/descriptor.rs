//! The poller's descriptor, lent.
//!
//! The system's descriptor has no safe way to be borrowed from a poller.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::server::Server;

impl AsFd for Server {
    /// The same as [`AsRawFd`], for pollers that take only what cannot be closed under them.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the server's poller, which is neither closed nor exchanged for as long as the
        // server is there, and the server outlives the borrow.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}
