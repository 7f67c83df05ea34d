//! The protocols: what bytes mean, and how results are written.
//!
//! Each has one file (RESP a folder). A protocol is a state that is handed the input that is not done with, runs the
//! request at its beginning against the keyspace, and writes the reply. It must not know sockets, other connections'
//! bytes, or another protocol.
//!
//! # How to add one
//! 1. A file here, with a state that has `step`: find the end of the request (keep a resume cursor), run it through
//!    typed operations of [`Keyspace`], append the reply to `cx.out`.
//! 2. A row in [`Scheme`] and in `State`.
//! 3. A transcript in `tests/wire/`, and a section in README.md.

pub(crate) mod counter;
pub(crate) mod custom;
pub(crate) mod lab;
pub(crate) mod line;
pub(crate) mod metrics;
pub mod resp;
pub(crate) mod speicher;

use crate::buffer::Output;
use crate::client::Client;
use crate::config::{Listen, Scheme};
use crate::hub::Hub;
use crate::keyspace::Keyspace;

/// What a request is run with.
pub struct Cx<'a> {
    /// All data.
    pub keyspace: &'a mut Keyspace,
    /// What requests share besides.
    pub hub: &'a mut Hub,
    /// Who asks.
    pub client: &'a mut Client,
    /// Where the reply goes.
    pub(crate) out: &'a mut Output,
}

/// What became of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The request at its beginning is not complete; nothing was done.
    NeedMore,
    /// One or more requests were run (or skipped); so many bytes are done with.
    Done(usize),
    /// As `Done`, and what follows has to wait for the end of CLIENT PAUSE.
    Paused(usize),
    /// The conversation is over once the output is sent; the rest of the input does not matter.
    Close,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are as many as may be.
    TooManyClients,
    /// There are as many from its address as may be.
    TooManyFromAddress,
    /// The user that the listener names is not there, or off.
    NoUser,
    /// It comes from another host, and nobody has set a password.
    Protected,
}

impl Refusal {
    fn in_resp(self) -> &'static [u8] {
        match self {
            Refusal::TooManyClients => b"-ERR max number of clients reached\r\n",
            Refusal::TooManyFromAddress => {
                b"-ERR max number of clients from this address reached\r\n"
            }
            Refusal::NoUser => b"-NOAUTH the user of this listener is not there or is off\r\n",
            Refusal::Protected => {
                b"-DENIED pentad is running in protected mode because protected mode is enabled and no password is \
                  set for the default user. In this mode connections are only accepted from the loopback interface. \
                  To let other computers connect, do one of the following: 1) Set a password for the default user, \
                  with the option '--requirepass' or with CONFIG SET requirepass. 2) Give the listener the option \
                  '?open=yes'. 3) Send the command 'CONFIG SET protected-mode no' from the loopback interface; MAKE \
                  SURE that the server is not reachable from the internet if you do so. 4) Start the server with \
                  '--protected-mode no'.\r\n"
            }
        }
    }
}

/// Where a conversation stands, in its protocol.
#[derive(Debug)]
pub(crate) enum State {
    Resp(resp::Resp),
    Metrics(metrics::Metrics),
    Counter(counter::Counter),
    Lab(lab::Lab),
    Speicher(speicher::Speicher),
    Custom(custom::Custom),
}

impl State {
    /// A conversation of a listener; `None` when its protocol is the host's own and not known.
    pub fn new(listen: &Listen, protocols: &custom::Protocols) -> Option<Self> {
        Some(match listen.scheme {
            Scheme::Resp => State::Resp(resp::Resp::default()),
            Scheme::Metrics => State::Metrics(metrics::Metrics::default()),
            Scheme::Counter => State::Counter(counter::Counter::new(&listen.key)),
            Scheme::Lab => State::Lab(lab::Lab::new(lab::Framing::Line)),
            Scheme::LabByte => State::Lab(lab::Lab::new(lab::Framing::Byte)),
            Scheme::LabDigit => State::Lab(lab::Lab::new(lab::Framing::Digit)),
            Scheme::Speicher => State::Speicher(speicher::Speicher::default()),
            Scheme::Custom(name) => State::Custom(protocols.open(name)?),
        })
    }

    /// Runs what is at the beginning of `input`, at most `budget` requests, which it counts down.
    pub fn step(&mut self, input: &[u8], cx: &mut Cx<'_>, budget: &mut usize) -> Step {
        if let State::Resp(resp) = self {
            return resp.step(input, cx, budget);
        }
        if input.is_empty() {
            return Step::NeedMore;
        }
        let step = match self {
            State::Resp(_) => Step::NeedMore,
            State::Metrics(metrics) => metrics.step(input, cx),
            State::Counter(counter) => counter.step(input, cx),
            State::Lab(lab) => lab.step(input, cx),
            State::Speicher(speicher) => speicher.step(input, cx),
            State::Custom(custom) => custom.step(input, cx),
        };
        if step != Step::NeedMore {
            *budget -= 1;
            cx.hub.stats.requests += 1;
            cx.react();
        }
        step
    }

    /// How many bytes the request that has begun will have, where it has said so.
    pub fn expected_bytes(&self) -> Option<usize> {
        match self {
            State::Resp(resp) => resp.expected_bytes(),
            State::Speicher(speicher) => speicher.expected_bytes(),
            State::Metrics(_) | State::Counter(_) | State::Lab(_) | State::Custom(_) => None,
        }
    }

    /// What a client is told that is not let in.
    pub fn refusal(scheme: Scheme, why: Refusal) -> &'static [u8] {
        match scheme {
            Scheme::Resp => why.in_resp(),
            Scheme::Metrics => metrics::ERROR,
            Scheme::Counter => counter::ERROR,
            Scheme::Lab | Scheme::LabByte | Scheme::LabDigit | Scheme::Custom(_) => b"",
            Scheme::Speicher => speicher::UNAVAILABLE,
        }
    }
}
