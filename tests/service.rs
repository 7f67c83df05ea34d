//! The daemon as a service manager runs it: sockets that are handed over, messages of how it is, reloads, secrets.
#![cfg(target_os = "linux")]

mod process;

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use process::{Daemon, Folder, PATIENCE, ask, connect, until};
use rustix::process::Signal;

/// The daemon as a process that gets a listening socket as its descriptor 3.
fn handed_over(socket: OwnedFd, url: &str) -> Command {
    let script = format!(
        "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec {} --listen {url}",
        env!("CARGO_BIN_EXE_pentad")
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "--listen"])
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn sockets_can_be_handed_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Somebody has come before the daemon.
    let mut early = connect(&address);
    early.write_all(b"PING\r\n").unwrap();
    let daemon = Daemon::spawn(handed_over(listener.into(), "resp+fd://3"));
    assert_eq!(daemon.address("resp"), address);
    process::expect(&mut early, b"+PONG\r\n", "PING");

    let folder = Folder::new("handed-over");
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = Daemon::spawn(handed_over(listener.into(), "resp+fd://3"));
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    ask(&mut client, b"PING\r\n", b"+PONG\r\n");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(PATIENCE).status.success());
    // It belongs to whoever made it.
    assert!(path.exists());
}

#[test]
fn what_was_not_handed_over_is_not_taken() {
    let ended = process::run(["--listen", "resp+fd://3"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("LISTEN_FDS"), "{}", ended.stderr);
    // A descriptor that is there, but no listening socket.
    let (socket, _other) = UnixStream::pair().unwrap();
    let mut command = handed_over(socket.into(), "resp+fd://3");
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("no listening socket"), "{said}");
}

#[test]
fn the_service_manager_is_told() {
    let folder = Folder::new("notify");
    let path = folder.path("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = process::pentad();
    command
        .args(["--listen", "resp://127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let daemon = Daemon::spawn(command);
    let hear = || {
        let mut buffer = [0; 256];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    // It goes on saying so with nothing else to do.
    for _ in 0..4 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    daemon.signal(Signal::TERM);
    until(PATIENCE, "the announced end", || {
        (hear() == "STOPPING=1").then_some(())
    });
    assert!(daemon.wait(PATIENCE).status.success());
}

#[test]
fn settings_are_read_anew_after_a_hangup() {
    let folder = Folder::new("hangup");
    let file = folder.file("pentad.toml", "max-clients = 100\n");
    let flags = ["--listen", "resp://127.0.0.1:0", "--config"].map(str::to_owned);
    let flags = [&flags[..], &[process::text(&file)]].concat();
    let daemon = Daemon::start(&flags);
    let mut client = daemon.connect("resp");
    let is = |clients: &str| {
        let len = clients.len();
        format!("*2\r\n$10\r\nmaxclients\r\n${len}\r\n{clients}\r\n").into_bytes()
    };
    ask(&mut client, b"CONFIG GET maxclients\r\n", &is("100"));
    folder.file("pentad.toml", "max-clients = 50\nmaxmemory = \"1gb\"\n");
    daemon.signal(Signal::HUP);
    daemon.expect_log("as in the settings now");
    ask(&mut client, b"CONFIG GET maxclients\r\n", &is("50"));
    ask(
        &mut client,
        b"CONFIG GET maxmemory\r\n",
        b"*2\r\n$9\r\nmaxmemory\r\n$10\r\n1073741824\r\n",
    );
    folder.file("pentad.toml", "max-clients = \"many\"\n");
    daemon.signal(Signal::HUP);
    daemon.expect_log("nothing is changed");
    ask(&mut client, b"CONFIG GET maxclients\r\n", &is("50"));
}

#[test]
fn passwords_need_not_be_seen() {
    let folder = Folder::new("password");
    let file = folder.file("password", "from the file\n");
    let listen = ["--listen", "resp://127.0.0.1:0"];
    let mut by_file = process::pentad();
    by_file
        .args(listen)
        .args(["--requirepass-file".to_owned(), process::text(&file)]);
    let mut by_environment = process::pentad();
    by_environment
        .args(listen)
        .env("PENTAD_REQUIREPASS", "from the environment");
    for (command, password) in [
        (by_file, "from the file"),
        (by_environment, "from the environment"),
    ] {
        let daemon = Daemon::spawn(command);
        let mut client = daemon.connect("resp");
        ask(
            &mut client,
            b"PING\r\n",
            b"-NOAUTH Authentication required.\r\n",
        );
        let len = password.len();
        let auth = format!("*2\r\n$4\r\nAUTH\r\n${len}\r\n{password}\r\n");
        ask(&mut client, auth.as_bytes(), b"+OK\r\n");
        let pid = daemon.pid().as_raw_nonzero();
        let seen = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&seen).contains(password));
        // Nor does a crash leave it behind.
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core"));
        let soft = core.and_then(|line| line.split_whitespace().nth(4));
        assert_eq!(soft, Some("0"), "{core:?}");
    }
}
