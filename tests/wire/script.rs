//! Transcripts out of text: what is sent, and what must come back. The format is described in `README.md` beside this
//! file. This module must not know how a transcript is replayed.

use pentad::acl::Access;
use pentad::{Limits, Listen, Scheme};

use crate::pattern::{Pattern, Piece};

/// A transcript.
pub struct Script {
    /// Where it comes from, for messages.
    pub path: String,
    /// What the server is told.
    pub limits: Limits,
    pub access: Access,
    pub listeners: Vec<Listen>,
    /// RESP commands are only typed, not sent as arrays.
    pub inline: bool,
    /// It is only replayed against engines.
    pub no_sockets: bool,
    /// The names of the connections; the unnamed one is `""`.
    pub connections: Vec<String>,
    pub steps: Vec<Step>,
}

/// Something that is done, and what must come of it.
pub struct Step {
    /// Its line in the file, from 1.
    pub line: usize,
    pub action: Action,
    /// What must come back, at most one for each connection; nothing must come on the others.
    pub expected: Vec<Expected>,
}

/// Connections and listeners are named by their places in [`Script`].
pub enum Action {
    Open { connection: usize, listener: usize },
    Send { connection: usize, chunk: Chunk },
    HalfClose { connection: usize },
    Close { connection: usize },
    Clock { advance_ms: u64 },
}

pub struct Expected {
    pub line: usize,
    pub connection: usize,
    pub pattern: Pattern,
    /// The server must have closed the connection then.
    pub closed: bool,
}

/// What is sent at once.
#[derive(Default)]
pub struct Chunk(Vec<Part>);

enum Part {
    /// A message that ends with the line.
    Line(Scheme, String),
    Bytes(Vec<u8>),
}

/// The forms in which a message can be sent; the replies must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With the line end that is usual in the protocol.
    Typed,
    /// With the other one of `\r\n` and `\n`.
    OtherLineEnd,
    /// RESP: as an array of bulk strings, as programs send it.
    Array,
}

impl Script {
    /// Parses a transcript that begins at the given line of a file. An error says what is wrong in which line.
    pub fn parse(path: &str, first_line: usize, text: &str) -> Result<Self, String> {
        let mut reader = Reader {
            script: Script {
                path: path.to_owned(),
                limits: Limits::default(),
                access: Access::default(),
                listeners: Vec::new(),
                inline: false,
                no_sockets: false,
                connections: Vec::new(),
                steps: Vec::new(),
            },
            listener_of: Vec::new(),
            line: 0,
        };
        for (index, line) in text.lines().enumerate() {
            reader.line = first_line + index;
            reader
                .read(line)
                .map_err(|error| format!("{path}:{}: {error}: {line}", reader.line))?;
        }
        Ok(reader.script)
    }

    /// The forms that make a difference for it.
    pub fn forms(&self) -> &'static [Form] {
        let has = |schemes: &[Scheme]| self.listeners.iter().any(|l| schemes.contains(&l.scheme));
        if has(&[Scheme::Resp]) && !self.inline {
            &[Form::Typed, Form::OtherLineEnd, Form::Array]
        } else if has(&[Scheme::Resp, Scheme::Lab, Scheme::Metrics, Scheme::Counter]) {
            &[Form::Typed, Form::OtherLineEnd]
        } else {
            &[Form::Typed]
        }
    }

    /// The lengths of all chunks in this form.
    pub fn chunk_lens(&self, form: Form) -> Vec<usize> {
        let chunks = self.steps.iter().filter_map(|step| match &step.action {
            Action::Send { chunk, .. } => Some(chunk.bytes(form).len()),
            _ => None,
        });
        chunks.collect()
    }
}

impl Chunk {
    pub fn bytes(&self, form: Form) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            match part {
                Part::Bytes(raw) => bytes.extend_from_slice(raw),
                Part::Line(Scheme::Resp, text) if form == Form::Array => {
                    push_array(&mut bytes, text)
                }
                Part::Line(scheme, text) => {
                    bytes.extend_from_slice(text.as_bytes());
                    bytes.extend_from_slice(line_end(*scheme, form));
                }
            }
        }
        bytes
    }
}

fn line_end(scheme: Scheme, form: Form) -> &'static [u8] {
    let usually_crlf = matches!(scheme, Scheme::Resp | Scheme::Lab);
    if usually_crlf == (form == Form::OtherLineEnd) {
        b"\n"
    } else {
        b"\r\n"
    }
}

