//! What the server should do, as simply as it can be said: a map of plain collections, and every command written down
//! from its documentation. Slow, and obviously right. It must not know the server.

use std::collections::{BTreeMap, BTreeSet};

use pentad::Scheme;

use crate::common::resp::{Value, encode};

/// A request, as words: `["SET", "k", "v"]`, `["get"]` (counter), `["s", "k", "v"]` (lab).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub scheme: Scheme,
    pub words: Vec<Vec<u8>>,
}

/// What must come back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes, in a protocol other than RESP.
    Bytes(Vec<u8>),
    /// This reply.
    Reply(Value),
    /// This reply, its items in any order.
    InAnyOrder(Value),
    /// An error that begins so.
    Error(&'static str),
    /// An array of replies.
    Many(Vec<Answer>),
    /// No word: the connection is closed.
    Close,
}

/// The data. All databases but the first stay empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    keys: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    held: Held,
    expires_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Held {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Sorted(BTreeMap<Vec<u8>, f64>),
    Json(Vec<u8>),
    Series(BTreeMap<i64, f64>),
}

/// What one client has queued.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    queued: Option<Vec<Op>>,
    broken: bool,
}

/// Everything a key is: its name, type, value and expiry, as a client would read them.
pub type Row = (Vec<u8>, Value, Value, Value);

const WRONG_TYPE: Answer = Answer::Error("WRONGTYPE ");
const NO_INTEGER: Answer = Answer::Error("ERR value is not an integer or out of range");

impl Op {
    pub fn new<W: AsRef<[u8]>>(scheme: Scheme, words: &[W]) -> Self {
        let words = words.iter().map(|word| word.as_ref().to_vec()).collect();
        Op { scheme, words }
    }

    /// As a client sends it.
    pub fn bytes(&self) -> Vec<u8> {
        match self.scheme {
            Scheme::Resp => encode(&self.words),
            Scheme::Metrics | Scheme::Counter => [&self.words.join(&b' ')[..], b"\n"].concat(),
            Scheme::Lab => [&self.lab_message()[..], b"\r\n"].concat(),
            Scheme::LabByte => {
                let message = self.lab_message();
                [&[message.len() as u8][..], &message].concat()
            }
            Scheme::LabDigit => {
                let message = self.lab_message();
                [&[b'0' + message.len() as u8][..], &message].concat()
            }
            Scheme::Speicher | Scheme::Custom(_) => {
                let text = |at: usize| String::from_utf8_lossy(&self.words[at]).into_owned();
                let mut json = format!("{{\"command\":\"{}\",\"key\":\"{}\"", text(0), text(1));
                if self.words.len() > 2 {
                    json += &format!(",\"value\":{}", text(2));
                }
                framed(&(json + "}"))
            }
        }
    }

    fn lab_message(&self) -> Vec<u8> {
        let mut message = self.words[0].clone();
        message.extend(self.words[1..].join(&b':'));
        message
    }

    /// Whether it may change something.
    fn writes(&self) -> bool {
        let name = self.words[0].to_ascii_lowercase();
        match self.scheme {
            Scheme::Resp => !matches!(
                &name[..],
                b"get"
                    | b"strlen"
                    | b"exists"
                    | b"pttl"
                    | b"pexpiretime"
                    | b"type"
                    | b"keys"
                    | b"lrange"
                    | b"llen"
                    | b"lindex"
                    | b"hget"
                    | b"hgetall"
                    | b"hlen"
                    | b"smembers"
                    | b"sismember"
                    | b"scard"
                    | b"sinter"
                    | b"zrange"
                    | b"zscore"
                    | b"zrank"
                    | b"zcard"
                    | b"zcount"
                    | b"getrange"
                    | b"multi"
                    | b"exec"
                    | b"discard"
                    | b"echo"
            ),
            Scheme::Lab | Scheme::LabByte | Scheme::LabDigit => name == b"s",
            _ => name != b"get",
        }
    }
}

