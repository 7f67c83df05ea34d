//! The daemon as its users run it: flags, file, standard streams, signals, exit codes.
//!
//! Nothing here listens on the default ports: tests run side by side, and so may a real daemon.
#![cfg(unix)]

mod process;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use process::{
    Daemon, Ended, Folder, PATIENCE, SCHEMES, all_listeners, ask, connect, expect, info, pentad,
    read_to_end, run, text, until,
};
use rustix::process::Signal;

const RESP: [&str; 2] = ["--listen", "resp://127.0.0.1:0"];
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

// ---- what it says of itself ---------------------------------------------------------------------

#[test]
fn version_and_help_are_told_on_standard_output() {
    let version = run(["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        version.stdout,
        format!("pentad {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(version.stderr, "");

    let help = run(["--help"]);
    assert_eq!((help.status.code(), &*help.stderr), (Some(0), ""));
    for flag in [
        "--listen <URL>",
        "--config <FILE>",
        "--log-level <LEVEL>",
        "--grace-ms <MS>",
        "--max-clients <N>",
        "--max-request-bytes <BYTES>",
        "--max-line-bytes <BYTES>",
        "--max-output-bytes <BYTES>",
        "--output-stall-timeout-s <S>",
        "--idle-timeout-s <S>",
        "--databases <N>",
        "--load-rdb <FILE>",
        "--data <DIR>",
        "--storage <KIND>",
        "--fsync <WHEN>",
        "--check",
        "--version",
    ] {
        assert!(help.stdout.contains(flag), "--help does not tell {flag}");
    }
}

#[test]
fn check_says_whether_the_settings_are_valid_and_listens_nowhere() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("resp://{}", taken.local_addr().unwrap());
    let ended = run(["--check", "--listen", &url]);
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(
        (&*ended.stdout, &*ended.stderr),
        ("configuration is valid\n", "")
    );
    fails(
        run(["--check", "--max-clients", "0"]),
        2,
        &["--max-clients 0"],
    );
}

// ---- what it refuses ----------------------------------------------------------------------------

/// It ended with this code, said one line on standard error that has all these words, and nothing on standard output.
#[track_caller]
fn fails(ended: Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.starts_with("pentad: "), "{ended:?}");
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "no {word:?} in {:?}",
            ended.stderr
        );
    }
}

#[test]
fn a_wrong_flag_is_named_with_its_value() {
    for (args, words) in [
        (&["--nonsense"][..], &["--nonsense"][..]),
        (&["stray"], &["stray"]),
        (&["--listen"], &["--listen"]),
        (&["--max-clients", "many"], &["--max-clients", "many"]),
        (&["--max-clients", "-1"], &["-1"]),
        (&["--max-clients", "0"], &["--max-clients 0", "must be"]),
        (
            &["--max-request-bytes", "10"],
            &["--max-request-bytes 10", "must be"],
        ),
        (
            &["--max-request-bytes", "99999999999"],
            &["--max-request-bytes 99999999999"],
        ),
        (
            &["--max-line-bytes", "1"],
            &["--max-line-bytes 1", "must be"],
        ),
        (
            &["--max-output-bytes", "0"],
            &["--max-output-bytes 0", "must be"],
        ),
        (
            &["--output-stall-timeout-s", "1.5"],
            &["--output-stall-timeout-s", "1.5"],
        ),
        (&["--idle-timeout-s", "soon"], &["--idle-timeout-s", "soon"]),
        (&["--grace-ms", "5s"], &["--grace-ms", "5s"]),
        (&["--log-level", "loud"], &["--log-level", "loud"]),
        (&["--databases", "0"], &["--databases 0", "must be"]),
        (&["--databases", "300"], &["--databases", "300"]),
        (&["--check", "--check"], &["--check"]),
        (&["--fsync", "daily"], &["--fsync daily", "everysec"]),
        (
            &["--storage", "sqlite"],
            &["--storage sqlite", "sqlite:PATH"],
        ),
        (
            &["--storage", "memory", "--data", "/tmp"],
            &["--storage memory", "--data says"],
        ),
    ] {
        fails(run(args), 2, words);
    }
}

