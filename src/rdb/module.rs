//! Writes and reads the types that are modules in Redis: JSON documents and time series.
//!
//! ```text
//! | type's name and version, in one number | opcode value | opcode value | ... | end |
//! ```
//!
//! A JSON document is written as RedisJSON 2 does it, one string of text, and so comes and goes between the two. A series
//! has a form of our own, because RedisTimeSeries writes its compressed chunks as they lie in memory: a Redis without a
//! module of that name refuses it (RESTORE says "Bad data format", a server with it in its file does not start).

use std::borrow::Cow;

use super::encode::Head;
use super::source::Text;
use super::{RdbError, Sink, Source, kind};
use crate::keyspace::json::{Json, Parsed};
use crate::keyspace::series::{DuplicatePolicy, LabelPair, Series};
use crate::keyspace::{Content, Value};

const JSON: Module = Module {
    name: *b"ReJSON-RL",
    version: 3,
};
const SERIES: Module = Module {
    name: *b"pentad-ts",
    version: 1,
};

/// The numbers stand for themselves in the series' form: they are never to change.
const POLICIES: [Option<DuplicatePolicy>; 7] = [
    None,
    Some(DuplicatePolicy::Block),
    Some(DuplicatePolicy::First),
    Some(DuplicatePolicy::Last),
    Some(DuplicatePolicy::Min),
    Some(DuplicatePolicy::Max),
    Some(DuplicatePolicy::Sum),
];

/// Samples of one string.
const SAMPLES_PER_STRING: usize = 1024;
const SAMPLE_BYTES: usize = 16;

mod opcode {
    pub const END: u64 = 0;
    pub const SIGNED: u64 = 1;
    pub const UNSIGNED: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

const BAD_OPCODE: RdbError = RdbError::Corrupt("a module's value has another part than expected");
const BAD_SERIES: RdbError = RdbError::Corrupt("a time series is not as it should be");

/// What a module calls its type: nine letters, digits, dashes and underscores, and the version of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Module {
    name: [u8; 9],
    version: u16,
}

const NAME_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VERSION_BITS: u32 = 10;

impl Module {
    /// Six bits a letter, and ten of the version.
    fn id(self) -> u64 {
        let place = |letter: &u8| NAME_LETTERS.iter().position(|known| known == letter);
        let name = self
            .name
            .iter()
            .fold(0, |id, letter| id << 6 | place(letter).unwrap_or(0) as u64);
        name << VERSION_BITS | u64::from(self.version)
    }

    fn from_id(id: u64) -> Module {
        let letters = id >> VERSION_BITS;
        Module {
            name: std::array::from_fn(|at| NAME_LETTERS[(letters >> (6 * (8 - at))) as usize & 63]),
            version: id as u16 & ((1 << VERSION_BITS) - 1),
        }
    }
}

/// Writes type and value.
pub fn encode_json(head: Head<'_>, json: &Json, sink: &mut impl Sink) {
    begin(head, JSON, sink);
    put_bytes(json.text(), sink);
    sink.put_length(opcode::END);
}

/// Writes type and value.
pub fn encode_series(head: Head<'_>, series: &Series, sink: &mut impl Sink) {
    begin(head, SERIES, sink);
    put_number(series.retention_ms(), sink);
    put_number(u64::from(series.chunk_size_bytes()), sink);
    let policy = series.duplicate_policy();
    let policy = POLICIES.iter().position(|known| *known == policy);
    put_number(policy.unwrap_or(0) as u64, sink);
    put_number(series.labels().len() as u64, sink);
    for label in series.labels() {
        put_bytes(label.name(), sink);
        put_bytes(label.value(), sink);
    }
    put_number(series.len() as u64, sink);
    let mut bytes = Vec::new();
    for sample in series.range(i64::MIN..=i64::MAX) {
        bytes.extend_from_slice(&sample.timestamp.to_le_bytes());
        bytes.extend_from_slice(&sample.value.to_bits().to_le_bytes());
        if bytes.len() == SAMPLES_PER_STRING * SAMPLE_BYTES {
            put_bytes(&bytes, sink);
            bytes.clear();
        }
    }
    if !bytes.is_empty() {
        put_bytes(&bytes, sink);
    }
    sink.put_length(opcode::END);
}

fn begin(head: Head<'_>, module: Module, sink: &mut impl Sink) {
    head.put(kind::MODULE_2, sink);
    sink.put_length(module.id());
}

