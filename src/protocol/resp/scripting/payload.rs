//! What FUNCTION DUMP gives and FUNCTION RESTORE takes: the libraries' texts, as they stand in an RDB file, with the
//! version of the format and a checksum behind them.

use crate::rdb::{self, Sink, Slice, Source, Version};

/// An RDB file's byte in front of a library.
const LIBRARY: u8 = 245;
/// The same before Redis 7.0 was done; its libraries had another form.
const LIBRARY_BEFORE_7: u8 = 246;

/// The payload for these texts, which Redis 7.0 and all later ones read.
pub fn dump<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for code in codes {
        payload.put(&[LIBRARY]);
        payload.put_string(code);
    }
    rdb::payload::seal(&mut payload, Version::V10.number());
    payload
}

/// The texts in a payload, each of `text_bytes_max` at most; or why there are none.
pub fn restore(payload: &[u8], text_bytes_max: u64) -> Result<Vec<Vec<u8>>, &'static str> {
    let body = rdb::payload::open(payload)
        .map_err(|_| "ERR DUMP payload version or checksum are wrong")?;
    let mut reader = Slice::new(body, text_bytes_max);
    let mut codes = Vec::new();
    while let Ok(kind) = reader.byte() {
        match kind {
            LIBRARY => match reader.blob() {
                Ok(code) => codes.push(code.into_owned()),
                Err(_) => return Err("ERR failed loading the given functions payload"),
            },
            LIBRARY_BEFORE_7 => return Err("ERR Pre-GA function format not supported"),
            _ => return Err("ERR given type is not a function"),
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dumped_is_restored() {
        for len in [0, 1, 63, 64, 16_383, 16_384, 70_000] {
            let codes = [vec![b'x'; len], b"#!lua name=a\n".to_vec()];
            let payload = dump(codes.iter().map(Vec::as_slice));
            assert_eq!(restore(&payload, 70_000), Ok(codes.to_vec()));
            for at in [0, payload.len() / 2, payload.len() - 1] {
                let mut broken = payload.clone();
                broken[at] ^= 1;
                assert!(restore(&broken, 70_000).is_err());
            }
        }
        assert!(restore(b"short", 70_000).is_err());
    }

    #[test]
    fn what_is_too_long_or_no_library_is_refused() {
        let payload = dump([&[b'x'; 100][..]].into_iter());
        assert!(restore(&payload, 99).is_err());
        for (kind, problem) in [
            (246, "ERR Pre-GA function format not supported"),
            (0, "ERR given type is not a function"),
        ] {
            let mut payload = vec![kind];
            rdb::payload::seal(&mut payload, 10);
            assert_eq!(restore(&payload, 99), Err(problem));
        }
    }
}
