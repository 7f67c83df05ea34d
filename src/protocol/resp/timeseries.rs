//! The commands on time series, in the words of RedisTimeSeries.

use super::{Args, CommandError, Reply};
use crate::keyspace::SeriesError;
use crate::keyspace::series::{AddError, DuplicatePolicy, Query, Sample, push_ts_value};
use crate::number::parse_i64;
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

const NO_KEY: CommandError = CommandError::text("ERR TSDB: the key does not exist");
const WRONG_TYPE: CommandError = CommandError::text("ERR TSDB: the key is not a TSDB key");

/// `TS.ADD key timestamp value [ON_DUPLICATE policy]`
pub fn ts_add(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let value = parse_value(&args[3])?;
    let timestamp = parse_timestamp(cx, &args[2])?;
    let mut policy = None;
    match args.len() {
        4 => {}
        6 if args.is(4, "on_duplicate") => {
            policy = Some(
                DuplicatePolicy::parse(&args[5])
                    .ok_or(CommandError::text("ERR TSDB: Unknown DUPLICATE_POLICY"))?,
            );
        }
        _ => return Err(CommandError::Syntax),
    }
    add(cx, &args[1], timestamp, value, policy)?;
    cx.reply().integer(timestamp);
    Ok(())
}

/// `TS.MADD {key timestamp value}...`: each sample succeeds or fails for itself.
pub fn ts_madd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !(args.len() - 1).is_multiple_of(3) {
        return Err(CommandError::Arity("ts.madd".into()));
    }
    cx.reply().array((args.len() - 1) / 3);
    for at in (1..args.len()).step_by(3) {
        let mut one = || {
            let value = parse_value(&args[at + 2])?;
            let timestamp = parse_timestamp(cx, &args[at + 1])?;
            let key = cx.key(&args[at]);
            // Unlike TS.ADD it creates nothing.
            if !matches!(cx.keyspace.series(&key), Ok(Some(_))) {
                return Err(WRONG_TYPE);
            }
            add(cx, &args[at], timestamp, value, None)?;
            Ok(timestamp)
        };
        match one() {
            Ok(timestamp) => cx.reply().integer(timestamp),
            Err(error) => cx.reply().error(&error.to_string()),
        }
    }
    Ok(())
}

fn add(
    cx: &mut Cx<'_>,
    key: &[u8],
    timestamp: i64,
    value: f64,
    policy: Option<DuplicatePolicy>,
) -> Done {
    let key = cx.key(key);
    match cx.keyspace.series_add(&key, timestamp, value, policy) {
        Ok(_) => Ok(()),
        Err(SeriesError::WrongType(_)) => Err(WRONG_TYPE),
        Err(SeriesError::Add(AddError::OlderThanRetention)) => Err(CommandError::text(
            "ERR TSDB: Timestamp is older than retention",
        )),
        Err(SeriesError::Add(AddError::Duplicate)) => Err(CommandError::text(
            "ERR TSDB: Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK mode",
        )),
    }
}

/// `TS.GET key`: the newest sample.
pub fn ts_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 2 {
        return Err(CommandError::text("ERR TSDB: wrong 3rd argument"));
    }
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    match keyspace.series(&key)?.ok_or(NO_KEY)?.last() {
        Some(sample) => push_sample(&mut reply, sample),
        None => reply.array(0),
    }
    Ok(())
}

pub fn ts_range(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, false)
}

pub fn ts_revrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, true)
}