fn framed(json: &str) -> Vec<u8> {
    [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat()
}

impl Answer {
    /// Whether this RESP reply is it.
    pub fn fits(&self, reply: &Value) -> bool {
        match self {
            Answer::Reply(expected) => expected == reply,
            Answer::InAnyOrder(expected) => {
                let (mut expected, mut reply) = (expected.clone(), reply.clone());
                expected.sort();
                reply.sort();
                expected == reply
            }
            Answer::Error(start) => {
                reply.is_error()
                    && reply
                        .text()
                        .is_some_and(|text| text.starts_with(start.as_bytes()))
            }
            Answer::Many(answers) => {
                let items = reply.items();
                matches!(reply, Value::Array(_))
                    && items.len() == answers.len()
                    && answers
                        .iter()
                        .zip(items)
                        .all(|(answer, item)| answer.fits(item))
            }
            Answer::Bytes(_) | Answer::Close => false,
        }
    }
}

fn bulk(text: &[u8]) -> Value {
    Value::Bulk(text.to_vec())
}

fn int(number: usize) -> Answer {
    Answer::Reply(Value::Integer(number as i64))
}

fn ok() -> Answer {
    Answer::Reply(Value::Simple(b"OK".to_vec()))
}

fn nil() -> Answer {
    Answer::Reply(Value::NullBulk)
}

fn bulk_or_nil(text: Option<&[u8]>) -> Answer {
    text.map_or_else(nil, |text| Answer::Reply(bulk(text)))
}

fn array<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Value {
    Value::Array(items.into_iter().map(bulk).collect())
}

/// The integer that a text is, in the one way of writing it.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse()
        .ok()
        .filter(|int: &i64| int.to_string() == text)
}

fn number(score: f64) -> Vec<u8> {
    score.to_string().into_bytes()
}

/// Indices from the front or the end, as those that a range of `len` items has of them.
fn bounds(from: i64, to: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let at = |index: i64| if index < 0 { index + len } else { index };
    let (from, to) = (at(from).max(0), at(to).min(len - 1));
    if from > to {
        0..0
    } else {
        from as usize..to as usize + 1
    }
}

/// The collection of a kind under a key: `None` where there is nothing, an error where there is something else.
macro_rules! found {
    ($model:expr, $key:expr, $kind:ident) => {
        match $model.keys.get_mut($key) {
            None => Ok(None),
            Some(Entry {
                held: Held::$kind(held),
                ..
            }) => Ok(Some(held)),
            Some(_) => Err(WRONG_TYPE),
        }
    };
}

/// The same, made if there is nothing.
macro_rules! made {
    ($model:expr, $key:expr, $kind:ident) => {{
        let entry = $model.keys.entry($key.to_vec()).or_insert_with(|| Entry {
            held: Held::$kind(Default::default()),
            expires_ms: None,
        });
        match &mut entry.held {
            Held::$kind(held) => Ok(held),
            _ => Err(WRONG_TYPE),
        }
    }};
}

impl Model {
    /// Forgets what has expired.
    pub fn expire(&mut self, now_ms: i64) {
        self.keys
            .retain(|_, entry| entry.expires_ms.is_none_or(|at_ms| at_ms > now_ms));
    }

    /// Everything, as a client would read it, in order.
    pub fn rows(&self) -> Vec<Row> {
        let row = |(key, entry): (&Vec<u8>, &Entry)| {
            let kind = Value::Simple(entry.held.kind().to_vec());
            let expiry = Value::Integer(entry.expires_ms.unwrap_or(-1));
            (key.clone(), kind, entry.held.whole(), expiry)
        };
        self.keys.iter().map(row).collect()
    }

