//! JSON documents: what one protocol takes another gives back, and it means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::{ConnId, Scheme};
use pentad_fuzz::common::Driven;
use pentad_fuzz::common::resp::{Value, request};
use pentad_fuzz::with_server;
use serde_json::Value as Json;

fuzz_target!(|data: &[u8]| with_server(|server| check(server, data)));

fn check(server: &mut Driven, data: &[u8]) {
    if data.len() > 2000 {
        return;
    }
    let resp = server.open(Scheme::Resp);
    run(server, resp, data);
    server.engine.close(resp);
}

fn run(server: &mut Driven, resp: ConnId, data: &[u8]) {
    let reply = server.ask(resp, &request(&[b"JSON.SET", &b"j"[..], b"$", data]));
    let meaning: Option<Json> = serde_json::from_slice(data).ok();
    if reply.is_error() {
        return;
    }
    let got = server.ask(resp, &request(&["JSON.GET", "j"]));
    let text = got.text().expect("a document").to_vec();
    if let Some(meaning) = meaning {
        assert_eq!(serde_json::from_slice::<Json>(&text).ok(), Some(meaning));
    }
    // What has been written once stays as it is.
    server.ask(resp, &request(&[b"JSON.SET", &b"k"[..], b"$", &text]));
    assert_eq!(
        server.ask(resp, &request(&["JSON.GET", "k"])),
        Value::Bulk(text)
    );
    for words in [
        &["JSON.TYPE", "j", "$..*"][..],
        &["JSON.NUMINCRBY", "j", "$..*", "1"],
        &["JSON.STRAPPEND", "j", "$..*", "\"x\""],
        &["JSON.ARRAPPEND", "j", "$..*", "1"],
        &["JSON.ARRPOP", "j", "$..*"],
        &["JSON.OBJKEYS", "j", "$..*"],
        &["JSON.TOGGLE", "j", "$..*"],
        &["JSON.MERGE", "j", "$", "{\"a\":null}"],
        &["JSON.RESP", "j"],
        &["JSON.DEL", "j", "$..a"],
        &["JSON.GET", "j"],
    ] {
        server.ask(resp, &request(words));
    }
}