/// `TS.RANGE key from to [COUNT count]`
fn range(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Done {
    let key = cx.key(&args[1]);
    if cx.keyspace.series(&key)?.is_none() {
        return Err(NO_KEY);
    }
    let (from, to) = parse_bounds(args)?;
    let mut query = Query {
        reverse,
        ..Query::new(from, to)
    };
    match args.len() {
        4 => {}
        5 if args.is(4, "count") => {
            return Err(CommandError::text("ERR TSDB: COUNT argument is missing"));
        }
        6 if args.is(4, "count") => {
            let count = parse_i64(&args[5]).and_then(|count| u64::try_from(count).ok());
            query.count = Some(count.ok_or(CommandError::text("ERR TSDB: Couldn't parse COUNT"))?);
        }
        _ => return Err(CommandError::Syntax),
    }
    let (keyspace, mut reply) = cx.split();
    let samples: Vec<Sample> = match keyspace.series(&key)? {
        Some(series) => series.query(&query).collect(),
        None => return Err(NO_KEY),
    };
    reply.array(samples.len());
    for sample in samples {
        push_sample(&mut reply, sample);
    }
    Ok(())
}

/// `TS.DEL key from to`
pub fn ts_del(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (from, to) = parse_bounds(args)?;
    let key = cx.key(&args[1]);
    let deleted = cx
        .keyspace
        .series_delete_range(&key, from, to)?
        .ok_or(NO_KEY)?;
    cx.reply()
        .integer(i64::try_from(deleted).unwrap_or(i64::MAX));
    Ok(())
}

/// `TS.INFO key`
pub fn ts_info(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let memory = cx.keyspace.memory_usage_bytes(&key).unwrap_or(0);
    let (keyspace, mut reply) = cx.split();
    let series = keyspace.series(&key)?.ok_or(NO_KEY)?;
    let timestamp = |sample: Option<Sample>| sample.map_or(0, |sample| sample.timestamp);
    let numbers = [
        ("totalSamples", series.len() as i64),
        ("memoryUsage", memory as i64),
        ("firstTimestamp", timestamp(series.first())),
        ("lastTimestamp", timestamp(series.last())),
        ("retentionTime", series.retention_ms() as i64),
        ("chunkCount", series.chunk_count() as i64),
        ("chunkSize", i64::from(series.chunk_size_bytes())),
    ];
    reply.map(numbers.len() + 5);
    for (name, number) in numbers {
        reply.simple(name);
        reply.integer(number);
    }
    reply.simple("chunkType");
    reply.simple("uncompressed");
    reply.simple("duplicatePolicy");
    match series.duplicate_policy() {
        Some(policy) => reply.simple(&policy.name().to_ascii_lowercase()),
        None => reply.null(),
    }
    reply.simple("labels");
    if reply.resp3 {
        reply.map(series.labels().len());
    } else {
        reply.array(series.labels().len());
    }
    for label in series.labels() {
        if !reply.resp3 {
            reply.array(2);
        }
        reply.bulk(label.name());
        reply.bulk(label.value());
    }
    reply.simple("sourceKey");
    reply.null();
    reply.simple("rules");
    reply.map(0);
    Ok(())
}

fn push_sample(reply: &mut Reply<'_>, sample: Sample) {
    reply.array(2);
    reply.integer(sample.timestamp);
    if reply.resp3 {
        reply.double(sample.value);
    } else {
        let mut text = Vec::with_capacity(24);
        push_ts_value(sample.value, &mut text);
        reply.simple(&String::from_utf8_lossy(&text));
    }
}

/// A sample's value: plain decimals only, with an exponent if need be, and finite.
fn parse_value(text: &[u8]) -> Result<f64, CommandError> {
    const INVALID: CommandError = CommandError::text("ERR TSDB: invalid value");
    let starts = match text {
        [b'-', rest @ ..] => rest.first(),
        _ => text.first(),
    };
    let plain = starts.is_some_and(u8::is_ascii_digit)
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value = std::str::from_utf8(text)
        .ok()
        .filter(|_| plain)
        .and_then(|text| text.parse::<f64>().ok());
    value.filter(|value| value.is_finite()).ok_or(INVALID)
}

/// `*` is now; the commands take no time before 1970 (the metrics protocol does).
/// Unlike RedisTimeSeries it lets times before 1970 be: the metrics protocol has them, and its samples are told (see
/// `change.rs`) and read by these commands.
fn parse_timestamp(cx: &Cx<'_>, text: &[u8]) -> Result<i64, CommandError> {
    if text == b"*" {
        return Ok(cx.keyspace.now_ms());
    }
    parse_i64(text).ok_or(CommandError::text("ERR TSDB: invalid timestamp"))
}

/// The range that the third and fourth arguments name; `-` and `+` are its ends.
fn parse_bounds(args: Args<'_>) -> Result<(i64, i64), CommandError> {
    let from = match &args[2] {
        b"-" => Some(i64::MIN),
        text => parse_i64(text),
    };
    let to = match &args[3] {
        b"+" => Some(i64::MAX),
        text => parse_i64(text),
    };
    Ok((
        from.ok_or(CommandError::text("ERR TSDB: wrong fromTimestamp"))?,
        to.ok_or(CommandError::text("ERR TSDB: wrong toTimestamp"))?,
    ))
}
