//! pentad: one thread, one poll loop, one keyspace, five protocols - as a daemon, or linked into your program.
//!
//! # The route of a request
//!
//! ```text
//!            bytes                                                            bytes
//!  socket ─────────▶ Session ─▶ Engine ─▶ Conn ─▶ Protocol ─▶ Keyspace         ▲
//!            fill      │          │         │      parse,       typed          │
//!                      │          │         │      run          operations     │
//!                      │          │         │        │             │ Change ─▶ journal, events, waiters
//!                      │          │         ▼        ▼             │
//!                      └──────────┴────── Output ◀─ reply ◀────────┘
//!                                           │
//!                                           └────────── one write per turn ────┘
//! ```
//!
//! A request only goes down, and its reply comes back up once. The core - [`Engine`] and all below it - knows no
//! sockets, no clock, no randomness and no globals: they are handed in. [`Server`] adds sockets.
//!
//! # Getting started
//! See the [`guide`] for how a program embeds it, [`Server`] for a server in your own loop, and [`Engine`] for one without
//! sockets.

mod accounting;
pub mod acl;
pub mod allocator;
pub mod binary_float;
pub mod buffer;
mod builder;
#[cfg(feature = "capi")]
pub mod capi;
pub mod change;
pub mod checksum;
pub mod client;
pub mod clock;
pub mod command_stats;
pub mod config;
mod conn;
#[cfg(unix)]
mod descriptor;
pub mod engine;
pub mod extended_float;
mod faults;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod glob;
pub mod guide;
mod handle;
pub mod hub;
pub mod keyspace;
#[cfg_attr(
    not(any(feature = "lua", test)),
    expect(dead_code, reason = "only a script uses all of it")
)]
mod lent;
#[cfg(feature = "lua")]
mod lua;
mod memory;
pub mod number;
pub mod persistence;
pub mod protocol;
pub mod pubsub;
pub mod rdb;
mod reactions;
pub mod server;
mod session;
pub mod slowlog;
mod spawn;
pub mod storage;
pub mod store;
mod subscription;
mod system_error;
pub mod testing;
mod timer;
pub mod tls;
pub mod tracking;
pub mod varint;
mod watch;

pub use builder::{BuildError, Builder};
pub use clock::{Clock, Now, SystemClock};
pub use config::{Address, Config, Limits, Listen, Scheme, SchemeName};
pub use conn::Flow;
pub use engine::{BusyHost, ConnId, Engine};
pub use handle::{Handle, Pending, SubmitError};
pub use keyspace::{Keyspace, Seed, Snapshot};
pub use protocol::custom::{Next, Protocol, ProtocolCx};
pub use protocol::resp::{
    Args, CommandCx, CommandError, CommandSpec, ErrorReply, RegisterError, ReplyBuffer, ReplyRef,
    RespValue,
};
pub use server::{BindError, Server};
pub use spawn::Running;
pub use store::Store;
pub use subscription::{Message, Subscription, Topic};
