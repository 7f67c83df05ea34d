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
                        // Which end is which is decided before the case is forgotten.
                        let (low, high) = (*low as i8, *high as i8);
                        let (low, high) = (low.min(high) as u8, low.max(high) as u8);
                        let (low, high) = (fold(low) as i8, fold(high) as i8);
                        found |= (low..=high).contains(&(fold(byte) as i8));
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
