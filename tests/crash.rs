//! kill -9 at random moments, while clients of all five protocols write: with `--fsync always`, whatever was acknowledged
//! is there after the restart, and a transaction is there whole or not at all. `PENTAD_KILLS` is how many times.
#![cfg(unix)]

mod process;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use process::{Daemon, Folder, PATIENCE, connect, pentad, run, until};
use rustix::process::Signal;

/// How far a client has come: the number it sent last, and the last one that was acknowledged.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

/// A client's way to write a number, and to read it after the restart.
struct Way {
    scheme: &'static str,
    /// The request that writes a number, and the reply that acknowledges it.
    write: fn(u64) -> (Vec<u8>, Vec<u8>),
    /// The request that reads it, and what stands before and behind the number in the reply.
    read: (&'static [u8], &'static str, &'static str),
}

fn speicher(json: &str) -> Vec<u8> {
    let mut bytes = (json.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

const WAYS: [Way; 7] = [
    Way {
        scheme: "resp",
        write: |number| {
            let request = format!("SET string {number:020}\r\n");
            (request.into_bytes(), b"+OK\r\n".to_vec())
        },
        read: (b"GET string\r\n", "$20\r\n", "\r\n"),
    },
    Way {
        scheme: "resp",
        write: |number| {
            let reply = format!(":{number}\r\n");
            (
                format!("RPUSH list {number}\r\n").into_bytes(),
                reply.into_bytes(),
            )
        },
        read: (b"LLEN list\r\n", ":", "\r\n"),
    },
    Way {
        scheme: "resp",
        write: |number| {
            let request = format!("MULTI\r\nHSET h f {number}\r\nSET twin {number}\r\nEXEC\r\n");
            let added = u8::from(number == 1);
            let reply = format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:{added}\r\n+OK\r\n");
            (request.into_bytes(), reply.into_bytes())
        },
        read: (b"SORT none GET x\r\nHGET h f\r\n", "*0\r\n$", "\r\n"),
    },
    Way {
        scheme: "counter",
        write: |_| (b"incr\n".to_vec(), b"ok\n".to_vec()),
        read: (b"get\n", "val ", "\n"),
    },
    Way {
        scheme: "metrics",
        write: |number| {
            let request = format!("put m {number} 1\n");
            (request.into_bytes(), b"ok\n\n".to_vec())
        },
        read: (b"get m\n", "ok\nm ", ".0 1\n\n"),
    },
    Way {
        // There is no reply to `s`: that the value can be read back acknowledges it.
        scheme: "lab",
        write: |number| {
            let request = format!("slab:{number}\r\nrlab\r\n");
            (request.into_bytes(), format!("{number}\r\n").into_bytes())
        },
        read: (b"rlab\r\n", "", "\r\n"),
    },
    Way {
        scheme: "speicher",
        write: |number| {
            let json = format!("{{\"command\":\"SET\",\"key\":\"j\",\"value\":[{number}]}}");
            (speicher(&json), speicher("{\"status_code\":200}"))
        },
        read: (
            b"\0\0\0\x1b{\"command\":\"GET\",\"key\":\"j\"}",
            "{\"status_code\":200,\"value\":[",
            "]}",
        ),
    },
];

/// Writes higher and higher numbers, until the connection breaks.
fn write_on(mut client: TcpStream, way: &Way, progress: &Progress) {
    loop {
        let number = progress.sent.load(Ordering::SeqCst) + 1;
        progress.sent.store(number, Ordering::SeqCst);
        let (request, expected) = (way.write)(number);
        let mut reply = vec![0; expected.len()];
        if client.write_all(&request).is_err() || client.read_exact(&mut reply).is_err() {
            return;
        }
        assert_eq!(
            String::from_utf8_lossy(&reply),
            String::from_utf8_lossy(&expected)
        );
        progress.acknowledged.store(number, Ordering::SeqCst);
    }
}

/// Reads the number; 0 when there is none.
fn read(address: &str, way: &Way) -> u64 {
    let mut client = connect(address);
    client.write_all(way.read.0).unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(30)))
        .unwrap();
    let mut reply = Vec::new();
    let mut buffer = [0; 512];
    // Something, and then silence: what is missing is answered in other words.
    until(PATIENCE, "a whole reply", || {
        match client.read(&mut buffer) {
            Ok(count) => {
                reply.extend_from_slice(&buffer[..count]);
                None
            }
            Err(_) => (!reply.is_empty()).then_some(()),
        }
    });
    let text = String::from_utf8_lossy(&reply).into_owned();
    let Some((_, rest)) = text.split_once(way.read.1) else {
        return 0;
    };
    let rest = rest.strip_suffix(way.read.2).unwrap_or(rest);
    // HGET's length stands before its value.
    rest.rsplit("\r\n")
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn ask(address: &str, request: &str) -> String {
    let mut client = connect(address);
    client.write_all(request.as_bytes()).unwrap();
    let mut reply = vec![0; 4096];
    let count = client.read(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[..count]).into_owned()
}

fn start(kind: &str, data: &std::path::Path, fsync: &str) -> Daemon {
    let mut command = pentad();
    let place = format!("{kind}:{}", data.display());
    command.args(["--storage", &place, "--fsync", fsync]);
    for scheme in ["resp", "counter", "metrics", "lab", "speicher"] {
        command.args(["--listen", &format!("{scheme}://127.0.0.1:0")]);
    }
    let daemon = Daemon::spawn(command);
    daemon.expect_log("loaded");
    daemon
}

#[test]
fn whatever_was_acknowledged_survives_any_kill() {
    survives_any_kill("journal", 24);
}

#[test]
fn whatever_was_acknowledged_survives_any_kill_in_a_table_too() {
    survives_any_kill("sqlite", 8);
}

fn survives_any_kill(kind: &str, usual: u64) {
    let kills = std::env::var("PENTAD_KILLS").ok();
    let kills: u64 = kills.and_then(|text| text.parse().ok()).unwrap_or(usual);
    let folder = Folder::new(&format!("crash-{kind}"));
    let data = folder.path("data");
    let progress: Arc<Vec<Progress>> = Arc::new(WAYS.iter().map(|_| Progress::default()).collect());
    for kill in 0..=kills {
        let daemon = start(kind, &data, "always");
        for (way, progress) in WAYS.iter().zip(progress.iter()) {
            let found = read(daemon.address(way.scheme), way);
            let sent = progress.sent.load(Ordering::SeqCst);
            let acknowledged = progress.acknowledged.load(Ordering::SeqCst);
            let request = String::from_utf8_lossy(way.read.0);
            assert!(
                (acknowledged..=sent).contains(&found),
                "{request}: {found}, but {acknowledged} was acknowledged and {sent} sent, after {kill} kills"
            );
            // From here it goes on.
            progress.sent.store(found, Ordering::SeqCst);
            progress.acknowledged.store(found, Ordering::SeqCst);
        }
        let twins = ask(daemon.address("resp"), "HGET h f\r\nGET twin\r\n");
        let (hash, string) = twins.split_at(twins.len() / 2);
        assert_eq!(hash, string, "half a transaction, after {kill} kills");
        if kill == kills {
            break;
        }
        let writers: Vec<_> = (0..WAYS.len())
            .map(|index| {
                let client = connect(daemon.address(WAYS[index].scheme));
                let progress = Arc::clone(&progress);
                std::thread::spawn(move || write_on(client, &WAYS[index], &progress[index]))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + kill * 37 % 150));
        if kill % 3 == 1 {
            ask(daemon.address("resp"), "BGSAVE\r\n");
            std::thread::sleep(Duration::from_millis(kill % 7));
        }
        daemon.signal(Signal::KILL);
        for writer in writers {
            writer.join().expect("a reply that was not expected");
        }
        daemon.wait(PATIENCE);
    }
}

#[test]
fn a_directory_serves_one_daemon_at_a_time_and_only_files_that_are_understood() {
    let folder = Folder::new("owner");
    let data = folder.path("data");
    let daemon = start("journal", &data, "everysec");
    assert_eq!(ask(daemon.address("resp"), "SET k v\r\n"), "+OK\r\n");
    let second = ["--listen", "resp://127.0.0.1:0", "--data"];
    let second = |data: &std::path::Path| {
        let data = data.to_str().unwrap().to_owned();
        run(second.map(str::to_owned).into_iter().chain([data]))
    };
    let ended = second(&data);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("is in use by another process"),
        "{ended:?}"
    );
    // A clean end leaves a snapshot, and nothing to be repeated.
    assert_eq!(ask(daemon.address("resp"), "SAVE\r\n"), "+OK\r\n");
    let before = Instant::now();
    assert_eq!(ask(daemon.address("resp"), "SHUTDOWN\r\n"), "");
    assert_eq!(daemon.wait(PATIENCE).status.code(), Some(0));
    assert!(before.elapsed() < PATIENCE);
    let checked = run(["check", data.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(checked.stdout.contains("1 keys"), "{checked:?}");
    // A file of the future is refused by the name of its version.
    let snapshot = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("snapshot-"))
        .expect("a snapshot");
    let mut bytes = std::fs::read(&snapshot).unwrap();
    bytes[7] = b'2';
    std::fs::write(&snapshot, &bytes).unwrap();
    let ended = second(&data);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("is of version 2"), "{ended:?}");
}
