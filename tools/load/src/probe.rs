//! Asking a target about itself outside the measured connections: its version, its CPU time, its process.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::codec::{Reader, Reply};
use crate::target::{Address, Protocol, Target};

/// What is known about the server behind a target.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `redis 7.0.15`, or the program's name where the protocol has no word for it.
    pub version: Option<String>,
    /// Its process, when it runs on this machine and may be looked at.
    pub pid: Option<u32>,
    target: Option<Target>,
}

impl Server {
    /// Finds out what can be found out. Never fails: what cannot be known stays unknown.
    pub fn find(target: &Target, timeout: Duration) -> Server {
        let pid = match &target.address {
            Address::Tcp(address) => listener_of_tcp(*address),
            Address::Unix(path) => listener_of_unix(path),
        };
        let version = match target.protocol {
            Protocol::Resp => info(target, timeout).ok().and_then(|info| version(&info)),
            _ => None,
        };
        let program = || {
            let name = fs::read_to_string(format!("/proc/{}/comm", pid?)).ok()?;
            Some(name.trim().to_string())
        };
        Server {
            version: version.or_else(program),
            pid,
            target: Some(target.clone()),
        }
    }

    /// CPU seconds used so far: from /proc when it is local, otherwise from INFO.
    pub fn cpu_s(&self, timeout: Duration) -> Option<f64> {
        match (self.pid, &self.target) {
            (Some(pid), _) => process_cpu_s(pid),
            (None, Some(target)) if target.protocol == Protocol::Resp => {
                let info = info(target, timeout).ok()?;
                let number = |name: &str| info.get(name)?.parse::<f64>().ok();
                Some(number("used_cpu_user")? + number("used_cpu_sys")?)
            }
            _ => None,
        }
    }

    /// Where [`Server::cpu_s`] gets its numbers.
    pub fn cpu_source(&self) -> &'static str {
        if self.pid.is_some() { "/proc" } else { "INFO" }
    }
}

/// The value of a counter target.
pub fn counter(target: &Target, timeout: Duration) -> io::Result<i64> {
    match ask(target, b"get\n", timeout)? {
        Answer::Int(n) => Ok(n),
        Answer::Text(text) => Err(io::Error::other(format!("`get` was answered with {text}"))),
    }
}

fn version(info: &HashMap<String, String>) -> Option<String> {
    let first = |names: &[&str]| names.iter().find_map(|n| info.get(*n).cloned());
    if let Some(version) = info.get("pentad_version") {
        return Some(format!("pentad {version}"));
    }
    if let Some(version) = info.get("valkey_version") {
        return Some(format!("valkey {version}"));
    }
    let name = first(&["server_name"]).unwrap_or_else(|| "redis".to_string());
    Some(format!("{name} {}", first(&["redis_version"])?))
}

fn info(target: &Target, timeout: Duration) -> io::Result<HashMap<String, String>> {
    let mut request = Vec::new();
    if let Some((user, password)) = &target.login {
        let words: &[&str] = if user.is_empty() {
            &["AUTH", password]
        } else {
            &["AUTH", user, password]
        };
        command(words, &mut request);
    }
    command(&["INFO"], &mut request);
    match ask(target, &request, timeout)? {
        Answer::Text(text) => Ok(text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_string(), value.trim().to_string()))
            .collect()),
        Answer::Int(_) => Err(io::Error::other("INFO was answered with a number")),
    }
}

fn command(words: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

enum Answer {
    Int(i64),
    Text(String),
}

/// One request over a connection of its own, and the first reply that is more than an acknowledgement.
fn ask(target: &Target, request: &[u8], timeout: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + timeout;
    let mut stream: Box<dyn ReadWrite> = match &target.address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            Box::new(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            Box::new(stream)
        }
    };
    stream.write_all(request)?;
    let mut reader = Reader::new(target.protocol);
    let (mut input, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend_from_slice(&chunk[..n]);
        loop {
            let (used, answer) = match reader.next(&input, 0) {
                Ok(None) => break,
                Err(bad) => return Err(io::Error::other(bad.0)),
                Ok(Some((used, reply))) => match reply {
                    Reply::Int(n) => (used, Some(Answer::Int(n))),
                    Reply::Value(text) | Reply::Error(text) => (
                        used,
                        Some(Answer::Text(String::from_utf8_lossy(text).into_owned())),
                    ),
                    _ => (used, None),
                },
            };
            if let Some(answer) = answer {
                return Ok(answer);
            }
            input.drain(..used);
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// CPU seconds of a process and its threads, to the nanosecond where the system tells.
fn process_cpu_s(pid: u32) -> Option<f64> {
    let mut total_ns = 0u64;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut precise = true;
    for task in tasks.flatten() {
        let first = fs::read_to_string(task.path().join("schedstat"))
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        match first {
            Some(ns) => total_ns += ns,
            None => precise = false,
        }
    }
    if precise && total_ns > 0 {
        return Some(total_ns as f64 / 1e9);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

/// The process that listens on a local TCP port.
fn listener_of_tcp(address: SocketAddr) -> Option<u32> {
    if !is_local(address.ip()) {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = fs::read_to_string(table).ok()?;
            text.lines().skip(1).find_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (_, port) = fields.get(1)?.rsplit_once(':')?;
                let listening = *fields.get(3)? == "0A";
                (listening && u16::from_str_radix(port, 16) == Ok(address.port()))
                    .then(|| fields.get(9).map(|s| s.to_string()))?
            })
        })?;
    owner_of_socket(&inode)
}

fn listener_of_unix(path: &Path) -> Option<u32> {
    let text = fs::read_to_string("/proc/net/unix").ok()?;
    let path = path.to_str()?;
    let inode = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The listening socket is the one with the accept flag set.
        (fields.get(7) == Some(&path) && fields.get(3) == Some(&"00010000"))
            .then(|| fields.get(6).map(|s| s.to_string()))?
    })?;
    owner_of_socket(&inode)
}

fn is_local(ip: IpAddr) -> bool {
    // A socket can only be bound to an address of this machine.
    ip.is_loopback() || ip.is_unspecified() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

fn owner_of_socket(inode: &str) -> Option<u32> {
    let link = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        if files
            .flatten()
            .any(|f| fs::read_link(f.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
        {
            return Some(pid);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_listener_of_a_port_is_found_and_its_cpu_time_grows() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let pid = listener_of_tcp(address).expect("found");
        assert_eq!(pid, std::process::id());
        let before = process_cpu_s(pid).expect("cpu");
        // On a busy machine a thread that spins need not get the processor soon.
        let (start, mut used) = (Instant::now(), 0.0);
        while used < 0.02 && start.elapsed() < Duration::from_secs(20) {
            used = process_cpu_s(pid).expect("cpu") - before;
        }
        assert!((0.02..5.0).contains(&used), "{used}");
    }

    #[test]
    fn versions_are_named_by_the_server_itself() {
        let info = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .collect()
        };
        assert_eq!(
            version(&info(&[("redis_version", "7.0.15")])),
            Some("redis 7.0.15".into())
        );
        assert_eq!(
            version(&info(&[
                ("redis_version", "7.2.4"),
                ("pentad_version", "0.1.0")
            ])),
            Some("pentad 0.1.0".into())
        );
        assert_eq!(
            version(&info(&[
                ("redis_version", "7.2.4"),
                ("valkey_version", "8.0.1"),
                ("server_name", "valkey")
            ])),
            Some("valkey 8.0.1".into())
        );
        assert_eq!(version(&info(&[])), None);
    }
}
