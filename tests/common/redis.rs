//! A redis-server of the test's own: on a Unix socket in a directory of its own, without persistence, and ended when
//! the value is dropped or the test's process is gone, be it killed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::resp::{Request, Value, encode, encode_into, typed};

/// The longest string it takes: what SETBIT and SETRANGE make of a large offset stays small.
pub const STRING_BYTES_MAX: usize = 1024 * 1024;

/// Its RDB file.
const FILE: &str = "keys.rdb";

/// How long a server may take to start, or to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a redis-server with the arguments behind the first in the directory that the first names, until standard input
/// ends: then nothing of it is left.
const SCRIPT: &str = r#"
dir=$1
shift
cd "$dir" || exit
redis-server "$@" &
read -r _
kill -9 $!
wait $!
cd /
rm -rf "$dir"
"#;

/// A running redis-server.
pub struct Redis {
    /// The script that runs it.
    keeper: Child,
    dir: PathBuf,
}

/// A connection to it.
pub struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
}

impl Redis {
    /// Starts one. Where there is none on the PATH it says so and gives `None` - or fails, when `PENTAD_REQUIRE_REDIS`
    /// is 1.
    pub fn start() -> Option<Redis> {
        Redis::start_with(None)
    }

    /// The same, with the keys of an RDB file.
    pub fn start_with(file: Option<&[u8]>) -> Option<Redis> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let exists = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if let Err(error) = exists {
            let required = std::env::var("PENTAD_REQUIRE_REDIS").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "PENTAD_REQUIRE_REDIS=1, but redis-server cannot be started: {error}"
            );
            // Not println: the test harness would hide it.
            let _ = writeln!(std::io::stderr(), "skipped: redis-server not found");
            return None;
        }
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("pentad-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for redis-server");
        if let Some(file) = file {
            std::fs::write(dir.join(FILE), file).expect("a file for redis-server");
        }
        let keeper = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&dir)
            .args(["--port", "0", "--unixsocket", "socket"])
            .args(["--save", "", "--appendonly", "no", "--dbfilename", FILE])
            .args(["--proto-max-bulk-len", &STRING_BYTES_MAX.to_string()])
            // The default of 7.2; that of 7.0 is larger.
            .args(["--hash-max-listpack-entries", "128"])
            // It looks whether blocked clients have waited long enough so many times a second.
            .args(["--hz", "500"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends the test's whole group does not end it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let redis = Redis { keeper, dir };
        redis.connect().ask(&[b"PING"]);
        Some(redis)
    }

    /// Has it write an RDB file, and gives that.
    pub fn save(&self) -> Vec<u8> {
        let saved = self.connect().ask(&["SAVE"]);
        assert_eq!(saved.text(), Some(&b"OK"[..]), "{saved:?}");
        std::fs::read(self.dir.join(FILE)).expect("the file that was saved")
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(self.dir.join("socket")) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    return Connection {
                        stream,
                        input: Vec::new(),
                    };
                }
                Err(error) if Instant::now() > deadline => {
                    panic!("redis-server does not listen: {error}")
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // This closes its standard input first.
        let _ = self.keeper.wait();
    }
}

impl Connection {
    /// Runs one request and gives its reply.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Value {
        self.ask_all(&[encode(words)]).remove(0)
    }

    /// Sends encoded requests at once and gives their replies.
    pub fn ask_all(&mut self, requests: &[Vec<u8>]) -> Vec<Value> {
        let sent = self.stream.write_all(&requests.concat());
        sent.expect("to be heard");
        let mut replies = Vec::new();
        while replies.len() < requests.len() {
            if let Some((value, len)) = Value::read(&self.input) {
                self.input.drain(..len);
                replies.push(value);
            } else {
                assert!(self.fill(), "redis-server closed the connection");
            }
        }
        replies
    }

    /// Runs one request and gives the bytes of its reply.
    pub fn ask_raw<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        self.stream.write_all(&encode(words)).expect("to be heard");
        loop {
            if let Some((_, len)) = Value::read(&self.input) {
                return self.input.drain(..len).collect();
            }
            assert!(self.fill(), "redis-server closed the connection");
        }
    }

    /// Runs requests and gives the bytes of all replies. To know their end, it asks for an echo of `mark` behind them
    /// and reads up to that; a connection that is closed before has ended too.
    pub fn run(&mut self, requests: &[Request], mark: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for request in requests {
            encode_into(&mut bytes, request);
        }
        encode_into(&mut bytes, &[b"PING", mark]);
        self.stream.write_all(&bytes).expect("to be heard");
        loop {
            let found = self
                .input
                .len()
                .checked_sub(mark.len() + 2)
                .is_some_and(|from| self.input[from..].starts_with(mark));
            if found || !self.fill_or_tell(|| requests.iter().map(|r| typed(r) + "\n").collect()) {
                return std::mem::take(&mut self.input);
            }
        }
    }

    /// Sends bytes as they are, and gives all that comes of them and whether it closed the connection. Once it has
    /// answered `control` often enough it has read them all, and has nothing more to say to this connection.
    pub fn exchange(&mut self, bytes: &[u8], control: &mut Connection) -> (Vec<u8>, bool) {
        /// What it reads of one client before it turns to the next.
        const SHARE_BYTES: usize = 16 * 1024;
        // It may have closed, and need not take all of it.
        let _ = self.stream.write_all(bytes);
        for _ in 0..bytes.len() / SHARE_BYTES + 2 {
            control.ask(&[b"PING"]);
        }
        self.stream.set_nonblocking(true).expect("a socket");
        let closed = loop {
            let mut buffer = [0; 64 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => {
                    self.input.extend_from_slice(&buffer[..count]);
                    // What did not fit into the socket comes when there is room.
                    control.ask(&[b"PING"]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        self.stream.set_nonblocking(false).expect("a socket");
        (std::mem::take(&mut self.input), closed)
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> bool {
        self.fill_or_tell(String::new)
    }

    /// As [`Connection::fill`]; when nothing comes it fails and tells what was asked.
    fn fill_or_tell(&mut self, asked: impl FnOnce() -> String) -> bool {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!(
                "redis-server does not answer ({error}) to\n{}so far: {}",
                asked(),
                self.input.escape_ascii()
            ),
        }
    }
}