#[test]
fn a_malformed_url_is_named_with_the_reason() {
    for (url, reason) in [
        ("127.0.0.1:6379", "expected scheme://host:port"),
        ("http://127.0.0.1:80", "unknown scheme \"http\""),
        ("resp://127.0.0.1", "expected :port"),
        ("resp://127.0.0.1:http", "\"http\" is not a number"),
        ("resp://127.0.0.1:65536", "\"65536\" is not a number"),
        ("resp://:6379", "expected a host"),
        ("resp+unix://relative.sock", "absolute path"),
        (
            "resp://127.0.0.1:0?db=16",
            "there is no database 16, only 0 to 15",
        ),
        ("resp://127.0.0.1:0?db=x", "db"),
        ("resp://127.0.0.1:0?colour=red", "unknown option \"colour\""),
        ("", "expected scheme"),
    ] {
        fails(
            run(["--listen", url]),
            2,
            &[&format!("--listen {url}"), reason],
        );
    }
    // The number of databases is a setting, and the check goes by it.
    fails(
        run(["--databases", "2", "--listen", "lab://127.0.0.1:0?db=2"]),
        2,
        &["--listen lab://127.0.0.1:0?db=2", "only 0 to 1"],
    );
}

#[test]
fn a_host_that_cannot_be_resolved_is_named() {
    // The name is reserved for never being one.
    let url = "resp://nowhere.invalid:6379";
    fails(
        run(["--listen", url]),
        2,
        &[
            &format!("--listen {url}"),
            "cannot resolve",
            "nowhere.invalid",
        ],
    );
}

#[test]
fn a_busy_port_is_named_and_nothing_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("metrics://{}", taken.local_addr().unwrap());
    let ended = run(["--listen", "resp://127.0.0.1:0", "--listen", &url]);
    fails(
        ended,
        1,
        &[&format!("--listen {url}"), "cannot listen", "in use"],
    );
}

#[test]
fn an_address_of_another_machine_is_named() {
    // 192.0.2.0/24 is for documentation.
    let url = "resp://192.0.2.1:6379";
    fails(
        run(["--listen", url]),
        1,
        &[&format!("--listen {url}"), "cannot listen"],
    );
}

// ---- the configuration file ---------------------------------------------------------------------

#[test]
fn a_file_says_what_flags_say_and_flags_win() {
    let folder = Folder::new("config");
    let file = folder.file(
        "pentad.toml",
        r#"
        listen = ["resp://127.0.0.1:0", "counter://127.0.0.1:0?key=hits"]
        log-level = "warn"
        grace-ms = 100
        max-clients = 77
        max-request-bytes = 2048
        max-line-bytes = 128
        max-output-bytes = 4096
        output-stall-timeout-s = 9
        idle-timeout-s = 1000
        databases = 3
        "#,
    );
    let mut command = pentad();
    command.arg("--config").arg(&file);
    command.args(["--max-clients", "55"]);
    let daemon = Daemon::spawn(command);
    let mut client = daemon.connect("resp");
    assert_eq!(info(&mut client, "maxclients"), 55);
    ask(
        &mut client,
        b"SELECT 3\r\n",
        b"-ERR DB index is out of range\r\n",
    );
    ask(
        &mut client,
        b"*2\r\n$4\r\nECHO\r\n$2049\r\n",
        b"-ERR Protocol error: invalid bulk length\r\n",
    );

    // Listeners that are given as flags replace those of the file.
    let mut command = pentad();
    command
        .arg("--config")
        .arg(&file)
        .args(["--listen", "lab://127.0.0.1:0"]);
    let daemon = Daemon::spawn(command);
    assert_eq!(daemon.listening.len(), 1);
    ask(&mut daemon.connect("lab"), b"sk:v\nrk\n", b"v\r\n");
    daemon.signal(Signal::TERM);
    let ended = daemon.wait(PATIENCE);
    assert_eq!(
        (&*ended.stdout, &*ended.stderr),
        ("", ""),
        "log-level is warn"
    );
}

