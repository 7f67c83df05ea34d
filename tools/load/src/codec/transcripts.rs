//! This tool's codecs against the daemon's transcripts (`tests/wire/*.txt` of the repository, their format in the
//! README there): every reply a transcript shows must be read as what it is, to its last byte, and the requests this
//! tool makes must be the ones that are sent there. Transcripts and replies are taken apart here once more, by
//! other means than the server's tests and than the readers under test: that is the point.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Reader, split_everywhere};
use crate::keys::KeyNames;
use crate::plan::{Action, Op};
use crate::random::Rng;
use crate::request::Renderer;
use crate::sizes::Sizes;
use crate::target::{Framing, Protocol};
use crate::template::Template;
use crate::value::Values;

/// What one file says.
#[derive(Default)]
struct Transcript {
    received: Vec<Received>,
    sent: Vec<(Protocol, String)>,
}

/// What came at once on one connection.
struct Received {
    line: usize,
    protocol: Protocol,
    /// `None` where some of the bytes may be anything.
    messages: Option<Vec<Vec<u8>>>,
}

#[test]
fn every_reply_of_the_transcripts_is_read_as_what_it_is() {
    let (mut replies, mut pieces, mut open) = (0, 0, 0);
    let mut protocols = BTreeSet::new();
    for (path, transcript) in transcripts() {
        for Received {
            line,
            protocol,
            messages,
        } in transcript.received
        {
            let Some(messages) = messages else {
                open += 1;
                continue;
            };
            pieces += 1;
            let place = format!("{path}:{line}");
            let wanted = match protocol {
                // A bare reply ends where the value asked for ends: one reply a message.
                Protocol::Lab(Framing::Digit) => {
                    for message in messages.iter().filter(|m| !m.is_empty()) {
                        assert_eq!(read(protocol, message), [value(message)], "{place}");
                        replies += 1;
                    }
                    continue;
                }
                _ => naive(protocol, &messages.concat()),
            };
            let bytes = messages.concat();
            assert_eq!(read(protocol, &bytes), wanted, "{place}");
            if bytes.len() <= 600 {
                assert_eq!(split_everywhere(protocol, &bytes, 0), wanted, "{place}");
            }
            replies += wanted.len();
            protocols.insert(format!("{protocol:?}"));
        }
    }
    assert_eq!(protocols.len(), 6, "{protocols:?} and lab+digit");
    assert!(
        replies > 2000 && open * 20 < pieces,
        "{replies} replies, {open} of {pieces} open"
    );
}

