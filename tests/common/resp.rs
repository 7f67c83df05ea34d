//! RESP from the client's side: requests as bytes, replies as values, both as a person would type or read them.

/// A request: the command's name and its arguments.
pub type Request = Vec<Vec<u8>>;

/// A request out of words.
pub fn request<W: AsRef<[u8]>>(words: &[W]) -> Request {
    words.iter().map(|word| word.as_ref().to_vec()).collect()
}

/// A request as a client sends it.
pub fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, words);
    bytes
}

/// Appends a request as a client sends it.
pub fn encode_into<W: AsRef<[u8]>>(bytes: &mut Vec<u8>, words: &[W]) {
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// A request as one types it into redis-cli.
pub fn typed<W: AsRef<[u8]>>(words: &[W]) -> String {
    let word = |word: &W| {
        let word = word.as_ref();
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
        if !word.is_empty() && word.iter().all(is_plain) {
            return String::from_utf8_lossy(word).into_owned();
        }
        let mut text = String::from("\"");
        for &byte in word {
            match byte {
                b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
                b' '..=b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\x{byte:02x}")),
            }
        }
        text + "\""
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The request that reads all of a key, by what TYPE says of it; `None` where there is nothing.
pub fn read_whole(kind: &[u8], key: &[u8]) -> Option<Request> {
    let words: &[&[u8]] = match kind {
        b"none" => return None,
        b"string" => &[b"GET", key],
        b"list" => &[b"LRANGE", key, b"0", b"-1"],
        b"set" => &[b"SMEMBERS", key],
        b"hash" => &[b"HGETALL", key],
        b"zset" => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        b"stream" => &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
        // As it was sent, which says more than JSON.GET.
        b"ReJSON-RL" => &[b"GET", key],
        b"TSDB-TYPE" => &[b"TS.RANGE", key, b"-", b"+"],
        kind => panic!("nobody knows how to read a {}", kind.escape_ascii()),
    };
    Some(request(words))
}

/// A reply.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,` as it is written.
    Double(Vec<u8>),
    /// `(` as it is written.
    BigNumber(Vec<u8>),
    /// `=`, the type before the colon included.
    Verbatim(Vec<u8>),
    /// `*`
    Array(Vec<Value>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `%`: names and values by turns.
    Map(Vec<Value>),
}

/// As redis-cli shows it, more or less, on one line.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = |mark: &str, bytes: &[u8]| write!(f, "{mark}{}", bytes.escape_ascii());
        match self {
            Value::Simple(bytes) => text("+", bytes),
            Value::Error(bytes) => text("-", bytes),
            Value::Double(bytes) => text(",", bytes),
            Value::BigNumber(bytes) => text("(", bytes),
            Value::Verbatim(bytes) => text("=", bytes),
            Value::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::Integer(int) => write!(f, "{int}"),
            Value::Boolean(boolean) => write!(f, "{boolean}"),
            Value::NullBulk => f.write_str("null bulk"),
            Value::NullArray => f.write_str("null array"),
            Value::Null => f.write_str("null"),
            Value::Array(items) => items.fmt(f),
            Value::Set(items) => write!(f, "set {items:?}"),
            Value::Push(items) => write!(f, "push {items:?}"),
            Value::Map(items) => write!(f, "map {items:?}"),
        }
    }
}

impl Value {
    /// Reads the reply at the beginning of `bytes`, and gives how long it is; `None` while it is not complete.
    ///
    /// # Panics
    /// When it is no RESP.
    pub fn read(bytes: &[u8]) -> Option<(Value, usize)> {
        let line_end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let (mark, line) = (bytes[0], &bytes[1..line_end]);
        let at = line_end + 2;
        let number = || -> i64 {
            let text = std::str::from_utf8(line).expect("a number");
            text.parse()
                .unwrap_or_else(|_| panic!("not a number in a reply: {text:?}"))
        };
        let many = |count: i64| {
            let (mut items, mut at) = (Vec::new(), at);
            for _ in 0..count {
                let (item, len) = Value::read(&bytes[at..])?;
                items.push(item);
                at += len;
            }
            Some((items, at))
        };
        let text = |make: fn(Vec<u8>) -> Value| {
            let len = number() as usize;
            let body = bytes.get(at..at + len)?.to_vec();
            let end = bytes.get(at + len..at + len + 2)?;
            assert_eq!(end, b"\r\n", "the end of a string");
            Some((make(body), at + len + 2))
        };
        let items = |make: fn(Vec<Value>) -> Value, per_count: i64| {
            let (items, at) = many(number() * per_count)?;
            Some((make(items), at))
        };
        match mark {
            b'+' => Some((Value::Simple(line.to_vec()), at)),
            b'-' => Some((Value::Error(line.to_vec()), at)),
            b':' => Some((Value::Integer(number()), at)),
            b'_' => Some((Value::Null, at)),
            b'#' => Some((Value::Boolean(line == b"t"), at)),
            b',' => Some((Value::Double(line.to_vec()), at)),
            b'(' => Some((Value::BigNumber(line.to_vec()), at)),
            b'$' if line == b"-1" => Some((Value::NullBulk, at)),
            b'*' if line == b"-1" => Some((Value::NullArray, at)),
            b'$' => text(Value::Bulk),
            b'=' => text(Value::Verbatim),
            b'*' => items(Value::Array, 1),
            b'~' => items(Value::Set, 1),
            b'>' => items(Value::Push, 1),
            b'%' => items(Value::Map, 2),
            _ => panic!("no reply: {}", bytes[..bytes.len().min(80)].escape_ascii()),
        }
    }

    /// Reads all replies of `bytes`, each with its bytes; what is left is an incomplete one.
    pub fn read_all(bytes: &[u8]) -> Vec<(Value, &[u8])> {
        let (mut replies, mut at) = (Vec::new(), 0);
        while let Some((value, len)) = Value::read(&bytes[at..]) {
            replies.push((value, &bytes[at..at + len]));
            at += len;
        }
        replies
    }

    /// Its items, if it has some.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) | Value::Map(items) => {
                items
            }
            _ => &[],
        }
    }

    /// As [`Value::items`], to be changed.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Value>> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) | Value::Map(items) => {
                Some(items)
            }
            _ => None,
        }
    }

    /// Its text, if it is one: a simple string, a bulk string or an error.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text) | Value::Bulk(text) | Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// Leaves out the named fields of maps, or of arrays that stand for maps, at every depth.
    pub fn leave_out(&mut self, names: &[&str]) {
        let Some(items) = self.items_mut() else {
            return;
        };
        let is_named = |item: &Value| {
            let is = |name: &&str| *item == Value::Bulk(name.as_bytes().to_vec());
            names.iter().any(is)
        };
        while let Some(at) = items.iter().position(is_named) {
            items.drain(at..(at + 2).min(items.len()));
        }
        items.iter_mut().for_each(|item| item.leave_out(names));
    }

    /// Puts items whose order has no meaning in one that has, at every depth.
    pub fn sort(&mut self) {
        let pairs = matches!(self, Value::Map(_));
        let Some(items) = self.items_mut() else {
            return;
        };
        items.iter_mut().for_each(Value::sort);
        if pairs {
            let mut chunks: Vec<Vec<Value>> = items.chunks(2).map(<[Value]>::to_vec).collect();
            chunks.sort();
            *items = chunks.concat();
        } else {
            items.sort();
        }
    }
}
