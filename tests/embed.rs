//! The server as a library: what a program that links it relies on.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pentad::keyspace::{Ttl, Type};
use pentad::storage::{Fsync, StorageError};
use pentad::testing::{self, ManualClock, TestServer};
use pentad::{
    BuildError, CommandError, CommandSpec, Message, Next, Protocol, ProtocolCx, RegisterError,
    ReplyBuffer, ReplyRef, RespValue, Seed, Server, SubmitError, Topic,
};

const LONG: Duration = Duration::from_secs(10);

/// A client that fails instead of waiting for ever.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Client {
            stream: BufReader::new(stream),
        }
    }

    fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, text: &str) -> String {
        self.send(text);
        self.line()
    }

    /// Whatever comes until the connection ends.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        let _ = self.stream.read_to_string(&mut rest);
        rest
    }
}

fn bare() -> Server {
    Server::builder().seed(Seed::fixed(1)).build().unwrap()
}

/// A server that the test itself turns, with a clock that stands still.
fn turned() -> (Server, ManualClock, String) {
    let clock = ManualClock::default();
    let server = Server::builder()
        .listen("resp://127.0.0.1:0")
        .seed(Seed::fixed(1))
        .clock(clock.clone())
        .build()
        .unwrap();
    let address = server.addresses().next().unwrap().1.to_owned();
    (server, clock, address)
}

fn turn_for(server: &mut Server, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        server.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

#[test]
fn what_moves_between_threads_may() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Server>();
    is_send::<pentad::Builder>();
    is_send::<pentad::Snapshot>();
    is_send::<pentad::Subscription>();
    is_send::<pentad::Handle>();
    is_sync::<pentad::Handle>();
}