#[test]
fn a_wrong_file_is_named_with_the_line() {
    let folder = Folder::new("badconfig");
    for (name, content, words) in [
        (
            "unknown.toml",
            "grace-ms = 1\ncolour = 'red'\n",
            &["line 2", "colour"][..],
        ),
        (
            "type.toml",
            "max-clients = 'many'\n",
            &["line 1", "invalid type"],
        ),
        ("negative.toml", "\n\nmax-clients = -1\n", &["line 3"]),
        ("syntax.toml", "max-clients = \n", &["line 1"]),
        ("twice.toml", "grace-ms = 1\ngrace-ms = 2\n", &["line 2"]),
        ("level.toml", "log-level = 'loud'\n", &["line 1", "loud"]),
        ("underscore.toml", "max_clients = 5\n", &["max_clients"]),
    ] {
        let file = text(&folder.file(name, content));
        let mut words = words.to_vec();
        let named = format!("--config {file}");
        words.push(&named);
        fails(run(["--config", &file]), 2, &words);
    }
    // What is understood but cannot be used is refused like a flag.
    let file = text(&folder.file("range.toml", "databases = 0\n"));
    fails(run(["--config", &file]), 2, &["databases 0", "must be"]);
    let file = text(&folder.file("url.toml", "listen = ['http://h:1']\n"));
    fails(
        run(["--config", &file]),
        2,
        &["listen http://h:1", "unknown scheme"],
    );
    for missing in [folder.path("missing.toml"), folder.path(".")] {
        let missing = text(&missing);
        fails(
            run(["--config", &missing]),
            2,
            &[&format!("--config {missing}")],
        );
    }
}

// ---- listening ----------------------------------------------------------------------------------

#[test]
fn each_listener_is_told_on_one_line_and_answers_at_once() {
    let started = Instant::now();
    let daemon = Daemon::start(all_listeners());
    let mut client = daemon.connect("resp");
    let accepting = started.elapsed();
    ask(&mut client, PING, PONG);
    println!(
        "from exec to accepting: {:.1} ms",
        accepting.as_secs_f64() * 1e3
    );

    let schemes: Vec<&str> = daemon
        .listening
        .iter()
        .map(|(scheme, _)| &**scheme)
        .collect();
    assert_eq!(schemes, SCHEMES);
    for (scheme, request, reply) in [
        (
            "metrics",
            &b"put m 1 2\nget m\n"[..],
            &b"ok\n\nok\nm 1.0 2\n\n"[..],
        ),
        ("counter", b"incr\nget\n", b"ok\nval 1\n"),
        ("lab", b"sl:v\r\nrl\r\n", b"v\r\n"),
        ("lab+byte", b"\x02rl", b"\x01v"),
        ("lab+digit", b"2rl", b"v"),
        (
            "speicher",
            b"\0\0\0\x1b{\"command\":\"GET\",\"key\":\"l\"}",
            b"\0\0\0\x1f{\"status_code\":200,\"value\":\"v\"}",
        ),
    ] {
        ask(&mut daemon.connect(scheme), request, reply);
    }
}

#[test]
fn hosts_are_names_or_addresses_of_either_kind() {
    let daemon = Daemon::start(["--listen", "resp://localhost:0"]);
    ask(&mut daemon.connect("resp"), PING, PONG);
    if TcpListener::bind("[::1]:0").is_err() {
        println!("this machine has no IPv6: [::1] is not tested");
        return;
    }
    let daemon = Daemon::start(["--listen", "resp://[::1]:0"]);
    assert!(daemon.address("resp").starts_with("[::1]:"));
    ask(&mut daemon.connect("resp"), PING, PONG);
}

