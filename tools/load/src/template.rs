//! RESP command templates: `SET __key__ __value__ EX 60` compiled once into literal bytes and slots, so that
//! writing a request is a few copies. Also: what a command means for the value of its key.

use std::ops::Range;

use crate::keys::KeyNames;
use crate::random::Rng;
use crate::value::Values;

/// One compiled command.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    steps: Vec<Step>,
    /// The whole request for key 0, where every request has the same length: copied, then filled in.
    image: Option<Image>,
}

/// A request of fixed length and the places of its keys and values.
#[derive(Clone, Debug)]
struct Image {
    bytes: Vec<u8>,
    keys: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Bytes as they go out.
    Raw(Vec<u8>),
    /// A key whose length is in the bytes before it.
    Key,
    /// A value whose length is in the bytes before it.
    Value,
    /// An argument whose length is known only when it is made.
    Argument(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Vec<u8>),
    Key,
    Value,
    Random(u64),
}

/// What a command does to the value kept under `__key__`, as far as this generator can follow it.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Stores `__value__`; the cell says where in the key, the time to live is in ms.
    Write { cell: String, ttl_ms: Option<u32> },
    /// Gives back what is in the cell.
    Read { cell: String },
    /// Removes the key.
    Delete,
    /// Adds one to the key and gives back the sum.
    Increment,
    /// Adds `__value__` to the list.
    Push,
    /// Takes an element off the list.
    Pop,
    /// Sets a time to live, in ms, and leaves the value as it is.
    Expire { ttl_ms: Option<u32> },
    /// Leaves the value of `__key__` as it is.
    Harmless,
    /// May change the value of `__key__` in a way nothing is known about.
    Opaque,
}

impl Template {
    /// Compiles a command. Words are separated by blanks; `"..."` and `'...'` keep blanks together.
    /// `__rand__` is a number below `keys`, `__rand:N__` one below N.
    pub fn compile(
        text: &str,
        names: &KeyNames,
        values: &Values,
        keys: u64,
    ) -> Result<Self, String> {
        let words = split_words(text)?;
        let mut steps = Vec::new();
        raw(&mut steps, format!("*{}\r\n", words.len()).as_bytes());
        for word in &words {
            let pieces = pieces(word, keys)?;
            match (pieces.as_slice(), names.fixed_len(), values.sizes().fixed()) {
                ([], ..) => raw(&mut steps, b"$0\r\n"),
                ([Piece::Text(bytes)], ..) => {
                    raw(&mut steps, format!("${}\r\n", bytes.len()).as_bytes());
                    raw(&mut steps, bytes);
                }
                ([Piece::Key], Some(len), _) => {
                    raw(&mut steps, format!("${len}\r\n").as_bytes());
                    steps.push(Step::Key);
                }
                ([Piece::Value], _, Some(len)) => {
                    raw(&mut steps, format!("${len}\r\n").as_bytes());
                    steps.push(Step::Value);
                }
                _ => steps.push(Step::Argument(pieces)),
            }
            raw(&mut steps, b"\r\n");
        }
        let image = Image::of(&steps, names, values);
        Ok(Template {
            text: text.to_string(),
            steps,
            image,
        })
    }

    /// Appends the request. `scratch` is room for arguments of unknown length.
    #[inline]
    pub fn write(
        &self,
        key: u64,
        version: u32,
        (names, values): (&KeyNames, &Values),
        rng: &mut Rng,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        if let Some(image) = &self.image {
            return image.write(key, version, (names, values), out);
        }
        for step in &self.steps {
            match step {
                Step::Raw(bytes) => out.extend_from_slice(bytes),
                Step::Key => names.write(key, out),
                Step::Value => values.write(key, version, out),
                Step::Argument(pieces) => {
                    scratch.clear();
                    for piece in pieces {
                        match piece {
                            Piece::Text(bytes) => scratch.extend_from_slice(bytes),
                            Piece::Key => names.write(key, scratch),
                            Piece::Value => values.write(key, version, scratch),
                            Piece::Random(below) => decimal(rng.below(*below), scratch),
                        }
                    }
                    out.push(b'$');
                    decimal(scratch.len() as u64, out);
                    out.extend_from_slice(b"\r\n");
                    out.extend_from_slice(scratch);
                }
            }
        }
    }

