//! One conversation without its socket: input, protocol state, output, fairness, backpressure.
//!
//! Bytes are handed in, requests are run, replies are left in the output. This module must not know sockets, nor
//! what any protocol says.

use std::num::NonZeroU64;

use crate::buffer::{Input, Output};
use crate::client::Client;
use crate::hub::Hub;
use crate::keyspace::Keyspace;
use crate::protocol::{Cx, State, Step};
use crate::timer::moment;

/// Memory that a request which has announced its length is given beyond twice what has come of it.
const RESERVE_AHEAD_BYTES: usize = 64 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub client: Client,
    pub out: Output,
    /// What keeps it from running more of its input.
    pub flow: Flow,
    input: Input,
    state: State,
    /// The other end will send no more.
    eof: bool,
    /// It is in the hub's list of connections whose output is to be sent.
    pub listed: bool,
    /// Bytes sent so far, and when that last grew: what shows a receiver that has stalled.
    pub progress_ms: u64,
    /// When the request that has begun, and is not complete, began to come.
    pub partial_since_ms: Option<NonZeroU64>,
    /// Since when its output is above the soft limit of its class.
    pub above_soft_since_ms: Option<NonZeroU64>,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// For input: all complete requests have been run.
    Input,
    /// For its next share: there is input left that may be complete requests.
    Turn,
    /// For its output to be read: it is above the high-water mark.
    Output,
    /// For a key (BLPOP and the like): its request is answered when there is something, or the time is up.
    Blocked,
    /// For the end of CLIENT PAUSE.
    Paused,
    /// For the end of the time that wrong passwords cost.
    Held,
    /// For nothing: it takes no more input.
    Done,
}

impl Conn {
    pub fn new(client: Client, state: State) -> Self {
        Conn {
            client,
            out: Output::default(),
            flow: Flow::Input,
            input: Input::default(),
            state,
            eof: false,
            listed: false,
            progress_ms: 0,
            partial_since_ms: None,
            above_soft_since_ms: None,
        }
    }

    /// Bytes of input that wait to be processed.
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Bytes of memory that its buffers hold.
    pub fn buffer_bytes(&self) -> usize {
        self.input.heap_bytes() + self.out.heap_bytes()
    }

    /// Takes bytes that came in, and runs the requests in them. What is not run is kept.
    pub fn receive(&mut self, bytes: &[u8], keyspace: &mut Keyspace, hub: &mut Hub) {
        if self.is_over() {
            return;
        }
        self.take(bytes, keyspace, hub);
        // What is left waits for its end; what waits for its turn has not begun to be late.
        self.partial_since_ms = match self.flow {
            Flow::Input if !self.input.is_empty() => self
                .partial_since_ms
                .or(Some(moment(hub.now.monotonic_ms()))),
            _ => None,
        };
    }

    fn take(&mut self, bytes: &[u8], keyspace: &mut Keyspace, hub: &mut Hub) {
        if self.input.is_empty() && self.flow == Flow::Input {
            // The usual case: the requests are whole, and are run where they lie.
            let consumed = self.run(bytes, keyspace, hub);
            if consumed < bytes.len() && self.flow != Flow::Done {
                self.input.extend(&bytes[consumed..]);
            }
        } else {
            self.input.extend(bytes);
            if self.flow == Flow::Input {
                self.resume(keyspace, hub);
            }
        }
    }

    /// Takes the news that the other end sends no more: what is complete will be answered, and then it ends.
    pub fn receive_eof(&mut self) {
        self.eof = true;
        // Who waits for a key waits no longer than its connection lasts.
        if matches!(self.flow, Flow::Input | Flow::Blocked) {
            self.finish();
        }
    }

    /// Runs on with the input that is kept.
    pub fn resume(&mut self, keyspace: &mut Keyspace, hub: &mut Hub) {
        if self.is_over() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        let consumed = self.run(input.bytes(), keyspace, hub);
        if self.flow != Flow::Done {
            input.consume(consumed);
            if let Some(expected) = self.state.expected_bytes() {
                // No more than what has come makes likely: to announce a long request costs a client nothing.
                input.reserve(expected.min(2 * input.len() + RESERVE_AHEAD_BYTES));
            }
            self.input = input;
        }
    }

    /// Whether it takes no more input; one that was given up by another (CLIENT KILL) does not either.
    fn is_over(&mut self) -> bool {
        if self.client.doomed {
            self.flow = Flow::Done;
        }
        self.flow == Flow::Done
    }

    /// Runs requests until one of the reasons to stop; gives how many bytes are done with.
    fn run(&mut self, input: &[u8], keyspace: &mut Keyspace, hub: &mut Hub) -> usize {
        let high_water = hub.limits.high_water_bytes();
        let mut budget = hub.limits.requests_per_turn;
        let mut at = 0;
        self.out.supply(&mut hub.spare_buffers);
        self.flow = loop {
            if self.out.len() > high_water {
                break Flow::Output;
            }
            if budget == 0 {
                break Flow::Turn;
            }
            let mut cx = Cx {
                keyspace,
                hub,
                client: &mut self.client,
                out: &mut self.out,
            };
            match self.state.step(&input[at..], &mut cx, &mut budget) {
                Step::NeedMore => break Flow::Input,
                Step::Done(consumed) => at += consumed,
                Step::Close => {
                    self.client.closing = true;
                }
                Step::Paused(consumed) => {
                    at += consumed;
                    break Flow::Paused;
                }
            }
            if self.client.closing || self.client.doomed {
                break Flow::Done;
            }
            if self.client.is_blocked() {
                break Flow::Blocked;
            }
            if self.client.held_until_ms.is_some() {
                break Flow::Held;
            }
        };
        if at > 0 {
            self.partial_since_ms = None;
        }
        self.check_output(hub);
        if self.flow == Flow::Input && self.eof {
            self.finish();
        }
        at
    }

    /// Gives the connection up if it has more unsent output than it may.
    pub fn check_output(&mut self, hub: &mut Hub) {
        let bytes = self.out.len();
        let class = self.client.output_class();
        let limit = hub.limits.output_limits[class];
        let now_ms = hub.now.monotonic_ms();
        let is_passed = limit.is_passed(bytes, now_ms, &mut self.above_soft_since_ms);
        if bytes > hub.limits.output_bytes_max || is_passed {
            self.client.doomed = true;
            hub.stats.output_limit_disconnections += 1;
        }
    }

    fn finish(&mut self) {
        self.flow = Flow::Done;
        self.client.closing = true;
        self.input = Input::default();
    }
}