#[test]
fn a_unix_socket_is_made_and_removed_at_the_end() {
    let folder = Folder::new("unix");
    let path = folder.path("p.sock");
    let url = format!("resp+unix://{}", path.display());
    let daemon = Daemon::start(["--listen", &url]);
    assert_eq!(daemon.listening, [("resp".to_owned(), text(&path))]);
    ask(&mut UnixStream::connect(&path).unwrap(), PING, PONG);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(PATIENCE).status.code(), Some(0));
    assert!(!path.exists(), "the socket is left behind");
}

#[test]
fn a_unix_socket_is_taken_over_from_the_dead_only() {
    let folder = Folder::new("stale");
    let path = folder.path("p.sock");
    let url = format!("counter+unix://{}", path.display());
    // What a crash leaves behind: the file of a socket that nobody listens on.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let first = Daemon::start(["--listen", &url]);
    let mut client = UnixStream::connect(&path).unwrap();
    ask(&mut client, b"incr\n", b"ok\n");

    fails(
        run(["--listen", &url]),
        1,
        &[&format!("--listen {url}"), "in use"],
    );
    // The one that was refused has not removed the socket of the one that lives.
    ask(
        &mut UnixStream::connect(&path).unwrap(),
        b"get\n",
        b"val 1\n",
    );

    // A socket is never taken for the file of somebody else.
    let file = folder.file("precious", "data");
    let url = format!("counter+unix://{}", file.display());
    fails(
        run(["--listen", &url]),
        1,
        &[&format!("--listen {url}"), "cannot listen"],
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), "data");
    drop(first);
}

#[test]
fn a_unix_socket_whose_backlog_is_full_lives() {
    let folder = Folder::new("backlog");
    let path = folder.path("p.sock");
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let url = format!("resp+unix://{}", path.display());
    fails(
        run(["--listen", &url]),
        1,
        &[&format!("--listen {url}"), "in use"],
    );
    assert!(path.exists());
}

// ---- the end ------------------------------------------------------------------------------------

#[test]
fn both_signals_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = Daemon::start(all_listeners());
        let mut idle: Vec<TcpStream> = SCHEMES.map(|scheme| daemon.connect(scheme)).into();
        ask(&mut idle[0], PING, PONG);
        let address = daemon.address("resp").to_owned();
        daemon.signal(signal);
        for client in &mut idle {
            assert_eq!(read_to_end(client), "");
        }
        let ended = daemon.wait(PATIENCE);
        assert_eq!(ended.status.code(), Some(0), "{signal:?}: {ended:?}");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn what_was_sent_before_the_signal_is_answered() {
    const REQUESTS: usize = 5000;
    let daemon = Daemon::start(all_listeners());
    // More clients than one poll reports.
    let mut clients: Vec<TcpStream> = (0..300).map(|_| daemon.connect("resp")).collect();
    for client in &mut clients {
        ask(client, PING, PONG);
    }
    let mut counter = daemon.connect("counter");
    ask(&mut counter, b"get\n", b"val 0\n");
    for client in &mut clients {
        client.write_all(&PING.repeat(20)).unwrap();
    }
    counter.write_all(&b"incr\n".repeat(REQUESTS)).unwrap();
    // Half a request is none.
    counter.write_all(b"get\ninc").unwrap();
    daemon.signal(Signal::TERM);
    for client in &mut clients {
        expect(client, &PONG.repeat(20), "a client");
        assert_eq!(read_to_end(client), "");
    }
    let answers = "ok\n".repeat(REQUESTS) + &format!("val {REQUESTS}\n");
    assert!(read_to_end(&mut counter) == answers);
    assert_eq!(daemon.wait(PATIENCE).status.code(), Some(0));
}

