//! What fuzz targets (`fuzz/`) see of the inside. It exists only when they are built.

use crate::acl::{Denied, Form, Request, User};
use crate::protocol::resp::Table;
use crate::protocol::resp::command::access;
use crate::protocol::resp::parse::{ParseLimits, Parsed, Parser, split_inline};

/// The requests that the parser finds in bytes that come cut at these places (in order), and what is wrong with what
/// follows.
pub fn resp_requests(input: &[u8], cuts: &[usize]) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let limits = ParseLimits {
        request_bytes_max: 4096,
        line_bytes_max: 256,
        stranger: false,
    };
    let (mut parser, mut requests, mut at) = (Parser::default(), Vec::new(), 0);
    for &end in cuts.iter().chain([&input.len()]) {
        loop {
            let rest = &input[at..end];
            let (mut words, mut spans) = (Vec::new(), Vec::new());
            let consumed = match parser.parse(rest, &mut spans, limits) {
                Parsed::NeedMore => break,
                Parsed::Invalid(error) => return (requests, Some(error.to_string())),
                Parsed::Ready { consumed } => {
                    words.extend_from_slice(rest);
                    consumed
                }
                Parsed::Inline { line, consumed } => {
                    if let Err(error) = split_inline(&rest[..line], &mut words, &mut spans) {
                        return (requests, Some(error.to_string()));
                    }
                    consumed
                }
            };
            let word = |span: &(u32, u32)| words[span.0 as usize..span.1 as usize].to_vec();
            let request: Vec<Vec<u8>> = spans.iter().map(word).collect();
            if !request.is_empty() {
                requests.push(request);
            }
            at += consumed;
        }
    }
    (requests, None)
}

/// What a user may do.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    requests: Vec<Result<(), Denied>>,
    channels: [bool; 4],
    flags: Vec<&'static str>,
}

/// The line that describes a user with these rules and what the user may do, or what is wrong with the rules.
pub fn acl_user(rules: &[&[u8]]) -> Result<(Vec<u8>, Allowed), String> {
    let table = Table::default();
    let user = User::new(b"name", false, &table).with_rules(rules, &table)?;
    let mut requests = Vec::with_capacity(3 * table.count());
    for command in table.commands() {
        for (arg, key_access) in [
            (&b"get"[..], access::ACCESS),
            (b"key", access::ACCESS),
            (b"key", access::UPDATE),
        ] {
            requests.push(user.check(Request {
                command,
                args: &[b"command", arg, b"channel"],
                keys: &[(1, key_access)],
            }));
        }
    }
    let allowed = Allowed {
        requests,
        channels: [
            user.allows_channel(b"channel", true),
            user.allows_channel(b"channel", false),
            user.allows_channel(b"news.*", true),
            user.allows_channel(b"news.*", false),
        ],
        flags: user.flags(),
    };
    Ok((user.describe(Form::Readable), allowed))
}
