//! People come from redis-server with their data, and go back with it: `pentad import`, `pentad export`, `--load-rdb`.
#![cfg(unix)]

mod process;
#[path = "common/redis.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod redis;
#[path = "common/resp.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod resp;

use std::io::Read;

use process::{Daemon, Ended, Folder, connect, run};
use redis::Redis;
use resp::{Value, encode, request};

/// Commands that make something of every type that both have.
const COMMANDS: [&str; 15] = [
    "SET text hello PXAT 4000000000000",
    "SET number -42",
    "SETBIT bits 0 1",
    "RPUSH list a 1 c",
    "SADD ints 1 2 3",
    "SADD set a b c",
    "HSET hash city Turku country Finland",
    "ZADD ranks 1.5 ada -inf bob 3 eve",
    "XADD log 1-1 f v",
    "XADD log 2-1 f w",
    "XGROUP CREATE log readers 0",
    "XREADGROUP GROUP readers me COUNT 1 STREAMS log >",
    "PFADD guess a b c",
    "GEOADD places 22.27 60.45 Turku",
    "COPY text other DB 3",
];

/// What is asked before and after.
const QUESTIONS: [&str; 16] = [
    "GET text",
    "PEXPIRETIME text",
    "GET number",
    "GET bits",
    "LRANGE list 0 -1",
    "SORT ints",
    "SORT set ALPHA",
    "HGET hash city",
    "HGET hash country",
    "ZRANGE ranks 0 -1 WITHSCORES",
    "XRANGE log - +",
    "XPENDING log readers - + 10 me",
    "PFCOUNT guess",
    "GEOHASH places Turku",
    "LRANGE long 0 -1",
    "DBSIZE",
];

fn words(line: &str) -> Vec<Vec<u8>> {
    request(&line.split(' ').collect::<Vec<_>>())
}

/// Answers without what goes by the clock.
fn told(mut ask: impl FnMut(&str) -> Value) -> Vec<Value> {
    let mut answers: Vec<Value> = QUESTIONS
        .iter()
        .map(|question| {
            let answer = ask(question);
            match question.starts_with("XPENDING") {
                // How long ago it was read.
                true => answer.items()[0].items()[0].clone(),
                false => answer,
            }
        })
        .collect();
    ask("SELECT 3");
    answers.push(ask("GET other"));
    ask("SELECT 0");
    answers
}

fn told_by_redis(redis: &Redis) -> Vec<Value> {
    let mut client = redis.connect();
    told(|question| client.ask(&words(question)))
}

fn told_by(daemon: &Daemon) -> Vec<Value> {
    let mut client = connect(daemon.address("resp"));
    told(|question| {
        std::io::Write::write_all(&mut client, &encode(&words(question))).unwrap();
        let (mut got, mut buffer) = (Vec::new(), [0; 65536]);
        loop {
            if let Some((value, _)) = Value::read(&got) {
                return value;
            }
            let count = client.read(&mut buffer).unwrap();
            assert!(count > 0, "an answer to {question}");
            got.extend_from_slice(&buffer[..count]);
        }
    })
}

fn succeeds(ended: Ended) -> String {
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended.stdout
}

fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_redis_has_comes_in_and_goes_back_whole() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let mut client = redis.connect();
    for command in COMMANDS {
        let answer = client.ask(&words(command));
        assert!(!matches!(answer, Value::Error(_)), "{command}: {answer:?}");
    }
    for number in 0..2000 {
        client.ask(&words(&format!("RPUSH long element-{number}")));
    }
    let expected = told_by_redis(&redis);
    let folder = Folder::new("transfer");
    let file = folder.path("redis.rdb");
    std::fs::write(&file, redis.save()).unwrap();
    for kind in ["journal", "sqlite"] {
        let place = format!("{kind}:{}", folder.path(kind).display());
        let import = || run(["import", &text(&file), "--storage", &place]);
        let said = succeeds(import());
        assert!(said.contains("13 keys are kept now"), "{said}");
        let again = import();
        assert_eq!(again.status.code(), Some(1));
        assert!(again.stderr.contains("13 keys already"), "{again:?}");

        let listen = ["--listen", "resp://127.0.0.1:0", "--storage", &place];
        let daemon = Daemon::start(listen);
        daemon.expect_log("loaded 13 keys");
        assert_eq!(told_by(&daemon), expected, "{kind}");
        process::ask(
            &mut connect(daemon.address("resp")),
            b"JSON.SET doc $ [1]\r\n",
            b"+OK\r\n",
        );
        let export = |file: &std::path::Path| run(["export", &text(file), "--storage", &place]);
        let out = folder.path(&format!("{kind}.rdb"));
        let busy = export(&out);
        assert_eq!(busy.status.code(), Some(1));
        assert!(
            busy.stderr.contains("in use by another process"),
            "{busy:?}"
        );
        assert!(!out.exists());
        daemon.signal(rustix::process::Signal::TERM);
        daemon.wait(process::PATIENCE);

        let said = succeeds(export(&out));
        assert!(said.contains("13 keys are in"), "{said}");
        assert!(said.contains("1 JSON documents and time series"), "{said}");
        let back = Redis::start_with(Some(&std::fs::read(&out).unwrap())).unwrap();
        assert_eq!(told_by_redis(&back), expected, "{kind}");
    }
}

#[test]
fn a_file_fills_only_what_is_empty_and_is_kept_from_then_on() {
    let Some(redis) = Redis::start() else {
        return;
    };
    redis.connect().ask(&words("SET greeting hello"));
    let folder = Folder::new("fill");
    let (file, data) = (folder.path("redis.rdb"), folder.path("data"));
    std::fs::write(&file, redis.save()).unwrap();
    let listen = ["--listen", "resp://127.0.0.1:0", "--data"].map(str::to_owned);
    let with = |more: &[&str]| {
        let more = more.iter().map(|word| (*word).to_owned());
        let all = listen.iter().cloned().chain([text(&data)]).chain(more);
        all.collect::<Vec<_>>()
    };
    let daemon = Daemon::start(with(&["--load-rdb", &text(&file)]));
    // It is there already when it is killed.
    daemon.signal(rustix::process::Signal::KILL);
    daemon.wait(process::PATIENCE);
    let daemon = Daemon::start(with(&[]));
    daemon.expect_log("loaded 1 keys");
    process::ask(
        &mut connect(daemon.address("resp")),
        b"GET greeting\r\n",
        b"$5\r\nhello\r\n",
    );
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait(process::PATIENCE);
    let refused = run(with(&["--load-rdb", &text(&file)]));
    assert_eq!(refused.status.code(), Some(1));
    for word in ["--load-rdb", "1 keys already", "only an empty place"] {
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    let nowhere = run(["import", &text(&file)]);
    assert!(nowhere.stderr.contains("--data DIR"), "{nowhere:?}");
}
