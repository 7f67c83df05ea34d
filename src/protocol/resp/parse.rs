//! Requests out of bytes: RESP arrays of bulk strings, and inline commands for people.
//!
//! The parser borrows: an argument is a span of the input, never a copy. It can be cut anywhere and goes on where it
//! was. This module must not know commands. The limits and the texts of errors are Redis's (`networking.c`).

use memchr::memchr;

/// One argument: where it begins and ends, relative to the request's first byte.
pub type Span = (u32, u32);

/// What is at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// No complete request yet.
    NeedMore,
    /// A request of `consumed` bytes, whose arguments were appended to the spans; there may be none.
    Ready {
        /// Bytes that it takes.
        consumed: usize,
    },
    /// An inline command: a line of this many bytes without its end, in `consumed` with it.
    Inline {
        /// Bytes of the line itself.
        line: usize,
        /// Bytes that it takes.
        consumed: usize,
    },
    /// No request can be made of this, and there is no telling where the next one begins.
    Invalid(ProtocolError),
}

/// What is wrong with the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number of arguments is none, or too large.
    ArgumentCount,
    /// There are too many arguments for somebody who has not logged in.
    StrangersArgumentCount,
    /// An argument is too long for somebody who has not logged in.
    StrangersBulkLength,
    /// An argument begins with this byte, not with `$`.
    ExpectedBulk(u8),
    /// An argument's length is none, or too large.
    BulkLength,
    /// A line that says how many arguments there are does not end.
    CountLineTooLong,
    /// A line that says how long an argument is does not end.
    LengthLineTooLong,
    /// An inline command does not end.
    InlineTooLong,
    /// An inline command has a quote that is not closed, or something right behind one that is.
    UnbalancedQuotes,
    /// All arguments together are longer than a request may be.
    RequestTooLong,
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protocol error: ")?;
        match self {
            ProtocolError::ArgumentCount => f.write_str("invalid multibulk length"),
            ProtocolError::ExpectedBulk(byte) => {
                // An error reply is one line of text.
                let shown = match byte {
                    b'\r' | b'\n' => ' ',
                    b' '..=b'~' => *byte as char,
                    _ => '?',
                };
                write!(f, "expected '$', got '{shown}'")
            }
            ProtocolError::StrangersArgumentCount => {
                f.write_str("unauthenticated multibulk length")
            }
            ProtocolError::StrangersBulkLength => f.write_str("unauthenticated bulk length"),
            ProtocolError::BulkLength => f.write_str("invalid bulk length"),
            ProtocolError::CountLineTooLong => f.write_str("too big mbulk count string"),
            ProtocolError::LengthLineTooLong => f.write_str("too big bulk count string"),
            ProtocolError::InlineTooLong => f.write_str("too big inline request"),
            ProtocolError::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            ProtocolError::RequestTooLong => f.write_str("too big request"),
        }
    }
}

/// The limits of one request.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Bytes of all of it.
    pub request_bytes_max: usize,
    /// Bytes of an inline command, or of a line that says a number.
    pub line_bytes_max: usize,
    /// Nobody has logged in: a request of few and short arguments will do.
    pub stranger: bool,
}

/// Arguments of one request of somebody who has not logged in, and bytes of each.
const STRANGERS_ARGUMENTS_MAX: i64 = 10;
const STRANGERS_BULK_BYTES_MAX: i64 = 16 * 1024;

/// Arguments of one request that may be announced, as in Redis. Nothing is kept for them before they come.
const ARGUMENTS_MAX: i64 = i32::MAX as i64;

/// Where the parser is in a request that is not complete.
#[derive(Debug, Default)]
pub struct Parser {
    partial: Option<Box<Partial>>,
}

#[derive(Debug, Default)]
struct Partial {
    /// Where to go on.
    at: usize,
    /// How far a line's end has been looked for in vain, from `at` on.
    scanned: usize,
    /// Arguments still to come; 0: their number itself is not known.
    left: u32,
    spans: Vec<Span>,
    /// Bytes that the request will have at least.
    expected: usize,
}

/// A line that holds a number, such as `*3` or `$11`.
enum Number {
    NeedMore,
    TooLong,
    Invalid,
    /// The number, and where the next line begins.
    Ready(i64, usize),
}

