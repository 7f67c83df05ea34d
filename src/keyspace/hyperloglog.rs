//! HyperLogLogs, in the very bytes Redis keeps them in, so that a value read from one server counts the
//! same on the other, and two servers that were sent the same commands hold equal strings.
//!
//! A HyperLogLog estimates how many different elements were added to it (standard error 0.81 %). An
//! element's hash names one of 16384 registers and a rank; the register keeps the highest rank it saw.
//! The string is a header and the registers in one of two encodings:
//!
//! ```text
//! | HYLL | encoding: 1 | unused: 3 | cached cardinality: 8, little endian | registers |
//! ```
//!
//! The cached cardinality's topmost bit says that it is out of date. *Dense*: 6 bits a register, least
//! significant first, 12288 bytes. *Sparse*: runs of equal registers, one after the other:
//!
//! ```text
//! 00nnnnnn            n + 1 registers of 0
//! 01nnnnnn nnnnnnnn   n + 1 registers of 0
//! 1vvvvvnn            n + 1 registers of v + 1
//! ```
//!
//! Any string may claim to be a HyperLogLog; all functions here take any bytes and never panic. Nothing
//! here knows of keys.

use std::fmt;
use std::ops::Range;

/// The longest string in sparse encoding, header included (`hll-sparse-max-bytes`, as Redis sets it).
pub const SPARSE_LEN_MAX: usize = 3000;

/// The number of registers.
pub const REGISTER_COUNT: usize = 1 << INDEX_BITS;

/// A string that is no HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HllError {
    /// The header says so, or the length, if dense. Redis replies `WRONGTYPE` with this text.
    NotHyperLogLog,
    /// The sparse registers make no sense. Redis replies `INVALIDOBJ` with this text.
    Corrupted,
}

impl fmt::Display for HllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHyperLogLog => "Key is not a valid HyperLogLog string value.",
            Self::Corrupted => "Corrupted HLL object detected",
        })
    }
}

impl std::error::Error for HllError {}

/// How a HyperLogLog keeps its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 6 bits each.
    Dense,
    /// Run-length encoded.
    Sparse,
}

/// A HyperLogLog without elements, as PFADD and PFMERGE leave it: sparse, its cached cardinality out of
/// date.
pub fn create() -> Vec<u8> {
    let mut hll = vec![0; HEADER_LEN];
    hll[..MAGIC.len()].copy_from_slice(MAGIC);
    hll[ENCODING_AT] = SPARSE;
    invalidate_cache(&mut hll);
    push_run(&mut hll, 0, REGISTER_COUNT);
    hll
}

/// Tells by header and length whether `hll` is a HyperLogLog, and its encoding. Sparse registers may
/// still turn out to be corrupted. O(1).
pub fn encoding(hll: &[u8]) -> Result<Encoding, HllError> {
    if hll.len() < HEADER_LEN || !hll.starts_with(MAGIC) {
        return Err(HllError::NotHyperLogLog);
    }
    match hll[ENCODING_AT] {
        DENSE if hll.len() == DENSE_LEN => Ok(Encoding::Dense),
        SPARSE => Ok(Encoding::Sparse),
        _ => Err(HllError::NotHyperLogLog),
    }
}

/// Adds `element`: whether that changed a register, in which case the cached cardinality is out of date.
/// A sparse string may become dense. O(1) if dense, else O(length), which is at most 3000.
pub fn add(hll: &mut Vec<u8>, element: &[u8]) -> Result<bool, HllError> {
    let encoding = encoding(hll)?;
    let (index, rank) = register_of(element);
    let mut cursor = Cursor::START;
    let changed = raise(hll, encoding, &mut cursor, index, rank)?;
    if changed {
        invalidate_cache(hll);
    }
    Ok(changed)
}

/// The cached cardinality, if it is up to date. O(1).
pub fn cached_count(hll: &[u8]) -> Result<Option<u64>, HllError> {
    encoding(hll)?;
    let mut cached = [0; 8];
    cached.copy_from_slice(&hll[CACHE]);
    let cached = u64::from_le_bytes(cached);
    Ok((cached & CACHE_INVALID == 0).then_some(cached))
}