#[test]
fn a_client_that_does_not_read_does_not_hold_it() {
    let daemon = Daemon::start(RESP.iter().chain(&["--grace-ms", "300"]));
    let mut client = daemon.connect("resp");
    ask(&mut client, b"SETRANGE k 50000000 x\r\n", b":50000001\r\n");
    client.write_all(b"GET k\r\n").unwrap();
    // Until some of it has come, so that the rest must be waiting.
    expect(&mut client, b"$50000001\r\n", "GET");
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    let ended = daemon.wait(PATIENCE);
    let took = asked.elapsed();
    assert!(
        took >= Duration::from_millis(300),
        "it gave up after {took:?}"
    );
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    assert_eq!(ended.status.code(), Some(0));
    assert!(
        ended
            .stderr
            .contains("some clients were not answered in time"),
        "{ended:?}"
    );
}

#[test]
fn a_client_that_reads_slowly_is_waited_for() {
    let daemon = Daemon::start(RESP);
    let mut client = daemon.connect("resp");
    ask(&mut client, b"SETRANGE k 50000000 x\r\n", b":50000001\r\n");
    client.write_all(b"GET k\r\n").unwrap();
    expect(&mut client, b"$50000001\r\n", "GET");
    daemon.signal(Signal::TERM);
    assert_eq!(read_to_end(&mut client).len(), 50_000_001 + 2);
    assert_eq!(daemon.wait(PATIENCE).status.code(), Some(0));
}

#[test]
fn a_client_that_never_stops_sending_does_not_hold_it() {
    let mut command = pentad();
    command.args([
        "--listen",
        "lab://127.0.0.1:0",
        "--listen",
        "resp://127.0.0.1:0",
    ]);
    command.args(["--grace-ms", "1000"]);
    let daemon = Daemon::spawn(command);
    let mut hog = daemon.connect("lab");
    let hog = std::thread::spawn(move || {
        let requests = b"skey:value\n".repeat(10_000);
        let mut sent = 0;
        while let Ok(count) = hog.write(&requests) {
            sent += count;
        }
        sent
    });
    let mut client = daemon.connect("resp");
    ask(&mut client, PING, PONG);
    client.write_all(PING).unwrap();
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    expect(&mut client, PONG, "the neighbour");
    let ended = daemon.wait(PATIENCE);
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "it took {:?}",
        asked.elapsed()
    );
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(hog.join().unwrap() > 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let daemon = Daemon::start(RESP.iter().chain(&["--grace-ms", "60000"]));
    let mut client = daemon.connect("resp");
    ask(&mut client, b"SETRANGE k 50000000 x\r\n", b":50000001\r\n");
    client.write_all(b"GET k\r\n").unwrap();
    expect(&mut client, b"$50000001\r\n", "GET");
    let address = daemon.address("resp").to_owned();
    daemon.signal(Signal::TERM);
    // It has begun to end when it accepts no more.
    until(PATIENCE, "the end of listening", || {
        TcpStream::connect(&address).err()
    });
    daemon.signal(Signal::INT);
    let ended = daemon.wait(PATIENCE);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

// ---- broken pipes -------------------------------------------------------------------------------

#[test]
fn broken_pipes_never_kill_it() {
    let mut daemon = Daemon::start(all_listeners());
    daemon.signal(Signal::PIPE);
    // Replies to clients that have gone.
    for _ in 0..50 {
        let mut client = daemon.connect("resp");
        client.write_all(&b"COMMAND\r\n".repeat(20)).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
    }
    ask(&mut daemon.connect("resp"), PING, PONG);
    assert!(daemon.is_running());
}

#[test]
fn a_log_that_nobody_reads_does_not_end_it() {
    let mut command = pentad();
    command.args(all_listeners());
    command.stderr(std::process::Stdio::null());
    let (reader, writer) = std::io::pipe().unwrap();
    command.stderr(writer);
    let mut daemon = Daemon::spawn(command);
    drop(reader);
    let mut lab = daemon.connect("lab+byte");
    let mut resp = daemon.connect("resp");
    ask(&mut resp, b"SETRANGE long 300 x\r\n", b":301\r\n");
    // Each of these is a warning in the log.
    for _ in 0..3 {
        ask(&mut lab, b"\x05rlong", b"\0");
    }
    ask(&mut resp, PING, PONG);
    assert!(daemon.is_running());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(PATIENCE).status.code(), Some(0));
}

