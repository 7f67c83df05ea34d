//! Glob patterns as Redis matches keys, channels and names (`stringmatchlen`).
//!
//! It knows bytes only: what is matched, and where the pattern comes from, is the caller's affair.

/// Whether `pattern` matches all of `text`; with `nocase`, ASCII letters match either case.
///
/// - `*` any bytes, `?` any one byte, `\x` the byte `x` itself, a lone `\` at the end itself;
/// - `[abc]`, `[a-z]`, `[^a-z]` one byte of a class, with `\x` for a literal `x` in it. A class
///   that is not closed ends with the pattern.
///
/// Redis's corner cases are kept, since clients can see them. A range's ends are swapped where they are
/// the wrong way round, they compare as *signed* bytes (`char` on x86: `[a-\xff]` is `\xff` to `a`),
/// and they take anything, even `]` and `\` (`[a-]` is the range `a` to `]`, unclosed). Within a class
/// `\x` heeds the case even with `nocase`. And an empty text matches the empty pattern only, not
/// even `*` (KEYS looks at a bare `*` itself).
///
/// O(pattern × text) time, no allocation, no recursion: every token but `*` takes exactly one byte,
/// so a mismatch need only ever reconsider the last `*`. (Redis 7.2.6 gives up on a pattern of more
/// than 1000 stars, being recursive. This does not.)
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut pattern_at = 0;
    let mut text_at = 0;
    // Where to go on after a mismatch: behind the last star, and at the text that it has not taken yet.
    let mut retry: Option<(usize, usize)> = None;
    while text_at < text.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            retry = Some((pattern_at, text_at));
            continue;
        }
        if let Some(len) = match_one(&pattern[pattern_at..], text[text_at], nocase) {
            pattern_at += len;
            text_at += 1;
            continue;
        }
        let Some((star_pattern_at, star_text_at)) = &mut retry else {
            return false;
        };
        if *star_pattern_at == pattern.len() {
            return true;
        }
        *star_text_at += 1;
        pattern_at = *star_pattern_at;
        text_at = *star_text_at;
    }
    pattern[pattern_at..].iter().all(|&b| b == b'*')
}

/// Matches the one token at the head of `pattern`, which is no star, with `byte`. Returns the token's
/// length, or `None` where it does not match or there is none.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let (literal, len) = match pattern {
        [] => return None,
        [b'?', ..] => return Some(1),
        [b'[', class @ ..] => {
            let (matched, class_len) = match_class(class, byte, nocase);
            return matched.then_some(1 + class_len);
        }
        [b'\\', literal, ..] => (*literal, 2),
        [literal, ..] => (*literal, 1),
    };
    is_same(literal, byte, nocase).then_some(len)
}

/// Matches the class whose `[` stands before `pattern` with `byte`. Returns whether it matches, and the
/// length of the class up to and including its `]`, or to the end of the pattern.
fn match_class(pattern: &[u8], byte: u8, nocase: bool) -> (bool, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut rest = &pattern[usize::from(negated)..];
    let mut matched = false;
    let len = loop {
        rest = match rest {
            [] => break pattern.len(),
            [b']', rest @ ..] => break pattern.len() - rest.len(),
            [b'\\', literal, rest @ ..] => {
                matched |= *literal == byte;
                rest
            }
            [start, b'-', end, rest @ ..] => {
                matched |= is_in_range(*start, *end, byte, nocase);
                rest
            }
            [literal, rest @ ..] => {
                matched |= is_same(*literal, byte, nocase);
                rest
            }
        };
    };
    (matched != negated, len)
}

fn is_in_range(start: u8, end: u8, byte: u8, nocase: bool) -> bool {
    let (start, end) = (start as i8, end as i8);
    // Swapped first and folded after, as Redis does: `[Z-a]` is empty with `nocase`.
    let range = start.min(end)..=start.max(end);
    let fold = |byte: i8| (byte as u8).to_ascii_lowercase() as i8;
    if nocase {
        (fold(*range.start())..=fold(*range.end())).contains(&fold(byte as i8))
    } else {
        range.contains(&(byte as i8))
    }
}