/// The cardinality; computed and cached if the cached one is out of date. O(registers) then.
pub fn count(hll: &mut [u8]) -> Result<u64, HllError> {
    if let Some(cached) = cached_count(hll)? {
        return Ok(cached);
    }
    let count = estimate(&histogram(hll)?);
    hll[CACHE].copy_from_slice(&count.to_le_bytes());
    Ok(count)
}

/// The union of HyperLogLogs: what PFMERGE stores, and what PFCOUNT of several keys counts. 16 KiB.
pub struct Union {
    registers: Vec<u8>,
    has_dense: bool,
}

impl Default for Union {
    fn default() -> Self {
        Self {
            registers: vec![0; REGISTER_COUNT],
            has_dense: false,
        }
    }
}

impl Union {
    /// Adds all that `hll` has. O(registers).
    pub fn absorb(&mut self, hll: &[u8]) -> Result<(), HllError> {
        self.has_dense |= encoding(hll)? == Encoding::Dense;
        each_run(hll, |indices, rank| {
            for register in &mut self.registers[indices] {
                *register = rank.max(*register);
            }
        })
    }

    /// The cardinality. O(registers).
    pub fn count(&self) -> u64 {
        let mut histogram = [0; RANK_COUNT];
        for register in &self.registers {
            histogram[usize::from(*register)] += 1;
        }
        estimate(&histogram)
    }

    /// Adds all that the union has to `destination`, the value of PFMERGE's first key, which the union
    /// must have absorbed first, or [`create`]d if there is none. Its encoding becomes dense if that of
    /// anything absorbed is, and its cached cardinality is then out of date.
    /// O(registers), but for the moving of bytes within a sparse string.
    pub fn store(&self, destination: &mut Vec<u8>) -> Result<(), HllError> {
        let mut encoding = encoding(destination)?;
        if self.has_dense {
            to_dense(destination)?;
            encoding = Encoding::Dense;
        }
        let mut cursor = Cursor::START;
        for (index, rank) in self.registers.iter().enumerate() {
            if *rank > 0 && raise(destination, encoding, &mut cursor, index, *rank)? {
                encoding = self::encoding(destination)?;
            }
        }
        invalidate_cache(destination);
        Ok(())
    }
}

/// Makes a sparse string dense; false if it is already. O(registers).
pub fn to_dense(hll: &mut Vec<u8>) -> Result<bool, HllError> {
    if encoding(hll)? == Encoding::Dense {
        return Ok(false);
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER_LEN].copy_from_slice(&hll[..HEADER_LEN]);
    dense[ENCODING_AT] = DENSE;
    each_run(hll, |indices, rank| {
        if rank > 0 {
            indices.for_each(|index| set_dense(&mut dense, index, rank));
        }
    })?;
    *hll = dense;
    Ok(true)
}

/// The registers, one a byte, as PFDEBUG GETREG lists them. O(registers).
pub fn registers(hll: &[u8]) -> Result<Vec<u8>, HllError> {
    let mut union = Union::default();
    union.absorb(hll)?;
    Ok(union.registers)
}

/// The runs of a sparse string as PFDEBUG DECODE has them: `Z:n` and `z:n` for n registers of 0 in two
/// bytes and in one, `v:rank,n` for others, blanks between. `None` for a dense one. O(length).
pub fn decode(hll: &[u8]) -> Result<Option<String>, HllError> {
    if encoding(hll)? == Encoding::Dense {
        return Ok(None);
    }
    let mut runs = Vec::new();
    let mut at = HEADER_LEN;
    // When bytes were appended that end within a run of two, Redis reads the NUL with which its strings end.
    let terminated = [hll, b"\0"].concat();
    while at < hll.len()
        && let Some(run) = run_at(&terminated, at)
    {
        runs.push(match (run.rank, run.len) {
            (0, 1) => format!("z:{}", run.registers),
            (0, _) => format!("Z:{}", run.registers),
            (rank, _) => format!("v:{rank},{}", run.registers),
        });
        at += run.len;
    }
    Ok(Some(runs.join(" ")))
}

