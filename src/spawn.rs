//! A server on a thread of its own.

use std::io;
use std::thread::JoinHandle;

use crate::config::Scheme;
use crate::handle::Handle;
use crate::server::Server;

/// A server that turns on a thread of its own; see [`Server::spawn`]. It is stopped, and the thread joined, when this is
/// dropped.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    addresses: Vec<(Scheme, String)>,
    thread: Option<JoinHandle<io::Result<bool>>>,
}

impl Server {
    /// Turns the server on a thread of its own: the only one that this library ever starts.
    ///
    /// ```
    /// let server = pentad::Server::builder().listen("resp://127.0.0.1:0").build()?.spawn()?;
    /// let client = std::net::TcpStream::connect(server.address().unwrap())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(mut self) -> io::Result<Running> {
        let handle = self.handle();
        let addresses = self
            .addresses()
            .map(|(scheme, address)| (scheme, address.to_owned()))
            .collect();
        let thread = std::thread::Builder::new()
            .name("pentad".to_owned())
            .spawn(move || {
                let grace = self.grace();
                self.run(grace)
            })?;
        Ok(Running {
            handle,
            addresses,
            thread: Some(thread),
        })
    }
}

impl Running {
    /// A way to reach the server from any thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The listeners, in the order in which they were added: protocol, and address (or path).
    pub fn addresses(&self) -> impl Iterator<Item = (Scheme, &str)> {
        self.addresses
            .iter()
            .map(|(scheme, address)| (*scheme, &**address))
    }

    /// The address of the first listener, if there is one.
    pub fn address(&self) -> Option<&str> {
        self.addresses().next().map(|(_, address)| address)
    }

    /// Stops the server: what has been received is answered, and then the connections are closed. True when nothing was
    /// left unsent within the grace (see [`Builder::grace`](crate::Builder::grace)).
    ///
    /// # Panics
    /// When the loop has panicked: its panic goes on here.
    pub fn stop(mut self) -> io::Result<bool> {
        self.handle.stop();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(true),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // What it could not send, or why it ended, is only told to who asks with `stop`.
            let _ = thread.join();
        }
    }
}
