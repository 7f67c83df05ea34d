//! Lua's patterns, matched step by step.
//!
//! Lua's own matcher is C that nothing can interrupt, and some patterns take it years. This one counts its steps, and
//! lets somebody look up every so many of them. What matches, and what is wrong with a pattern, is Lua 5.1's to the letter.
//! This module must not know Lua values.

/// The most captures of a pattern.
const CAPTURES_MAX: usize = 32;
/// Items of a pattern that are tried within one another.
const DEPTH_MAX: usize = 1000;

/// What a part of the text is captured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The bytes from here to there.
    Text(usize, usize),
    /// `()`: the place itself, from 0 on.
    Position(usize),
    /// It has begun, and has no end yet.
    Open(usize),
}

/// Why a match could not be looked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed<E> {
    /// The pattern is wrong; what Lua says of it.
    Pattern(&'static str),
    /// Whoever looks up at the steps wants no more of them.
    Stopped(E),
}

/// Looks for a pattern in a text.
pub struct Matcher<'a, S> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: [Capture; CAPTURES_MAX],
    level: usize,
    depth: usize,
    steps: u64,
    look_up: S,
}

type Found<E> = Result<Option<usize>, Failed<E>>;

impl<'a, E, S: FnMut() -> Result<(), E>> Matcher<'a, S> {
    /// For a pattern (without a `^` in front that anchors it) in a text; `look_up` is called every so many steps.
    pub fn new(text: &'a [u8], pattern: &'a [u8], look_up: S) -> Self {
        // To C the pattern ends at a NUL.
        let end = memchr::memchr(0, pattern).unwrap_or(pattern.len());
        Matcher {
            text,
            pattern: &pattern[..end],
            captures: [Capture::Position(0); CAPTURES_MAX],
            level: 0,
            depth: 0,
            steps: 0,
            look_up,
        }
    }

    /// The end of the match that begins at `at`, if there is one.
    pub fn match_at(&mut self, at: usize) -> Found<E> {
        self.level = 0;
        self.depth = 0;
        self.do_match(at, 0)
    }

    /// The first match that begins at `from` or later (if `anchored`: at `from`): from where to where.
    pub fn find(
        &mut self,
        from: usize,
        anchored: bool,
    ) -> Result<Option<(usize, usize)>, Failed<E>> {
        let last = if anchored { from } else { self.text.len() };
        for at in from..=last {
            if let Some(end) = self.match_at(at)? {
                return Ok(Some((at, end)));
            }
        }
        Ok(None)
    }

    /// Number of captures of the last match.
    pub fn captures(&self) -> usize {
        self.level
    }

    /// A capture of the last match, from 0 on; capture 0 of a pattern without any is all of the match.
    pub fn capture(&self, index: usize, start: usize, end: usize) -> Result<Capture, Failed<E>> {
        if index >= self.level {
            return match index {
                0 => Ok(Capture::Text(start, end)),
                _ => Err(Failed::Pattern("invalid capture index")),
            };
        }
        match self.captures[index] {
            Capture::Open(_) => Err(Failed::Pattern("unfinished capture")),
            capture => Ok(capture),
        }
    }

    fn step(&mut self) -> Result<(), Failed<E>> {
        self.steps += 1;
        if self.steps.is_multiple_of(super::STEPS_PER_PULSE) {
            (self.look_up)().map_err(Failed::Stopped)?;
        }
        Ok(())
    }

    /// The pattern's byte at `at`; NUL at its end.
    fn byte(&self, at: usize) -> u8 {
        self.pattern.get(at).copied().unwrap_or(0)
    }

    /// Matches the pattern from `p` on with the text from `s` on, one level deeper.
    fn deeper(&mut self, s: usize, p: usize) -> Found<E> {
        if self.depth >= DEPTH_MAX {
            return Err(Failed::Pattern("pattern too complex"));
        }
        self.depth += 1;
        let found = self.do_match(s, p);
        self.depth -= 1;
        found
    }

    fn do_match(&mut self, mut s: usize, mut p: usize) -> Found<E> {
        loop {
            self.step()?;
            match (self.byte(p), self.byte(p + 1)) {
                (b'(', b')') => return self.start_capture(s, p + 2, Capture::Position(s)),
                (b'(', _) => return self.start_capture(s, p + 1, Capture::Open(s)),
                (b')', _) => return self.end_capture(s, p + 1),
                (b'%', b'b') => {
                    let Some(after) = self.balanced(s, p + 2)? else {
                        return Ok(None);
                    };
                    s = after;
                    p += 4;
                    continue;
                }
                (b'%', b'f') => {
                    p += 2;
                    if self.byte(p) != b'[' {
                        return Err(Failed::Pattern("missing '[' after '%f' in pattern"));
                    }
                    let end = self.class_end(p)?;
                    let before = s.checked_sub(1).map_or(0, |before| self.text[before]);
                    let here = self.text.get(s).copied().unwrap_or(0);
                    if self.in_set(before, p, end - 1) || !self.in_set(here, p, end - 1) {
                        return Ok(None);
                    }
                    p = end;
                    continue;
                }
                (b'%', digit) if digit.is_ascii_digit() => {
                    let Some(after) = self.again(s, digit)? else {
                        return Ok(None);
                    };
                    s = after;
                    p += 2;
                    continue;
                }
                (0, _) => return Ok(Some(s)),
                (b'$', 0) => return Ok((s == self.text.len()).then_some(s)),
                _ => {}
            }
            let end = self.class_end(p)?;
            let matches = self.single(s, p, end);
            match self.byte(end) {
                b'?' => {
                    if matches && let Some(found) = self.deeper(s + 1, end + 1)? {
                        return Ok(Some(found));
                    }
                    p = end + 1;
                }
                b'*' => return self.most(s, p, end),
                b'+' if matches => return self.most(s + 1, p, end),
                b'+' => return Ok(None),
                b'-' => return self.least(s, p, end),
                _ if matches => {
                    s += 1;
                    p = end;
                }
                _ => return Ok(None),
            }
        }
    }