const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const CACHE: Range<usize> = 8..16;
const HEADER_LEN: usize = 16;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// Set in a cached cardinality that is out of date.
const CACHE_INVALID: u64 = 1 << 63;

/// The bits of a hash that choose the register; the others give the rank.
const INDEX_BITS: u32 = 14;
const RANK_BITS: u32 = 64 - INDEX_BITS;

/// The ranks a dense register can hold, of which a hash gives up to `RANK_BITS` + 1.
const RANK_COUNT: usize = 64;

const DENSE_LEN: usize = HEADER_LEN + REGISTER_COUNT * 6 / 8;

const SPARSE_RANK_MAX: u8 = 32;
const SPARSE_RANK_RUN_MAX: usize = 4;
const SPARSE_SHORT_ZERO_RUN_MAX: usize = 64;

fn invalidate_cache(hll: &mut [u8]) {
    hll[CACHE.end - 1] |= 0x80;
}

/// The register an element belongs to, and its rank: one more than the zeros its hash begins with.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur_hash_64a(element, 0xadc8_3b19);
    let index = hash as usize % REGISTER_COUNT;
    let zeros = (hash >> INDEX_BITS | 1 << RANK_BITS).trailing_zeros();
    (index, zeros as u8 + 1)
}

/// Austin Appleby's MurmurHash2 for 64 bits, variant A.
fn murmur_hash_64a(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 47
}

/// Raises a register to `rank` and tells whether it was lower. Leaves the cached cardinality alone.
/// Who raises registers in ascending order keeps the cursor, and need not look from the start each time.
fn raise(
    hll: &mut Vec<u8>,
    encoding: Encoding,
    cursor: &mut Cursor,
    index: usize,
    rank: u8,
) -> Result<bool, HllError> {
    match encoding {
        Encoding::Dense => Ok(raise_dense(hll, index, rank)),
        Encoding::Sparse => raise_sparse(hll, cursor, index, rank),
    }
}

fn raise_dense(hll: &mut [u8], index: usize, rank: u8) -> bool {
    let lower = get_dense(hll, index) < rank;
    if lower {
        set_dense(hll, index, rank);
    }
    lower
}

fn get_dense(hll: &[u8], index: usize) -> u8 {
    let (at, shift) = place_dense(index);
    (load_dense(&hll[at..]) >> shift & 63) as u8
}

fn set_dense(hll: &mut [u8], index: usize, rank: u8) {
    let (at, shift) = place_dense(index);
    let four = load_dense(&hll[at..]) & !(63 << shift) | u32::from(rank) << shift;
    hll[at..at + 3].copy_from_slice(&four.to_le_bytes()[..3]);
}

/// Four registers fill three bytes: where those are, and the register's bits in them.
fn place_dense(index: usize) -> (usize, usize) {
    (HEADER_LEN + index / 4 * 3, index % 4 * 6)
}

fn load_dense(four: &[u8]) -> u32 {
    u32::from_le_bytes([four[0], four[1], four[2], 0])
}

/// A run of a sparse string, from which to look for a register.
#[derive(Clone, Copy)]
struct Cursor {
    at: usize,
    /// The run's first register.
    first: usize,
}

impl Cursor {
    const START: Self = Self {
        at: HEADER_LEN,
        first: 0,
    };
}