    /// The command with its key filled in, for a report.
    pub fn describe(
        &self,
        key: u64,
        version: u32,
        (names, values): (&KeyNames, &Values),
    ) -> String {
        let show = |fill: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            fill(&mut bytes);
            String::from_utf8_lossy(&bytes[..bytes.len().min(48)]).into_owned()
        };
        self.text
            .replace("__key__", &show(&|out| names.write(key, out)))
            .replace("__value__", &show(&|out| values.write(key, version, out)))
    }
}

impl Image {
    /// The image of these steps, if none of them has a length of its own each time.
    fn of(steps: &[Step], names: &KeyNames, values: &Values) -> Option<Self> {
        let mut image = Image {
            bytes: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
        };
        for step in steps {
            let start = image.bytes.len();
            match step {
                Step::Raw(bytes) => image.bytes.extend_from_slice(bytes),
                Step::Key => {
                    names.write(0, &mut image.bytes);
                    image.keys.push(start..image.bytes.len());
                }
                Step::Value => {
                    values.write(0, 0, &mut image.bytes);
                    image.values.push(start..image.bytes.len());
                }
                Step::Argument(_) => return None,
            }
        }
        Some(image)
    }

    #[inline]
    fn write(
        &self,
        key: u64,
        version: u32,
        (names, values): (&KeyNames, &Values),
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let request = &mut out[start..];
        for place in &self.keys {
            names.number(key, &mut request[place.clone()]);
        }
        for place in &self.values {
            values.fill(key, version, &mut request[place.clone()]);
        }
    }
}

/// Appends a number in decimal.
#[inline]
pub fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What a command means for its key.
pub fn meaning(text: &str) -> Result<Meaning, String> {
    let words = split_words(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mentions_key = words.iter().any(|w| w.contains("__key__"));
    let string = || "string".to_string();
    let upper = words
        .first()
        .map(|w| w.to_ascii_uppercase())
        .unwrap_or_default();
    Ok(match (upper.as_str(), words.get(1..).unwrap_or_default()) {
        ("SET", ["__key__", "__value__"]) => Meaning::Write {
            cell: string(),
            ttl_ms: None,
        },
        ("SET", ["__key__", "__value__", unit, n]) if ttl(unit, n).is_some() => Meaning::Write {
            cell: string(),
            ttl_ms: ttl(unit, n),
        },
        ("SETEX", ["__key__", n, "__value__"]) if ttl("EX", n).is_some() => Meaning::Write {
            cell: string(),
            ttl_ms: ttl("EX", n),
        },
        ("PSETEX", ["__key__", n, "__value__"]) if ttl("PX", n).is_some() => Meaning::Write {
            cell: string(),
            ttl_ms: ttl("PX", n),
        },
        ("GET", ["__key__"]) => Meaning::Read { cell: string() },
        ("HSET", ["__key__", field, "__value__"]) if !field.contains("__") => Meaning::Write {
            cell: format!("hash field {field}"),
            ttl_ms: None,
        },
        ("HGET", ["__key__", field]) if !field.contains("__") => Meaning::Read {
            cell: format!("hash field {field}"),
        },
        ("DEL" | "UNLINK", ["__key__"]) => Meaning::Delete,
        ("INCR", ["__key__"]) => Meaning::Increment,
        ("LPUSH" | "RPUSH", ["__key__", "__value__"]) => Meaning::Push,
        ("LPOP" | "RPOP", ["__key__"]) => Meaning::Pop,
        ("EXPIRE", ["__key__", n]) => Meaning::Expire {
            ttl_ms: ttl("EX", n),
        },
        ("PEXPIRE", ["__key__", n]) => Meaning::Expire {
            ttl_ms: ttl("PX", n),
        },
        (
            "EXISTS" | "TTL" | "PTTL" | "TYPE" | "STRLEN" | "TOUCH" | "OBJECT" | "GETRANGE"
            | "HLEN" | "HEXISTS" | "HGETALL" | "HMGET" | "HKEYS" | "HVALS" | "HSTRLEN" | "LLEN"
            | "LRANGE" | "LINDEX" | "DUMP" | "MGET" | "SCARD" | "SISMEMBER" | "ZSCORE" | "ZRANK"
            | "ZCARD" | "PING" | "ECHO",
            _,
        ) => Meaning::Harmless,
        (name, [first, ..])
            if mentions_key
                && (*first == "__key__"
                    || ["EVAL", "EVALSHA", "FCALL", "RENAME", "COPY"].contains(&name)) =>
        {
            Meaning::Opaque
        }
        _ => Meaning::Harmless,
    })
}

fn ttl(unit: &str, n: &str) -> Option<u32> {
    let n: u32 = n.parse().ok()?;
    match unit.to_ascii_uppercase().as_str() {
        "EX" => n.checked_mul(1000),
        "PX" => Some(n),
        _ => None,
    }
}

fn raw(steps: &mut Vec<Step>, bytes: &[u8]) {
    match steps.last_mut() {
        Some(Step::Raw(last)) => last.extend_from_slice(bytes),
        _ => steps.push(Step::Raw(bytes.to_vec())),
    }
}

fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => rest[1..]
                .split_once(first)
                .ok_or_else(|| format!("command `{text}`: a quote is not closed"))?,
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_string());
        rest = after.trim_start();
    }
    if words.is_empty() {
        return Err("a command is empty".to_string());
    }
    Ok(words)
}