#[test]
fn the_store_is_typed() {
    let mut server = bare();
    let mut store = server.store();
    store.set("k", "v");
    assert_eq!(store.get_vec("k").unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(store.incr_by("n", 5), Ok(5));
    assert_eq!(store.incr_by_float("n", 0.5).unwrap(), b"5.5");
    assert_eq!(store.append("k", "w"), Ok(2));
    assert_eq!(store.type_of("k"), Some(Type::String));
    assert!(store.expire_in("k", Duration::from_secs(5)));
    assert!(matches!(store.ttl("k"), Ttl::At(_)));
    assert!(store.persist("k") && store.ttl("k") == Ttl::Forever);
    store.rename("k", "l").unwrap();
    assert!(store.copy("l", "k", false).unwrap() && store.delete("l"));
    assert_eq!((store.ttl("l"), store.exists("k")), (Ttl::Missing, true));

    let mut list = store.list("list").unwrap();
    assert_eq!((list.push_back("b"), list.push_front("a")), (1, 2));
    assert!(list.insert_before("b", "ab"));
    assert_eq!(list.range(0, -1), ["a", "ab", "b"].map(Vec::from));
    assert_eq!(list.get(-1).as_deref(), Some(&b"b"[..]));
    list.set(0, "A").unwrap();
    list.trim(0, 1);
    assert_eq!((list.remove(0, "ab"), list.len()), (1, 1));
    assert_eq!(list.pop_back().as_deref(), Some(&b"A"[..]));
    assert_eq!((list.pop_front(), list.is_empty()), (None, true));
    assert!(!store.exists("list"), "an empty list is no key");

    let mut hash = store.hash("hash").unwrap();
    assert!(hash.set("f", "1") && !hash.set("f", "2"));
    assert_eq!(hash.incr_by("f", 40), Ok(42));
    assert_eq!(hash.get("f").as_deref(), Some(&b"42"[..]));
    assert!(hash.contains("f") && !hash.contains("g"));
    assert_eq!(hash.entries(), [(b"f".to_vec(), b"42".to_vec())]);
    assert!(hash.remove("f") && hash.is_empty());

    let mut set = store.set_of("set").unwrap();
    assert!(set.add("m") && !set.add("m") && set.contains("m"));
    assert_eq!(set.members(), [b"m".to_vec()]);
    assert_eq!(set.pop().as_deref(), Some(&b"m"[..]));
    assert!(!set.remove("m") && set.is_empty());

    let mut board = store.zset("board").unwrap();
    assert_eq!(board.add("ada", 36.0), Ok(true));
    assert!(board.add("bob", f64::NAN).is_err());
    assert_eq!(board.incr_by("bob", 1.5), Ok(1.5));
    assert_eq!(
        (board.rank("ada"), board.reverse_rank("ada")),
        (Some(1), Some(0))
    );
    assert_eq!(board.score("bob"), Some(1.5));
    assert_eq!(board.range(0, 0), [(b"bob".to_vec(), 1.5)]);
    assert_eq!(
        board.range_by_score(2.0..=f64::INFINITY),
        [(b"ada".to_vec(), 36.0)]
    );
    assert_eq!(board.pop_max(), Some((b"ada".to_vec(), 36.0)));
    assert!(board.remove("bob") && board.pop_min().is_none());

    let mut stream = store.stream("stream").unwrap();
    let first = stream.add(&[("a", "1"), ("b", "2")]).unwrap();
    let second = stream.add(&[("a", "3")]).unwrap();
    assert_eq!((stream.len(), stream.last_id()), (2, second));
    let entries = stream.after(first, 10);
    assert_eq!(entries, [(second, vec![(b"a".to_vec(), b"3".to_vec())])]);
    assert_eq!(stream.range(first..=second, 1).len(), 1);
    assert_eq!(
        (stream.trim(1), stream.remove(second), stream.is_empty()),
        (1, true, true)
    );

    let mut series = store.series("cpu").unwrap();
    series.add(2, 20.0).unwrap();
    series.add(1, 10.0).unwrap();
    assert_eq!((series.len(), series.last().unwrap().value), (2, 20.0));
    assert_eq!(series.range(0..=1)[0].value, 10.0);
    assert_eq!(series.remove(1..=1), 1);
    assert_eq!(store.series_keys(), [b"cpu".to_vec()]);

    store.set_json("doc", r#"{"a": [1, 2]}"#).unwrap();
    assert_eq!(store.type_of("doc"), Some(Type::Json));
    assert!(store.set_json("doc", "{").is_err());

    assert_eq!(store.list("k").unwrap_err().found, Type::String);
    assert_eq!(store.get("cpu").unwrap_err().found, Type::Series);
    assert_eq!(
        store.keys(),
        ["cpu", "doc", "k", "n", "stream"].map(Vec::from)
    );
    let mut seen = 0;
    let mut cursor = 0;
    loop {
        cursor = store.scan(cursor, 2, |_, _| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, store.len());

    let mut other = store.database(3).unwrap();
    assert!(other.is_empty());
    other.set("k", "other");
    assert_eq!(store.get_vec("k").unwrap().unwrap(), b"vw");
    assert_eq!(store.database(16).unwrap_err().db, 16);
    store.flush();
    assert_eq!((store.len(), store.database(3).unwrap().len()), (0, 1));
    store.flush_all();
    assert_eq!(store.database(3).unwrap().len(), 0);
}

#[test]
fn commands_run_in_process() {
    let mut server = bare();
    let mut store = server.store();
    let simple = |text: &str| RespValue::Simple(text.to_owned());
    assert_eq!(store.execute(["SET", "k", "a\r\nb"]), Ok(simple("OK")));
    assert_eq!(
        store.execute(["get", "k"]).unwrap().as_bytes(),
        Some(&b"a\r\nb"[..])
    );
    assert_eq!(
        store.execute(["INCRBYFLOAT", "f", "1.5"]).unwrap().as_str(),
        Some("1.5")
    );
    store.execute(["HSET", "h", "f", "v"]).unwrap();
    let hash = store.execute(["HGETALL", "h"]).unwrap();
    assert_eq!(hash.field("f").and_then(RespValue::as_str), Some("v"));
    store.execute(["ZADD", "z", "1.5", "m"]).unwrap();
    assert_eq!(
        store.execute(["ZSCORE", "z", "m"]).unwrap().as_f64(),
        Some(1.5)
    );
    assert!(store.execute(["GET", "none"]).unwrap().is_null());
    let error = store.execute(["INCR", "h"]).unwrap_err();
    assert_eq!(error.code(), "WRONGTYPE");
    assert_eq!(store.execute(["NONSENSE"]).unwrap_err().code(), "ERR");
    assert_eq!(
        store.execute(["GET"]).unwrap_err().text(),
        "ERR wrong number of arguments for 'get' command"
    );
    assert!(store.execute([""; 0]).is_err());
    let long = vec![b'x'; 300_000];
    store.execute([&b"SET"[..], b"long", &long]).unwrap();
    assert_eq!(
        store.execute(["GET", "long"]).unwrap().as_bytes(),
        Some(&long[..])
    );

    // What waits answers at once, and what needs a conversation is refused.
    assert!(store.execute(["BLPOP", "none", "0"]).unwrap().is_null());
    for command in [
        "MULTI",
        "WATCH k",
        "SUBSCRIBE c",
        "MONITOR",
        "QUIT",
        "CLIENT REPLY OFF",
        "HELLO 3",
        "SELECT 1",
    ] {
        let error = store.execute(command.split(' ')).unwrap_err();
        assert!(
            error.text().ends_with("needs a connection"),
            "{command}: {error}"
        );
    }
    let mut buffer = ReplyBuffer::default();
    assert_eq!(buffer.reply(), ReplyRef::Null);
    assert_eq!(
        store.execute_into(["STRLEN", "k"], &mut buffer),
        ReplyRef::Integer(4)
    );
    assert_eq!(
        store.execute_into(["GET", "k"], &mut buffer),
        ReplyRef::Bulk(b"a\r\nb")
    );
    assert_eq!(buffer.as_bytes(), b"$4\r\na\r\nb\r\n");
    let mut second = store.database(2).unwrap();
    assert!(second.execute(["GET", "k"]).unwrap().is_null());
}

#[test]
fn what_the_host_writes_has_all_its_consequences() {
    let (server, _, address) = turned();
    let server = server.spawn().unwrap();
    let mut waits = Client::connect(&address);
    let mut watches = Client::connect(&address);
    let mut caches = Client::connect(&address);
    waits.send("CLIENT ID\r\nBLPOP list 0\r\n");
    assert!(waits.line().starts_with(':'));
    assert_eq!(watches.ask("WATCH k\r\n"), "+OK");
    assert_eq!(watches.ask("MULTI\r\n"), "+OK");
    caches.send("HELLO 3\r\nCLIENT TRACKING on\r\nGET k\r\n");
    while caches.line() != "_" {}
    server
        .handle()
        .submit(|store| {
            store.list("list").unwrap().push_back("job");
            store.set("k", "v");
        })
        .wait()
        .unwrap();
    assert_eq!(
        [
            waits.line(),
            waits.line(),
            waits.line(),
            waits.line(),
            waits.line()
        ],
        ["*2", "$4", "list", "$3", "job"]
    );
    assert_eq!(watches.ask("EXEC\r\n"), "*-1");
    assert_eq!([caches.line(), caches.line()], [">2", "$10"]);
    assert!(server.stop().unwrap());
}

#[test]
fn a_group_is_told_as_one_when_it_is_over() {
    let mut server = bare();
    let mut store = server.store();
    let keys = store.subscribe(Topic::keys("*"), 10);
    store.group(|store| {
        store.set("a", "1");
        store.execute(["SET", "b", "2"]).unwrap();
        assert_eq!(keys.try_next(), None);
    });
    let event = |key: &str| Message::Key {
        db: 0,
        event: "set",
        key: key.into(),
    };
    assert_eq!(
        (keys.try_next(), keys.try_next()),
        (Some(event("a")), Some(event("b")))
    );
}

#[test]
fn the_host_hears_of_messages_and_keys() {
    let mut server = bare();
    let mut store = server.store();
    let news = store.subscribe(Topic::channel("news"), 2);
    let keys = store.subscribe(Topic::keys("user:*"), 10);
    assert_eq!(
        store.execute(["PUBLISH", "news", "one"]).unwrap().as_i64(),
        Some(1)
    );
    assert_eq!(store.publish("news", "two"), 1);
    store.publish("news", "three");
    let published = |payload: &str| Message::Published {
        channel: b"news".to_vec(),
        payload: payload.into(),
    };
    assert_eq!(news.try_next(), Some(published("one")));
    assert_eq!(news.wait(Duration::ZERO), Some(published("two")));
    assert_eq!((news.try_next(), news.missed()), (None, 1));
    store.set("other", "1");
    store.hash("user:1").unwrap().set("name", "ada");
    store.delete("user:1");
    store.flush();
    let told: Vec<_> = std::iter::from_fn(|| keys.try_next()).collect();
    let key = |event| Message::Key {
        db: 0,
        event,
        key: b"user:1".to_vec(),
    };
    assert_eq!(told, [key("hset"), key("del"), Message::Database(0)]);
    drop((news, keys));
    assert_eq!(store.publish("news", "four"), 0);
}

#[test]
fn two_servers_in_one_process_do_not_see_each_other() {
    let first = testing::server();
    let second = testing::server();
    assert_ne!(first.port(), second.port());
    first.with(|store| store.set("k", "first"));
    second.with(|store| store.set("k", "second"));
    first.clock().advance(Duration::from_secs(3600));
    let mut client = Client::connect(&first.url()["redis://".len()..]);
    assert_eq!(client.ask("SET only here\r\n"), "+OK");
    assert_eq!(client.ask("PUBLISH c m\r\n"), ":0");
    assert!(!second.with(|store| store.exists("only")));
    assert_eq!(
        second.with(|store| store.get_vec("k")).unwrap().unwrap(),
        b"second"
    );
    assert_ne!(
        first.with(|store| store.now()),
        second.with(|store| store.now())
    );
    drop(first);
    assert!(
        second.with(|store| store.exists("k")),
        "the other one is still there"
    );
}

#[test]
fn what_the_host_keeps_is_there_again() {
    let folder = std::env::temp_dir().join(format!("pentad-embed-{}", std::process::id()));
    let builder = || {
        let builder = Server::builder().data(&folder, Fsync::EverySecond);
        builder.listen("resp://127.0.0.1:0")
    };

    let running = builder().build().unwrap().spawn().unwrap();
    let mut client = Client::connect(running.address().unwrap());
    assert_eq!(client.ask("SET by-a-client 1\r\n"), "+OK");
    let locked = builder().build().map(|_| ()).unwrap_err();
    assert!(
        matches!(&locked, BuildError::Data(StorageError::Locked { .. })),
        "{locked}"
    );
    running.stop().unwrap();

    let mut server = builder().build().unwrap();
    assert!(server.store().exists("by-a-client"), "it is loaded already");
    server.store().set("by-the-host", "2");
    server.close().unwrap();

    let mut server = builder().build().unwrap();
    assert_eq!(server.store().len(), 2);
    server.store().delete("by-a-client");
    // A turn is enough.
    server.turn(Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(builder().build().unwrap().store().len(), 1);

    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        std::fs::write(&path, b"PENTADS1 and then nonsense").unwrap();
    }
    let damaged = builder().build().map(|_| ()).unwrap_err();
    assert!(
        matches!(&damaged, BuildError::Data(StorageError::Damaged { .. })),
        "{damaged}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_command_of_the_hosts_own_is_a_command() {
    const SPEC: CommandSpec = CommandSpec::new(-2)
        .writes_key()
        .summary("Adds numbers.")
        .since("1.0.0")
        .complexity("O(N)")
        .arguments("key [number...]");
    let mut calls = 0;
    let server = Server::builder()
        .listen("resp://127.0.0.1:0")
        .command("MY.ADD", SPEC, move |cx, args| {
            calls += 1;
            let mut sum = 0;
            for index in 2..args.len() {
                sum += args.integer(index)?;
            }
            let total = cx.store().incr_by(&args[1], sum)?;
            cx.store()
                .execute(["SET", "calls", &calls.to_string()])
                .map_err(CommandError::err)?;
            let mut reply = cx.reply();
            reply.map(1);
            reply.bulk(b"total");
            reply.integer(total);
            Ok(())
        })
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let address = server.address().unwrap();
    let mut client = Client::connect(address);
    client.send("my.add t 1 2\r\n");
    assert_eq!(
        [client.line(), client.line(), client.line(), client.line()],
        ["*2", "$5", "total", ":3"]
    );
    assert_eq!(
        client.ask("MY.ADD t x\r\n"),
        "-ERR value is not an integer or out of range"
    );
    assert_eq!(
        client.ask("MY.ADD\r\n"),
        "-ERR wrong number of arguments for 'MY.ADD' command"
    );
    assert_eq!(client.ask("GET t\r\n"), "$1");
    client.line();
    let read = |command: &'static str| {
        server
            .handle()
            .submit(move |store| store.execute(command.split(' ')))
            .wait()
            .unwrap()
            .unwrap()
    };
    let info = read("COMMAND INFO my.add");
    let row = info.items()[0].items();
    assert_eq!(
        (row[0].as_str(), row[1].as_i64(), row[3].as_i64()),
        (Some("MY.ADD"), Some(-2), Some(1))
    );
    assert!(
        row[2]
            .items()
            .iter()
            .any(|flag| flag.as_str() == Some("write"))
    );
    let docs = read("COMMAND DOCS my.add");
    let docs = docs.field("MY.ADD").unwrap();
    assert_eq!(
        docs.field("summary").unwrap().as_str(),
        Some("Adds numbers.")
    );
    assert_eq!(docs.field("arguments").unwrap().items().len(), 2);
    assert_eq!(
        read("COMMAND GETKEYS MY.ADD k 1").items()[0].as_str(),
        Some("k")
    );
    assert_eq!(
        read("COMMAND COUNT").as_i64().unwrap(),
        read("COMMAND LIST")
            .items()
            .iter()
            .filter(|name| !name.as_str().unwrap().contains('|'))
            .count() as i64
    );
    assert_eq!(
        read("GET calls").as_str(),
        Some("1"),
        "a refused call ends before"
    );

    // In a transaction, and watched, it is as any other.
    let mut other = Client::connect(address);
    assert_eq!(other.ask("WATCH t\r\n"), "+OK");
    client.send("MULTI\r\nMY.ADD t 10\r\nEXEC\r\n");
    let lines: Vec<String> = (0..7).map(|_| client.line()).collect();
    assert_eq!(lines, ["+OK", "+QUEUED", "*1", "*2", "$5", "total", ":13"]);
    other.send("MULTI\r\nEXEC\r\n");
    assert_eq!([other.line(), other.line()], ["+OK", "*-1"]);
    let stats = read("INFO commandstats");
    let line = stats.as_str().unwrap().lines();
    let line = { line }.find_map(|line| line.strip_prefix("cmdstat_MY.ADD:"));
    let line = line.unwrap();
    assert!(line.starts_with("calls=3,"), "{line}");
    assert!(line.ends_with(",rejected_calls=1,failed_calls=1"), "{line}");
}

#[test]
fn settings_are_in_force_before_anything_listens() {
    let server = Server::builder()
        .listen("resp://127.0.0.1:0")
        .setting("requirepass", "secret")
        .setting("maxclients", "1")
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let mut client = Client::connect(server.address().unwrap());
    assert_eq!(client.ask("PING\r\n"), "-NOAUTH Authentication required.");
    assert_eq!(client.ask("AUTH secret\r\n"), "+OK");
    let mut other = Client::connect(server.address().unwrap());
    assert_eq!(other.line(), "-ERR max number of clients reached");

    let refused = |name, value: &str| match Server::builder().setting(name, value).build() {
        Err(BuildError::Setting(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused("nonsense", "1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'"
    );
    assert_eq!(
        refused("timeout", "-1"),
        "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 9223372036854775807 inclusive"
    );
}

#[test]
fn what_a_command_may_not_be_is_refused() {
    let register = |name, spec| {
        let built = Server::builder().command(name, spec, |_, _| Ok(())).build();
        match built {
            Err(BuildError::Command(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let one = CommandSpec::new(1);
    assert_eq!(register("get", one), RegisterError::Taken("get"));
    assert_eq!(register("GET", one), RegisterError::Taken("GET"));
    for name in ["", "a b", "a|b", "\u{e4}"] {
        assert_eq!(register(name, one), RegisterError::BadName(name));
    }
    assert_eq!(register("x", CommandSpec::new(0)), RegisterError::BadArity);
    assert!(matches!(
        register("x", one.arguments("[")),
        RegisterError::BadArguments(..)
    ));
}

#[test]
fn a_faulty_command_costs_its_client_an_error_and_nobody_else_anything() {
    let mut server = Server::builder()
        .command("PANICS", CommandSpec::new(1), |cx, _| {
            cx.store().set("before", "1");
            cx.reply().array(3);
            panic!("on purpose");
        })
        .command("SILENT", CommandSpec::new(1), |_, _| Ok(()))
        .command("TWICE", CommandSpec::new(1), |cx, _| {
            cx.reply().ok();
            cx.reply().ok();
            Ok(())
        })
        .command("SELF", CommandSpec::new(1), |cx, _| {
            let error = cx.store().execute(["SELF"]).unwrap_err();
            cx.reply().simple(error.text());
            Ok(())
        })
        .build()
        .unwrap();
    let mut store = server.store();
    let keys = store.subscribe(Topic::keys("*"), 10);
    for _ in 0..2 {
        assert_eq!(
            store.execute(["PANICS"]).unwrap_err().text(),
            "ERR 'PANICS' has failed"
        );
    }
    assert!(matches!(
        keys.try_next(),
        Some(Message::Key { event: "set", .. })
    ));
    assert_eq!(
        store.execute(["SILENT"]).unwrap_err().text(),
        "ERR 'SILENT' gave no reply"
    );
    assert_eq!(
        store.execute(["TWICE"]).unwrap_err().text(),
        "ERR 'TWICE' gave no reply"
    );
    assert_eq!(
        store.execute(["SELF"]).unwrap().as_str(),
        Some("ERR 'SELF' calls itself")
    );
    assert_eq!(
        store.execute(["GET", "before"]).unwrap().as_str(),
        Some("1")
    );
}

#[test]
fn a_command_tells_its_client_what_it_has_subscribed_to_before_the_reply() {
    let server = Server::builder()
        .listen("resp://127.0.0.1:0")
        .command("SHOUT", CommandSpec::new(2), |cx, args| {
            let heard = cx.store().publish("c", &args[1]);
            cx.store()
                .execute(["PUBLISH", "c", "again"])
                .map_err(CommandError::err)?;
            cx.reply().count(heard);
            Ok(())
        })
        .build()
        .unwrap()
        .spawn()
        .unwrap();
    let mut client = Client::connect(server.address().unwrap());
    client.send("HELLO 3\r\nSUBSCRIBE c\r\n");
    while client.line() != "subscribe" {}
    let mut lines = vec![];
    client.send("SHOUT hi\r\n");
    while lines.last().is_none_or(|line| line != ":1") || lines.len() < 5 {
        lines.push(client.line());
    }
    assert_eq!(
        lines
            .iter()
            .filter(|line| !line.starts_with('$'))
            .map(|line| &**line)
            .collect::<Vec<_>>(),
        [
            "c", ":1", ">3", "message", "c", "hi", ">3", "message", "c", "again", ":1"
        ]
    );
}

struct Shout;

impl Protocol for Shout {
    fn step(&mut self, input: &[u8], cx: &mut ProtocolCx<'_>) -> Next {
        let Some(end) = input.iter().position(|byte| *byte == b'!') else {
            return if input.len() > 20 {
                Next::Close
            } else {
                Next::NeedMore
            };
        };
        match &input[..end] {
            b"quit" => {
                cx.write(b"bye");
                Next::Close
            }
            b"panic" => panic!("on purpose"),
            b"too much" => Next::Done(1000),
            word => {
                let count = cx.store().incr_by(word, 1).unwrap();
                cx.write(
                    format!("{}{count}!\n", String::from_utf8_lossy(word).to_uppercase())
                        .as_bytes(),
                );
                Next::Done(end + 1)
            }
        }
    }
}

#[test]
fn a_protocol_of_the_hosts_own_is_spoken() {
    let server = Server::builder()
        .protocol("shout", || Shout)
        .listen("shout://127.0.0.1:0?db=2")
        .build()
        .unwrap();
    let address = server.addresses().next().unwrap();
    assert_eq!(address.0.name(), "shout");
    let server = server.spawn().unwrap();
    let mut client = Client::connect(server.address().unwrap());
    client.send("hel");
    client.send("lo!hello!");
    assert_eq!([client.line(), client.line()], ["HELLO1!", "HELLO2!"]);
    client.send("quit!hello!");
    assert_eq!(client.rest(), "bye");
    for fault in ["panic!", "too much!", "a word that is by far too long"] {
        let mut client = Client::connect(server.address().unwrap());
        client.send(fault);
        assert_eq!(client.rest(), "", "{fault}");
    }
    let value = server
        .handle()
        .submit(|store| {
            store
                .database(2)?
                .execute(["GET", "hello"])
                .map_err(|_| pentad::store::NoSuchDatabase { db: 0 })
        })
        .wait()
        .unwrap();
    assert_eq!(value.unwrap().as_str(), Some("2"));

    let taken = Server::builder().protocol("resp", || Shout).build();
    assert!(matches!(taken, Err(BuildError::Protocol(_))));
    let unknown = Server::builder().listen("shout://127.0.0.1:0").build();
    assert!(matches!(unknown, Err(BuildError::Listen(..))));
}

struct Flag(std::sync::atomic::AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

#[test]
fn a_job_is_run_by_the_loop_and_its_result_awaited() {
    let mut server = bare();
    let handle = server.handle();
    let thread = std::thread::spawn(move || handle.submit(|store| store.incr_by("n", 1)).wait());
    while !thread.is_finished() {
        server.turn(Some(Duration::from_millis(10))).unwrap();
    }
    assert_eq!(thread.join().unwrap(), Ok(Ok(1)));

    let flag = Arc::new(Flag(false.into()));
    let waker = Waker::from(Arc::clone(&flag));
    let mut pending = pin!(server.handle().submit(|store| store.len()));
    let mut cx = Context::from_waker(&waker);
    assert_eq!(pending.as_mut().poll(&mut cx), Poll::Pending);
    // A turn that may wait for ever does not, since there is something to do.
    server.turn(None).unwrap();
    assert!(flag.0.load(std::sync::atomic::Ordering::Acquire));
    assert_eq!(pending.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));

    let late = server
        .handle()
        .submit(|_| ())
        .wait_for(Duration::from_millis(1));
    assert!(late.is_err(), "nobody turns");

    let panics = server.handle().submit(|_| panic!("on purpose"));
    server.turn(None).unwrap();
    assert_eq!(panics.wait(), Err::<(), _>(SubmitError::Panicked));

    let handle = server.handle();
    let unserved = handle.submit(|store| store.len());
    drop(server);
    assert_eq!(unserved.wait(), Err(SubmitError::Gone));
    assert_eq!(
        handle.submit(|store| store.len()).wait(),
        Err(SubmitError::Gone)
    );
}

#[test]
fn jobs_are_run_in_order_however_many_they_are() {
    let server = testing::server();
    let handle = server.running().handle();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                for n in 0..1000 {
                    drop(handle.submit(move |store| {
                        let name = format!("list{thread}");
                        store.list(&name).unwrap().push_back(n.to_string());
                    }));
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for thread in 0..4 {
        let got =
            server.with(move |store| store.list(&format!("list{thread}")).unwrap().range(0, -1));
        assert!(
            got.iter()
                .enumerate()
                .all(|(n, text)| *text == n.to_string().into_bytes())
        );
        assert_eq!(got.len(), 1000);
    }
}

#[test]
fn a_host_that_turns_only_now_and_then_loses_nothing() {
    let (mut server, _, address) = turned();
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(&address)).collect();
    for round in 0..20 {
        for client in &mut clients {
            client.send("INCR n\r\nPING\r\n");
        }
        // The host is busy with something else, and gives the server a moment.
        std::thread::sleep(Duration::from_millis(5));
        let turns = if round == 0 { 10 } else { 3 };
        for _ in 0..turns {
            server.turn(Some(Duration::ZERO)).unwrap();
        }
    }
    turn_for(&mut server, Duration::from_millis(20));
    for client in &mut clients {
        for _ in 0..20 {
            assert!(client.line().starts_with(':'));
            assert_eq!(client.line(), "+PONG");
        }
    }
    assert_eq!(
        server.store().get("n").unwrap().unwrap().to_i64(),
        Some(200)
    );
}

#[test]
fn a_stalled_host_is_latency_and_no_loss() {
    let (mut server, _, address) = turned();
    let mut client = Client::connect(&address);
    turn_for(&mut server, Duration::from_millis(10));
    let started = Instant::now();
    client.send("SET k v\r\n");
    // More come while nobody looks; the system keeps them.
    let more: Vec<Client> = (0..50).map(|_| Client::connect(&address)).collect();
    std::thread::sleep(Duration::from_millis(100));
    turn_for(&mut server, Duration::from_millis(20));
    assert_eq!(client.line(), "+OK");
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(server.engine().connections(), 51);
    drop(more);
}

#[test]
fn a_timeout_is_kept_by_a_host_that_was_busy_before_it_turns() {
    let mut server = Server::builder()
        .listen("resp://127.0.0.1:0")
        .build()
        .unwrap();
    let mut client = Client::connect(server.addresses().next().unwrap().1);
    client.send("BLPOP none 0.2\r\n");
    turn_for(&mut server, Duration::from_millis(20));
    let waits = server.next_timeout().unwrap();
    assert!(
        waits <= Duration::from_millis(200) && waits > Duration::ZERO,
        "{waits:?}"
    );
    std::thread::sleep(Duration::from_millis(150));
    // What is left is measured from now, not from the last turn.
    assert!(server.next_timeout().unwrap() <= Duration::from_millis(50));
    let started = Instant::now();
    server.turn(None).unwrap();
    assert!(
        started.elapsed() < Duration::from_millis(120),
        "{:?}",
        started.elapsed()
    );
    turn_for(&mut server, Duration::from_millis(5));
    assert_eq!(client.line(), "*-1");
}

#[test]
fn a_stop_answers_who_is_in_the_middle_of_a_request() {
    let (server, _, address) = turned();
    let server = server.spawn().unwrap();
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(&address)).collect();
    for client in &mut clients {
        assert_eq!(client.ask("PING\r\n"), "+PONG");
    }
    for client in &mut clients {
        client.send(&"INCR n\r\n".repeat(2000));
        client.send("GET n");
    }
    let handle = server.handle().clone();
    assert!(server.stop().unwrap());
    for client in clients {
        // All that was whole is answered, and then the connection ends.
        assert_eq!(client.rest().lines().count(), 2000);
    }
    assert_eq!(
        handle.submit(|store| store.len()).wait(),
        Err(SubmitError::Gone)
    );
}

#[test]
fn a_stop_ends_though_a_client_does_not_read_and_the_clock_stands_still() {
    let builder = Server::builder()
        .listen("resp://127.0.0.1:0")
        .grace(Duration::from_millis(100));
    let server = testing::start(builder).unwrap();
    server.with(|store| store.set("k", vec![b'x'; 64 << 20]));
    let address = server.url().replace("redis://", "");
    let mut client = Client::connect(&address);
    client.send("GET k\r\n");
    // More than the sockets take.
    assert_eq!(client.line(), format!("${}", 64 << 20));
    let started = Instant::now();
    drop(server);
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
}

#[test]
fn a_clock_goes_on_by_itself_when_it_is_let_run() {
    let clock = ManualClock::default();
    let builder = Server::builder().listen("resp://127.0.0.1:0");
    let server = testing::start_with(builder, clock.clone()).unwrap();
    let address = server.url().replace("redis://", "");
    let mut waits = Client::connect(&address);
    assert_eq!(waits.ask("PING\r\n"), "+PONG");
    clock.run();
    assert!(clock.is_running());
    // Nothing but time lets this end.
    assert_eq!(waits.ask("BLPOP none 0.05\r\n"), "*-1");
    server.with(|store| store.set_for("k", "v", Duration::from_secs(60)));
    clock.advance(Duration::from_secs(61));
    assert!(!server.with(|store| store.exists("k")));
    clock.stop();
    let stopped = server.with(|store| store.now());
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(server.with(|store| store.now()), stopped);
    assert!(!clock.is_running());
}

#[test]
fn what_the_host_does_is_sent_without_another_event() {
    let (mut server, _, address) = turned();
    let mut client = Client::connect(&address);
    client.send("BLPOP list 0\r\n");
    turn_for(&mut server, Duration::from_millis(20));
    assert_eq!(server.next_timeout(), None);
    server.store().list("list").unwrap().push_back("job");
    assert_eq!(server.next_timeout(), Some(Duration::ZERO));
    #[cfg(unix)]
    assert!(is_readable(&server, 0), "a host that polls it sees it");
    server.turn(None).unwrap();
    assert_eq!(client.line(), "*2");
}

#[cfg(unix)]
fn is_readable(server: &Server, timeout_ms: i64) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(server, PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: timeout_ms / 1000,
        tv_nsec: timeout_ms % 1000 * 1_000_000,
    };
    poll(&mut fds, Some(&timeout)).unwrap() == 1
}

#[cfg(unix)]
#[test]
fn a_hosts_poller_can_hold_the_server() {
    let (mut server, clock, address) = turned();
    assert!(!is_readable(&server, 0));
    let mut client = Client::connect(&address);
    let mut answered = String::new();
    client.send("BLPOP none 60\r\n");
    let deadline = Instant::now() + LONG;
    while answered != "*-1" {
        assert!(Instant::now() < deadline);
        let timeout_ms = server
            .next_timeout()
            .map_or(50, |timeout| timeout.as_millis().min(50) as i64);
        if is_readable(&server, timeout_ms) || server.next_timeout() == Some(Duration::ZERO) {
            server.turn(Some(Duration::ZERO)).unwrap();
        }
        if server.engine().connections() == 1 && server.engine().next_wait_deadline_ms().is_some() {
            clock.advance(Duration::from_secs(61));
            assert!(is_readable(&server, 1000), "a clock that is set wakes it");
            turn_for(&mut server, Duration::from_millis(5));
            answered = client.line();
        }
    }
}

#[test]
fn time_is_what_the_clock_says() {
    let server = testing::server();
    let address = server.url().replace("redis://", "");
    let mut client = Client::connect(&address);
    assert_eq!(client.ask("TIME\r\n"), "*2");
    assert_eq!([client.line(), client.line()], ["$10", "1735689600"]);
    client.line();
    client.line();
    assert_eq!(client.ask("SET k v EX 10\r\n"), "+OK");
    client.send("XADD s * a 1\r\n");
    assert_eq!([client.line(), client.line()], ["$15", "1735689600000-0"]);
    let mut waits = Client::connect(&address);
    waits.send("BLPOP none 30\r\n");
    server.clock().advance(Duration::from_secs(11));
    assert_eq!(client.ask("EXISTS k\r\n"), ":0");
    client.send("XADD s * a 1\r\n");
    assert_eq!([client.line(), client.line()], ["$15", "1735689611000-0"]);
    // It has begun to wait before the clock moves on, and hears of the end at once.
    until_info(&server, "clients", |info| {
        !info.contains("blocked_clients:0")
    });
    let started = Instant::now();
    server.clock().advance(Duration::from_secs(31));
    assert_eq!(waits.line(), "*-1");
    assert!(
        started.elapsed() < Duration::from_millis(50),
        "{:?}",
        started.elapsed()
    );
    server.clock().set_unix_ms(1_000_000_000_000);
    assert_eq!(client.ask("TIME\r\n"), "*2");
    assert_eq!([client.line(), client.line()], ["$10", "1000000000"]);
}

#[test]
fn a_test_goes_back_to_a_snapshot_and_its_clients_stay() {
    let server = testing::server();
    let mut client = Client::connect(&server.url().replace("redis://", ""));
    server.with(|store| {
        store.set("k", "1");
        store.set_for("t", "1", Duration::from_secs(100));
        store.list("l").unwrap().push_back("a");
        store.series("s").unwrap().add(1, 1.0).unwrap();
        store.database(3).unwrap().set("k", "3");
    });
    let before = server.with(|store| store.execute(["SPOP", "none"]));
    let snapshot = server.snapshot();
    let draw = |server: &TestServer| server.with(|store| store.execute(["RANDOMKEY"]).unwrap());
    let first_draw = draw(&server);
    for _ in 0..3 {
        assert_eq!(client.ask("WATCH k\r\n"), "+OK");
        assert_eq!(client.ask("FLUSHALL\r\n"), "+OK");
        assert_eq!(client.ask("SADD k now a set\r\n"), ":3");
        assert_eq!(client.ask("SET new 1\r\n"), "+OK");
        server.restore(&snapshot);
        let left = server.with(|store| (store.keys(), store.ttl("t"), store.series_keys()));
        assert_eq!(left.0, ["k", "l", "s", "t"].map(Vec::from));
        assert_eq!(left.1, Ttl::At(1_735_689_700_000));
        assert_eq!(left.2, [b"s".to_vec()]);
        assert_eq!(
            server
                .with(|store| store.database(3).unwrap().get_vec("k"))
                .unwrap()
                .unwrap(),
            b"3"
        );
        assert_eq!(draw(&server), first_draw, "chance is the same again");
        client.send("MULTI\r\nEXEC\r\n");
        assert_eq!(
            [client.line(), client.line()],
            ["+OK", "*-1"],
            "a watched key may be different"
        );
    }
    assert!(before.unwrap().is_null());
    let other = Server::builder()
        .seed(Seed::fixed(99))
        .build()
        .unwrap()
        .store()
        .snapshot();
    let refused = server.with(move |store| store.restore(&other));
    assert!(refused.is_err());
}

/// Waits until a section of INFO is as it should be.
fn until_info(server: &TestServer, section: &'static str, is_so: impl Fn(&str) -> bool) {
    let started = Instant::now();
    loop {
        let info = server.with(move |store| store.execute(["INFO", section]));
        let info = info.unwrap().as_str().unwrap().to_owned();
        if is_so(&info) {
            return;
        }
        assert!(started.elapsed() < LONG, "{info}");
    }
}

#[test]
fn faults_come_when_a_test_asks_for_them() {
    let server = testing::server();
    let address = server.url().replace("redis://", "");
    let mut client = Client::connect(&address);
    assert_eq!(client.ask("PING\r\n"), "+PONG");
    server.drop_clients();
    assert_eq!(client.rest(), "");

    server.refuse_next(2);
    for expected in ["", "", "+PONG"] {
        let mut client = Client::connect(&address);
        let _ = client.stream.get_mut().write_all(b"PING\r\n");
        let mut line = String::new();
        let _ = client.stream.read_line(&mut line);
        assert_eq!(line.trim_end(), expected);
    }

    let mut client = Client::connect(&address);
    assert_eq!(client.ask("PING\r\n"), "+PONG");
    server.delay_replies(Duration::from_millis(500));
    client.send("PING\r\n");
    client
        .stream
        .get_mut()
        .set_read_timeout(Some(Duration::from_millis(30)))
        .unwrap();
    assert!(client.stream.fill_buf().is_err(), "it is held back");
    client
        .stream
        .get_mut()
        .set_read_timeout(Some(LONG))
        .unwrap();
    server.clock().advance(Duration::from_millis(500));
    assert_eq!(client.line(), "+PONG");
    // What waits already goes out when there is no delay any more.
    client.send("PING\r\n");
    until_info(&server, "commandstats", |info| {
        info.contains("cmdstat_ping:calls=5")
    });
    server.delay_replies(Duration::ZERO);
    assert_eq!(client.line(), "+PONG");
    assert_eq!(client.ask("PING\r\n"), "+PONG");
}
