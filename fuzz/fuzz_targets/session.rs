//! A conversation in RESP with all of its commands: what is answered does not depend on how the input is cut, unless a
//! client asks for what does (how much it has sent, how long something took).
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::Scheme;
use pentad_fuzz::has_word;

fuzz_target!(|data: &[u8]| {
    const TELL: [&[u8]; 6] = [b"info", b"client", b"memory", b"latency", b"log", b"object"];
    // A script may well run for ever, and the self-test takes long and is always the same.
    if has_word(data, &[b"eval", b"script", b"function", b"selftest"]) {
        return;
    }
    if has_word(data, &TELL) {
        pentad_fuzz::answer(Scheme::Resp, data, &[]);
    } else {
        pentad_fuzz::check_cuts(Scheme::Resp, data);
    }
});