/// Redis edits the runs in place, and what comes out depends on how: the run is split, then up to five
/// runs from the one before on are joined where they can be. The same steps give the same bytes.
fn raise_sparse(
    hll: &mut Vec<u8>,
    cursor: &mut Cursor,
    index: usize,
    rank: u8,
) -> Result<bool, HllError> {
    let mut before = [*cursor; 2];
    let mut here = *cursor;
    let run = loop {
        let run = run_at(hll, here.at).ok_or(HllError::Corrupted)?;
        if index < here.first + run.registers {
            break run;
        }
        before = [before[1], here];
        here = Cursor {
            at: here.at + run.len,
            first: here.first + run.registers,
        };
    };
    if here.at == cursor.at && cursor.at > HEADER_LEN {
        // The run before is needed below, and not known.
        *cursor = Cursor::START;
        return raise_sparse(hll, cursor, index, rank);
    }
    // Joining begins at the run before, so the one before that stays where it is.
    *cursor = before[0];
    if run.rank >= rank {
        return Ok(false);
    }
    let Cursor { at, first } = here;

    let mut split = Vec::with_capacity(5);
    push_run(&mut split, run.rank, index - first);
    if rank <= SPARSE_RANK_MAX {
        push_run(&mut split, rank, 1);
    }
    push_run(&mut split, run.rank, first + run.registers - 1 - index);
    let grows = split.len() > run.len;
    let too_long = grows && hll.len() + split.len() - run.len > SPARSE_LEN_MAX;
    if rank > SPARSE_RANK_MAX || too_long {
        to_dense(hll)?;
        return Ok(raise_dense(hll, index, rank));
    }
    hll.splice(at..at + run.len, split);
    join_runs(hll, before[1].at);
    Ok(true)
}

/// Looks at five runs from `at` on and joins neighbours of the same rank above 0, as far as one run can
/// take them. A join counts as a look, too.
fn join_runs(hll: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = run_at(hll, at) else {
            return;
        };
        let next = run_at(hll, at + run.len);
        match next {
            Some(next)
                if run.rank > 0
                    && next.rank == run.rank
                    && run.registers + next.registers <= SPARSE_RANK_RUN_MAX =>
            {
                hll[at] += next.registers as u8;
                hll.remove(at + 1);
            }
            _ => at += run.len,
        }
    }
}

/// Registers of one rank, one after the other, in sparse encoding.
struct SparseRun {
    rank: u8,
    registers: usize,
    /// In bytes.
    len: usize,
}

/// The run that begins at `at`; `None` at the end, and where the end cuts it off.
fn run_at(hll: &[u8], at: usize) -> Option<SparseRun> {
    let head = *hll.get(at)?;
    let low = usize::from(head & 0x3f);
    Some(match head >> 6 {
        0 => SparseRun {
            rank: 0,
            registers: low + 1,
            len: 1,
        },
        1 => SparseRun {
            rank: 0,
            registers: (low << 8 | usize::from(*hll.get(at + 1)?)) + 1,
            len: 2,
        },
        _ => SparseRun {
            rank: (head >> 2 & 0x1f) + 1,
            registers: usize::from(head & 3) + 1,
            len: 1,
        },
    })
}

/// Appends a run of at most [`REGISTER_COUNT`] zeros, or of at most 4 ranks of at most 32; nothing if
/// it has no registers.
fn push_run(runs: &mut Vec<u8>, rank: u8, registers: usize) {
    let Some(more) = registers.checked_sub(1) else {
        return;
    };
    if rank > 0 {
        runs.push(0x80 | (rank - 1) << 2 | more as u8);
    } else if registers > SPARSE_SHORT_ZERO_RUN_MAX {
        runs.extend([0x40 | (more >> 8) as u8, more as u8]);
    } else {
        runs.push(more as u8);
    }
}

/// Visits all registers in order, as runs of one rank. Runs may have been visited when an error is
/// found, but never one beyond the last register.
fn each_run(hll: &[u8], mut visit: impl FnMut(Range<usize>, u8)) -> Result<(), HllError> {
    if encoding(hll)? == Encoding::Dense {
        let mut index = 0;
        for four in hll[HEADER_LEN..].as_chunks::<3>().0 {
            let mut ranks = load_dense(four);
            for _ in 0..4 {
                visit(index..index + 1, (ranks & 63) as u8);
                ranks >>= 6;
                index += 1;
            }
        }
        return Ok(());
    }
    let mut at = HEADER_LEN;
    let mut first = 0;
    while at < hll.len() {
        let run = run_at(hll, at).ok_or(HllError::Corrupted)?;
        let end = first + run.registers;
        if end > REGISTER_COUNT {
            return Err(HllError::Corrupted);
        }
        visit(first..end, run.rank);
        at += run.len;
        first = end;
    }
    if first == REGISTER_COUNT {
        Ok(())
    } else {
        Err(HllError::Corrupted)
    }
}

