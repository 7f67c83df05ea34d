//! Protocols of the host's own: the trait, what it is run with, and who makes one for each connection.
//!
//! A protocol is known by a scheme name, which is what a listener's URL begins with.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Cx, Step};
use crate::client::Peer;
use crate::clock::Now;
use crate::config::SchemeName;
use crate::keyspace::Db;
use crate::store::Store;

/// One conversation in a protocol of the host's own.
///
/// ```
/// use pentad::{Next, Protocol, ProtocolCx, Server};
///
/// /// Answers each line with the number of times it has been sent.
/// struct Count;
///
/// impl Protocol for Count {
///     fn step(&mut self, input: &[u8], cx: &mut ProtocolCx<'_>) -> Next {
///         let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
///             return Next::NeedMore;
///         };
///         match cx.store().incr_by(&input[..end], 1) {
///             Ok(count) => cx.write(format!("{count}\n").as_bytes()),
///             Err(_) => cx.write(b"no number\n"),
///         }
///         Next::Done(end + 1)
///     }
/// }
///
/// let server = Server::builder()
///     .protocol("count", || Count)
///     .listen("count://127.0.0.1:0")
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Protocol: Send {
    /// Runs the request at the beginning of `input`, which is all that has come and is not done with, and writes its
    /// reply. `input` is never empty. It is called again with the rest at once, and with more when more has come.
    ///
    /// A request that never ends would grow without bound: close the conversation when `input` is longer than a request
    /// may be.
    fn step(&mut self, input: &[u8], cx: &mut ProtocolCx<'_>) -> Next;
}

/// What became of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The request at its beginning is not complete; nothing was done.
    NeedMore,
    /// A request was run (or skipped): so many bytes, one at least, are done with.
    Done(usize),
    /// The conversation is over once what was written is sent.
    Close,
}

/// What a request of such a protocol is run with.
pub struct ProtocolCx<'a> {
    cx: Cx<'a>,
}

impl ProtocolCx<'_> {
    /// The data, in the listener's database. What is changed is one group, which others hear of when the request is done.
    pub fn store(&mut self) -> Store<'_> {
        Store::inside(&mut self.cx)
    }

    /// Appends to what is sent to the client.
    pub fn write(&mut self, bytes: &[u8]) {
        self.cx.out.tail().extend_from_slice(bytes);
    }

    /// What time it is: the same for the whole turn.
    pub fn now(&self) -> Now {
        self.cx.hub.now
    }

    /// Bytes that a request may have, as the server's limits say.
    pub fn request_bytes_max(&self) -> usize {
        self.cx.hub.limits.request_bytes_max
    }

    /// The client's database.
    pub fn db(&self) -> Db {
        self.cx.client.db
    }

    /// The client's number, never given to another.
    pub fn client_id(&self) -> u64 {
        self.cx.client.id
    }

    /// Where the client is.
    pub fn peer(&self) -> Peer {
        self.cx.client.peer
    }
}

type Factory = Arc<dyn Fn() -> Box<dyn Protocol> + Send + Sync>;

/// The protocols of a server's host.
#[derive(Clone, Default)]
pub(crate) struct Protocols {
    list: Vec<(SchemeName, Factory)>,
}

impl Protocols {
    /// Adds one; false when the name is taken.
    pub fn add<P: Protocol + 'static>(
        &mut self,
        name: SchemeName,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> bool {
        let is_new = self.list.iter().all(|(known, _)| *known != name);
        if is_new {
            self.list.push((name, Arc::new(move || Box::new(make()))));
        }
        is_new
    }

    pub fn names(&self) -> Vec<SchemeName> {
        self.list.iter().map(|(name, _)| *name).collect()
    }

    /// A conversation for a new connection.
    pub fn open(&self, name: SchemeName) -> Option<Custom> {
        let (_, make) = self.list.iter().find(|(known, _)| *known == name)?;
        Some(Custom { state: make() })
    }
}

impl fmt::Debug for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A conversation, as the server keeps it.
pub(crate) struct Custom {
    state: Box<dyn Protocol>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}

impl Custom {
    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>) -> Step {
        let mut inner = ProtocolCx {
            cx: Cx {
                keyspace: cx.keyspace,
                hub: cx.hub,
                client: cx.client,
                out: cx.out,
            },
        };
        // A state that has panicked is not used again: its connection ends.
        match catch_unwind(AssertUnwindSafe(|| self.state.step(input, &mut inner))) {
            Ok(Next::NeedMore) => Step::NeedMore,
            Ok(Next::Done(count)) if (1..=input.len()).contains(&count) => Step::Done(count),
            Ok(Next::Done(count)) => {
                log::error!(
                    "a protocol is done with {count} of {} bytes: its connection is closed",
                    input.len()
                );
                Step::Close
            }
            Ok(Next::Close) => Step::Close,
            Err(_) => {
                log::error!("a protocol has panicked: its connection is closed");
                Step::Close
            }
        }
    }
}
