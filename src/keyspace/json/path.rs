//! What a path says: from its text to steps.
//!
//! There are two notations. One that begins with `$` (JSONPath) selects any number of values: `$.a['b']["c"][0][-1]`,
//! `[1:9:2]`, `[0,2]`, `['a','b']`, `*`, `..` and filters, `[?(@.price < 10 && @.name == "x")]`. All else is the older
//! one (`.`, `.a.b`, `a[0]`), which stands for a single value; it is read as if `$` or `$.` stood before it.
//!
//! This module must not know documents.

use std::fmt;

use super::push_string;

/// Steps of a path, those in its filters included, at most.
const STEPS_MAX: usize = 256;
/// Filters and parentheses in each other, at most.
const NESTING_MAX: usize = 32;
/// Bytes of a path that an error quotes on each side.
const QUOTED_BYTES_MAX: usize = 128;

/// A path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Whether it is in the older notation, that of single values.
    pub is_legacy: bool,
    /// The same in the newer notation.
    pub text: String,
    /// What to do, one after another, from the root on.
    pub steps: Vec<Step>,
}

/// From values to values within them.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `..`: from all that is within, too.
    pub descends: bool,
    /// What is selected.
    pub select: Select,
}

/// What a step selects.
#[derive(Clone, Debug, PartialEq)]
pub enum Select {
    /// Members with these names, which are written as in canonical text, without quotes.
    Names(Vec<Box<[u8]>>),
    /// Elements; negative ones count from the end.
    Indices(Vec<i64>),
    /// Every `step`-th element from `start` on, to before `end`.
    Slice {
        /// From the beginning, unless it is said.
        start: Option<i64>,
        /// To the end, unless it is said.
        end: Option<i64>,
        /// At least 1.
        step: usize,
    },
    /// All elements or members.
    All,
    /// Those elements or members for which this is true; of a value that is neither array nor object, itself.
    Filter(Filter),
}

/// What may be true of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// At least one of these.
    Any(Vec<Filter>),
    /// All of these.
    All(Vec<Filter>),
    /// There is such a value.
    Exists(Term),
    /// How two values compare.
    Compare(Term, Op, Term),
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A value, as canonical text.
    Literal(Vec<u8>),
    /// The one value that a path selects, from the value that is looked at (`@`) or from the root (`$`).
    Path {
        /// Whether it begins with `$`.
        from_root: bool,
        /// The path.
        steps: Vec<Step>,
    },
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPath {
    /// Bytes of the path (with what was put before an old one) up to where it makes no sense.
    pub at: usize,
    message: String,
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Error occurred on position {}, {}",
            self.at, self.message
        )
    }
}

impl std::error::Error for InvalidPath {}

impl Path {
    /// The root, in the older notation: what is meant where no path is given.
    pub fn root() -> Self {
        Path {
            is_legacy: true,
            text: "$".to_owned(),
            steps: Vec::new(),
        }
    }