#[test]
fn it_runs_on_when_nobody_reads_where_it_listens() {
    let folder = Folder::new("stdout");
    let path = folder.path("p.sock");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = pentad()
        .args(["--listen", &format!("resp+unix://{}", path.display())])
        .stdout(writer)
        .spawn()
        .unwrap();
    let mut client = until(PATIENCE, "the socket", || UnixStream::connect(&path).ok());
    ask(&mut client, PING, PONG);
    child.kill().unwrap();
    child.wait().unwrap();
    // Nor is it an error that nobody reads what is only told.
    for flag in ["--help", "--check"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = pentad().arg(flag).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{flag}: {output:?}");
    }
}

#[test]
fn the_keys_of_a_file_are_there_before_anybody_is_served() {
    let folder = Folder::new("load-rdb");
    // SET greeting hello in database 0 and RPUSH l a in 1, by redis-server 7.0.15, which was told to write no checksum; and
    // a library of functions.
    let library =
        b"#!lua name=l\nredis.register_function{function_name='f',callback=function() return 7 end}";
    let before = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xf5\x40\x58";
    assert_eq!(library.len(), 0x58);
    let good = b"\xfe\x00\xfb\x01\x00\x00\x08greeting\x05hello\
        \xfe\x01\xfb\x01\x00\x12\x01l\x01\x02\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff\xff\0\0\0\0\0\0\0\0";
    let good = &[&before[..], library, good].concat();
    let path = folder.path("good.rdb");
    std::fs::write(&path, good).unwrap();
    let with = |path: &std::path::Path| {
        [
            RESP[0].into(),
            RESP[1].into(),
            "--load-rdb".into(),
            path.as_os_str().to_owned(),
        ]
    };
    let daemon = Daemon::start(with(&path));
    let mut client = connect(daemon.address("resp"));
    ask(&mut client, b"GET greeting\r\n", b"$5\r\nhello\r\n");
    ask(&mut client, b"SELECT 1\r\n", b"+OK\r\n");
    ask(&mut client, b"LINDEX l 0\r\n", b"$1\r\na\r\n");
    if cfg!(feature = "lua") {
        ask(&mut client, b"FCALL f 0\r\n", b":7\r\n");
    }
    daemon.expect_log("2 keys and 1 libraries of functions");
    drop(daemon);

    let bad = folder.path("bad.rdb");
    std::fs::write(&bad, &good[..42 + 3 + 88]).unwrap();
    let at_byte = ["--load-rdb", "bad.rdb", "at byte", "key \"greeting\""];
    fails(run(with(&bad)), 1, &at_byte);
    std::fs::write(&bad, b"REDIS0099").unwrap();
    fails(run(with(&bad)), 1, &["version \"0099\"", "1 to 12"]);
    fails(
        run(with(&folder.path("none"))),
        1,
        &["none", "No such file"],
    );
}

#[test]
fn a_log_goes_to_standard_error_and_says_nothing_of_requests() {
    let daemon = Daemon::start(RESP);
    let mut client = connect(daemon.address("resp"));
    for _ in 0..10 {
        ask(&mut client, PING, PONG);
        ask(
            &mut client,
            b"NONSENSE\r\n",
            b"-ERR unknown command 'NONSENSE', with args beginning with: \r\n",
        );
    }
    daemon.expect_log("is ready");
    daemon.signal(Signal::TERM);
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    let ended = daemon.wait(PATIENCE);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("stopped"));
}
