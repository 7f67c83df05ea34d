//! URLs of listeners: one that is understood says the same when it is written down.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::Listen;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(listen) = text.parse::<Listen>() {
        let written = listen.to_string();
        let again: Listen = written
            .parse()
            .unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(again.to_string(), written);
    }
});