/// How many registers have each rank.
fn histogram(hll: &[u8]) -> Result<[u32; RANK_COUNT], HllError> {
    let mut histogram = [0; RANK_COUNT];
    each_run(hll, |indices, rank| {
        histogram[usize::from(rank)] += indices.len() as u32;
    })?;
    Ok(histogram)
}

/// Otmar Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017,
/// algorithm 6). The order of the operations is Redis's, for the same roundings.
fn estimate(histogram: &[u32; RANK_COUNT]) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7; // 1 / (2 ln 2)
    let registers = REGISTER_COUNT as f64;
    let share = |count: f64| count / registers;
    let highest = RANK_BITS as usize + 1;
    let mut z = registers * tau(share(registers - f64::from(histogram[highest])));
    for count in histogram[1..highest].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += registers * sigma(share(f64::from(histogram[0])));
    // Infinite where all registers are beyond what a hash can give, so no u64 but what a reply can hold.
    (ALPHA * registers * registers / z).round() as i64 as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut y = 1.0;
    let mut z = x;
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut y = 1.0;
    let mut z = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip::SipHasher13;
    use std::hash::Hasher;

    /// SplitMix64, so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }
    }

    /// An element of the given register and rank: the hash function backwards.
    fn element(index: usize, rank: u8) -> [u8; 8] {
        const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
        // Newton's iteration doubles the bits that are right.
        let inverse = (0..6).fold(MULTIPLIER, |inverse, _| {
            let error = 2u64.wrapping_sub(MULTIPLIER.wrapping_mul(inverse));
            inverse.wrapping_mul(error)
        });
        let unmix = |hash: u64| (hash ^ hash >> 47).wrapping_mul(inverse);
        let high = 1u64.checked_shl(u32::from(rank) - 1 + INDEX_BITS);
        let hash = high.unwrap_or(0) | index as u64;
        let hash = unmix(hash);
        let hash = (hash ^ hash >> 47).wrapping_mul(inverse);
        let word = hash ^ 0xadc8_3b19 ^ MULTIPLIER.wrapping_mul(8);
        unmix(word.wrapping_mul(inverse)).to_le_bytes()
    }

    fn of(numbers: Range<u32>) -> Vec<u8> {
        let mut hll = create();
        for number in numbers {
            add(&mut hll, number.to_string().as_bytes()).unwrap();
        }
        hll
    }

    /// What tells the bytes from others.
    fn digest(hll: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(hll);
        hasher.finish()
    }

    fn union(hlls: &[&Vec<u8>]) -> Union {
        let mut union = Union::default();
        for hll in hlls {
            union.absorb(hll).unwrap();
        }
        union
    }

    #[test]
    fn elements_are_found_in_their_registers() {
        for (index, rank) in [(0, 1), (16383, 32), (5, 33), (77, 50), (5, 51)] {
            assert_eq!(register_of(&element(index, rank)), (index, rank));
        }
    }

    #[test]
    fn the_same_elements_give_the_same_bytes_as_redis_7_0_15() {
        let mut hll = create();
        let mut numbers = 0..100_000;
        for (total, cardinality, len, expected) in [
            (1, 1, 21, 0xa998_128e_6432_eb5a),
            (10, 10, 48, 0x1242_a250_006d_2a80),
            (100, 100, 287, 0x5501_f5cf_3c27_ab16),
            (1000, 1001, 1923, 0xdf29_ca13_51d5_7916),
            (3000, 3004, 12_304, 0x9e95_6f6c_ccd6_bb0d),
            (100_000, 99_565, 12_304, 0x2917_bf4b_3435_bc89),
        ] {
            while numbers.start < total {
                let number = numbers.next().unwrap();
                add(&mut hll, number.to_string().as_bytes()).unwrap();
            }
            // The cache still has the count before.
            assert_eq!((hll.len(), digest(&hll)), (len, expected), "{total}");
            assert_eq!(count(&mut hll), Ok(cardinality));
        }
    }

    #[test]
    fn runs_are_split_and_joined_as_redis_does() {
        let mut hll = create();
        for (index, rank) in [
            (10, 3),
            (12, 3),
            (11, 3),
            (13, 3),
            (14, 3),
            (9, 3),
            (8, 5),
            (10, 5),
            (9, 5),
            (16383, 32),
            (0, 1),
            (1, 1),
            (100, 2),
            (101, 2),
            (102, 2),
            (103, 2),
            (104, 2),
            (102, 4),
        ] {
            assert_eq!(add(&mut hll, &element(index, rank)), Ok(true));
        }
        assert_eq!(
            hll,
            b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\
              \x81\x05\x92\x8b\x40\x54\x85\x8c\x85\x7f\x95\xfc"
        );
        assert_eq!(
            decode(&hll).unwrap().unwrap(),
            "v:1,2 z:6 v:5,3 v:3,4 Z:85 v:2,2 v:4,1 v:2,2 Z:16278 v:32,1"
        );
        assert_eq!(add(&mut hll, &element(102, 4)), Ok(false));
        assert_eq!(cached_count(&hll), Ok(None));
        assert_eq!(count(&mut hll), Ok(15));
        assert_eq!(cached_count(&hll), Ok(Some(15)));
        assert_eq!(add(&mut hll, &element(102, 3)), Ok(false));
        assert_eq!(cached_count(&hll), Ok(Some(15)));
    }

    #[test]
    fn a_rank_too_high_for_sparse_makes_dense() {
        let mut hll = create();
        add(&mut hll, b"seed").unwrap();
        assert_eq!(add(&mut hll, &element(5, 33)), Ok(true));
        assert_eq!(encoding(&hll), Ok(Encoding::Dense));
        assert_eq!(count(&mut hll), Ok(2));
        assert_eq!(registers(&hll).unwrap()[5], 33);
        assert_eq!(decode(&hll), Ok(None));
    }

    #[test]
    fn half_a_run_at_the_end_is_decoded_as_in_redis() {
        let hll = [&create()[..], b"foo"].concat();
        let decoded = decode(&hll).unwrap().unwrap();
        assert_eq!(decoded, "Z:16384 Z:9840 Z:12033");
    }

    #[test]
    fn unions_as_in_redis_7_0_15() {
        let (mut a, b) = (of(0..700), of(500..1200));
        let mut c = create();
        let ab = union(&[&c, &a, &b]);
        assert_eq!(ab.count(), 1203);
        ab.store(&mut c).unwrap();
        assert_eq!(c.len(), 2259);
        assert_eq!(digest(&c), 0x6fff_1669_cd7e_9ff5);
        assert_eq!(count(&mut c), Ok(1203));

        let dense = of(0..5000);
        union(&[&a, &dense]).store(&mut a).unwrap();
        assert_eq!(digest(&a), 0x8414_4f3a_6b4f_41b1);
        assert_eq!(count(&mut a), Ok(4985));

        let mut promoted = create();
        let (e, f) = (of(0..900), of(900..1800));
        union(&[&promoted, &e, &f]).store(&mut promoted).unwrap();
        assert_eq!(digest(&promoted), 0xce6e_a5d3_3d30_fc92);
        assert_eq!(count(&mut promoted), Ok(1805));
    }

    #[test]
    fn estimates_of_full_registers_as_in_redis_7_0_15() {
        for (rank, expected) in [(1, 23_637), (20, 12_392_656_037)] {
            let mut histogram = [0; RANK_COUNT];
            histogram[rank] = REGISTER_COUNT as u32;
            assert_eq!(estimate(&histogram), expected);
        }
        let mut beyond = [0; RANK_COUNT];
        beyond[63] = REGISTER_COUNT as u32;
        assert_eq!(estimate(&beyond), i64::MAX as u64);
    }

    #[test]
    fn both_encodings_against_plain_registers() {
        let mut random = Random(1);
        for _ in 0..20 {
            let mut plain = vec![0; REGISTER_COUNT];
            let mut sparse = create();
            let mut dense = create();
            assert_eq!(to_dense(&mut dense), Ok(true));
            assert_eq!(to_dense(&mut dense), Ok(false));
            let spread = 1 + random.below(REGISTER_COUNT as u64);
            for _ in 0..random.below(1500) {
                let index = (REGISTER_COUNT as u64 - 1 - random.below(spread)) as usize;
                let rank = 1 + random.below(4) as u8;
                let changed = rank > plain[index];
                plain[index] = rank.max(plain[index]);
                for hll in [&mut sparse, &mut dense] {
                    assert_eq!(add(hll, &element(index, rank)), Ok(changed));
                }
            }
            assert_eq!(registers(&sparse).unwrap(), plain);
            assert_eq!(registers(&dense).unwrap(), plain);
            let expected = union(&[&sparse]).count();
            assert_eq!(count(&mut sparse), Ok(expected));
            assert_eq!(count(&mut dense), Ok(expected));
        }
    }

    #[test]
    fn a_union_gives_the_bytes_that_its_registers_give_one_by_one() {
        let mut random = Random(3);
        for _ in 0..40 {
            let mut one_by_one = create();
            let mut index = 0;
            loop {
                // Crowds and gaps.
                let gap_max = 1 << random.below(9);
                index += 1 + random.below(gap_max) as usize;
                if index >= REGISTER_COUNT || one_by_one.len() > 2500 {
                    break;
                }
                let rank = 1 + random.below(2) as u8;
                add(&mut one_by_one, &element(index, rank)).unwrap();
            }
            let mut stored = create();
            union(&[&one_by_one]).store(&mut stored).unwrap();
            assert_eq!(stored, one_by_one);
        }
    }

    #[test]
    fn any_bytes_are_taken() {
        let header = of(0..1)[..HEADER_LEN].to_vec();
        let with = |registers: &[u8]| [&header, registers].concat();
        for not in [
            &b""[..],
            b"HYLL",
            b"hyll\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
            b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
            b"HYLL\0\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        ] {
            assert_eq!(encoding(not), Err(HllError::NotHyperLogLog));
        }
        // Too few registers, too many, a rank beyond the last, and a run cut off.
        for bad in [
            &b""[..],
            b"\x7f\xfe",
            b"\x7f\xff\x00",
            b"\x7f\xff\x80",
            b"\x7f",
        ] {
            assert_eq!(count(&mut with(bad)), Err(HllError::Corrupted), "{bad:?}");
            assert_eq!(to_dense(&mut with(bad)), Err(HllError::Corrupted));
        }
        assert_eq!(add(&mut with(b""), b"x"), Err(HllError::Corrupted));

        let mut random = Random(2);
        let healthy = [of(0..1), of(0..50), of(0..1400), of(0..2000)];
        for _ in 0..2_000 {
            let mut hll = healthy[random.below(4) as usize].clone();
            for _ in 0..1 + random.below(8) {
                let at = random.below(hll.len() as u64) as usize;
                match random.below(4) {
                    0 => hll[at] = random.next() as u8,
                    1 => hll.insert(at, random.next() as u8),
                    2 => hll[at % HEADER_LEN] ^= 1 << random.below(8),
                    _ => hll.truncate(at.max(HEADER_LEN)),
                }
            }
            let mut copy = hll.clone();
            let sound = registers(&hll).is_ok();
            if let Ok(None) = cached_count(&hll) {
                assert_eq!(count(&mut copy).is_ok(), sound);
            }
            let _ = decode(&hll);
            let rank = 1 + random.below(50) as u8;
            let added = add(
                &mut hll,
                &element(random.next() as usize % REGISTER_COUNT, rank),
            );
            assert!(added.is_ok() || !sound);
            let _ = union(&[&healthy[1]]).store(&mut hll);
        }
    }
}