fn pieces(word: &str, keys: u64) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(start) = rest.find("__") {
        let Some(len) = rest[start + 2..].find("__") else {
            break;
        };
        let piece = match &rest[start + 2..start + 2 + len] {
            "key" => Piece::Key,
            "value" => Piece::Value,
            "rand" => Piece::Random(keys),
            name => {
                let below = name
                    .strip_prefix("rand:")
                    .and_then(|n| n.parse().ok())
                    .filter(|n| *n > 0);
                Piece::Random(below.ok_or_else(|| {
                    format!("`__{name}__` is no placeholder (__key__, __value__, __rand__, __rand:100__)")
                })?)
            }
        };
        if start > 0 {
            pieces.push(Piece::Text(rest.as_bytes()[..start].to_vec()));
        }
        pieces.push(piece);
        rest = &rest[start + len + 4..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.as_bytes().to_vec()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizes::Sizes;

    fn render(text: &str, key_sizes: &str, value_sizes: &str) -> String {
        let names =
            KeyNames::new("k", Sizes::parse(key_sizes).expect("sizes"), 10, 100).expect("names");
        let values = Values::new(Sizes::parse(value_sizes).expect("sizes"), 1);
        let template = Template::compile(text, &names, &values, 1).expect("compiles");
        let mut out = Vec::new();
        template.write(
            7,
            1,
            (&names, &values),
            &mut Rng::new(1),
            &mut Vec::new(),
            &mut out,
        );
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn fixed_and_unknown_lengths_give_the_same_frame() {
        let fixed = render("SET __key__ __value__", "4", "8");
        assert!(fixed.starts_with("*3\r\n$3\r\nSET\r\n$4\r\nk007\r\n$8\r\n"));
        assert!(fixed.ends_with("\r\n") && fixed.len() == 13 + 10 + 4 + 8 + 2);
        assert_eq!(
            render("GET x:__key__:y", "4-5", "8")
                .lines()
                .last()
                .map(|l| l.starts_with("x:k00")),
            Some(true)
        );
        assert_eq!(
            render("ECHO 'a b' \"\" __rand__", "4", "8"),
            "*4\r\n$4\r\nECHO\r\n$3\r\na b\r\n$0\r\n\r\n$1\r\n0\r\n"
        );
    }

    #[test]
    fn meanings() {
        let write = |ttl_ms| Meaning::Write {
            cell: "string".into(),
            ttl_ms,
        };
        assert_eq!(meaning("set __key__ __value__"), Ok(write(None)));
        assert_eq!(
            meaning("SET __key__ __value__ EX 60"),
            Ok(write(Some(60_000)))
        );
        assert_eq!(meaning("PSETEX __key__ 50 __value__"), Ok(write(Some(50))));
        assert_eq!(meaning("SET __key__ __value__ NX"), Ok(Meaning::Opaque));
        assert_eq!(meaning("APPEND __key__ x"), Ok(Meaning::Opaque));
        assert_eq!(
            meaning("ZADD board __rand__ __key__"),
            Ok(Meaning::Harmless)
        );
        assert_eq!(meaning("EVAL 'return 1' 1 __key__"), Ok(Meaning::Opaque));
        assert_eq!(
            meaning("HGET __key__ f"),
            Ok(Meaning::Read {
                cell: "hash field f".into()
            })
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(meaning("").is_err());
        assert!(split_words("SET 'a").is_err());
        assert!(pieces("__kye__", 1).is_err());
        assert!(pieces("__rand:0__", 1).is_err());
        assert_eq!(pieces("a__b", 1), Ok(vec![Piece::Text(b"a__b".to_vec())]));
    }
}
