//! # Embedding pentad
//!
//! How a program links the server: what it holds, who turns it, how to get at the data, how to add to it, how to test
//! with it. All code here is compiled and run.
//!
//! # A server in a program
//!
//! ```
//! use pentad::Server;
//!
//! let mut server = Server::builder()
//!     .listen("resp://127.0.0.1:0")        // any Redis client; port 0 takes a free one
//!     .listen("metrics://127.0.0.1:0?db=1")
//!     .build()?;
//! for (scheme, address) in server.addresses() {
//!     println!("{scheme} at {address}");
//! }
//! server.store().set("greeting", "hello"); // nobody has to connect for that
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A server is a value: no globals, no thread, no signal handler, no logger, no allocator, no exit. There may be any
//! number of them in a process. Without listeners it is a keyspace with expiry, events and commands.
//!
//! # Who turns the loop
//!
//! **A thread of its own**: [`Server::spawn`](crate::Server::spawn). It is stopped and joined when the guard is dropped;
//! what clients had sent by then is answered.
//!
//! ```
//! let server = pentad::Server::builder().listen("resp://127.0.0.1:0").build()?.spawn()?;
//! let hits = server.handle().submit(|store| store.incr_by("hits", 1)).wait()??;
//! assert_eq!(hits, 1);
//! assert!(server.stop()?, "all was sent");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **The thread that calls**: [`Server::run`](crate::Server::run) until [`Handle::stop`](crate::Handle::stop).
//!
//! **The program, when it likes**: [`Server::turn`](crate::Server::turn). A program that turns only now and then loses
//! nothing: what comes meanwhile waits in the sockets, and shows as latency.
//!
//! ```
//! use std::time::Duration;
//! # let mut server = pentad::Server::builder().build()?;
//! # for _ in 0..3 {
//! server.turn(Some(Duration::ZERO))?;      // between two frames of a game, say
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **The program's own poller** (mio, epoll, kqueue, tokio, calloop ...): a server is
//! [`AsFd`](std::os::fd::AsFd) and [`AsRawFd`](std::os::fd::AsRawFd). Its descriptor is readable when there is something
//! to do, and [`Server::next_timeout`](crate::Server::next_timeout) says how long it can be left alone when it is not:
//!
//! ```
//! # #[cfg(unix)] {
//! use std::time::{Duration, Instant};
//! use mio::{Events, Interest, Poll, Token, unix::SourceFd};
//! use std::os::fd::AsRawFd;
//!
//! let mut server = pentad::Server::builder().listen("resp://127.0.0.1:0").build()?;
//! let mut poll = Poll::new()?;
//! let descriptor = server.as_raw_fd();
//! poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)?;
//!
//! let mut client = std::net::TcpStream::connect(server.addresses().next().unwrap().1)?;
//! std::io::Write::write_all(&mut client, b"SET k v\r\n")?;
//! let mut events = Events::with_capacity(16);
//! while server.store().is_empty() {
//!     poll.poll(&mut events, server.next_timeout())?;
//!     server.turn(Some(Duration::ZERO))?; // it never waits here, and does nothing when there is nothing to do
//! }
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/in_tokio.rs` does the same within tokio.
//!
//! # The data
//!
//! [`Server::store`](crate::Server::store) lends the data for a while: a call costs what a call costs, plus a lookup.
//! Every write has the consequences of a client's: who watches the key is told, who waits for it is served, caches are
//! invalidated, events published.
//!
//! ```
//! use std::time::Duration;
//! use pentad::keyspace::{Condition, SetOptions};
//! # let mut server = pentad::Server::builder().build()?;
//! let mut store = server.store();
//! store.set("user:1", "ada");
//! assert_eq!(store.get_vec("user:1")?.as_deref(), Some(&b"ada"[..]));
//! store.set_for("session", "ada", Duration::from_secs(60));
//! let options = SetOptions { condition: Condition::IfMissing, ..SetOptions::default() };
//! assert!(!store.set_with("session", "bob", options)?.stored);
//!
//! let mut board = store.zset("board")?;
//! board.add("ada", 36.0)?;
//! board.add("bob", 12.0)?;
//! assert_eq!((board.rank("ada"), board.len()), (Some(1), 2));
//! store.list("jobs")?.push_back("first");
//! store.hash("ada")?.set("born", "1815");
//! store.set_of("tags")?.add("maths");
//! store.stream("log")?.add(&[("event", "login")])?;
//! store.series("cpu")?.add(1_700_000_000, 0.5)?;
//! store.database(3)?.set("elsewhere", "1");
//!
//! // A key of another type is an error, not a surprise.
//! assert!(store.list("user:1").is_err());
//! // Changes that belong together are told together.
//! store.group(|store| {
//!     store.set("a", "1");
//!     store.set("b", "2");
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The time is read when the store is lent. Whoever holds one for long lets keys live for longer.
//!
//! # Any command
//!
//! ```
//! # let mut server = pentad::Server::builder().build()?;
//! let mut store = server.store();
//! store.execute(["GEOADD", "cities", "13.4", "52.5", "berlin"])?;
//! let found = store.execute(["GEOPOS", "cities", "berlin"])?;
//! assert!(found.items()[0].items()[0].as_f64().is_some(), "a RESP3 value");
//! assert_eq!(store.execute(["LPUSH", "cities", "x"]).unwrap_err().code(), "WRONGTYPE");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`execute_into`](crate::Store::execute_into) uses memory again instead of building a tree. Each command stands for
//! itself: MULTI, WATCH, SUBSCRIBE and their like are refused, and what would wait (BLPOP) answers at once, as in a
//! transaction. A program that wants a conversation opens a connection with [`Engine::open`](crate::Engine::open).
//!
//! # Messages and events
//!
//! ```
//! use pentad::{Message, Topic};
//! # let mut server = pentad::Server::builder().build()?;
//! let mut store = server.store();
//! let events = store.subscribe(Topic::keys("user:*"), 1000);  // 1000 may wait; what is over is counted
//! store.set("user:1", "ada");
//! assert!(matches!(events.try_next(), Some(Message::Key { event: "set", .. })));
//! assert_eq!(events.missed(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The queue may be drained on another thread, which can [`wait`](crate::Subscription::wait) for the next.
//!
//! # Other threads
//!
//! A [`Handle`](crate::Handle) may be cloned and sent anywhere. [`submit`](crate::Handle::submit) has a closure run by
//! the loop; its result is waited for, or awaited in any executor. A server that is gone is a
//! [`SubmitError`](crate::SubmitError), and so is a closure that panicked.
//!
//! # Commands and protocols of the program's own
//!
//! [`Builder::command`](crate::Builder::command) adds a command for all RESP clients, which appears in COMMAND, COMMAND
//! INFO, COMMAND DOCS and COMMAND COUNT. [`Builder::protocol`](crate::Builder::protocol) adds a whole protocol, to be
//! listened for under a scheme of its own. What panics in either costs its client an error, or its connection, and
//! nobody else anything. `examples/custom_command.rs` and `examples/custom_protocol.rs` show both.
//!
//! # A transport of the program's own
//!
//! [`Engine`](crate::Engine) is the server without sockets: bytes in, bytes out, and the time handed in.
//!
//! ```
//! use pentad::{Address, Config, Engine, Listen, Now, Scheme, client::Peer};
//!
//! let mut engine = Engine::new(&Config::default(), Now::default());
//! let nowhere = Listen::new(Scheme::Counter, Address::Tcp("nowhere".to_owned(), 0));
//! let listener = engine.add_listener(nowhere, "nowhere".to_owned());
//! let connection = engine.open(listener, Peer::InProcess).unwrap();
//! engine.receive(connection, b"incr\nget\n");
//! assert_eq!(engine.output(connection), b"ok\nval 1\n");
//! ```
//!
//! `examples/own_transport.rs` shows the rest: what a turn does with a connection.
//!
//! # Keeping data
//!
//! [`Builder::data`](crate::Builder::data) keeps everything in files of a directory, and loads what is there
//! ([`sync_thread`](crate::Builder::sync_thread), if turns are not to wait for the disk). For all else,
//! [`Engine::set_storage`](crate::Engine::set_storage) takes a [`Storage`](crate::storage::Storage): those files
//! ([`Journal`](crate::storage::journal::Journal)), a table to be queried (feature `sqlite`), or whatever the program has;
//! `examples/own_storage.rs` writes one. [`Server::turn`](crate::Server::turn) loads, commits and takes snapshots, and
//! [`Server::close`](crate::Server::close) makes durable what there is.
//!
//! # Tests
//!
//! ```
//! use std::time::Duration;
//!
//! let server = pentad::testing::server();       // RESP on a free port, on a thread of its own
//! let _url = server.url();                      // for any Redis client
//! let empty = server.snapshot();
//!
//! server.with(|store| store.set_for("k", "v", Duration::from_secs(60)));
//! server.clock().advance(Duration::from_secs(61));
//! assert!(!server.with(|store| store.exists("k")));
//!
//! server.restore(&empty);                       // the next case; clients stay connected
//! server.refuse_next(1);                        // or faults
//! server.delay_replies(Duration::from_millis(50));
//! server.drop_clients();
//! ```
//!
//! The clock stands still until it is moved, and TTLs, timeouts of blocking commands, ids of streams and TIME follow it at
//! once. The seed is fixed: what is drawn at random is the same in each run.
//!
//! # From C
//!
//! `tools/install_c.sh PREFIX` installs `libpentad.so`, `libpentad.a`, `pentad.h` and what pkg-config needs. It is the feature
//! `capi`, and by hand: `cargo rustc --release --lib --no-default-features --features capi --crate-type cdylib,staticlib`.
//!
//! ```c
//! const char *listen[] = {"resp://127.0.0.1:0"};
//! pentad_options options = {.listen = listen, .listen_count = 1};
//! pentad_server *server = pentad_open(&options);
//! if (server == NULL) { fprintf(stderr, "%s\n", pentad_last_error()); return 1; }
//!
//! const char *argv[] = {"SET", "greeting", "hello"};
//! pentad_reply *reply = pentad_execute(server, 3, argv, NULL);
//! pentad_reply_free(reply);
//!
//! while (!pentad_stopping(server)) pentad_turn(server, 100);
//! pentad_run(server, 5000);  // answers what has been received
//! pentad_close(server);
//! ```
//!
//! With `.data = "/var/lib/app"` all data is kept in files there, and loaded when the server is opened. No panic leaves the
//! library; null pointers, and two threads in one server, are errors. `examples/c/epoll.c` has a
//! server in an epoll loop of its own.
//!
//! # From Python
//!
//! `pip install ./tools/python` installs the package `pentad`, fixtures for pytest, and the daemon and the load generator as
//! commands:
//!
//! ```python
//! import pentad, redis
//!
//! with pentad.Server() as server:
//!     client = redis.Redis(port=server.port)
//!     client.set("session", "ada", ex=60)
//!     server.clock.advance(61_000)
//!     assert server.get("session") is None
//!
//! def test_it(pentad_server, redis_url):  # empty for each test
//!     assert redis.Redis.from_url(redis_url).dbsize() == 0
//! ```
//!
//! # What it costs
//!
//! | features | what is compiled besides | for |
//! |---|---|---|
//! | `default-features = false` | mio, slab, memchr, log, siphasher, serde_json, crc32c (12 crates in all) | programs |
//! | `lua` (by default) | mlua and Lua 5.1, from its sources, with a C compiler (24 crates in all) | EVAL, FCALL and the like, which without it answer that it is missing |
//! | `sqlite` | rusqlite and SQLite, from its sources, with a C compiler | a storage that can be queried |
//! | `daemon` (by default) | `sqlite`, clap, simple_logger, toml, signal-hook, rustix, mimalloc (with `lua` 83 crates in all) | the binary |
//!
//! # Where it runs
//!
//! Linux is where it is tested. It is checked to compile for macOS (x86-64, ARM64), FreeBSD and Windows (MSVC, GNU); on
//! Windows there are no Unix sockets and no descriptor to poll.
//!
//! In debug builds Lua asserts how it is used, and its own `pcall` fails that when it gives some 30 values or more: the
//! process ends. Release builds do not; a program that runs the scripts of others in a debug build sets
//! `debug-assertions = false` for its profile's `build-override`.
//!
//! # What was measured
//!
//! 2026-11-21, a busy AMD EPYC with 2 CPUs. A clean build with cargo's own release profile (no LTO) took 52 s of CPU with
//! `default-features = false`, and 90 s with `lua`; the library, `libpentad.so` with `capi`, stripped, has 2.9 MB, and 3.7 MB
//! with `lua`. That is the whole server: all protocols, all commands. The daemon (`lua` and `daemon`) took 177 s and has 5.2 MB.
//!
//! What calls cost, `cargo bench --bench embedded [keys]` tells, beside what the memory of the machine does. With a thousand
//! keys `store.get` took some 85 ns and `execute(["GET", key])` some 215. With a million, wherever a key lies, two loads come
//! to it that wait for each other, each of 200 to 270 ns on that machine (std's `HashMap` takes longer). Starting and stopping
//! a server for a test takes 0.1 ms, a submitted job 10 µs, and going back to a snapshot of 100 keys 6 µs.