#[test]
fn requests_are_the_ones_that_transcripts_send() {
    let names = KeyNames::new("k", Sizes::Fixed(2), 10, 10).expect("fits");
    let values = Values::new(Sizes::Fixed(16), 1);
    let sent: Vec<(Protocol, String)> = transcripts()
        .into_iter()
        .flat_map(|(_, t)| t.sent)
        .collect();
    // RESP: a template of the words of a command is the array of those words.
    let mut commands = 0;
    for (_, text) in sent.iter().filter(|(p, _)| *p == Protocol::Resp) {
        if text.trim().is_empty() || text.contains(['"', '\'', '\\']) || text.contains("__") {
            continue;
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut wanted = format!("*{}\r\n", words.len());
        for word in &words {
            wanted.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let template = Template::compile(text, &names, &values, 10).expect("a command compiles");
        let mut bytes = Vec::new();
        template.write(
            0,
            1,
            (&names, &values),
            &mut Rng::new(1),
            &mut Vec::new(),
            &mut bytes,
        );
        assert_eq!(bytes, wanted.as_bytes(), "{text}");
        commands += 1;
    }
    assert!(commands > 1000, "{commands} commands");
    // The others: with a key and a value of the transcripts in the place of ours, a message of theirs.
    let lines = |protocol| {
        sent.iter()
            .filter(move |(p, _)| *p == protocol)
            .map(|(_, text)| text.as_str())
    };
    for (protocol, action, (key, value), frame) in [
        (Protocol::Counter, Action::Bump(1), ("", ""), End::Line),
        (Protocol::Counter, Action::Bump(-1), ("", ""), End::Line),
        (Protocol::Counter, Action::Bump(5), ("", ""), End::Line),
        (Protocol::Counter, Action::Total, ("", ""), End::Line),
        (
            Protocol::Metrics,
            Action::Write,
            ("palm.cpu", "15 1501864259"),
            End::Line,
        ),
        (Protocol::Metrics, Action::Read, ("palm.cpu", ""), End::Line),
        (Protocol::Metrics, Action::Other, ("", ""), End::Line),
        (
            Protocol::Speicher,
            Action::Write,
            ("key", "hello"),
            End::Length,
        ),
        (Protocol::Speicher, Action::Read, ("key", ""), End::Length),
        (Protocol::Speicher, Action::Delete, ("key", ""), End::Length),
    ] {
        let mut bytes = Vec::new();
        request(protocol, action, &names, &values, &mut bytes);
        let text = match frame {
            End::Line => bytes.strip_suffix(b"\n").expect("a line"),
            End::Length => {
                let (len, body) = bytes.split_at(4);
                assert_eq!(len, (body.len() as u32).to_be_bytes());
                body
            }
        };
        let mut text = String::from_utf8(text.to_vec()).expect("text");
        if protocol == Protocol::Metrics && action == Action::Write {
            // Value and timestamp are two words.
            let at = text.find("k7 ").expect("the key") + "k7 ".len();
            text.replace_range(at.., value);
        }
        let mut ours = Vec::new();
        values.write(7, 1, &mut ours);
        let text = text
            .replace("k7", key)
            .replace(std::str::from_utf8(&ours).expect("letters"), value);
        assert!(
            lines(protocol).any(|line| line == text),
            "{protocol:?}: {text}"
        );
    }
    for framing in [Framing::Line, Framing::Byte, Framing::Digit] {
        // `s` and the `r` that asks for its value, framed; short enough for a length of one digit.
        let values = Values::new(Sizes::Fixed(3), 1);
        let mut bytes = Vec::new();
        request(
            Protocol::Lab(framing),
            Action::Write,
            &names,
            &values,
            &mut bytes,
        );
        let mut body = b"sk7:".to_vec();
        values.write(7, 1, &mut body);
        let wanted = [body, b"rk7".to_vec()]
            .map(|m| framed(Protocol::Lab(framing), &m))
            .concat();
        assert_eq!(bytes, wanted, "{framing:?}");
        assert!(lines(Protocol::Lab(framing)).any(|l| l.starts_with('s') && l.contains(':')));
        assert!(lines(Protocol::Lab(framing)).any(|l| l.starts_with('r')));
    }
}

/// How a request ends, or begins.
enum End {
    Line,
    Length,
}

fn request(
    protocol: Protocol,
    action: Action,
    names: &KeyNames,
    values: &Values,
    out: &mut Vec<u8>,
) {
    let renderer = Renderer {
        protocol,
        names: names.clone(),
        values: values.clone(),
    };
    let op = Op {
        name: String::new(),
        action,
        weight: 1.0,
        insert: false,
        then: None,
        on_miss: None,
        template: None,
    };
    renderer.write(&op, 7, 1, &mut Rng::new(1), &mut Vec::new(), out);
}

/// What this tool's reader makes of some replies. All of them must be used up, but for pushes at the end.
fn read(protocol: Protocol, bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(protocol);
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        match reader.next(&bytes[at..], bytes.len() - at) {
            Ok(Some((used, reply))) => {
                found.push(format!("{reply:?}"));
                at += used;
            }
            Ok(None) => {
                assert!(
                    bytes[at] == b'>' && protocol == Protocol::Resp,
                    "{}",
                    bytes[at..].escape_ascii()
                );
                break;
            }
            Err(bad) => panic!("{bad:?}: {}", bytes[at..].escape_ascii()),
        }
    }
    found
}

/// The same, the simple way.
fn naive(protocol: Protocol, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (reply, used) = match protocol {
            Protocol::Resp => {
                let used = resp_len(rest);
                (resp(&rest[..used]), used)
            }
            Protocol::Counter => {
                let line = rest.split(|b| *b == b'\n').next().expect("a line");
                let reply = match line {
                    b"ok" => "Ok".to_string(),
                    b"err" => error(line),
                    b"quit" => format!("Other({line:?})"),
                    _ => format!("Int({})", text(&line[4..])),
                };
                (Some(reply), line.len() + 1)
            }
            Protocol::Metrics => {
                let used = rest
                    .windows(2)
                    .position(|w| w == b"\n\n")
                    .expect("an empty line")
                    + 2;
                let reply = match rest[..used - 1]
                    .split_at(rest.iter().position(|b| *b == b'\n').expect("a line") + 1)
                {
                    (b"ok\n", b"") => "Ok".to_string(),
                    (b"ok\n", rows) => format!("Rows({rows:?})"),
                    (_, words) => error(words.trim_ascii_end()),
                };
                (Some(reply), used)
            }
            Protocol::Lab(Framing::Byte) => {
                let used = 1 + usize::from(rest[0]);
                (Some(value(&rest[1..used])), used)
            }
            Protocol::Lab(_) => {
                let used = rest
                    .windows(2)
                    .position(|w| w == b"\r\n")
                    .expect("a line end")
                    + 2;
                (Some(value(&rest[..used - 2])), used)
            }
            Protocol::Speicher => {
                let used = 4 + u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                (Some(speicher(text(&rest[4..used]))), used)
            }
        };
        found.extend(reply);
        rest = &rest[used..];
    }
    found
}

