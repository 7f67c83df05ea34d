use std::path::PathBuf;

use super::*;
use crate::testing::ManualClock;
use crate::{RespValue, Server};

/// A place for a database, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("pentad-sqlite-{name}-{id}"));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("keys.db")
    }

    /// All rows: database, key, type, value and expiry, in the words of SQLite.
    fn rows(&self) -> Vec<String> {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT db || ' ' || CAST(key AS TEXT) || ' ' || type || ' ' || iif(typeof(value) = 'blob', quote(value), coalesce(value, 'NULL'))
                 || ' ' || coalesce(expires_ms, '-') FROM keys ORDER BY db, key",
            )
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(storage: Sqlite) -> Server {
    let mut server = Server::builder()
        .clock(ManualClock::default())
        .build()
        .unwrap();
    server.engine_mut().set_storage(Box::new(storage));
    while server.engine().is_loading() {
        server.engine_mut().load_some().unwrap();
    }
    server
}

fn run(server: &mut Server, request: &str) -> RespValue {
    let args = request.split(' ');
    server.store().execute(args).unwrap()
}

const COMMANDS: [&str; 14] = [
    "SET text hello PXAT 1900000000000",
    "SET number 42",
    "SETBIT bits 0 1",
    "APPEND built 12",
    "RPUSH list a 1",
    "SADD set 3 x",
    "HSET hash city Turku",
    "ZADD ranks 1.5 ada -inf bob",
    "XADD log 1-1 f v",
    "XGROUP CREATE log readers 0",
    "XREADGROUP GROUP readers me STREAMS log >",
    "JSON.SET doc $ {\"a\":[1,null]}",
    "TS.ADD rows 5 0.25 LABELS a b",
    "PFADD guess a b c",
];

fn dumps(server: &mut Server) -> Vec<RespValue> {
    let keys = [
        "text", "number", "bits", "built", "list", "set", "hash", "ranks", "log", "doc", "rows",
        "guess",
    ];
    let mut all = vec![run(server, "DBSIZE"), run(server, "OBJECT ENCODING built")];
    for key in keys {
        all.push(run(server, &format!("DUMP {key}")));
        all.push(run(server, &format!("PEXPIRETIME {key}")));
    }
    all
}

#[test]
fn all_types_come_back_and_can_be_queried() {
    for helper in [false, true] {
        let folder = Folder::new(&format!("types-{helper}"));
        let open = || {
            let storage = Sqlite::open(&folder.path(), Fsync::EverySecond).unwrap();
            if helper {
                storage.with_helper()
            } else {
                storage
            }
        };
        let mut server = start(open());
        for command in COMMANDS {
            run(&mut server, command);
        }
        let before = dumps(&mut server);
        server.engine_mut().close_storage().unwrap();
        drop(server);
        let mut rows = folder.rows();
        rows.retain(|row| !row.starts_with("0 guess"));
        assert_eq!(
            rows,
            [
                r"0 bits string X'80' -",
                r"0 built string 12 -",
                r#"0 doc ReJSON-RL {"a":[1,null]} -"#,
                r#"0 hash hash {"city":"Turku"} -"#,
                r#"0 list list ["a","1"] -"#,
                r#"0 log stream [["1-1",{"f":"v"}]] -"#,
                r"0 number string 42 -",
                r#"0 ranks zset {"bob":"-inf","ada":1.5} -"#,
                r"0 rows TSDB-TYPE [[5,0.25]] -",
                r#"0 set set ["3","x"] -"#,
                r"0 text string hello 1900000000000",
            ]
        );
        let mut server = start(open());
        assert_eq!(dumps(&mut server), before);
        assert_eq!(
            run(&mut server, "SET number 43"),
            RespValue::Simple("OK".into())
        );
    }
}

#[test]
fn what_happens_to_whole_databases_happens_to_their_rows() {
    let folder = Folder::new("sweeps");
    let open = || Sqlite::open(&folder.path(), Fsync::Always).unwrap();
    let mut server = start(open());
    for (command, expected) in [
        ("SET a 1", &["0 a string 1 -"][..]),
        ("COPY a b DB 1", &["0 a string 1 -", "1 b string 1 -"]),
        ("SWAPDB 0 1", &["0 b string 1 -", "1 a string 1 -"]),
        ("RENAME b c", &["0 c string 1 -", "1 a string 1 -"]),
        ("MOVE c 2", &["1 a string 1 -", "2 c string 1 -"]),
        ("SWAPDB 1 1", &["1 a string 1 -", "2 c string 1 -"]),
        ("SWAPDB 0 1", &["0 a string 1 -", "2 c string 1 -"]),
        ("FLUSHDB", &["2 c string 1 -"]),
        ("SET d 1", &["0 d string 1 -", "2 c string 1 -"]),
        ("DEL d", &["2 c string 1 -"]),
        ("FLUSHALL", &[]),
    ] {
        run(&mut server, command);
        server.engine_mut().commit();
        assert_eq!(folder.rows(), expected, "after {command}");
    }
    // All of it at once.
    for command in [
        "SET a 1",
        "SWAPDB 0 3",
        "SET b 2",
        "SWAPDB 0 3",
        "FLUSHDB",
        "SET c 3",
    ] {
        run(&mut server, command);
    }
    server.engine_mut().commit();
    assert_eq!(folder.rows(), ["0 c string 3 -", "3 b string 2 -"]);
}