    /// What a client's request is answered, and does. While the storage fails (`read_only`) nothing is changed.
    pub fn run(
        &mut self,
        op: &Op,
        now_ms: i64,
        read_only: bool,
        transaction: &mut Transaction,
    ) -> Answer {
        self.expire(now_ms);
        let refused = read_only && op.writes();
        match op.scheme {
            Scheme::Resp => self.run_resp(op, now_ms, read_only, transaction),
            Scheme::Counter if refused => Answer::Bytes(b"err\n".to_vec()),
            Scheme::Counter => Answer::Bytes(self.run_counter(&op.words)),
            Scheme::Metrics if refused => Answer::Bytes(b"error\nwrong command\n\n".to_vec()),
            Scheme::Metrics => Answer::Bytes(self.run_metrics(&op.words)),
            Scheme::Speicher | Scheme::Custom(_) if refused => {
                Answer::Bytes(framed("{\"status_code\":503}"))
            }
            Scheme::Speicher | Scheme::Custom(_) => Answer::Bytes(self.run_speicher(&op.words)),
            Scheme::Lab | Scheme::LabByte | Scheme::LabDigit if refused => Answer::Close,
            Scheme::Lab | Scheme::LabByte | Scheme::LabDigit => {
                let reply = self.run_lab(&op.words);
                Answer::Bytes(match (op.scheme, reply) {
                    (_, None) => Vec::new(),
                    (Scheme::Lab, Some(value)) => [&value[..], b"\r\n"].concat(),
                    (Scheme::LabByte, Some(value)) => [&[value.len() as u8][..], &value].concat(),
                    (_, Some(value)) => value,
                })
            }
        }
    }

    fn run_resp(
        &mut self,
        op: &Op,
        now_ms: i64,
        read_only: bool,
        transaction: &mut Transaction,
    ) -> Answer {
        let name = op.words[0].to_ascii_lowercase();
        match &name[..] {
            b"multi" if transaction.queued.is_some() => Answer::Error("ERR MULTI"),
            b"multi" => {
                transaction.queued = Some(Vec::new());
                ok()
            }
            b"discard" | b"exec" if transaction.queued.is_none() => Answer::Error("ERR "),
            b"discard" => {
                *transaction = Transaction::default();
                ok()
            }
            b"exec" => {
                let Transaction { queued, broken } = std::mem::take(transaction);
                let queued = queued.unwrap_or_default();
                if broken || read_only && queued.iter().any(Op::writes) {
                    return Answer::Error("EXECABORT ");
                }
                let run = |op: &Op| {
                    // Time stands still, but a key that was to expire before now is gone at once.
                    self.expire(now_ms);
                    self.command(op, now_ms)
                };
                Answer::Many(queued.iter().map(run).collect())
            }
            _ if read_only && op.writes() => {
                transaction.broken = transaction.queued.is_some();
                Answer::Error("MISCONF ")
            }
            _ => match &mut transaction.queued {
                Some(queued) => {
                    queued.push(op.clone());
                    Answer::Reply(Value::Simple(b"QUEUED".to_vec()))
                }
                None => self.command(op, now_ms),
            },
        }
    }

    fn command(&mut self, op: &Op, now_ms: i64) -> Answer {
        let name = op.words[0].to_ascii_lowercase();
        let args: Vec<&[u8]> = op.words[1..].iter().map(|word| &word[..]).collect();
        let result = self
            .string_command(&name, &args, now_ms)
            .or_else(|| self.key_command(&name, &args, now_ms))
            .or_else(|| self.list_command(&name, &args))
            .or_else(|| self.hash_command(&name, &args))
            .or_else(|| self.set_command(&name, &args))
            .or_else(|| self.sorted_command(&name, &args));
        self.keys.retain(|_, entry| !entry.held.is_empty());
        match result {
            Some(Ok(answer) | Err(answer)) => answer,
            None => panic!("the model does not know {}", name.escape_ascii()),
        }
    }