/// A message with its length in front, as its protocol says it.
fn framed(scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, String> {
    let len = message.len();
    let mut bytes = match scheme {
        Scheme::LabDigit if len < 10 => vec![b'0' + len as u8],
        Scheme::LabByte if len < 256 => vec![len as u8],
        Scheme::Speicher => (len as u32).to_be_bytes().to_vec(),
        _ => return Err("the protocol has no length for this".to_owned()),
    };
    bytes.extend_from_slice(message);
    Ok(bytes)
}

/// A typed RESP command as an array of bulk strings.
fn push_array(bytes: &mut Vec<u8>, line: &str) {
    let words = words(line);
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(&word);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// The words of a line, in which `"..."` takes the escapes of `|` lines and `'...'` takes none.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, end) = if matches!(first, '"' | '\'') {
            let mut chars = rest.char_indices().skip(1);
            let mut end = rest.len() - 1;
            while let Some((at, char)) = chars.next() {
                if char == first {
                    end = at;
                    break;
                }
                if char == '\\' {
                    chars.next();
                }
            }
            let inner = &rest[1..end];
            let word = if first == '"' {
                literal(inner).expect("a quoted word of a transcript has known escapes")
            } else {
                inner.replace("\\'", "'").into_bytes()
            };
            (word, end + 1)
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            (rest.as_bytes()[..end].to_vec(), end)
        };
        words.push(word);
        rest = rest[end..].trim_start();
    }
    words
}

struct Reader {
    script: Script,
    /// The listener of each connection.
    listener_of: Vec<usize>,
    line: usize,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let name_len = line
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(name_len);
        if rest.starts_with(['<', '>']) {
            let (mark, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let connection = self.connection(name)?;
            return match mark {
                ">" => {
                    let part = match self.scheme(connection) {
                        scheme @ (Scheme::LabByte | Scheme::LabDigit | Scheme::Speicher) => {
                            Part::Bytes(framed(scheme, text.as_bytes())?)
                        }
                        scheme => Part::Line(scheme, text.to_owned()),
                    };
                    self.sent(connection, part)
                }
                ">\\" => {
                    let framed = framed(self.scheme(connection), &literal(text)?)?;
                    self.sent(connection, Part::Bytes(framed))
                }
                ">|" => self.sent(connection, Part::Bytes(literal(text)?)),
                "<" if text == "(closed)" => {
                    self.expected(connection)?.closed = true;
                    Ok(())
                }
                "<" => {
                    let bytes = reply(self.scheme(connection), text)?;
                    self.expect(connection, Piece::Bytes(bytes))
                }
                "<~" => {
                    let bytes = reply(self.scheme(connection), text)?;
                    self.expect(connection, Piece::AnyOrder(vec![bytes]))
                }
                "<|" => {
                    for piece in pieces(text)? {
                        self.expect(connection, piece)?;
                    }
                    Ok(())
                }
                _ => Err("expected one of > >\\ >| < <| <~".to_owned()),
            };
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["listen", url] => self.listen(url, ""),
            ["listen", url, "as", name] => self.listen(url, name),
            ["limit", name, value] => self.limit(name, value),
            ["user", ..] => {
                let rules = line.split_once(' ').map_or("", |(_, rules)| rules);
                self.script.access.users.push(rules.to_owned());
                Ok(())
            }
            ["inline"] => {
                self.script.inline = true;
                Ok(())
            }
            ["no-sockets"] => {
                self.script.no_sockets = true;
                Ok(())
            }
            ["open"] => self.open("", ""),
            ["open", name] => self.open(name, name),
            ["open", name, "like", other] => self.open(name, other),
            ["half-close"] => self.half_close(""),
            ["half-close", name] => self.half_close(name),
            ["close"] => self.close(""),
            ["close", name] => self.close(name),
            ["clock", advance] => self.clock(advance),
            _ => Err("expected a line sent, a line to come, or one of listen, limit, user, inline, no-sockets, open, half-close, close, clock".to_owned()),
        }
    }

    fn listen(&mut self, url: &str, name: &str) -> Result<(), String> {
        // The place is the replayer's business: a file says the protocol and its options.
        let (scheme, options) = url.split_once("://").ok_or("expected scheme://")?;
        let listen = format!("{scheme}://127.0.0.1:0{options}");
        let listen: Listen = listen.parse().map_err(|error| format!("{error}"))?;
        self.script.listeners.push(listen);
        self.script.connections.push(name.to_owned());
        self.listener_of.push(self.script.listeners.len() - 1);
        self.open(name, name)
    }

    fn limit(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number: usize = value.parse().map_err(|_| "expected a number")?;
        let limits = &mut self.script.limits;
        match name {
            "max-clients" => limits.clients_max = number,
            "max-request-bytes" => limits.request_bytes_max = number,
            "max-line-bytes" => limits.line_bytes_max = number,
            "max-output-bytes" => limits.output_bytes_max = number,
            "idle-timeout-s" => limits.idle_timeout_s = number as u64,
            "maxmemory" => limits.memory_bytes_max = number,
            "request-timeout-s" => limits.request_timeout_s = number as u64,
            "databases" => limits.databases = number.try_into().map_err(|_| "too many")?,
            _ => return Err("unknown limit".to_owned()),
        }
        limits.check().map_err(|error| error.to_string())
    }

    fn open(&mut self, name: &str, like: &str) -> Result<(), String> {
        // In a file with one listener there is no doubt where a new connection goes.
        let like = match self.connection(like) {
            Ok(like) => like,
            Err(_) if self.script.listeners.len() == 1 => 0,
            Err(error) => return Err(error),
        };
        let listener = self.listener_of[like];
        let connection = self.connection(name).unwrap_or_else(|_| {
            self.script.connections.push(name.to_owned());
            self.listener_of.push(listener);
            self.listener_of.len() - 1
        });
        self.step(Action::Open {
            connection,
            listener,
        })
    }

