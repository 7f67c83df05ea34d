//! What the integration tests share. Each test file says `mod common;` and uses what it needs of it.
//!
//! | file | idea |
//! |---|---|
//! | `rng.rs` | a seeded generator, and where its seed comes from |
//! | `resp.rs` | requests as bytes, replies as values |
//! | `drive.rs` | an engine without sockets, driven by bytes and a clock of the test |
//! | `redis.rs` | a redis-server of the test's own, ended with the test |
//! | `grammar.rs` | random requests out of the command table's argument grammar |

// Every test file is a crate of its own and uses another part of this.
#![allow(dead_code, unused_imports)]

pub mod drive;
pub mod grammar;
pub mod redis;
pub mod resp;
pub mod rng;

pub use drive::Driven;
pub use rng::Rng;