    fn text(&self, key: &[u8]) -> Result<Option<&[u8]>, Answer> {
        match self.keys.get(key).map(|entry| &entry.held) {
            None => Ok(None),
            Some(Held::Text(text)) => Ok(Some(text)),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    fn owned_text(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Answer> {
        self.text(key).map(|text| text.map(<[u8]>::to_vec))
    }

    /// Stores a text, and leaves the expiry as it is.
    fn put(&mut self, key: &[u8], text: Vec<u8>) {
        let expires_ms = self.keys.get(key).and_then(|entry| entry.expires_ms);
        let held = Held::Text(text);
        self.keys.insert(key.to_vec(), Entry { held, expires_ms });
    }

    fn string_command(
        &mut self,
        name: &[u8],
        args: &[&[u8]],
        now_ms: i64,
    ) -> Option<Result<Answer, Answer>> {
        let key = *args.first()?;
        Some(match name {
            b"set" => {
                let option = args.get(2).map(|word| word.to_ascii_lowercase());
                let option = option.as_deref().unwrap_or_default();
                let exists = self.keys.contains_key(key);
                if option == b"nx" && exists || option == b"xx" && !exists {
                    return Some(Ok(nil()));
                }
                let number = args.get(3).and_then(|word| integer(word)).unwrap_or(0);
                let old = self.keys.get(key).and_then(|entry| entry.expires_ms);
                let expires_ms = match option {
                    b"keepttl" => old,
                    b"px" => Some(now_ms + number),
                    b"pxat" => Some(number),
                    _ => None,
                };
                let held = Held::Text(args[1].to_vec());
                self.keys.insert(key.to_vec(), Entry { held, expires_ms });
                Ok(ok())
            }
            b"get" => match self.keys.get(key).map(|entry| &entry.held) {
                Some(Held::Json(text)) => Ok(bulk_or_nil(Some(text))),
                _ => self.text(key).map(bulk_or_nil),
            },
            b"getdel" => self.text(key).map(bulk_or_nil).inspect(|_| {
                self.keys.remove(key);
            }),
            b"append" => self.owned_text(key).map(|old| {
                let new = [&old.unwrap_or_default()[..], args[1]].concat();
                let len = new.len();
                self.put(key, new);
                int(len)
            }),
            b"strlen" => self.text(key).map(|text| int(text.map_or(0, <[u8]>::len))),
            b"getrange" => self.text(key).map(|text| {
                let text = text.unwrap_or_default();
                let (from, to) = (integer(args[1]).unwrap(), integer(args[2]).unwrap());
                // Unlike a list's, the end of a text's range is not in front of it but at its first byte.
                let to = if from < 0 && to < 0 && from > to {
                    to
                } else {
                    to.max(-(text.len() as i64))
                };
                Answer::Reply(bulk(&text[bounds(from, to, text.len())]))
            }),
            b"incrby" => self.owned_text(key).and_then(|old| {
                let old = old.map_or(Some(0), |old| integer(&old)).ok_or(NO_INTEGER)?;
                let by = integer(args[1]).ok_or(NO_INTEGER)?;
                let new = old
                    .checked_add(by)
                    .ok_or(Answer::Error("ERR increment or decrement"))?;
                self.put(key, new.to_string().into_bytes());
                Ok(Answer::Reply(Value::Integer(new)))
            }),
            _ => return None,
        })
    }

    fn key_command(
        &mut self,
        name: &[u8],
        args: &[&[u8]],
        now_ms: i64,
    ) -> Option<Result<Answer, Answer>> {
        Some(Ok(match name {
            b"echo" => Answer::Reply(bulk(args[0])),
            b"del" => int(args
                .iter()
                .filter(|key| self.keys.remove(**key).is_some())
                .count()),
            b"exists" => int(args
                .iter()
                .filter(|key| self.keys.contains_key(**key))
                .count()),
            b"type" => {
                let kind = self
                    .keys
                    .get(args[0])
                    .map_or(&b"none"[..], |entry| entry.held.kind());
                Answer::Reply(Value::Simple(kind.to_vec()))
            }
            b"keys" => Answer::InAnyOrder(array(self.keys.keys().map(|key| &key[..]))),
            b"pexpireat" => {
                let at_ms = integer(args[1]).unwrap();
                match self.keys.get_mut(args[0]) {
                    None => int(0),
                    Some(_) if at_ms <= now_ms => {
                        self.keys.remove(args[0]);
                        int(1)
                    }
                    Some(entry) => {
                        entry.expires_ms = Some(at_ms);
                        int(1)
                    }
                }
            }
            b"persist" => {
                let entry = self.keys.get_mut(args[0]);
                int(usize::from(
                    entry.is_some_and(|entry| entry.expires_ms.take().is_some()),
                ))
            }
            b"pttl" | b"pexpiretime" => {
                let from_ms = if name == b"pttl" { now_ms } else { 0 };
                Answer::Reply(Value::Integer(match self.keys.get(args[0]) {
                    None => -2,
                    Some(entry) => entry.expires_ms.map_or(-1, |at_ms| at_ms - from_ms),
                }))
            }
            b"rename" => match self.keys.remove(args[0]) {
                None => Answer::Error("ERR no such key"),
                Some(entry) => {
                    self.keys.insert(args[1].to_vec(), entry);
                    ok()
                }
            },
            _ => return None,
        }))
    }

    fn list_command(&mut self, name: &[u8], args: &[&[u8]]) -> Option<Result<Answer, Answer>> {
        let key = *args.first()?;
        let number = |at: usize| integer(args[at]).unwrap();
        Some(match name {
            b"lpush" | b"rpush" => made!(self, key, List).map(|list| {
                for item in &args[1..] {
                    let at = if name == b"lpush" { 0 } else { list.len() };
                    list.insert(at, item.to_vec());
                }
                int(list.len())
            }),
            b"lpop" | b"rpop" => found!(self, key, List).map(|list| {
                let pop = |list: &mut Vec<Vec<u8>>| match name {
                    _ if list.is_empty() => None,
                    b"lpop" => Some(list.remove(0)),
                    _ => list.pop(),
                };
                match (list, args.get(1)) {
                    (None, None) => nil(),
                    (None, Some(_)) => Answer::Reply(Value::NullArray),
                    (Some(list), None) => bulk_or_nil(pop(list).as_deref()),
                    (Some(list), Some(_)) => {
                        let popped: Vec<_> = (0..number(1)).filter_map(|_| pop(list)).collect();
                        Answer::Reply(array(popped.iter().map(|item| &item[..])))
                    }
                }
            }),
            b"llen" => found!(self, key, List).map(|list| int(list.map_or(0, |list| list.len()))),
            b"lindex" => found!(self, key, List).map(|list| {
                let item = list.and_then(|list| {
                    list.get(bounds(number(1), number(1), list.len()).next()?)
                        .cloned()
                });
                bulk_or_nil(item.as_deref())
            }),
            b"lrange" => found!(self, key, List).map(|list| {
                let list = list.cloned().unwrap_or_default();
                let range = bounds(number(1), number(2), list.len());
                Answer::Reply(array(list[range].iter().map(|item| &item[..])))
            }),
            b"ltrim" => found!(self, key, List).map(|list| {
                if let Some(list) = list {
                    *list = list[bounds(number(1), number(2), list.len())].to_vec();
                }
                ok()
            }),
            b"lset" => found!(self, key, List).and_then(|list| {
                let list = list.ok_or(Answer::Error("ERR no such key"))?;
                let place = bounds(number(1), number(1), list.len()).next();
                list[place.ok_or(Answer::Error("ERR index out of range"))?] = args[2].to_vec();
                Ok(ok())
            }),
            b"lrem" => found!(self, key, List).map(|list| {
                let Some(list) = list else {
                    return int(0);
                };
                let (count, before) = (number(1), list.len());
                let mut left = if count == 0 {
                    u64::MAX
                } else {
                    count.unsigned_abs()
                };
                if count < 0 {
                    list.reverse();
                }
                list.retain(|item| {
                    let removed = item == args[2] && left > 0;
                    left -= u64::from(removed);
                    !removed
                });
                if count < 0 {
                    list.reverse();
                }
                int(before - list.len())
            }),
            _ => return None,
        })
    }

    fn hash_command(&mut self, name: &[u8], args: &[&[u8]]) -> Option<Result<Answer, Answer>> {
        let key = *args.first()?;
        Some(match name {
            b"hset" => made!(self, key, Hash).map(|hash| {
                let new = args[1..]
                    .chunks(2)
                    .filter(|pair| hash.insert(pair[0].to_vec(), pair[1].to_vec()).is_none());
                int(new.count())
            }),
            b"hget" => found!(self, key, Hash).map(|hash| {
                bulk_or_nil(
                    hash.and_then(|hash| hash.get(args[1]))
                        .map(|value| &value[..]),
                )
            }),
            b"hdel" => found!(self, key, Hash).map(|hash| {
                hash.map_or(int(0), |hash| {
                    int(args[1..]
                        .iter()
                        .filter(|field| hash.remove(**field).is_some())
                        .count())
                })
            }),
            b"hlen" => found!(self, key, Hash).map(|hash| int(hash.map_or(0, |hash| hash.len()))),
            b"hgetall" => found!(self, key, Hash).map(|hash| {
                let hash = hash.cloned().unwrap_or_default();
                Answer::InAnyOrder(Held::Hash(hash).whole())
            }),
            b"hincrby" => {
                let hash = made!(self, key, Hash);
                hash.and_then(|hash| {
                    let old = match hash.get(args[1]) {
                        None => 0,
                        Some(old) => {
                            integer(old).ok_or(Answer::Error("ERR hash value is not an integer"))?
                        }
                    };
                    let new = old.checked_add(integer(args[2]).ok_or(NO_INTEGER)?);
                    let new = new.ok_or(Answer::Error("ERR increment or decrement"))?;
                    hash.insert(args[1].to_vec(), new.to_string().into_bytes());
                    Ok(Answer::Reply(Value::Integer(new)))
                })
            }
            _ => return None,
        })
    }

    fn set_command(&mut self, name: &[u8], args: &[&[u8]]) -> Option<Result<Answer, Answer>> {
        let key = *args.first()?;
        Some(match name {
            b"sadd" => made!(self, key, Set).map(|set| {
                int(args[1..]
                    .iter()
                    .filter(|item| set.insert(item.to_vec()))
                    .count())
            }),
            b"srem" => found!(self, key, Set).map(|set| {
                set.map_or(int(0), |set| {
                    int(args[1..].iter().filter(|item| set.remove(**item)).count())
                })
            }),
            b"scard" => found!(self, key, Set).map(|set| int(set.map_or(0, |set| set.len()))),
            b"sismember" => found!(self, key, Set)
                .map(|set| int(usize::from(set.is_some_and(|set| set.contains(args[1]))))),
            b"smembers" => found!(self, key, Set)
                .map(|set| Answer::InAnyOrder(Held::Set(set.cloned().unwrap_or_default()).whole())),
            b"sinter" | b"sunionstore" => {
                let stores = name == b"sunionstore";
                let mut sets = Vec::new();
                for key in &args[usize::from(stores)..] {
                    match found!(self, *key, Set) {
                        Ok(set) => sets.push(set.cloned().unwrap_or_default()),
                        Err(error) => return Some(Err(error)),
                    }
                }
                let join = |a: BTreeSet<Vec<u8>>, b: BTreeSet<Vec<u8>>| match stores {
                    true => &a | &b,
                    false => &a & &b,
                };
                let joined = sets.into_iter().reduce(join).unwrap_or_default();
                if !stores {
                    return Some(Ok(Answer::InAnyOrder(Held::Set(joined).whole())));
                }
                let len = joined.len();
                let held = Held::Set(joined);
                self.keys.insert(
                    key.to_vec(),
                    Entry {
                        held,
                        expires_ms: None,
                    },
                );
                Ok(int(len))
            }
            _ => return None,
        })
    }

    fn sorted_command(&mut self, name: &[u8], args: &[&[u8]]) -> Option<Result<Answer, Answer>> {
        let key = *args.first()?;
        let score = |word: &[u8]| -> f64 { std::str::from_utf8(word).unwrap().parse().unwrap() };
        Some(match name {
            b"zadd" => made!(self, key, Sorted).map(|sorted| {
                let new = args[1..]
                    .chunks(2)
                    .filter(|pair| sorted.insert(pair[1].to_vec(), score(pair[0])).is_none());
                int(new.count())
            }),
            b"zincrby" => made!(self, key, Sorted).map(|sorted| {
                let held = sorted.entry(args[2].to_vec()).or_insert(0.0);
                *held += score(args[1]);
                Answer::Reply(bulk(&number(*held)))
            }),
            b"zrem" => found!(self, key, Sorted).map(|sorted| {
                sorted.map_or(int(0), |sorted| {
                    int(args[1..]
                        .iter()
                        .filter(|item| sorted.remove(**item).is_some())
                        .count())
                })
            }),
            b"zcard" => {
                found!(self, key, Sorted).map(|sorted| int(sorted.map_or(0, |sorted| sorted.len())))
            }
            b"zscore" => found!(self, key, Sorted).map(|sorted| {
                let score = sorted.and_then(|sorted| sorted.get(args[1]));
                bulk_or_nil(score.map(|score| number(*score)).as_deref())
            }),
            b"zrank" => found!(self, key, Sorted).map(|sorted| {
                let sorted = sorted.cloned().unwrap_or_default();
                let rank = in_order(&sorted)
                    .iter()
                    .position(|(item, _)| *item == args[1]);
                rank.map_or_else(nil, int)
            }),
            b"zcount" => found!(self, key, Sorted).map(|sorted| {
                let (least, most) = (score(args[1]), score(args[2]));
                let sorted = sorted.cloned().unwrap_or_default();
                int(sorted
                    .values()
                    .filter(|score| (least..=most).contains(score))
                    .count())
            }),
            // Always WITHSCORES.
            b"zrange" => found!(self, key, Sorted).map(|sorted| {
                let sorted = sorted.cloned().unwrap_or_default();
                let (from, to) = (integer(args[1]).unwrap(), integer(args[2]).unwrap());
                let range = bounds(from, to, sorted.len());
                Answer::Reply(with_scores(&in_order(&sorted)[range]))
            }),
            b"zpopmin" => found!(self, key, Sorted).map(|sorted| {
                let popped = sorted.and_then(|sorted| {
                    let (item, score) = in_order(sorted)
                        .first()
                        .map(|(item, score)| (item.to_vec(), *score))?;
                    sorted.remove(&item);
                    Some((item, score))
                });
                let popped: Vec<(&[u8], f64)> = popped
                    .iter()
                    .map(|(item, score)| (&item[..], *score))
                    .collect();
                Answer::Reply(with_scores(&popped))
            }),
            _ => return None,
        })
    }

    fn run_counter(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        const KEY: &[u8] = b"counter";
        let held = match self.text(KEY) {
            Ok(None) => Some(0),
            Ok(Some(text)) => integer(text),
            Err(_) => None,
        };
        let by = match &words[0][..] {
            b"get" => {
                return held.map_or(b"err\n".to_vec(), |held| {
                    format!("val {held}\n").into_bytes()
                });
            }
            b"incr" => 1,
            b"decr" => -1,
            _ => integer(&words[1]).unwrap(),
        };
        match held.and_then(|held| held.checked_add(by)) {
            Some(new) => {
                self.put(KEY, new.to_string().into_bytes());
                b"ok\n".to_vec()
            }
            None => b"err\n".to_vec(),
        }
    }

    fn run_lab(&mut self, words: &[Vec<u8>]) -> Option<Vec<u8>> {
        let key = &words[1];
        if words[0] == b"s" {
            let held = Held::Text(words[2].clone());
            self.keys.insert(
                key.clone(),
                Entry {
                    held,
                    expires_ms: None,
                },
            );
            return None;
        }
        Some(match self.keys.get(key).map(|entry| &entry.held) {
            Some(Held::Text(text) | Held::Json(text)) => text.clone(),
            _ => Vec::new(),
        })
    }

    fn run_speicher(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        let key = &words[1];
        let status = match &words[0][..] {
            b"SET" => {
                let value = &words[2];
                let held = match value.strip_prefix(b"\"") {
                    Some(rest) => Held::Text(rest[..rest.len() - 1].to_vec()),
                    None => Held::Json(value.clone()),
                };
                self.keys.insert(
                    key.clone(),
                    Entry {
                        held,
                        expires_ms: None,
                    },
                );
                200
            }
            b"DEL" if self.keys.remove(key).is_some() => 200,
            b"DEL" => 404,
            _ => match self.keys.get(key).map(|entry| &entry.held) {
                Some(Held::Text(text)) => {
                    let text = String::from_utf8_lossy(text);
                    return framed(&format!("{{\"status_code\":200,\"value\":\"{text}\"}}"));
                }
                Some(Held::Json(text)) => {
                    let text = String::from_utf8_lossy(text);
                    return framed(&format!("{{\"status_code\":200,\"value\":{text}}}"));
                }
                Some(_) => 400,
                None => 404,
            },
        };
        framed(&format!("{{\"status_code\":{status}}}"))
    }

    fn run_metrics(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        let key = &words[1];
        if words[0] == b"put" {
            let value: f64 = std::str::from_utf8(&words[2]).unwrap().parse().unwrap();
            let series: Result<_, Answer> = made!(self, key, Series);
            return match series {
                Ok(series) => {
                    series.insert(integer(&words[3]).unwrap(), value);
                    b"ok\n\n".to_vec()
                }
                Err(_) => b"error\nwrong command\n\n".to_vec(),
            };
        }
        let mut text = "ok\n".to_owned();
        if let Some(Entry {
            held: Held::Series(series),
            ..
        }) = self.keys.get(key)
        {
            for (at, value) in series {
                text += &format!("{} {value:?} {at}\n", String::from_utf8_lossy(key));
            }
        }
        (text + "\n").into_bytes()
    }
}

fn in_order(sorted: &BTreeMap<Vec<u8>, f64>) -> Vec<(&[u8], f64)> {
    let mut items: Vec<(&[u8], f64)> = sorted
        .iter()
        .map(|(item, score)| (&item[..], *score))
        .collect();
    items.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
    items
}

fn with_scores(items: &[(&[u8], f64)]) -> Value {
    let pair = |(item, score): &(&[u8], f64)| [bulk(item), Value::Bulk(number(*score))];
    Value::Array(items.iter().flat_map(pair).collect())
}

impl Held {
    fn kind(&self) -> &'static [u8] {
        match self {
            Held::Text(_) => b"string",
            Held::List(_) => b"list",
            Held::Hash(_) => b"hash",
            Held::Set(_) => b"set",
            Held::Sorted(_) => b"zset",
            Held::Json(_) => b"ReJSON-RL",
            Held::Series(_) => b"TSDB-TYPE",
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Held::List(list) => list.is_empty(),
            Held::Hash(hash) => hash.is_empty(),
            Held::Set(set) => set.is_empty(),
            Held::Sorted(sorted) => sorted.is_empty(),
            Held::Text(_) | Held::Json(_) | Held::Series(_) => false,
        }
    }

    /// As a client would read it, items without an order sorted.
    fn whole(&self) -> Value {
        match self {
            Held::Text(text) | Held::Json(text) => bulk(text),
            Held::List(list) => array(list.iter().map(|item| &item[..])),
            Held::Set(set) => array(set.iter().map(|item| &item[..])),
            Held::Hash(hash) => {
                let mut whole = array(
                    hash.iter()
                        .flat_map(|(field, value)| [&field[..], &value[..]]),
                );
                whole.sort();
                whole
            }
            Held::Sorted(sorted) => with_scores(&in_order(sorted)),
            Held::Series(series) => {
                let sample = |(at, value): (&i64, &f64)| {
                    Value::Array(vec![Value::Integer(*at), Value::Simple(number(*value))])
                };
                Value::Array(series.iter().map(sample).collect())
            }
        }
    }
}
