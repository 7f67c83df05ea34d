//! The real binary as a child process, for the tests that need one: started on free ports, ended in any case.
#![allow(dead_code, reason = "each test file takes what it needs")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a loaded machine; what reaches it is stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The schemes of all listeners, in the order in which [`all_listeners`] gives them.
pub const SCHEMES: [&str; 7] = [
    "resp",
    "metrics",
    "counter",
    "lab",
    "lab+byte",
    "lab+digit",
    "speicher",
];

/// The flags of one listener for each scheme, on free ports of loopback.
pub fn all_listeners() -> Vec<String> {
    let flags = SCHEMES.map(|scheme| ["--listen".to_owned(), format!("{scheme}://127.0.0.1:0")]);
    flags.into_iter().flatten().collect()
}

/// The command that is tested, told nothing yet.
pub fn pentad() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pentad"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a process that ran to its end left behind.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary to its end.
pub fn run<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Ended {
    let mut command = pentad();
    command.args(args);
    Daemon::of(command).wait(PATIENCE)
}

/// A daemon that runs until it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Scheme and address of each listener, in order.
    pub listening: Vec<(String, String)>,
    /// The lines of standard output and standard error that nobody has asked for yet.
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Daemon {
    /// Starts the binary with these flags, and waits until it says where it listens.
    pub fn start<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Daemon {
        let mut command = pentad();
        command.args(args);
        Daemon::spawn(command)
    }

    /// The same, for a command that was prepared in another way. It ends in the flags of the daemon.
    pub fn spawn(command: Command) -> Daemon {
        let count = command
            .get_args()
            .filter(|arg| *arg == "--listen")
            .count()
            .max(1);
        let mut daemon = Daemon::of(command);
        for _ in 0..count {
            let Ok(line) = daemon.stdout.recv_timeout(PATIENCE) else {
                let ended = daemon.wait(PATIENCE);
                panic!("the daemon did not start: {ended:?}");
            };
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            assert_eq!((words.len(), words[0]), (3, "listening"), "{line}");
            daemon
                .listening
                .push((words[1].to_owned(), words[2].to_owned()));
        }
        daemon
    }

    fn of(mut command: Command) -> Daemon {
        let mut child = command.spawn().unwrap();
        let stdout = lines_of(child.stdout.take());
        let stderr = lines_of(child.stderr.take());
        Daemon {
            child,
            listening: Vec::new(),
            stdout,
            stderr,
        }
    }

    /// Where the first listener of this scheme is.
    pub fn address(&self, scheme: &str) -> &str {
        let found = self.listening.iter().find(|(known, _)| known == scheme);
        &found.unwrap().1
    }

    /// A new connection to the first listener of this scheme.
    pub fn connect(&self, scheme: &str) -> TcpStream {
        connect(self.address(scheme))
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The next line of the log that says this.
    pub fn expect_log(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stderr.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => writeln!(seen, "{line}").unwrap(),
                Err(_) => panic!("no line with {text:?} in the log:\n{seen}"),
            }
        }
    }

    /// Waits for its end, which must come within `patience`.
    pub fn wait(mut self, patience: Duration) -> Ended {
        let status = until(patience, "the daemon's end", || {
            self.child.try_wait().unwrap()
        });
        Ended {
            status,
            stdout: self
                .stdout
                .iter()
                .fold(String::new(), |all, line| all + &line + "\n"),
            stderr: self
                .stderr
                .iter()
                .fold(String::new(), |all, line| all + &line + "\n"),
        }
    }

    /// One field of INFO, asked on a connection of its own, which is there when it is answered.
    pub fn info(&self, field: &str) -> u64 {
        let mut client = self.connect("resp");
        info(&mut client, field)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended, or must.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Nobody may be interested any more; the pipe must be emptied all the same.
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

/// A connection that gives up rather than hang.
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends a request and expects exactly this reply.
pub fn ask(client: &mut (impl Read + Write), request: &[u8], expected: &[u8]) {
    client.write_all(request).unwrap();
    expect(client, expected, &shown(request));
}

/// Expects exactly these bytes.
pub fn expect(client: &mut impl Read, expected: &[u8], about: &str) {
    let mut reply = Vec::with_capacity(expected.len());
    let all = client.take(expected.len() as u64).read_to_end(&mut reply);
    if let Err(error) = all {
        panic!(
            "{about}: {error} after {}, expected {}",
            shown(&reply),
            shown(expected)
        );
    }
    assert!(
        reply == expected,
        "{about}: got {}, expected {}",
        shown(&reply),
        shown(expected)
    );
}

/// All that comes until the other end closes.
pub fn read_to_end(client: &mut impl Read) -> String {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// One numeric field of INFO.
pub fn info(client: &mut TcpStream, field: &str) -> u64 {
    client.write_all(b"*1\r\n$4\r\nINFO\r\n").unwrap();
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    reader.read_line(&mut head).unwrap();
    let len: usize = head.trim_end()[1..].parse().unwrap();
    let mut body = vec![0; len + 2];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let value = body
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value
        .unwrap_or_else(|| panic!("INFO has no field {field}"))
        .parse()
        .unwrap()
}

/// Looks again and again until there is an answer.
pub fn until<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A folder of its own for one test; removed when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pentad-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path as a flag's value.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}
