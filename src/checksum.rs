//! The two checksums that Redis shows to the outside: CRC-64 at the end of a DUMP payload or an RDB
//! file, CRC-16 under the cluster's key slots.
//!
//! Tables are built at compile time. It knows neither payloads nor slots' owners.

/// Number of slots of a Redis cluster.
pub const SLOT_COUNT: u16 = 16384;

/// CRC-64 as Redis computes it: the "Jones" polynomial `0xad93d23594c935a9`, reflected, with neither
/// initial nor final inversion. `crc` is 0 to start with, or the CRC of the bytes before. Eight bytes
/// a step.
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = crc;
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        for (at, &byte) in mixed.iter().enumerate() {
            crc ^= CRC64_TABLES[7 - at][usize::from(byte)];
        }
    }
    for &byte in rest {
        crc = CRC64_TABLES[0][usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    }
    crc
}

/// CRC-16 XMODEM (CCITT polynomial `0x1021`, initial value 0) of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        crc << 8 ^ CRC16_TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// The cluster slot of `key`, below [`SLOT_COUNT`]. Where the key has a hash tag, that is all that counts:
/// what stands between the first `{` and the first `}` after it, unless that is nothing.
pub fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOT_COUNT
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&b| b == b'{')?;
    let after = &key[open + 1..];
    let close = after.iter().position(|&b| b == b'}')?;
    (close > 0).then(|| &after[..close])
}

/// `CRC64_TABLES[n][b]`: what byte `b` does to the CRC once `n` more bytes have gone by.
static CRC64_TABLES: [[u64; 256]; 8] = {
    // 0xad93d23594c935a9 with its bits reversed.
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut later = 1;
    while later < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[later - 1][byte];
            tables[later][byte] = tables[0][(crc & 0xff) as usize] ^ crc >> 8;
            byte += 1;
        }
        later += 1;
    }
    tables
};

static CRC16_TABLE: [u16; 256] = {
    const POLYNOMIAL: u16 = 0x1021;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 {
                crc << 1 ^ POLYNOMIAL
            } else {
                crc << 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc64_check_value_and_parts() {
        assert_eq!(crc64(0, b""), 0);
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let bytes: Vec<u8> = (0..300u32).map(|i| (i * 7 + i / 5) as u8).collect();
        let whole = crc64(0, &bytes);
        for at in 0..bytes.len() {
            assert_eq!(crc64(crc64(0, &bytes[..at]), &bytes[at..]), whole, "{at}");
        }
    }

    #[test]
    fn crc64_eight_bytes_a_step_is_one_byte_a_step() {
        let bytes: Vec<u8> = (0..999u32).map(|i| (i * i / 3) as u8).collect();
        for len in [7, 8, 9, 15, 16, 17, 64, 999] {
            let one_by_one = bytes[..len]
                .iter()
                .fold(0, |crc, byte| crc64(crc, std::slice::from_ref(byte)));
            assert_eq!(crc64(0, &bytes[..len]), one_by_one, "{len}");
        }
    }

    #[test]
    fn crc64_ends_a_dump_of_redis() {
        // SET d foo, DUMP d, on Redis 7.0.15.
        let payload = b"\x00\x03foo\x0a\x00\x73\x49\x39\xdb\x4d\xc1\xba\x97";
        let (body, checksum) = payload.split_last_chunk::<8>().unwrap();
        assert_eq!(crc64(0, body), u64::from_le_bytes(*checksum));
    }

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, slot) in [
            ("", 0),
            ("foo", 12182),
            ("123456789", 12739),
            ("user1000", 3443),
            ("{user1000}.following", 3443),
            ("{user1000}.followers", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("{bar", 4015),
            ("foo{bar}{zap}", 5061),
            ("bar", 5061),
            ("{}foo", 9500),
            ("a{b", 13340),
            ("a}b{c}", 7365),
            ("}{", 12793),
            ("{a", 10276),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
