//! How the errors of the system are worded for clients. This module must not know which calls can fail.

use std::io;

/// A system error as C's `strerror` words it, without the number that Rust adds.
pub fn in_c(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
