//! A conversation in RESP with all of its commands: what is answered does not depend on how the input is cut, unless a
//! client asks for what does (how much it has sent, how long something took).
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::Scheme;

fuzz_target!(|data: &[u8]| {
    const TELL: [&[u8]; 6] = [
        b"info", b"client", b"memory", b"latency", b"slowlog", b"object",
    ];
    let lower = data.to_ascii_lowercase();
    let tells = |name: &&[u8]| lower.windows(name.len()).any(|part| part == *name);
    // A script may well run for ever.
    if [&b"eval"[..], b"script", b"function"]
        .iter()
        .any(|name| tells(name))
    {
        return;
    }
    if TELL.iter().any(|name| tells(&name)) {
        pentad_fuzz::answer(Scheme::Resp, data, &[]);
    } else {
        pentad_fuzz::check_cuts(Scheme::Resp, data);
    }
});
