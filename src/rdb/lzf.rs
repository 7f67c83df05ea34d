//! LZF, the compression inside DUMP payloads and RDB files.
//!
//! The format is a row of chunks, each begun by a control byte `c`:
//!
//! ```text
//! 000lllll                    l + 1 literal bytes follow (1..=32)
//! lllooooo          oooooooo  copy l + 2 bytes (l in 1..=6) from o + 1 bytes back (o 13 bits)
//! 111ooooo llllllll oooooooo  copy l + 9 bytes (9..=264), likewise
//! ```
//!
//! A copy may overlap what it writes, so a run of one byte is "one byte back". It knows nothing of the
//! payloads around.

/// Why [`decompress`] refused its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LzfError {
    /// The input ends within a chunk.
    Truncated,
    /// A copy reaches back before the first byte.
    BadReference,
    /// The input gives more or fewer bytes than expected.
    WrongLength,
}

impl std::fmt::Display for LzfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LzfError::Truncated => "compressed data ends within a chunk",
            LzfError::BadReference => "compressed data refers to before its beginning",
            LzfError::WrongLength => "compressed data has another length than announced",
        })
    }
}

impl std::error::Error for LzfError {}

const LITERAL_LEN_MAX: usize = 32;
const COPY_LEN_MIN: usize = 3;
const COPY_LEN_MAX: usize = 264;
const DISTANCE_MAX: usize = 1 << 13;

/// Compresses `input` into at most `output_len_max` bytes, or gives `None` where that is not enough, or
/// the input has 4 GiB or more.
/// (Redis compresses strings of more than 20 bytes, and keeps the result if it is 4 bytes shorter.)
/// O(length) time; a table of at most 64 KiB while it runs.
pub fn compress(input: &[u8], output_len_max: usize) -> Option<Vec<u8>> {
    u32::try_from(input.len()).ok()?;
    let mut seen = Seen::for_length(input.len());
    let mut out = Vec::new();
    let mut literals_from = 0;
    let mut at = 0;
    while at + COPY_LEN_MIN <= input.len() {
        let distance = seen
            .replace(input, at)
            .map_or(usize::MAX, |earlier| at - earlier);
        let copy_len = if distance <= DISTANCE_MAX {
            common_len(input, at - distance, at)
        } else {
            0
        };
        if copy_len < COPY_LEN_MIN {
            at += 1;
            continue;
        }
        push_literals(&mut out, &input[literals_from..at], output_len_max)?;
        push_copy(&mut out, distance, copy_len);
        // Every position of the copy would find later repeats best, at twice the time. The last two
        // catch what matters: a repeat that goes on behind the longest copy.
        let end = at + copy_len;
        for inside in end - 2..end {
            if inside + COPY_LEN_MIN <= input.len() {
                seen.replace(input, inside);
            }
        }
        at = end;
        literals_from = end;
    }
    push_literals(&mut out, &input[literals_from..], output_len_max)?;
    (out.len() <= output_len_max).then_some(out)
}

/// Decompresses `input`, which must give exactly `output_len` bytes. Hostile input is refused, never a
/// panic, and what is allocated is at most about 88 times the input, whatever `output_len` claims.
/// O(output_len).
pub fn decompress(input: &[u8], output_len: usize) -> Result<Vec<u8>, LzfError> {
    // Three bytes give 264 at most.
    if output_len / (COPY_LEN_MAX / 3) > input.len() {
        return Err(LzfError::WrongLength);
    }
    let mut out = Vec::with_capacity(output_len);
    let mut rest = input;
    while let [control, tail @ ..] = rest {
        rest = tail;
        let control = usize::from(*control);
        if control < LITERAL_LEN_MAX {
            let literals = take(&mut rest, control + 1)?;
            out.extend_from_slice(literals);
        } else {
            let mut len = (control >> 5) + 2;
            if len == 9 {
                len += usize::from(take(&mut rest, 1)?[0]);
            }
            let distance = ((control & 0x1f) << 8 | usize::from(take(&mut rest, 1)?[0])) + 1;
            let from = out.len().checked_sub(distance);
            copy_within(&mut out, from.ok_or(LzfError::BadReference)?, len);
        }
        if out.len() > output_len {
            return Err(LzfError::WrongLength);
        }
    }
    if out.len() == output_len {
        Ok(out)
    } else {
        Err(LzfError::WrongLength)
    }
}

/// Takes `len` bytes off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], LzfError> {
    let (front, back) = rest.split_at_checked(len).ok_or(LzfError::Truncated)?;
    *rest = back;
    Ok(front)
}

/// Appends `len` bytes of `out` itself from `from` on; those may be among the appended ones.
fn copy_within(out: &mut Vec<u8>, from: usize, len: usize) {
    let end = out.len() + len;
    while out.len() < end {
        // Each round doubles what is there to be copied.
        let len = (end - out.len()).min(out.len() - from);
        out.extend_from_within(from..from + len);
    }
}

