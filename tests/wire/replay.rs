//! Replays a transcript in one way and compares. How bytes reach the server is a [`Transport`].

use crate::script::{Action, Expected, Form, Script};

/// Where all clocks start: Unix time in ms.
pub const START_MS: u64 = 1_700_000_000_000;

/// One way to replay a transcript.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub form: Form,
    pub cut: Cut,
    pub over: Over,
}

/// How what is sent at once is cut into writes.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    ByteByByte,
    /// In two, behind so many bytes (modulo its length).
    At(usize),
}

/// What the bytes go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// An `Engine` that is driven directly.
    Engine,
    /// The same, with one request in each turn.
    EngineOneRequestATurn,
    /// A `Server` in a thread of its own.
    Socket,
}

/// A server with connections, which are named by their places in the script.
pub trait Transport {
    fn open(&mut self, connection: usize, listener: usize) -> Result<(), String>;
    fn send(&mut self, connection: usize, bytes: &[u8]) -> Result<(), String>;
    fn half_close(&mut self, connection: usize) -> Result<(), String>;
    fn close(&mut self, connection: usize) -> Result<(), String>;
    fn advance_clock(&mut self, ms: u64) -> Result<(), String>;
    /// Whether there is no such connection (any more).
    fn is_closed(&self, connection: usize) -> bool;
    /// All that has come since the last call. The server must have nothing left to do.
    fn take_received(&mut self, connection: usize) -> Vec<u8>;
}

/// Replays the script; an error says what came instead of what was expected.
pub fn replay(script: &Script, way: Way, transport: &mut dyn Transport) -> Result<(), String> {
    for step in &script.steps {
        let was_closed: Vec<bool> = (0..script.connections.len())
            .map(|connection| transport.is_closed(connection))
            .collect();
        act(&step.action, way, transport)
            .map_err(|error| format!("{}:{}: {way:?}: {error}", script.path, step.line))?;
        for (connection, name) in script.connections.iter().enumerate() {
            let expected = step.expected.iter().find(|e| e.connection == connection);
            let received = transport.take_received(connection);
            // What matters is what this step has brought about.
            let closed = transport.is_closed(connection)
                && match step.action {
                    Action::Open {
                        connection: opened, ..
                    } if opened == connection => true,
                    Action::Close { connection: closed } if closed == connection => false,
                    _ => !was_closed[connection],
                };
            if is_as_expected(expected, &received, closed) {
                continue;
            }
            let line = expected.map_or(step.line, |expected| expected.line);
            return Err(format!(
                "{}:{line}: {way:?}\n  connection {name:?}\n  sent      {}\n  expected  {}\n  got       {}",
                script.path,
                sent(&step.action, way.form),
                expected.map_or_else(
                    || "nothing".to_owned(),
                    |expected| show(&expected.pattern.to_string(), expected.closed)
                ),
                show(&received.escape_ascii().to_string(), closed),
            ));
        }
    }
    Ok(())
}

fn act(action: &Action, way: Way, transport: &mut dyn Transport) -> Result<(), String> {
    match action {
        Action::Open { connection, .. } if !transport.is_closed(*connection) => {
            Err("the connection is open".to_owned())
        }
        Action::Open {
            connection,
            listener,
        } => transport.open(*connection, *listener),
        Action::Send { connection, chunk } => {
            if transport.is_closed(*connection) {
                return Err("the connection is closed".to_owned());
            }
            let bytes = chunk.bytes(way.form);
            for write in way.cut.writes(&bytes) {
                // What is sent to a server that has hung up is lost, as in life.
                if !transport.is_closed(*connection) {
                    transport.send(*connection, write)?;
                }
            }
            Ok(())
        }
        Action::HalfClose { connection } => transport.half_close(*connection),
        Action::Close { connection } => transport.close(*connection),
        Action::Clock { advance_ms } => transport.advance_clock(*advance_ms),
    }
}

impl Cut {
    fn writes(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Cut::Whole => vec![bytes],
            Cut::ByteByByte => bytes.chunks(1).collect(),
            Cut::At(_) if bytes.len() < 2 => vec![bytes],
            Cut::At(position) => {
                let (first, second) = bytes.split_at((position - 1) % (bytes.len() - 1) + 1);
                vec![first, second]
            }
        }
    }
}

fn is_as_expected(expected: Option<&Expected>, received: &[u8], closed: bool) -> bool {
    match expected {
        None => received.is_empty() && !closed,
        Some(expected) => expected.pattern.matches(received) && expected.closed == closed,
    }
}

fn show(bytes: &str, closed: bool) -> String {
    match (bytes, closed) {
        ("", false) => "nothing".to_owned(),
        ("", true) => "(closed)".to_owned(),
        (bytes, false) => clip(bytes),
        (bytes, true) => format!("{} (closed)", clip(bytes)),
    }
}

/// As much of an escaped text as anyone will read.
fn clip(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 2000;
    if text.len() <= SHOWN_BYTES_MAX {
        text.to_owned()
    } else {
        let shown: String = text.chars().take(SHOWN_BYTES_MAX).collect();
        format!("{shown} ... ({} characters)", text.len())
    }
}

fn sent(action: &Action, form: Form) -> String {
    match action {
        Action::Send { chunk, .. } => clip(&chunk.bytes(form).escape_ascii().to_string()),
        Action::Open { .. } => "(a new connection)".to_owned(),
        Action::HalfClose { .. } => "(half-closed)".to_owned(),
        Action::Close { .. } => "(closed)".to_owned(),
        Action::Clock { advance_ms } => format!("(clock +{advance_ms}ms)"),
    }
}