impl Parser {
    /// Looks for a request at the beginning of `input`. O(bytes that were not looked at before).
    #[inline]
    pub fn parse(&mut self, input: &[u8], spans: &mut Vec<Span>, limits: ParseLimits) -> Parsed {
        if self.partial.is_none()
            && let Some(consumed) = parse_small(input, spans, limits)
        {
            return Parsed::Ready { consumed };
        }
        self.parse_any(input, spans, limits)
    }

    fn parse_any(&mut self, input: &[u8], spans: &mut Vec<Span>, limits: ParseLimits) -> Parsed {
        let mut place = match self.partial.take() {
            Some(partial) => *partial,
            None => Partial::default(),
        };
        let first_span = spans.len();
        spans.append(&mut place.spans);
        let parsed = match input.first() {
            None => Parsed::NeedMore,
            Some(b'*') => place.parse_array(input, spans, limits),
            Some(_) => place.parse_inline(input, limits),
        };
        if parsed == Parsed::NeedMore && !input.is_empty() {
            place.spans.extend(spans.drain(first_span..));
            self.partial = Some(Box::new(place));
        }
        parsed
    }

    /// Bytes that the request which has begun will have at least, if that is known.
    pub fn expected_bytes(&self) -> Option<usize> {
        self.partial
            .as_ref()
            .map(|partial| partial.expected)
            .filter(|expected| *expected > 0)
    }
}

/// The usual case: a whole request of less than 100 arguments, each of less than 100 bytes. Gives how long it is; `None`
/// (and no spans) when it is anything else, wrong or not complete.
#[inline]
fn parse_small(input: &[u8], spans: &mut Vec<Span>, limits: ParseLimits) -> Option<usize> {
    let first_span = spans.len();
    let (count, mut at) = small_number(input, 0, b'*')?;
    for _ in 0..count {
        let place = small_number(input, at, b'$').filter(|(len, start)| {
            let end = start + len;
            end + 2 <= input.len() && end <= limits.request_bytes_max
        });
        let Some((len, start)) = place else {
            spans.truncate(first_span);
            return None;
        };
        spans.push((start as u32, (start + len) as u32));
        at = start + len + 2;
    }
    Some(at)
}

/// A number of one or two digits behind `mark` and before CR LF, and where the next line begins.
#[inline]
fn small_number(input: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let digit = |byte: u8| byte.wrapping_sub(b'0');
    match *input.get(at..)? {
        [first, ones, b'\r', b'\n', ..] if first == mark && digit(ones) < 10 => {
            Some((digit(ones).into(), at + 4))
        }
        [first, tens @ b'1'..=b'9', ones, b'\r', b'\n', ..]
            if first == mark && digit(ones) < 10 =>
        {
            Some((
                usize::from(digit(tens)) * 10 + usize::from(digit(ones)),
                at + 5,
            ))
        }
        _ => None,
    }
}

impl Partial {
    fn parse_array(&mut self, input: &[u8], spans: &mut Vec<Span>, limits: ParseLimits) -> Parsed {
        if self.left == 0 {
            match self.number(input, limits) {
                Number::NeedMore => return Parsed::NeedMore,
                Number::TooLong => return Parsed::Invalid(ProtocolError::CountLineTooLong),
                Number::Ready(count, next) if count <= ARGUMENTS_MAX => {
                    if count <= 0 {
                        return Parsed::Ready { consumed: next };
                    }
                    if limits.stranger && count > STRANGERS_ARGUMENTS_MAX {
                        return Parsed::Invalid(ProtocolError::StrangersArgumentCount);
                    }
                    self.at = next;
                    self.left = count as u32;
                }
                Number::Ready(..) | Number::Invalid => {
                    return Parsed::Invalid(ProtocolError::ArgumentCount);
                }
            }
        }
        while self.left > 0 {
            match input.get(self.at) {
                None => return Parsed::NeedMore,
                Some(b'$') => {}
                Some(&byte) => return Parsed::Invalid(ProtocolError::ExpectedBulk(byte)),
            }
            let (len, start) = match self.number(input, limits) {
                Number::NeedMore => return Parsed::NeedMore,
                Number::TooLong => return Parsed::Invalid(ProtocolError::LengthLineTooLong),
                Number::Ready(len, _) if limits.stranger && len > STRANGERS_BULK_BYTES_MAX => {
                    return Parsed::Invalid(ProtocolError::StrangersBulkLength);
                }
                Number::Ready(len, start)
                    if (0..=limits.request_bytes_max as i64).contains(&len) =>
                {
                    (len as usize, start)
                }
                Number::Ready(..) | Number::Invalid => {
                    return Parsed::Invalid(ProtocolError::BulkLength);
                }
            };
            let end = start + len;
            if end > limits.request_bytes_max {
                return Parsed::Invalid(ProtocolError::RequestTooLong);
            }
            // What stands where CR LF should is not looked at, as in Redis.
            if input.len() < end + 2 {
                self.expected = end + 2;
                return Parsed::NeedMore;
            }
            spans.push((start as u32, end as u32));
            self.at = end + 2;
            self.scanned = 0;
            self.left -= 1;
        }
        Parsed::Ready { consumed: self.at }
    }

