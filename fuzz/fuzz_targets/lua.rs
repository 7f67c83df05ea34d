//! The libraries of scripts that decode what anybody may have sent (cjson, cmsgpack): an error, or a value which, written
//! down again, can be read again.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use pentad::{ConnId, Scheme};
use pentad_fuzz::common::Driven;
use pentad_fuzz::common::resp::{Value, request};

const SCRIPT: &str = "
    local library = ARGV[1] == 'j' and {cjson.decode, cjson.encode} or {cmsgpack.unpack, cmsgpack.pack}
    local read, value = pcall(library[1], ARGV[2])
    if not read or value == nil then return 'unread' end
    local written, text = pcall(library[2], value)
    if not written then return 'unwritten' end
    local again, error = pcall(library[1], text)
    -- Tables that are nested too deep are written as nil, in Redis too, and a key cannot be that.
    if tostring(error) == 'table index is nil' then return 'unwritten' end
    return again and 'same' or text .. ': ' .. tostring(error)";

thread_local! {
    static SERVER: RefCell<Option<(Driven, ConnId)>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    if rest.len() > 2000 {
        return;
    }
    SERVER.with_borrow_mut(|server| {
        let (server, id) = server.get_or_insert_with(|| {
            let mut server = pentad_fuzz::server();
            let id = server.open(Scheme::Resp);
            (server, id)
        });
        let library: &[u8] = if first & 1 == 0 { b"j" } else { b"m" };
        let reply = server.ask(
            *id,
            &request(&[b"EVAL", SCRIPT.as_bytes(), b"0", library, rest]),
        );
        let known = [&b"unread"[..], b"unwritten", b"same"];
        let fine = matches!(&reply, Value::Bulk(text) if known.contains(&&text[..]));
        assert!(fine, "{reply:?}");
    });
});
