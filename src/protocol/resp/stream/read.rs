//! XREAD and XREADGROUP: from several streams at once, and waiting for entries when there are none.

use super::{Done, positive, shown};
use crate::client::OnTimeout;
use crate::keyspace::stream::StreamId;
use crate::keyspace::{Stream, StreamRead, StreamRequest, Type};
use crate::protocol::Cx;
use crate::protocol::resp::blocking::{Wait, parse_timeout_ms};
use crate::protocol::resp::{Args, CommandError, Reply};

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key ...] id [id ...]`
pub fn xread(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = Request::parse(cx, args, false)?;
    let mut positions = Vec::with_capacity(request.len);
    for (name, text) in request.streams(args) {
        let key = cx.key(name);
        let stream = cx.keyspace.read::<Stream>(&key)?;
        positions.push(match text {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.log.last_id()),
            b">" => {
                return Err(CommandError::text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                ));
            }
            _ => StreamId::parse(text, 0)?,
        });
    }
    let mut ready = Vec::new();
    for ((name, _), after) in request.streams(args).zip(&positions) {
        let key = cx.key(name);
        let top_id = cx.keyspace.read::<Stream>(&key)?;
        let top_id = top_id.and_then(|stream| stream.log.top_id());
        if top_id > Some(*after)
            && let Some(start) = after.next()
        {
            ready.push((name, start));
        }
    }
    if ready.is_empty() {
        wait(cx, args, &request, &positions);
        return Ok(());
    }
    cx.reply().streams(ready.len());
    for (name, start) in ready {
        let key = cx.key(name);
        let (keyspace, mut reply) = cx.split();
        reply.stream_name(name);
        let entries = keyspace.read::<Stream>(&key)?;
        let entries = entries.map(|stream| stream.log.range(start, StreamId::MAX));
        reply.stream_entries(entries.into_iter().flatten().take(request.count));
    }
    Ok(())
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key ...] id [id ...]`
pub fn xreadgroup(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let request = Request::parse(cx, args, true)?;
    let Some((group, consumer)) = request.consumer else {
        return Err(CommandError::text(
            "ERR Missing GROUP option for XREADGROUP",
        ));
    };
    let mut positions = Vec::with_capacity(request.len);
    let mut is_anything_new = false;
    for (name, text) in request.streams(args) {
        let key = cx.key(name);
        let stream = cx.keyspace.read::<Stream>(&key)?;
        let found = stream.and_then(|stream| Some((stream, stream.group(group).ok()?)));
        let Some((stream, state)) = found else {
            let (key, group) = (shown(name), shown(group));
            let text = format!(
                "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
            );
            return Err(CommandError::Other(text.into()));
        };
        is_anything_new |= stream.log.top_id() > Some(state.last_delivered_id());
        positions.push(match text {
            b">" => None,
            b"$" => {
                return Err(CommandError::text(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set.",
                ));
            }
            // The last possible id is the one by which Redis knows `>`.
            _ => Some(StreamId::parse(text, 0)?).filter(|id| *id != StreamId::MAX),
        });
    }
    if cx.client.is_blocked() && !is_anything_new {
        // Run again for nothing: this is no sign of life of the consumer, which may have been deleted since.
        wait(cx, args, &request, &[]);
        return Ok(());
    }
    let mut reads = Vec::new();
    for ((name, _), after) in request.streams(args).zip(positions) {
        let key = cx.key(name);
        let asked = StreamRequest {
            group,
            consumer,
            after,
            count: request.count,
            no_ack: request.no_ack,
        };
        let read = cx.keyspace.stream_read_group(&key, asked)?;
        if read != StreamRead::New(None) {
            reads.push((name, read));
        }
    }
    if reads.is_empty() {
        wait(cx, args, &request, &[]);
        return Ok(());
    }
    cx.reply().streams(reads.len());
    for (name, read) in reads {
        let key = cx.key(name);
        let (keyspace, mut reply) = cx.split();
        reply.stream_name(name);
        if let Some(stream) = keyspace.read::<Stream>(&key)? {
            write_read(stream, &read, &mut reply);
        }
    }
    Ok(())
}