    fn parse_inline(&mut self, input: &[u8], limits: ParseLimits) -> Parsed {
        match memchr(b'\n', &input[self.scanned..]) {
            Some(found) => {
                let end = self.scanned + found;
                let line = if end > 0 && input[end - 1] == b'\r' {
                    end - 1
                } else {
                    end
                };
                if line > limits.line_bytes_max {
                    return Parsed::Invalid(ProtocolError::InlineTooLong);
                }
                Parsed::Inline {
                    line,
                    consumed: end + 1,
                }
            }
            // One byte more than the limit may be the `\r` of a line that is as long as it may be.
            None if input.len() > limits.line_bytes_max + 1 => {
                Parsed::Invalid(ProtocolError::InlineTooLong)
            }
            None => {
                self.scanned = input.len();
                Parsed::NeedMore
            }
        }
    }

    /// Reads the line at `self.at`: a byte that says what it is, a number, CR LF.
    fn number(&mut self, input: &[u8], limits: ParseLimits) -> Number {
        let rest = &input[self.at..];
        let Some(found) = memchr(b'\r', &rest[self.scanned..]) else {
            if rest.len() > limits.line_bytes_max {
                return Number::TooLong;
            }
            self.scanned = rest.len();
            return Number::NeedMore;
        };
        let end = self.scanned + found;
        if end > limits.line_bytes_max {
            return Number::TooLong;
        }
        // The line feed must have come too, though what it is does not matter.
        if rest.len() < end + 2 {
            self.scanned = end;
            return Number::NeedMore;
        }
        let next = self.at + end + 2;
        self.scanned = 0;
        match crate::number::parse_i64(&input[self.at + 1..self.at + end]) {
            Some(number) => Number::Ready(number, next),
            None => Number::Invalid,
        }
    }
}

/// Splits an inline command into its arguments, which are appended to `bytes`, their places there to `spans`.
///
/// Blanks separate; `"..."` takes escapes (`\n`, `\x41`, ...), `'...'` only `\'`; behind a closing quote must come a blank.
pub fn split_inline(
    line: &[u8],
    bytes: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), ProtocolError> {
    // Redis's isspace(), but for the end of a word, where it knows fewer.
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let ends_word = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|byte| is_blank(*byte)) {
            at += 1;
        }
        if at == line.len() {
            return Ok(());
        }
        let start = bytes.len();
        while let Some(&byte) = line.get(at) {
            match byte {
                b'"' | b'\'' => {
                    at = unquote(line, at, bytes)?;
                    if line.get(at).is_some_and(|byte| !is_blank(*byte)) {
                        return Err(ProtocolError::UnbalancedQuotes);
                    }
                    break;
                }
                byte if ends_word(byte) => break,
                byte => bytes.push(byte),
            }
            at += 1;
        }
        spans.push((start as u32, bytes.len() as u32));
    }
}

