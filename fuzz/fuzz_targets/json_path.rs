//! JSON paths: what is found is JSON, and as much of it as JSON.TYPE says; what is deleted is not found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::{ConnId, Scheme};
use pentad_fuzz::common::Driven;
use pentad_fuzz::common::resp::request;
use pentad_fuzz::with_server;
use serde_json::Value as Json;

const DOCUMENT: &str = r#"{"a":[1,2.5,{"b":"text","a":null},[true,[]]],"b":{"a":{"b":{"a":-1}},"c d":[{},{"x":1},{"x":2}]},"":"empty"}"#;

fuzz_target!(|data: &[u8]| with_server(|server| check(server, data)));

fn check(server: &mut Driven, data: &[u8]) {
    if data.len() > 200 {
        return;
    }
    let resp = server.open(Scheme::Resp);
    run(server, resp, data);
    server.engine.close(resp);
}

fn run(server: &mut Driven, resp: ConnId, data: &[u8]) {
    server.ask(resp, &request(&["JSON.SET", "j", "$", DOCUMENT]));
    let path = [b"$", data].concat();
    let found = server.ask(resp, &request(&[b"JSON.GET", &b"j"[..], &path]));
    server.ask(resp, &request(&[b"JSON.GET", &b"j"[..], data]));
    if found.is_error() {
        return;
    }
    let Some(text) = found.text() else {
        return;
    };
    let values: Json = serde_json::from_slice(text).expect("JSON");
    let count = values.as_array().expect("an array").len();
    let types = server.ask(resp, &request(&[b"JSON.TYPE", &b"j"[..], &path]));
    assert_eq!(types.items().len(), count, "{}", path.escape_ascii());
    server.ask(resp, &request(&[b"JSON.NUMINCRBY", &b"j"[..], &path, b"1"]));
    server.ask(resp, &request(&[b"JSON.SET", &b"j"[..], &path, b"[1]"]));
    server.ask(resp, &request(&[b"JSON.DEL", &b"j"[..], &path]));
    let rest = server.ask(resp, &request(&["JSON.GET", "j"]));
    if let Some(text) = rest.text() {
        serde_json::from_slice::<Json>(text).expect("what is left is JSON");
    }
}
