//! A server without sockets: what a host does that drives an `Engine` itself.

use pentad::client::Peer;
use pentad::{Config, ConnId, Engine, Flow, Now};

use crate::replay::{START_MS, Transport};
use crate::script::{Script, allocated_bytes};

pub struct EngineTransport {
    engine: Engine,
    now_ms: u64,
    connections: Vec<Connection>,
    /// How many bytes of output are taken at a time.
    output_step_bytes: usize,
}

#[derive(Default)]
struct Connection {
    /// `None`: there is none, or it is over.
    id: Option<ConnId>,
    received: Vec<u8>,
}

impl EngineTransport {
    pub fn new(script: &Script, config: &Config, output_step_bytes: usize) -> Self {
        let mut engine = Engine::new(config, now(START_MS));
        engine.set_access(&config.access).expect("users in order");
        engine.set_allocated(allocated_bytes);
        for listen in &config.listen {
            engine.add_listener(listen.clone(), "127.0.0.1:1".to_owned());
        }
        EngineTransport {
            engine,
            now_ms: START_MS,
            connections: script
                .connections
                .iter()
                .map(|_| Connection::default())
                .collect(),
            output_step_bytes,
        }
    }

    /// Lets the engine run until it has nothing left to do, and takes its output.
    fn run(&mut self) {
        let mut touched = Vec::new();
        loop {
            self.engine.take_touched(&mut touched);
            let mut waiting: Vec<ConnId> = self.connections.iter().filter_map(|c| c.id).collect();
            waiting.retain(|id| self.engine.flow(*id) == Some(Flow::Turn));
            if touched.is_empty() && waiting.is_empty() {
                return;
            }
            for id in touched.drain(..) {
                self.flush(id);
            }
            for id in waiting {
                self.engine.resume(id);
            }
        }
    }

    fn flush(&mut self, id: ConnId) {
        let Some(connection) = self.connections.iter_mut().find(|c| c.id == Some(id)) else {
            return;
        };
        while !self.engine.is_finished(id) && !self.engine.output(id).is_empty() {
            let output = self.engine.output(id);
            let count = output.len().min(self.output_step_bytes);
            connection.received.extend_from_slice(&output[..count]);
            self.engine.sent(id, count);
        }
        if self.engine.is_finished(id) {
            self.engine.close(id);
            connection.id = None;
        }
    }

    fn id(&self, connection: usize) -> Result<ConnId, String> {
        let id = self.connections[connection].id;
        id.ok_or_else(|| "the connection is closed".to_owned())
    }
}

impl Transport for EngineTransport {
    fn open(&mut self, connection: usize, listener: usize) -> Result<(), String> {
        let peer = Peer::Tcp(([127, 0, 0, 1], 50_000 + connection as u16).into());
        let id = self.engine.open(listener, peer);
        if id.is_none() {
            let refusal = self.engine.refusal();
            self.connections[connection]
                .received
                .extend_from_slice(refusal);
        }
        self.connections[connection].id = id;
        self.run();
        Ok(())
    }

    fn send(&mut self, connection: usize, bytes: &[u8]) -> Result<(), String> {
        self.engine.receive(self.id(connection)?, bytes);
        self.run();
        Ok(())
    }

    fn half_close(&mut self, connection: usize) -> Result<(), String> {
        self.engine.receive_eof(self.id(connection)?);
        self.run();
        Ok(())
    }

    fn close(&mut self, connection: usize) -> Result<(), String> {
        self.engine.close(self.id(connection)?);
        self.connections[connection].id = None;
        self.run();
        Ok(())
    }

    fn advance_clock(&mut self, ms: u64) -> Result<(), String> {
        self.now_ms += ms;
        self.engine.set_now(now(self.now_ms));
        for connection in &self.connections {
            if let Some(id) = connection.id {
                self.engine.check_deadline(id);
            }
        }
        self.engine.check_waits();
        while self.engine.maintain() {}
        self.run();
        Ok(())
    }

    fn is_closed(&self, connection: usize) -> bool {
        self.connections[connection].id.is_none()
    }

    fn take_received(&mut self, connection: usize) -> Vec<u8> {
        std::mem::take(&mut self.connections[connection].received)
    }
}

/// The reading of both clocks at this Unix time.
pub fn now(unix_ms: u64) -> Now {
    Now {
        unix_us: unix_ms as i64 * 1000,
        monotonic_us: unix_ms * 1000,
    }
}