fn write_read(stream: &Stream, read: &StreamRead, reply: &mut Reply<'_>) {
    match read {
        StreamRead::New(delivered) => {
            let entries = delivered.map(|new| stream.log.range(new.first, new.last));
            reply.stream_entries(entries.into_iter().flatten());
        }
        StreamRead::History(ids) => {
            reply.array(ids.len());
            for id in ids {
                match stream.log.get(*id) {
                    Some(entry) => reply.stream_entry(&entry),
                    None => {
                        reply.array(2);
                        reply.stream_id(*id);
                        reply.null_array();
                    }
                }
            }
        }
    }
}

/// What stands before the streams, and where they stand.
struct Request<'a> {
    /// The group and the consumer's name.
    consumer: Option<(&'a [u8], &'a [u8])>,
    count: usize,
    no_ack: bool,
    /// It may wait: so many ms, or for ever.
    block_ms: Option<Option<u64>>,
    /// Where the first key stands.
    at: usize,
    /// How many streams there are.
    len: usize,
}

impl<'a> Request<'a> {
    fn parse(cx: &Cx<'_>, args: Args<'a>, in_group: bool) -> Result<Self, CommandError> {
        let mut request = Request {
            consumer: None,
            count: usize::MAX,
            no_ack: false,
            block_ms: None,
            at: 0,
            len: 0,
        };
        let mut at = 1;
        while at < args.len() && request.at == 0 {
            let more = args.len() - 1 - at;
            if more > 0 && args.is(at, "block") {
                at += 1;
                let now_ms = cx.keyspace.now_ms();
                request.block_ms = Some(parse_timeout_ms(&args[at], now_ms)?);
            } else if more > 0 && args.is(at, "count") {
                at += 1;
                request.count = positive(args.integer(at)?);
            } else if more > 0 && args.is(at, "streams") {
                if more % 2 == 1 {
                    return Err(unbalanced(in_group));
                }
                (request.at, request.len) = (at + 1, more / 2);
            } else if more > 1 && args.is(at, "group") {
                if !in_group {
                    return Err(only_in_group("GROUP"));
                }
                request.consumer = args.get(at + 1).zip(args.get(at + 2));
                at += 2;
            } else if args.is(at, "noack") {
                if !in_group {
                    return Err(only_in_group("NOACK"));
                }
                request.no_ack = true;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        if request.at == 0 {
            return Err(CommandError::Syntax);
        }
        Ok(request)
    }

    /// The keys, each with what was given as an id.
    fn streams<'b>(&self, args: Args<'b>) -> impl Iterator<Item = (&'b [u8], &'b [u8])> + use<'b> {
        let (at, len) = (self.at, self.len);
        args.iter_from(at).take(len).zip(args.iter_from(at + len))
    }
}

fn unbalanced(in_group: bool) -> CommandError {
    let (name, symbol) = if in_group {
        ("xreadgroup", '>')
    } else {
        ("xread", '$')
    };
    CommandError::err(format_args!(
        "Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
    ))
}

fn only_in_group(option: &str) -> CommandError {
    CommandError::err(format_args!(
        "The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}

/// Waits for entries if the request says so, and answers nothing if not. Where `positions` are given they are kept in
/// place of the ids: what `$` was when the request came is what it waits for.
fn wait(cx: &mut Cx<'_>, args: Args<'_>, request: &Request<'_>, positions: &[StreamId]) {
    let Some(timeout_ms) = request.block_ms else {
        cx.reply().null_array();
        return;
    };
    let in_group = request.consumer.is_some();
    let wait = Wait {
        keys: request.streams(args).map(|(key, _)| key).collect(),
        // A consumer hears at once that its group has gone, with the stream or without it.
        wants: (!in_group).then_some(Type::Stream),
        timeout_ms,
        on_timeout: OnTimeout::NullArray,
    };
    let texts: Vec<_> = positions.iter().map(|id| id.text()).collect();
    let resolved = texts.iter().map(|text| text.as_bytes());
    let kept = args.len() - resolved.len();
    cx.block_as(args.iter_from(0).take(kept).chain(resolved), wait);
}

impl Reply<'_> {
    /// The beginning of what is read from `len` streams.
    fn streams(&mut self, len: usize) {
        if self.resp3 {
            self.map(len);
        } else {
            self.array(len);
        }
    }

    /// The name of one of them; its entries come next.
    fn stream_name(&mut self, name: &[u8]) {
        if !self.resp3 {
            self.array(2);
        }
        self.bulk(name);
    }
}
