//! Glob patterns, against a matcher that tries everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::glob::matches;

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let (nocase, at) = (first & 1 == 1, usize::from(first >> 1).min(rest.len()));
    let (pattern, text) = rest.split_at(at);
    // Trying everything takes long where there are many stars.
    let stars = pattern.iter().filter(|byte| **byte == b'*').count();
    let found = matches(pattern, text, nocase);
    if stars <= 4 && text.len() <= 24 {
        let expected = if text.is_empty() {
            pattern.is_empty()
        } else {
            naive(pattern, text, nocase)
        };
        assert_eq!(
            found,
            expected,
            "{} {}",
            pattern.escape_ascii(),
            text.escape_ascii()
        );
    }
});

fn naive(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let Some((&first, after)) = pattern.split_first() else {
        return text.is_empty();
    };
    if first == b'*' {
        return naive(after, text, nocase)
            || !text.is_empty() && naive(pattern, &text[1..], nocase);
    }
    let Some((&byte, rest)) = text.split_first() else {
        return false;
    };
    let fold = |byte: u8| {
        if nocase {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    match first {
        b'?' => naive(after, rest, nocase),
        b'\\' if !after.is_empty() => {
            fold(after[0]) == fold(byte) && naive(&after[1..], rest, nocase)
        }
        b'[' => {
            let negated = after.first() == Some(&b'^');
            let mut class = &after[usize::from(negated)..];
            let mut found = false;
            loop {
                class = match class {
                    [] => break,
                    [b']', rest @ ..] => {
                        class = rest;
                        break;
                    }
                    [b'\\', literal, rest @ ..] => {
                        found |= *literal == byte;
                        rest
                    }
                    [low, b'-', high, rest @ ..] => {
                        let (low, high) = (fold_signed(*low, nocase), fold_signed(*high, nocase));
                        let (low, high) = (low.min(high), low.max(high));
                        found |= (low..=high).contains(&fold_signed(byte, nocase));
                        rest
                    }
                    [literal, rest @ ..] => {
                        found |= fold(*literal) == fold(byte);
                        rest
                    }
                };
            }
            found != negated && naive(class, rest, nocase)
        }
        literal => fold(literal) == fold(byte) && naive(after, rest, nocase),
    }
}

/// As C sees a char, on x86.
fn fold_signed(byte: u8, nocase: bool) -> i8 {
    let byte = if nocase {
        byte.to_ascii_lowercase()
    } else {
        byte
    };
    byte as i8
}