    fn half_close(&mut self, name: &str) -> Result<(), String> {
        let connection = self.connection(name)?;
        self.step(Action::HalfClose { connection })
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        let connection = self.connection(name)?;
        self.step(Action::Close { connection })
    }

    fn clock(&mut self, advance: &str) -> Result<(), String> {
        let number = advance
            .strip_prefix('+')
            .and_then(|rest| rest.strip_suffix("ms"));
        let advance_ms = number.and_then(|number| number.parse().ok());
        let advance_ms = advance_ms.ok_or("expected clock +<number>ms")?;
        self.step(Action::Clock { advance_ms })
    }

    fn step(&mut self, action: Action) -> Result<(), String> {
        self.script.steps.push(Step {
            line: self.line,
            action,
            expected: Vec::new(),
        });
        Ok(())
    }

    /// Adds to the chunk that is being sent, or begins one.
    fn sent(&mut self, connection: usize, part: Part) -> Result<(), String> {
        if let Some(last) = self.script.steps.last_mut()
            && last.expected.is_empty()
            && let Action::Send {
                connection: same,
                chunk,
            } = &mut last.action
            && *same == connection
        {
            chunk.0.push(part);
            return Ok(());
        }
        let chunk = Chunk(vec![part]);
        self.step(Action::Send { connection, chunk })
    }

    fn expect(&mut self, connection: usize, piece: Piece) -> Result<(), String> {
        let expected = self.expected(connection)?;
        if expected.closed {
            return Err("nothing can come when the connection is closed".to_owned());
        }
        expected.pattern.push(piece);
        Ok(())
    }

    fn expected(&mut self, connection: usize) -> Result<&mut Expected, String> {
        let line = self.line;
        let step = self.script.steps.last_mut().ok_or("nothing was sent")?;
        let place = step
            .expected
            .iter()
            .position(|e| e.connection == connection);
        let place = place.unwrap_or_else(|| {
            step.expected.push(Expected {
                line,
                connection,
                pattern: Pattern::default(),
                closed: false,
            });
            step.expected.len() - 1
        });
        Ok(&mut step.expected[place])
    }

    fn connection(&self, name: &str) -> Result<usize, String> {
        let found = self
            .script
            .connections
            .iter()
            .position(|known| known == name);
        found.ok_or_else(|| format!("there is no connection {name:?}"))
    }

    fn scheme(&self, connection: usize) -> Scheme {
        self.script.listeners[self.listener_of[connection]].scheme
    }
}

/// The bytes of one line of a reply.
fn reply(scheme: Scheme, text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match scheme {
        Scheme::Resp => {
            // Blanks in front are layout; one behind the length of a string stands for the line end there.
            let text = text.trim_start();
            let (header, content) = text.split_once(' ').unwrap_or((text, ""));
            let has_content = header.len() < text.len()
                && header.starts_with(['$', '=', '!'])
                && header[1..].bytes().all(|byte| byte.is_ascii_digit());
            if has_content {
                bytes.extend_from_slice(format!("{header}\r\n{content}\r\n").as_bytes());
            } else {
                bytes.extend_from_slice(format!("{text}\r\n").as_bytes());
            }
        }
        Scheme::Lab => bytes.extend_from_slice(format!("{text}\r\n").as_bytes()),
        Scheme::Metrics | Scheme::Counter => {
            bytes.extend_from_slice(format!("{text}\n").as_bytes())
        }
        Scheme::LabDigit | Scheme::Custom(_) => bytes.extend_from_slice(text.as_bytes()),
        Scheme::LabByte | Scheme::Speicher => bytes = framed(scheme, text.as_bytes())?,
    }
    Ok(bytes)
}

/// The bytes of a text with escapes, none of which may stand for anything.
fn literal(text: &str) -> Result<Vec<u8>, String> {
    match &mut pieces(text)?[..] {
        [] => Ok(Vec::new()),
        [Piece::Bytes(bytes)] => Ok(std::mem::take(bytes)),
        _ => Err("\\* can only be expected".to_owned()),
    }
}

/// The bytes of a text with escapes.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..]
            .chars()
            .next()
            .ok_or("a lone \\ at the end")?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '\\' | '"' => bytes.push(escape as u8),
            'x' => {
                let digits = rest.get(..2).ok_or("expected \\xNN")?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| "expected \\xNN")?);
                rest = &rest[2..];
            }
            '{' => {
                let (inner, after) = rest.split_once('}').ok_or("expected \\{count text}")?;
                let (count, text) = inner.split_once(' ').ok_or("expected \\{count text}")?;
                let count = count.parse().map_err(|_| "expected \\{count text}")?;
                bytes.extend(literal(text)?.repeat(count));
                rest = after;
            }
            '*' => {
                pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                pieces.push(Piece::Anything);
            }
            _ => return Err(format!("unknown escape \\{escape}")),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    pieces.push(Piece::Bytes(bytes));
    Ok(pieces)
}

/// Bytes in use, as the replayed server is told: more than any limit on memory that a file sets.
pub fn allocated_bytes() -> usize {
    1 << 30
}