    /// Reads a path. O(length).
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPath> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(InvalidPath {
                at: 0,
                message: "the path is not UTF-8".to_owned(),
            });
        };
        let is_legacy = !matches!(text.as_bytes(), [b'$'] | [b'$', b'.' | b'[', ..]);
        let text = match text {
            "." => "$".to_owned(),
            _ if !is_legacy => text.to_owned(),
            _ if text.starts_with('.') => format!("${text}"),
            _ => format!("$.{text}"),
        };
        let mut parser = Parser {
            text: &text,
            at: 1,
            steps: 0,
        };
        let steps = parser.steps(0)?;
        if parser.at < text.len() {
            return Err(parser.expected("'.', '..' or '['"));
        }
        Ok(Path {
            is_legacy,
            steps,
            text,
        })
    }

    /// Whether it selects the root and nothing else.
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it can select one value at most, by what it says alone.
    pub fn is_static(&self) -> bool {
        self.steps.iter().all(|step| {
            !step.descends
                && match &step.select {
                    Select::Names(names) => names.len() == 1,
                    Select::Indices(indices) => indices.len() == 1,
                    Select::Slice { .. } | Select::All | Select::Filter(_) => false,
                }
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    steps: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.as_bytes().get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.text.as_bytes()[self.at..].starts_with(token.as_bytes());
        if found {
            self.at += token.len();
        }
        found
    }

    fn takes_or(&mut self, token: &str) -> Result<(), InvalidPath> {
        if self.takes(token) {
            return Ok(());
        }
        Err(self.expected(&format!("'{token}'")))
    }

    #[cold]
    fn expected(&self, what: &str) -> InvalidPath {
        let floor = |mut at: usize| {
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let at = floor(self.at.min(self.text.len()));
        let before = &self.text[floor(at.saturating_sub(QUOTED_BYTES_MAX))..at];
        let behind = &self.text[at..floor(self.text.len().min(at + QUOTED_BYTES_MAX))];
        let message = if behind.is_empty() {
            format!("\"{before} <<<<----\", expected {what}.")
        } else {
            format!("\"{before} ---->>>> {behind}\", expected {what}.")
        };
        InvalidPath { at, message }
    }

    #[cold]
    fn too_much(&self) -> InvalidPath {
        InvalidPath {
            at: self.at,
            message: "the path has too many parts".to_owned(),
        }
    }

    /// All steps from here on. What follows them is the caller's affair.
    fn steps(&mut self, nesting: usize) -> Result<Vec<Step>, InvalidPath> {
        let mut steps = Vec::new();
        loop {
            let descends = self.takes("..");
            let has_dot = !descends && self.takes(".");
            let select = match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    let select = self.bracket(nesting)?;
                    self.takes_or("]")?;
                    select
                }
                Some(b'*') if descends || has_dot => {
                    self.at += 1;
                    Select::All
                }
                Some(byte) if (descends || has_dot) && is_literal(byte) => {
                    Select::Names(vec![self.literal()])
                }
                _ if descends || has_dot => return Err(self.expected("a name, '*' or '['")),
                _ => return Ok(steps),
            };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(self.too_much());
            }
            steps.push(Step { descends, select });
        }
    }

    fn literal(&mut self) -> Box<[u8]> {
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest
            .iter()
            .position(|byte| !is_literal(*byte))
            .unwrap_or(rest.len());
        self.at += len;
        // None of these has to be escaped.
        rest[..len].into()
    }

    fn bracket(&mut self, nesting: usize) -> Result<Select, InvalidPath> {
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Ok(Select::All)
            }
            Some(b'?') => {
                self.at += 1;
                Ok(Select::Filter(self.filter(nesting + 1)?))
            }
            Some(b'"' | b'\'') => {
                let mut names = vec![canonical_name(&self.string()?)];
                while self.takes(",") {
                    names.push(canonical_name(&self.string()?));
                }
                Ok(Select::Names(names))
            }
            Some(b'-' | b'0'..=b'9' | b':') => self.numbers(),
            _ => Err(self.expected("'*', '?', a number, a string or ':'")),
        }
    }

    /// Elements or a slice.
    fn numbers(&mut self) -> Result<Select, InvalidPath> {
        let start = match self.peek() {
            Some(b':') => None,
            _ => Some(self.number()?),
        };
        if !self.takes(":") {
            let mut indices = Vec::from_iter(start);
            while self.takes(",") {
                indices.push(self.number()?);
            }
            return Ok(Select::Indices(indices));
        }
        let end = match self.peek() {
            Some(b'-' | b'0'..=b'9') => Some(self.number()?),
            _ => None,
        };
        let mut step = 1;
        if self.takes(":") && matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            let before = self.at;
            step = usize::try_from(self.number()?).unwrap_or(0);
            if step == 0 {
                self.at = before;
                return Err(self.expected("a positive number"));
            }
        }
        Ok(Select::Slice { start, end, step })
    }

    /// An integer; one that does not fit is as far away as can be.
    fn number(&mut self) -> Result<i64, InvalidPath> {
        let is_negative = self.takes("-");
        let bytes = self.text.as_bytes();
        if !is_negative {
            self.peek();
        }
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.expected("a number"));
        }
        let magnitude = self.text[start..self.at].parse().unwrap_or(i64::MAX);
        Ok(if is_negative { -magnitude } else { magnitude })
    }

    /// What a string in either kind of quotes means.
    fn string(&mut self) -> Result<String, InvalidPath> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else {
            return Err(self.expected("a string"));
        };
        self.at += 1;
        let bytes = self.text.as_bytes();
        let mut meaning = Vec::new();
        loop {
            match bytes.get(self.at) {
                None => return Err(self.expected("the end of the string")),
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    self.at += 1;
                    match bytes.get(self.at) {
                        Some(byte @ (b'\\' | b'"' | b'\'')) => meaning.push(*byte),
                        _ => return Err(self.expected("'\\', '\"' or '''")),
                    }
                }
                Some(byte) => meaning.push(*byte),
            }
            self.at += 1;
        }
        self.at += 1;
        // It is a part of a text, with single bytes left away.
        String::from_utf8(meaning).map_err(|_| self.expected("a string"))
    }

    fn filter(&mut self, nesting: usize) -> Result<Filter, InvalidPath> {
        if nesting > NESTING_MAX {
            return Err(self.too_much());
        }
        let mut any = vec![self.all_of(nesting)?];
        while self.takes("||") {
            any.push(self.all_of(nesting)?);
        }
        Ok(match any.pop() {
            Some(one) if any.is_empty() => one,
            last => {
                any.extend(last);
                Filter::Any(any)
            }
        })
    }

    fn all_of(&mut self, nesting: usize) -> Result<Filter, InvalidPath> {
        let mut all = vec![self.operand(nesting)?];
        while self.takes("&&") {
            all.push(self.operand(nesting)?);
        }
        Ok(match all.pop() {
            Some(one) if all.is_empty() => one,
            last => {
                all.extend(last);
                Filter::All(all)
            }
        })
    }

    fn operand(&mut self, nesting: usize) -> Result<Filter, InvalidPath> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(self.too_much());
        }
        if self.takes("(") {
            let filter = self.filter(nesting + 1)?;
            self.takes_or(")")?;
            return Ok(filter);
        }
        const OPS: [(&str, Op); 6] = [
            ("==", Op::Equal),
            ("!=", Op::NotEqual),
            ("<=", Op::LessOrEqual),
            (">=", Op::GreaterOrEqual),
            ("<", Op::Less),
            (">", Op::Greater),
        ];
        let left = self.term(nesting)?;
        match OPS.iter().find(|(token, _)| self.takes(token)) {
            Some((_, op)) => Ok(Filter::Compare(left, *op, self.term(nesting)?)),
            None => Ok(Filter::Exists(left)),
        }
    }

    fn term(&mut self, nesting: usize) -> Result<Term, InvalidPath> {
        match self.peek() {
            Some(byte @ (b'@' | b'$')) => {
                self.at += 1;
                Ok(Term::Path {
                    from_root: byte == b'$',
                    steps: self.steps(nesting)?,
                })
            }
            Some(b'"' | b'\'') => {
                let meaning = self.string()?;
                let mut literal = Vec::new();
                // A str always has a JSON form.
                let _ = push_string(&mut literal, meaning.as_bytes());
                Ok(Term::Literal(literal))
            }
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text.as_bytes()[self.at..];
                let is_of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let len = rest.iter().take_while(|byte| is_of_number(byte)).count();
                if serde_json::from_slice::<f64>(&rest[..len]).is_err() {
                    return Err(self.expected("a number"));
                }
                self.at += len;
                Ok(Term::Literal(rest[..len].to_vec()))
            }
            _ => {
                for word in ["true", "false", "null"] {
                    if self.takes(word) {
                        return Ok(Term::Literal(word.as_bytes().to_vec()));
                    }
                }
                Err(self.expected("'@', '$', a number, a string, true, false or null"))
            }
        }
    }
}

/// Whether a name can be written with it without quotes.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"-_`~+#%$^/:".contains(&byte)
}

/// A name as it is written in canonical text.
fn canonical_name(name: &str) -> Box<[u8]> {
    let mut quoted = Vec::with_capacity(name.len() + 2);
    // A str always has a JSON form.
    let _ = push_string(&mut quoted, name.as_bytes());
    super::text::inner(&quoted).into()
}