fn value(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "Missing".to_string()
    } else {
        format!("Value({bytes:?})")
    }
}

fn error(words: &[u8]) -> String {
    format!("Error({words:?})")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn resp_line(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .windows(2)
        .position(|w| w == b"\r\n")
        .expect("a line end");
    &bytes[..end]
}

fn resp_len(bytes: &[u8]) -> usize {
    let line = resp_line(bytes);
    let number = || text(&line[1..]).parse::<i64>().expect("a length");
    let parts = |count: i64| (0..count).fold(line.len() + 2, |at, _| at + resp_len(&bytes[at..]));
    match line[0] {
        b'$' | b'=' | b'!' if number() >= 0 => line.len() + 2 + number() as usize + 2,
        b'*' | b'~' | b'>' => parts(number()),
        b'%' => parts(2 * number()),
        b'|' => parts(2 * number() + 1),
        _ => line.len() + 2,
    }
}

/// `None` is a push: it answers nothing.
fn resp(reply: &[u8]) -> Option<String> {
    let line = resp_line(reply);
    let body = || &reply[line.len() + 2..reply.len() - 2];
    Some(match (line[0], &line[1..]) {
        (b'>', _) => return None,
        (b'+', b"OK") => "Ok".to_string(),
        (b'-', words) => error(words),
        (b':', number) => format!("Int({})", text(number)),
        (b'$' | b'*', b"-1") | (b'_', _) => "Missing".to_string(),
        (b'$', _) => format!("Value({:?})", body()),
        (b'=', _) => format!("Value({:?})", &body()[4..]),
        (b'!', _) => error(body()),
        (b'*' | b'~' | b'%' | b'|', _) => format!("Other({reply:?})"),
        (_, words) => format!("Other({words:?})"),
    })
}

/// The replies of a transcript are written without blanks.
fn speicher(json: &str) -> String {
    let raw = json
        .strip_prefix("{\"status_code\":200,\"value\":")
        .and_then(|rest| rest.strip_suffix('}'));
    match (json, raw) {
        (_, Some(raw)) => match serde_json::from_str::<String>(raw) {
            Ok(text) => format!("Value({:?})", text.as_bytes()),
            Err(_) => format!("Other({:?})", raw.as_bytes()),
        },
        ("{\"status_code\":200}", None) => "Ok".to_string(),
        ("{\"status_code\":404}", None) => "Missing".to_string(),
        _ => error(json.as_bytes()),
    }
}

fn transcripts() -> Vec<(String, Transcript)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the transcripts are there") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|e| e == "txt") {
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            found.push((name, transcript(&text)));
        }
    }
    found
}