/// Appends what stands in quotes from `at` on, and returns the place behind the closing one.
fn unquote(line: &[u8], at: usize, bytes: &mut Vec<u8>) -> Result<usize, ProtocolError> {
    let quote = line[at];
    let mut at = at + 1;
    loop {
        match &line[at..] {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [byte, ..] if *byte == quote => return Ok(at + 1),
            [b'\\', b'x', high, low, ..] if quote == b'"' && is_hex(*high) && is_hex(*low) => {
                bytes.push(hex(*high) << 4 | hex(*low));
                at += 4;
            }
            [b'\\', escaped, ..] if quote == b'"' => {
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            [b'\\', b'\'', ..] if quote == b'\'' => {
                bytes.push(b'\'');
                at += 2;
            }
            [byte, ..] => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ParseLimits = ParseLimits {
        stranger: false,
        request_bytes_max: 1000,
        line_bytes_max: 100,
    };

    fn parse(input: &[u8]) -> (Parsed, Vec<Vec<u8>>) {
        let mut spans = Vec::new();
        let parsed = Parser::default().parse(input, &mut spans, LIMITS);
        (
            parsed,
            spans
                .iter()
                .map(|span| input[span.0 as usize..span.1 as usize].to_vec())
                .collect(),
        )
    }

    #[test]
    fn a_request_is_found_however_it_is_cut() {
        let input = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n*1\r\n";
        let len = input.len() - 4;
        for split in 0..len {
            let mut parser = Parser::default();
            let mut spans = Vec::new();
            for end in [split, (split + 3).min(len - 1)] {
                assert_eq!(
                    parser.parse(&input[..end], &mut spans, LIMITS),
                    Parsed::NeedMore,
                    "at {end}"
                );
                assert!(spans.is_empty());
            }
            assert_eq!(
                parser.parse(input, &mut spans, LIMITS),
                Parsed::Ready { consumed: len }
            );
            assert_eq!(spans, [(8, 11), (17, 17), (24, 36)]);
        }
    }

    #[test]
    fn what_is_no_request_is_refused_in_the_words_of_redis() {
        for (input, error) in [
            (&b"*x\r\n"[..], "invalid multibulk length"),
            (b"*01\r\n", "invalid multibulk length"),
            (b"*2147483648\r\n", "invalid multibulk length"),
            (b"*99999999999999999999\r\n", "invalid multibulk length"),
            (b"*1\r\n+OK\r\n", "expected '$', got '+'"),
            (b"*1\r\n\0", "expected '$', got '?'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$a\r\n", "invalid bulk length"),
            (b"*1\r\n$1001\r\n", "invalid bulk length"),
            (b"*2\r\n$600\r\n", "too big request"),
        ] {
            let mut input = input.to_vec();
            if error == "too big request" {
                input.extend_from_slice(&[b'x'; 602]);
                input.extend_from_slice(b"$600\r\n");
            }
            let (Parsed::Invalid(got), _) = parse(&input) else {
                panic!("{:?} was taken", input.escape_ascii())
            };
            assert_eq!(got.to_string(), format!("Protocol error: {error}"));
        }
        assert_eq!(
            parse(&[b'a'; 102]).0,
            Parsed::Invalid(ProtocolError::InlineTooLong)
        );
        assert_eq!(
            parse(&[b'*'; 102]).0,
            Parsed::Invalid(ProtocolError::CountLineTooLong)
        );
        let long = [&b"*1\r\n"[..], &[b'$'; 102]].concat();
        assert_eq!(
            parse(&long).0,
            Parsed::Invalid(ProtocolError::LengthLineTooLong)
        );
    }

    #[test]
    fn an_empty_or_negative_array_is_a_request_of_nothing() {
        for input in [&b"*0\r\n"[..], b"*-1\r\n", b"*-9\r\n"] {
            assert_eq!(
                parse(input),
                (
                    Parsed::Ready {
                        consumed: input.len()
                    },
                    vec![]
                )
            );
        }
    }

    #[test]
    fn inline_commands_are_split_as_redis_splits_them() {
        let split = |line: &[u8]| {
            let (mut bytes, mut spans) = (Vec::new(), Vec::new());
            split_inline(line, &mut bytes, &mut spans).map(|()| {
                spans
                    .iter()
                    .map(|s| bytes[s.0 as usize..s.1 as usize].to_vec())
                    .collect::<Vec<_>>()
            })
        };
        let words =
            |words: &[&[u8]]| Ok(words.iter().map(|word| word.to_vec()).collect::<Vec<_>>());
        assert_eq!(split(b"  get\t key  "), words(&[b"get", b"key"]));
        assert_eq!(split(b""), words(&[]));
        assert_eq!(
            split(br#"set k "a \x41\n\"b""#),
            words(&[b"set", b"k", b"a A\n\"b"])
        );
        assert_eq!(
            split(br#"set k 'a\'b\n' """#),
            words(&[b"set", b"k", b"a'b\\n", b""])
        );
        assert_eq!(
            split(br#"set k"ey x"#),
            Err(ProtocolError::UnbalancedQuotes)
        );
        assert_eq!(split(br#"set "k"x"#), Err(ProtocolError::UnbalancedQuotes));
        assert_eq!(split(br#"set "\xzz""#), words(&[b"set", b"xzz"]));
        assert_eq!(split(b"get k\0rest"), words(&[b"get", b"k\0rest"]));
    }
}