fn put_number(number: u64, sink: &mut impl Sink) {
    sink.put_length(opcode::UNSIGNED);
    sink.put_length(number);
}

fn put_bytes(bytes: &[u8], sink: &mut impl Sink) {
    sink.put_length(opcode::STRING);
    sink.put_string(bytes);
}

/// Reads a value of a module type, if it is one of ours.
pub fn decode_module<S: Source>(source: &mut S) -> Result<Content<'_>, RdbError> {
    let module = Module::from_id(source.length()?);
    let content = match module {
        JSON => decode_json(source)?,
        SERIES => Content::Value(Value::Series(Box::new(decode_series(source)?))),
        _ => {
            return Err(RdbError::UnknownModule {
                name: String::from_utf8_lossy(&module.name).into_owned(),
                version: module.version,
            });
        }
    };
    match source.length()? {
        opcode::END => Ok(content),
        _ => Err(BAD_OPCODE),
    }
}

/// Passes over what a module has written beside the keys, of which nobody but the module knows what it is.
pub fn skip_module_aux<S: Source>(source: &mut S) -> Result<(), RdbError> {
    source.length()?;
    loop {
        match source.length()? {
            opcode::END => return Ok(()),
            opcode::SIGNED | opcode::UNSIGNED => drop(source.length()?),
            opcode::FLOAT => drop(source.array::<4>()?),
            opcode::DOUBLE => drop(source.array::<8>()?),
            opcode::STRING => drop(source.string()?),
            _ => return Err(BAD_OPCODE),
        }
    }
}

fn decode_json<S: Source>(source: &mut S) -> Result<Content<'static>, RdbError> {
    match Json::parse(take_bytes(source)?.as_bytes(&mut [0; 20])) {
        Ok(Parsed::Document(json)) => Ok(Content::Value(Value::Json(Box::new(json)))),
        Ok(Parsed::String(text)) => Ok(Content::string(Cow::Owned(text.into_bytes()))),
        Err(_) => Err(RdbError::Corrupt("a JSON document is no JSON")),
    }
}

fn decode_series<S: Source>(source: &mut S) -> Result<Series, RdbError> {
    let mut series = Series::new();
    let retention_ms = take_number(source)?;
    let chunk_size_bytes = u32::try_from(take_number(source)?).map_err(|_| BAD_SERIES)?;
    series.set_chunk_size_bytes(chunk_size_bytes);
    let policy = usize::try_from(take_number(source)?).unwrap_or(usize::MAX);
    series.set_duplicate_policy(*POLICIES.get(policy).ok_or(BAD_SERIES)?);
    let mut labels = Vec::new();
    for _ in 0..take_number(source)? {
        let name = take_bytes(source)?.to_vec();
        let value = take_bytes(source)?;
        let label = LabelPair::new(&name, value.as_bytes(&mut [0; 20]));
        labels.push(label.map_err(|_| BAD_SERIES)?);
    }
    series.set_labels(labels);
    let len = take_number(source)?;
    while (series.len() as u64) < len {
        let Text::Bytes(bytes) = take_bytes(source)? else {
            return Err(BAD_SERIES);
        };
        let (samples, []) = bytes.as_chunks::<SAMPLE_BYTES>() else {
            return Err(BAD_SERIES);
        };
        if samples.is_empty() {
            return Err(BAD_SERIES);
        }
        for sample in samples {
            let [a, b, c, d, e, f, g, h, rest @ ..] = *sample;
            let timestamp = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let value = f64::from_bits(u64::from_le_bytes(rest));
            let is_newest = series.last().is_none_or(|last| timestamp > last.timestamp);
            if !is_newest || series.add(timestamp, value, None).is_err() {
                return Err(BAD_SERIES);
            }
        }
    }
    series.set_retention_ms(retention_ms);
    if series.len() as u64 == len {
        Ok(series)
    } else {
        Err(BAD_SERIES)
    }
}

fn take_number<S: Source>(source: &mut S) -> Result<u64, RdbError> {
    match source.length()? {
        opcode::UNSIGNED => source.length(),
        _ => Err(BAD_OPCODE),
    }
}

fn take_bytes<S: Source>(source: &mut S) -> Result<Text<'_>, RdbError> {
    match source.length()? {
        opcode::STRING => source.string(),
        _ => Err(BAD_OPCODE),
    }
}