fn is_same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), false)
    }

    #[test]
    fn plain_cases() {
        for (pattern, text) in [
            ("", ""),
            ("a", "a"),
            ("*", "a"),
            ("*", "abc"),
            ("**", "abc"),
            ("a*", "a"),
            ("a**", "a"),
            ("*a", "a"),
            ("a*c", "abbbc"),
            ("a*b*c", "a1b2b3c"),
            ("?", "a"),
            ("a?c", "abc"),
            ("h[ae]llo", "hello"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("\\*", "*"),
            ("\\\\", "\\"),
            ("\\", "\\"),
            ("a\\", "a\\"),
            ("\\a", "a"),
            ("[\\]]", "]"),
            ("[\\-z]", "-"),
            ("[*?]", "*"),
            ("user:*:name", "user:1:2:name"),
            ("]", "]"),
        ] {
            assert!(m(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("a", "b"),
            ("a", "ab"),
            ("ab", "a"),
            ("?", "ab"),
            ("a*c", "abcd"),
            ("h[ae]llo", "hillo"),
            ("h[^e]llo", "hello"),
            ("\\*", "a"),
            ("\\*", "\\*"),
            ("[]", "]"),
            ("[]]", "]"),
            ("*a", "ab"),
            ("a*b*c", "acb"),
            ("A", "a"),
        ] {
            assert!(!m(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn corner_cases_of_redis() {
        // An empty text matches nothing but the empty pattern.
        assert!(!m("*", "") && !m("**", "") && !m("?", "") && !m("[^a]", ""));
        // A class without its end.
        assert!(
            m("[abc", "b") && m("a[^b", "ac") && !m("[", "[") && m("[^", "x") && m("[a\\", "\\")
        );
        // A range takes what would close or escape.
        assert!(m("[a-]", "]") && m("[a-]", "^") && m("[a-\\]", "]") && !m("[a-]x", "ax"));
        // Signed bytes: 0xff is -1.
        assert!(matches(b"[a-\xff]", b"A", false) && !matches(b"[a-\xff]", b"z", false));
        assert!(matches(b"[\x80-\xff]", b"\xc3", false));
    }

    #[test]
    fn nocase_folds_literals_and_ranges_but_not_escapes_in_a_class() {
        let n = |pattern: &str, text: &str| matches(pattern.as_bytes(), text.as_bytes(), true);
        assert!(n("HeLLo*", "hEllO") && n("[ABC]", "b") && n("[a-c]", "B") && n("[A-C]", "b"));
        assert!(n("\\A", "a") && n("[\\A]", "A") && !n("[\\A]", "a"));
        assert!(!n("[Z-a]", "z") && !n("[Z-a]", "a") && m("[Z-a]", "Z"));
        assert!(!n("\u{e4}", "\u{c4}"));
    }

    /// Redis's definition, recursive and exponential, on slices.
    fn model(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        if pattern.is_empty() || text.is_empty() {
            return pattern.is_empty() && text.is_empty();
        }
        if pattern[0] == b'*' {
            let behind = &pattern[1..];
            return behind.is_empty()
                || (0..text.len()).any(|at| model(behind, &text[at..], nocase));
        }
        match match_one(pattern, text[0], nocase) {
            None => false,
            Some(len) => {
                let (pattern, text) = (&pattern[len..], &text[1..]);
                text.is_empty() && pattern.iter().all(|&b| b == b'*')
                    || model(pattern, text, nocase)
            }
        }
    }

    #[test]
    fn agrees_with_the_recursive_definition() {
        let mut state = 1u64;
        let mut random = |n: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % n
        };
        let mut matched = 0;
        for _ in 0..300_000 {
            let mut bytes = |alphabet: &[u8], len_max: usize| -> Vec<u8> {
                (0..random(len_max + 1))
                    .map(|_| alphabet[random(alphabet.len())])
                    .collect()
            };
            let pattern = bytes(b"***??abAB[]^-\\", 9);
            let text = bytes(b"ababAB]-\\", 8);
            for nocase in [false, true] {
                let expected = model(&pattern, &text, nocase);
                matched += u32::from(expected);
                let (p, t) = (pattern.escape_ascii(), text.escape_ascii());
                assert_eq!(
                    matches(&pattern, &text, nocase),
                    expected,
                    "{p} {t} {nocase}"
                );
            }
        }
        assert!(matched > 20_000, "{matched}");
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(5000) + "b";
        assert!(!m(&pattern, &"a".repeat(20_000)));
    }
}
