//! RESTORE: a payload is refused, or it is a value, which is dumped, restored and dumped again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::rdb::payload::seal;
use pentad::{ConnId, Scheme};
use pentad_fuzz::common::Driven;
use pentad_fuzz::common::resp::request;
use pentad_fuzz::with_server;

fuzz_target!(|data: &[u8]| with_server(|server| check(server, data)));

fn check(server: &mut Driven, data: &[u8]) {
    if data.len() > 3000 {
        return;
    }
    let resp = server.open(Scheme::Resp);
    run(server, resp, data);
    server.engine.close(resp);
}

fn run(server: &mut Driven, resp: ConnId, data: &[u8]) {
    let mut payload = data.to_vec();
    seal(&mut payload, 11);
    let reply = server.ask(resp, &request(&[b"RESTORE", &b"k"[..], b"0", &payload]));
    if reply.is_error() {
        assert_eq!(reply.text(), Some(&b"ERR Bad data format"[..]));
        return;
    }
    let dump = server.ask(resp, &request(&["DUMP", "k"]));
    let dump = dump.text().expect("a dump").to_vec();
    if dump.len() > 3000 {
        return;
    }
    let again = server.ask(resp, &request(&[b"RESTORE", &b"l"[..], b"0", &dump]));
    assert_eq!(again.text(), Some(&b"OK"[..]));
    let contents = server.contents();
    assert_eq!(contents.len(), 2);
    assert_eq!(
        (&contents[0].2, &contents[0].3),
        (&contents[1].2, &contents[1].3)
    );
    for words in [
        &["LPOP", "k", "2"][..],
        &["LINSERT", "k", "BEFORE", "1", "2"],
        &["SPOP", "k", "2"],
        &["SADD", "k", "1", "x"],
        &["ZPOPMIN", "k", "2"],
        &["ZADD", "k", "1", "new", "-1", "1"],
        &["HSET", "k", "1", "2", "new", "x"],
        &["HDEL", "k", "f", "1"],
        &["XADD", "k", "*", "a", "b"],
        &["XTRIM", "k", "MAXLEN", "~", "1"],
        &["XAUTOCLAIM", "k", "g", "c", "0", "0"],
        &["TS.ADD", "k", "*", "1"],
        &["APPEND", "k", "x"],
        &["SETRANGE", "k", "10", "y"],
        &["MEMORY", "USAGE", "k"],
        &["DEL", "k"],
    ] {
        server.ask(resp, &request(words));
    }
}