/// `None`, and nothing pushed, if that would take `out` beyond `len_max`.
fn push_literals(out: &mut Vec<u8>, literals: &[u8], len_max: usize) -> Option<()> {
    let len = literals.len() + literals.len().div_ceil(LITERAL_LEN_MAX);
    if out.len() + len > len_max {
        return None;
    }
    for run in literals.chunks(LITERAL_LEN_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
    Some(())
}

fn push_copy(out: &mut Vec<u8>, distance: usize, len: usize) {
    let offset = distance - 1;
    let (length_bits, offset_high) = (len - 2, (offset >> 8) as u8);
    if length_bits < 7 {
        out.push((length_bits as u8) << 5 | offset_high);
    } else {
        out.push(7 << 5 | offset_high);
        out.push((length_bits - 7) as u8);
    }
    out.push(offset as u8);
}

/// How many bytes from `earlier` and from `at` on are alike, up to what one copy can say.
fn common_len(input: &[u8], earlier: usize, at: usize) -> usize {
    let limit = COPY_LEN_MAX.min(input.len() - at);
    input[earlier..]
        .iter()
        .zip(&input[at..at + limit])
        .take_while(|(a, b)| a == b)
        .count()
}

/// Where three bytes were last seen, by their hash.
struct Seen {
    /// Position + 1, or 0 where there is none.
    positions: Vec<u32>,
    shift: u32,
}

impl Seen {
    fn for_length(len: usize) -> Self {
        let bits = len.max(1).ilog2().clamp(8, 14);
        Seen {
            positions: vec![0; 1 << bits],
            shift: 32 - bits,
        }
    }

    /// Remembers `at` for the three bytes there; returns the position remembered before.
    fn replace(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let word = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
        let slot = word.wrapping_mul(0x9e37_79b1) >> self.shift;
        let before = std::mem::replace(&mut self.positions[slot as usize], at as u32 + 1);
        before.checked_sub(1).map(|position| position as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(input: &[u8]) -> usize {
        let compressed = compress(input, usize::MAX).unwrap();
        assert_eq!(decompress(&compressed, input.len()).as_deref(), Ok(input));
        assert_eq!(
            compress(input, compressed.len()).as_ref(),
            Some(&compressed)
        );
        if let Some(less) = compressed.len().checked_sub(1) {
            assert_eq!(compress(input, less), None);
        }
        compressed.len()
    }

    /// Bytes of an alphabet of `letters`, from a fixed generator.
    fn noise(seed: u64, len: usize, letters: u64) -> Vec<u8> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                ((state >> 33) % letters) as u8
            })
            .collect()
    }

    #[test]
    fn round_trips() {
        for len in 0..600 {
            for letters in [1, 2, 3, 20, 256] {
                round_trip(&noise(len, len as usize, letters));
            }
        }
        for letters in [1, 2, 4, 256] {
            round_trip(&noise(letters, 100_000, letters));
        }
        let text = b"the quick brown fox jumps over the lazy dog. ".repeat(300);
        assert!(round_trip(&text) < 300);
        assert!(round_trip(&[7; 1_000_000]) < 12_000);
    }

    #[test]
    fn copies_reach_back_8192_bytes_and_no_more() {
        let mark = b"0123456789abcdefghijklmnopqrstuv";
        let filler = noise(5, 8192 - mark.len(), 256);
        let near = [&mark[..], &filler, mark].concat();
        let far = [&mark[..], &filler, b"!", mark].concat();
        assert!(round_trip(&near) < round_trip(&far) - 20);
    }

    /// The compressed strings out of DUMP payloads of Redis 7.0.15.
    #[test]
    fn decompresses_what_redis_compressed() {
        let hello = b"\x0chello world h\xe0\xd8\x0b\x01d ";
        assert_eq!(decompress(hello, 240), Ok(b"hello world ".repeat(20)));

        // SET d of "ab" 5000 times: 121 bytes.
        let mut ab = b"\x02aba".to_vec();
        for _ in 0..37 {
            ab.extend_from_slice(b"\xe0\xff\x01");
        }
        ab.extend_from_slice(b"\xe0\xda\x01\x01ab");
        assert_eq!(ab.len(), 121);
        assert_eq!(decompress(&ab, 10_000), Ok(b"ab".repeat(5000)));
    }

    #[test]
    fn refuses_what_is_damaged() {
        assert_eq!(decompress(b"", 0), Ok(Vec::new()));
        assert_eq!(decompress(b"", 1), Err(LzfError::WrongLength));
        assert_eq!(decompress(b"\x00", 1), Err(LzfError::Truncated));
        assert_eq!(decompress(b"\x01a", 2), Err(LzfError::Truncated));
        assert_eq!(decompress(b"\x00a\x20", 4), Err(LzfError::Truncated));
        assert_eq!(decompress(b"\x00a\xe0", 10), Err(LzfError::Truncated));
        assert_eq!(decompress(b"\x00a\xe0\x00", 10), Err(LzfError::Truncated));
        assert_eq!(decompress(b"\x00a\x20\x01", 4), Err(LzfError::BadReference));
        assert_eq!(decompress(b"\x20\x00", 3), Err(LzfError::BadReference));
        assert_eq!(decompress(b"\x00a\x20\x00", 4).as_deref(), Ok(&b"aaaa"[..]));
        assert_eq!(decompress(b"\x00a\x20\x00", 3), Err(LzfError::WrongLength));
        assert_eq!(decompress(b"\x00a\x20\x00", 5), Err(LzfError::WrongLength));
        assert_eq!(decompress(b"\x00a", usize::MAX), Err(LzfError::WrongLength));
        assert_eq!(compress(b"aaaaaaaaaaaaaaaa", 0), None);
    }

    #[test]
    fn noise_never_panics_and_never_gives_another_length() {
        let mut decompressed = 0;
        for seed in 0..20_000 {
            let input = noise(seed, (seed % 40) as usize, 256);
            for output_len in [0, 1, 33, 500] {
                if let Ok(output) = decompress(&input, output_len) {
                    assert_eq!(output.len(), output_len);
                    decompressed += 1;
                }
            }
        }
        assert!(decompressed > 0);
        // Every single damaged byte of a good one.
        let input = b"hello world, hello hello world".repeat(10);
        let good = compress(&input, usize::MAX).unwrap();
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut bad = good.clone();
                bad[at] = byte;
                if let Ok(output) = decompress(&bad, input.len()) {
                    assert_eq!(output.len(), input.len());
                }
            }
        }
    }
}