    /// Where the item that begins at `p` ends.
    fn class_end(&self, mut p: usize) -> Result<usize, Failed<E>> {
        let first = self.byte(p);
        p += 1;
        match first {
            b'%' if self.byte(p) == 0 => Err(Failed::Pattern("malformed pattern (ends with '%')")),
            b'%' => Ok(p + 1),
            b'[' => {
                if self.byte(p) == b'^' {
                    p += 1;
                }
                loop {
                    // A `]` right at the beginning stands for itself.
                    let byte = self.byte(p);
                    if byte == 0 {
                        return Err(Failed::Pattern("malformed pattern (missing ']')"));
                    }
                    p += 1;
                    if byte == b'%' && self.byte(p) != 0 {
                        p += 1;
                    }
                    if self.byte(p) == b']' {
                        return Ok(p + 1);
                    }
                }
            }
            _ => Ok(p),
        }
    }

    /// Whether the item from `p` to `end` matches the one byte at `s`.
    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.text.get(s) else {
            return false;
        };
        match self.byte(p) {
            b'.' => true,
            b'%' => in_class(byte, self.byte(p + 1)),
            b'[' => self.in_set(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set that begins at `p` and whose `]` is at `end`.
    fn in_set(&self, byte: u8, mut p: usize, end: usize) -> bool {
        let mut is_in = true;
        if self.byte(p + 1) == b'^' {
            is_in = false;
            p += 1;
        }
        p += 1;
        while p < end {
            if self.byte(p) == b'%' {
                p += 1;
                if in_class(byte, self.byte(p)) {
                    return is_in;
                }
            } else if self.byte(p + 1) == b'-' && p + 2 < end {
                p += 2;
                if (self.byte(p - 2)..=self.byte(p)).contains(&byte) {
                    return is_in;
                }
            } else if self.byte(p) == byte {
                return is_in;
            }
            p += 1;
        }
        !is_in
    }

    /// `*` and `+`: as many as there are, then fewer.
    fn most(&mut self, s: usize, p: usize, end: usize) -> Found<E> {
        let mut count = 0;
        while self.single(s + count, p, end) {
            self.step()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.deeper(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// `-`: as few as will do.
    fn least(&mut self, mut s: usize, p: usize, end: usize) -> Found<E> {
        loop {
            if let Some(found) = self.deeper(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    /// `%bxy`: from an `x` to the `y` that balances it.
    fn balanced(&mut self, s: usize, p: usize) -> Found<E> {
        let (open, close) = (self.byte(p), self.byte(p + 1));
        if open == 0 || close == 0 {
            return Err(Failed::Pattern("unbalanced pattern"));
        }
        if self.text.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for at in s + 1..self.text.len() {
            self.step()?;
            let byte = self.text[at];
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    fn start_capture(&mut self, s: usize, p: usize, capture: Capture) -> Found<E> {
        if self.level >= CAPTURES_MAX {
            return Err(Failed::Pattern("too many captures"));
        }
        self.captures[self.level] = capture;
        self.level += 1;
        let found = self.deeper(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn end_capture(&mut self, s: usize, p: usize) -> Found<E> {
        let mut open = self.captures[..self.level].iter().enumerate().rev();
        let Some((index, start)) = open.find_map(|(index, capture)| match capture {
            Capture::Open(start) => Some((index, *start)),
            _ => None,
        }) else {
            return Err(Failed::Pattern("invalid pattern capture"));
        };
        self.captures[index] = Capture::Text(start, s);
        let found = self.deeper(s, p)?;
        if found.is_none() {
            self.captures[index] = Capture::Open(start);
        }
        Ok(found)
    }

    /// `%1`: what was captured, once more.
    fn again(&mut self, s: usize, digit: u8) -> Found<E> {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        match self.captures[..self.level].get(index) {
            Some(Capture::Text(start, end)) => {
                let captured = &self.text[*start..*end];
                let is_there = self.text[s..].starts_with(captured);
                Ok(is_there.then_some(s + captured.len()))
            }
            // A position has no text that could be there again.
            Some(Capture::Position(_)) => Ok(None),
            Some(Capture::Open(_)) | None => Err(Failed::Pattern("invalid capture index")),
        }
    }
}

/// Whether a byte is of the class `%x`, as C's `isalpha` and the like have it.
fn in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}