fn transcript(file: &str) -> Transcript {
    let mut found = Transcript::default();
    let mut connections: Vec<(String, Protocol)> = Vec::new();
    // The connection whose messages come in the lines before this one.
    let mut coming: Option<String> = None;
    for (index, line) in file.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let name_len = line
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(name_len);
        if !rest.starts_with(['<', '>']) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let like = match words[..] {
                ["listen", url, ..] => {
                    connections.push((words.get(3).unwrap_or(&"").to_string(), scheme(url)));
                    None
                }
                ["open", name] => Some((name, name)),
                ["open", name, "like", other] => Some((name, other)),
                _ => None,
            };
            if let Some((name, other)) = like
                && !connections.iter().any(|c| c.0 == name)
            {
                let protocol = connections
                    .iter()
                    .find(|c| c.0 == other)
                    .unwrap_or(&connections[0])
                    .1;
                connections.push((name.to_string(), protocol));
            }
            coming = None;
            continue;
        }
        let (mark, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let protocol = connections
            .iter()
            .find(|c| c.0 == name)
            .expect("a connection")
            .1;
        if mark.starts_with('>') {
            if mark == ">" {
                found.sent.push((protocol, text.to_string()));
            }
            coming = None;
            continue;
        }
        if text == "(closed)" {
            continue;
        }
        let message = match mark {
            "<|" => literal(text),
            _ => Some(reply(protocol, text)),
        };
        if coming.as_deref() != Some(name) {
            coming = Some(name.to_string());
            found.received.push(Received {
                line: index + 1,
                protocol,
                messages: Some(Vec::new()),
            });
        }
        let messages = &mut found
            .received
            .last_mut()
            .expect("one was just pushed")
            .messages;
        match (messages.as_mut(), message) {
            (Some(messages), Some(message)) => messages.push(message),
            _ => *messages = None,
        }
    }
    found
}

fn scheme(url: &str) -> Protocol {
    match url.split_once("://").expect("a URL").0 {
        "resp" => Protocol::Resp,
        "metrics" => Protocol::Metrics,
        "counter" => Protocol::Counter,
        "lab" => Protocol::Lab(Framing::Line),
        "lab+byte" => Protocol::Lab(Framing::Byte),
        "lab+digit" => Protocol::Lab(Framing::Digit),
        "speicher" => Protocol::Speicher,
        other => panic!("a protocol this tool does not know: {other}"),
    }
}

fn framed(protocol: Protocol, message: &[u8]) -> Vec<u8> {
    let len = message.len();
    match protocol {
        Protocol::Resp | Protocol::Lab(Framing::Line) => [message, b"\r\n"].concat(),
        Protocol::Metrics | Protocol::Counter => [message, b"\n"].concat(),
        Protocol::Lab(Framing::Byte) => [&[len as u8], message].concat(),
        Protocol::Lab(Framing::Digit) => [&[b'0' + len as u8], message].concat(),
        Protocol::Speicher => [&(len as u32).to_be_bytes(), message].concat(),
    }
}

/// The bytes of a reply's line.
fn reply(protocol: Protocol, text: &str) -> Vec<u8> {
    if protocol == Protocol::Lab(Framing::Digit) {
        return text.as_bytes().to_vec();
    }
    if protocol != Protocol::Resp {
        return framed(protocol, text.as_bytes());
    }
    // `$5 hello` is short for two lines.
    let text = text.trim_start();
    match text.split_once(' ') {
        Some((header, body))
            if header.starts_with(['$', '=', '!']) && header[1..].parse::<u32>().is_ok() =>
        {
            format!("{header}\r\n{body}\r\n").into_bytes()
        }
        _ => framed(protocol, text.as_bytes()),
    }
}

/// The bytes of a line with escapes; `None` where it stands for any bytes.
fn literal(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let escape = after.chars().next().expect("an escape");
        rest = &after[escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (repeated, after) = rest.split_once('}').expect("an end");
                let (count, text) = repeated.split_once(' ').expect("a count");
                bytes.extend(literal(text)?.repeat(count.parse().expect("a count")));
                rest = after;
            }
            '*' => return None,
            other => bytes.push(other as u8),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}