#[test]
fn without_room_nothing_is_acknowledged_and_what_was_changed_is_written_when_there_is() {
    let folder = Folder::new("full");
    let mut storage = Sqlite::open(&folder.path(), Fsync::Always).unwrap();
    let table = storage.table.as_mut().unwrap();
    let limit = |table: &mut Table, pages: i64| {
        let connection = table.connection();
        let set = connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        set.unwrap();
    };
    limit(table, 8);
    let mut keyspace = Keyspace::new(crate::Seed::fixed(1), 16);
    keyspace.changes.listen(crate::change::Detail::Commands);
    storage.writer = storage.table.take().map(Writer::here);
    let set = |keyspace: &mut Keyspace, storage: &mut Sqlite, key: &[u8], value: &[u8]| {
        keyspace.put(&keyspace.key(0, key), value);
        storage.append(&keyspace.changes.take(Group::default()));
        storage.commit(keyspace, Now::default())
    };
    set(&mut keyspace, &mut storage, b"small", b"1").unwrap();
    let large = vec![b'x'; 100_000];
    let refused = set(&mut keyspace, &mut storage, b"large", &large);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("full"), "{refused}");
    assert!(storage.commit(&keyspace, Now::default()).is_err());
    assert!(storage.retry(&keyspace, Now::default()).is_err());
    assert_eq!(folder.rows(), ["0 small string 1 -"]);
    match &mut storage.writer {
        Some(Writer::Here(table, _)) => limit(table, 1000),
        _ => panic!("it is here"),
    }
    storage.retry(&keyspace, Now::default()).unwrap();
    assert_eq!(folder.rows().len(), 2);
    set(&mut keyspace, &mut storage, b"small", b"2").unwrap();
    assert_eq!(folder.rows()[1], "0 small string 2 -");
}

#[test]
fn a_thread_that_has_failed_writes_nothing_until_that_is_known() {
    let folder = Folder::new("thread");
    let table = Table::open(&folder.path()).unwrap();
    let other = rusqlite::Connection::open(folder.path()).unwrap();
    let mut writer = Writer::thread(table).unwrap();
    let row = |key: &[u8]| Batch {
        sweeps: Vec::new(),
        rows: vec![table::Row {
            db: 0,
            key: key.to_vec(),
            content: Some(Content {
                kind: "string",
                value: None,
                expires_ms: None,
                image: Vec::new(),
            }),
        }],
        functions: Vec::new(),
        synced: true,
    };
    other
        .execute("ALTER TABLE keys RENAME TO away", [])
        .unwrap();
    writer.send(1, row(b"a")).unwrap();
    assert!(matches!(writer.result(true), Some((1, Err(_)))));
    other
        .execute("ALTER TABLE away RENAME TO keys", [])
        .unwrap();
    writer.send(2, row(b"b")).unwrap();
    writer.forget_failure();
    writer.send(3, row(b"c")).unwrap();
    assert!(matches!(writer.result(true), Some((3, Ok(())))));
    writer.finish().unwrap();
    assert_eq!(folder.rows(), ["0 c string NULL -"]);
}

#[test]
fn what_is_not_ours_is_refused_by_name() {
    let folder = Folder::new("others");
    let refusal = || {
        let opened = Sqlite::open(&folder.path(), Fsync::Always);
        opened
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let storage = Sqlite::open(&folder.path(), Fsync::Always).unwrap();
    assert!(refusal().contains("is in use by another process"));
    drop(storage);
    let connection = rusqlite::Connection::open(folder.path()).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    assert!(refusal().contains("is of version 2"), "{}", refusal());
    connection.pragma_update(None, "application_id", 0).unwrap();
    assert!(refusal().contains("database of another program"));
    drop(connection);
    std::fs::write(
        folder.path(),
        "no database at all, but a text that is long enough",
    )
    .unwrap();
    assert!(refusal().contains("not a database"), "{}", refusal());
}

#[test]
fn a_row_that_makes_no_sense_is_named() {
    let folder = Folder::new("damage");
    let mut server = start(Sqlite::open(&folder.path(), Fsync::Always).unwrap());
    run(&mut server, "SET k v");
    server.engine_mut().commit();
    drop(server);
    let connection = rusqlite::Connection::open(folder.path()).unwrap();
    connection
        .execute("UPDATE keys SET image = x'0f'", [])
        .unwrap();
    let mut server = Server::builder().build().unwrap();
    let storage = Sqlite::open(&folder.path(), Fsync::Always).unwrap();
    server.engine_mut().set_storage(Box::new(storage));
    let refused = server.engine_mut().load_some().unwrap_err().to_string();
    assert!(refused.contains("image in row 1"), "{refused}");
}

#[cfg(feature = "lua")]
#[test]
fn libraries_of_functions_come_back() {
    let folder = Folder::new("functions");
    let open = || Sqlite::open(&folder.path(), Fsync::Always).unwrap();
    let load = |server: &mut Server, name: &str| {
        let code = format!(
            "#!lua name={name}\nredis.register_function('{name}', function() return '{name}' end)"
        );
        server.store().execute(["FUNCTION", "LOAD", &code]).unwrap();
    };
    let mut server = start(open());
    load(&mut server, "gone");
    run(&mut server, "FUNCTION FLUSH");
    load(&mut server, "one");
    load(&mut server, "two");
    run(&mut server, "FUNCTION DELETE two");
    server.engine_mut().commit();
    drop(server);
    let mut server = start(open());
    assert_eq!(
        run(&mut server, "FCALL one 0"),
        RespValue::Bulk(b"one".to_vec())
    );
    for name in ["gone", "two"] {
        assert!(server.store().execute(["FCALL", name, "0"]).is_err());
    }
    let connection = rusqlite::Connection::open(folder.path()).unwrap();
    let rows = connection.query_row("SELECT count(*) FROM functions", [], |row| row.get(0));
    assert_eq!(rows, Ok(4), "what was before the flush is not kept");
}
