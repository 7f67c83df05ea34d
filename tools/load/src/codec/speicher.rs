//! Replies of the speicher protocol: a signed big-endian length, then a JSON object with a status code and
//! perhaps a value. A string without escapes, which is what this generator stores, is taken without copying.

use super::{Bad, Found, REPLY_LEN_MAX, Reply};

/// Room for a string that had to be unescaped.
#[derive(Debug, Default)]
pub struct SpeicherReader {
    unescaped: Vec<u8>,
}

impl SpeicherReader {
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Found<'a> {
        let Some(head) = input.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = usize::try_from(i32::from_be_bytes(*head))
            .ok()
            .filter(|len| (2..=REPLY_LEN_MAX).contains(len))
            .ok_or(Bad("an impossible length"))?;
        let Some(body) = input.get(4..4 + len) else {
            return Ok(None);
        };
        let (status, value) = members(body)?;
        let reply = match (status, value) {
            (200, None) => Reply::Ok,
            (200, Some([b'"', inner @ .., b'"'])) if memchr::memchr(b'\\', inner).is_none() => {
                Reply::Value(inner)
            }
            (200, Some(raw)) => match serde_json::from_slice::<String>(raw) {
                Ok(text) => {
                    self.unescaped = text.into_bytes();
                    Reply::Value(&self.unescaped)
                }
                Err(_) => Reply::Other(raw),
            },
            (404, _) => Reply::Missing,
            _ => Reply::Error(body),
        };
        Ok(Some((4 + len, reply)))
    }
}

/// The status code and the raw text of `value`, if there is one.
fn members(body: &[u8]) -> Result<(i64, Option<&[u8]>), Bad> {
    const NO_OBJECT: Bad = Bad("a body that is no JSON object");
    let mut rest = body.trim_ascii().strip_prefix(b"{").ok_or(NO_OBJECT)?;
    let (mut status, mut value) = (None, None);
    loop {
        rest = rest.trim_ascii_start();
        let name_len = skip(rest).ok_or(NO_OBJECT)?;
        let name = &rest[..name_len];
        rest = rest[name_len..]
            .trim_ascii_start()
            .strip_prefix(b":")
            .ok_or(NO_OBJECT)?
            .trim_ascii_start();
        let len = skip(rest).ok_or(NO_OBJECT)?;
        match name {
            b"\"status_code\"" => {
                status = std::str::from_utf8(&rest[..len])
                    .ok()
                    .and_then(|t| t.parse().ok());
            }
            b"\"value\"" => value = Some(&rest[..len]),
            _ => {}
        }
        rest = rest[len..].trim_ascii_start();
        match rest.split_first() {
            Some((b',', more)) => rest = more,
            Some((b'}', [])) => {
                return Ok((status.ok_or(Bad("a reply without a status code"))?, value));
            }
            _ => return Err(NO_OBJECT),
        }
    }
}

/// The length of the JSON value at the start of `text`. It finds the end; it does not judge what is inside.
fn skip(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => {
                at += 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
                    if text[at] == b'"' {
                        break;
                    }
                    at += 2;
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => at += 1,
            _ => {
                let start = at;
                while text
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
                {
                    at += 1;
                }
                if at == start {
                    return None;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::split_everywhere;
    use crate::target::Protocol::Speicher;

    fn framed(bodies: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for body in bodies {
            out.extend_from_slice(&(body.len() as i32).to_be_bytes());
            out.extend_from_slice(body.as_bytes());
        }
        out
    }

    #[test]
    fn replies_survive_every_split() {
        let bytes = framed(&[
            r#"{"status_code":200}"#,
            r#"{ "value" : "ab}c" , "status_code" : 200 }"#,
            r#"{"status_code":200,"value":"a\n\u0062"}"#,
            r#"{"status_code":200,"value":{"a":[1,"]"]}}"#,
            r#"{"status_code":404}"#,
            r#"{"status_code":503}"#,
        ]);
        let replies = split_everywhere(Speicher, &bytes, 0);
        assert_eq!(replies[0], "Ok");
        assert_eq!(replies[1], format!("Value({:?})", b"ab}c"));
        assert_eq!(replies[2], format!("Value({:?})", b"a\nb"));
        assert_eq!(replies[3], format!("Other({:?})", br#"{"a":[1,"]"]}"#));
        assert_eq!(replies[4], "Missing");
        assert!(replies[5].starts_with("Error"));
    }

    #[test]
    fn garbage_is_bad() {
        for body in [
            "[]",
            "{}",
            r#"{"status_code":"200"}"#,
            r#"{"value":1}"#,
            r#"{"status_code":200"#,
            "nonsense",
        ] {
            let replies = split_everywhere(Speicher, &framed(&[body]), 0);
            assert!(replies[0].starts_with("Bad"), "{body}: {replies:?}");
        }
        assert!(split_everywhere(Speicher, b"\xff\xff\xff\xff", 0)[0].starts_with("Bad"));
    }
}
