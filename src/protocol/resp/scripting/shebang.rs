//! The `#!` line of a script or a library: what runs it, what it is called, what it does not do.

use super::state::ScriptFlags;
use crate::protocol::resp::CommandError;

/// The text without its `#!` line; the line's end stays, so that lines keep their numbers.
pub fn body(text: &[u8]) -> &[u8] {
    if !text.starts_with(b"#!") {
        return text;
    }
    memchr::memchr(b'\n', text).map_or(&[], |end| &text[end..])
}

/// What a script's `#!` line says; `None` when it has none.
pub fn script_flags(text: &[u8]) -> Result<Option<ScriptFlags>, CommandError> {
    if !text.starts_with(b"#!") {
        return Ok(None);
    }
    let Some(end) = memchr::memchr(b'\n', text) else {
        return Err(CommandError::text("ERR Invalid script shebang"));
    };
    let mut parts = text[..end].split(|byte| *byte == b' ');
    let engine = parts.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(about("Unexpected engine in script shebang: ", engine));
    }
    let mut flags = ScriptFlags::default();
    for part in parts {
        let Some(names) = part.strip_prefix(b"flags=") else {
            return Err(about("Unknown lua shebang option: ", part));
        };
        for name in names.split(|byte| *byte == b',') {
            let flag = ScriptFlags::named(name)
                .ok_or_else(|| about("Unexpected flag in script shebang: ", name))?;
            flags = flags.with(flag);
        }
    }
    Ok(Some(flags))
}

/// The name of a library, and the engine that it is for, out of its `#!` line.
pub fn library(code: &[u8]) -> Result<(Vec<u8>, Vec<u8>), CommandError> {
    const INVALID: CommandError = CommandError::text("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(CommandError::text("ERR Missing library metadata"));
    }
    let end = memchr::memchr(b'\n', code).ok_or(INVALID)?;
    let mut words = Vec::new();
    let mut spans = Vec::new();
    crate::protocol::resp::parse::split_inline(&code[..end], &mut words, &mut spans)
        .map_err(|_| INVALID)?;
    let mut parts = spans
        .iter()
        .map(|(from, to)| &words[*from as usize..*to as usize]);
    let engine = parts.next().ok_or(INVALID)?;
    let mut name: Option<&[u8]> = None;
    for part in parts {
        let is_name = part
            .get(..5)
            .is_some_and(|begin| begin.eq_ignore_ascii_case(b"name="));
        if !is_name {
            return Err(about("Invalid metadata value given: ", part));
        }
        if name.is_some() {
            return Err(CommandError::text(
                "ERR Invalid metadata value, name argument was given multiple times",
            ));
        }
        name = Some(&part[5..]);
    }
    let name = name.ok_or(CommandError::text("ERR Library name was not given"))?;
    Ok((name.to_vec(), engine.get(2..).unwrap_or_default().to_vec()))
}

fn about(text: &str, part: &[u8]) -> CommandError {
    CommandError::err(format_args!("{text}{}", String::from_utf8_lossy(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_a_script_does_not_do() {
        let flags = script_flags(b"#!lua flags=no-writes,allow-oom\nreturn 1").unwrap();
        assert!(flags.is_some_and(|flags| flags.has(ScriptFlags::NO_WRITES)));
        assert_eq!(script_flags(b"return 1"), Ok(None));
        assert_eq!(body(b"#!lua\nreturn 1"), b"\nreturn 1");
        for (text, error) in [
            ("#!lua", "ERR Invalid script shebang"),
            ("#!py\n", "ERR Unexpected engine in script shebang: #!py"),
            ("#!lua name=x\n", "ERR Unknown lua shebang option: name=x"),
            (
                "#!lua flags=x\n",
                "ERR Unexpected flag in script shebang: x",
            ),
        ] {
            let refused = script_flags(text.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(refused, Err(error.to_owned()));
        }
    }
}
