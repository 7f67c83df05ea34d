//! The notation in which a row of the command table states its arguments.
//!
//! It reads like the syntax line of a manual page, and says everything `COMMAND DOCS` answers about
//! arguments. `SET` is
//!
//! ```text
//! key@0 value [condition(NX | XX) since=2.6.12] [GET since=6.2.0] [expiration(EX=seconds:integer | ...)]
//! ```
//!
//! which is: a key (the one of key specification 0), a string called `value`, optionally one of the
//! words `NX` and `XX`, optionally the word `GET`, and so on.
//!
//! ```text
//! arguments = { argument }
//! argument  = "[" plain "]"                                   optional
//!           | plain
//! plain     = token [ "..." ] { attribute }                   the word itself; its name is the
//!                                                             token in lower case
//!           | [ token [ "..." ] "=" ] value [ "..." ] { attribute }
//! value     = name [ ":" type ] [ "@" number ]                type `string` unless stated, `key`
//!                                                             with a key specification's number
//!           | name "(" argument { "|" argument } ")"          one of these
//!           | name "{" argument { argument } "}"              these, in this order
//! token     = upper-case word | "'" any characters but "'" "'"
//! name      = lower-case word | "`" any characters but "`" "`"
//! type      = "string" | "integer" | "double" | "key" | "pattern" | "unix-time" | "token"
//! attribute = ( "since" | "deprecated" ) "=" version
//!           | ( "summary" | "display" ) "=" "'" any characters but "'" "'"
//! ```
//!
//! `EX=seconds` is the word `EX` and then a value. `...` behind a value means that it may be given
//! several times, `...` behind the token of a value that the token is then repeated with it:
//! `[GET...=pattern...]` stands for `GET a GET b`, `[STREAMS=key...]` for `STREAMS a b`. Words
//! consist of letters, digits, `-` and `_`; blanks and line ends only separate.
//!
//! Nothing is parsed before somebody asks for it. This module must not know what is done with the
//! arguments.

use super::command::Command;
use std::borrow::Cow;
use std::fmt;

/// One argument of a command, with those it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it is called; the parts of one command may share a name.
    pub name: Cow<'static, str>,
    /// What it may be.
    pub kind: Kind,
    /// The number of the key specification that finds it, for keys and patterns of keys.
    pub key_spec: Option<u8>,
    /// The word that stands before the value, or that is the argument. It may be empty.
    pub token: Option<&'static str>,
    /// How it is to be shown to people in place of its name, or "".
    pub display: &'static str,
    /// What it is for, or "".
    pub summary: &'static str,
    /// The version that had it first, where that is later than the command's, or "".
    pub since: &'static str,
    /// The version in which it was deprecated, or "".
    pub deprecated_since: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be given more than once.
    pub multiple: bool,
    /// Whether the token is repeated with each of the values.
    pub multiple_token: bool,
    /// Of [`Kind::OneOf`] the choices, of [`Kind::Block`] the parts; else empty.
    pub inner: Vec<Argument>,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Double,
    /// The name of a key.
    Key,
    /// A pattern of names.
    Pattern,
    /// A point in time, counted from 1970.
    UnixTime,
    /// The token alone.
    PureToken,
    /// One of the inner arguments.
    OneOf,
    /// All of the inner arguments, in their order.
    Block,
}

impl Kind {
    /// The name `COMMAND DOCS` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// The arguments of a command, name and subcommand not included; O(length of the notation).
///
/// A row whose notation is wrong has none. No row is: a test parses them all.
pub fn arguments_of(command: &Command) -> Vec<Argument> {
    parse(command.arguments).unwrap_or_default()
}

/// Reads the notation.
pub fn parse(text: &'static str) -> Result<Vec<Argument>, NotationError> {
    let mut parser = Parser { text, at: 0 };
    let arguments = parser.arguments()?;
    match parser.rest().is_empty() {
        true => Ok(arguments),
        false => Err(parser.expected("an argument")),
    }
}

/// A mistake in the notation of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotationError {
    /// Where it is, in bytes from the start.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} expected at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for NotationError {}

/// A recursive descent, one function per rule of the grammar.
struct Parser {
    text: &'static str,
    at: usize,
}

impl Parser {
    fn arguments(&mut self) -> Result<Vec<Argument>, NotationError> {
        let mut arguments = Vec::new();
        self.skip_blanks();
        while !self.rest().is_empty() && !self.rest().starts_with('}') {
            arguments.push(self.argument()?);
            self.skip_blanks();
        }
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Argument, NotationError> {
        if !self.eat("[") {
            return self.plain();
        }
        let argument = self.plain()?;
        self.expect("]")?;
        Ok(Argument {
            optional: true,
            ..argument
        })
    }

    fn plain(&mut self) -> Result<Argument, NotationError> {
        let mut argument = match self.token()? {
            None => self.value()?,
            Some(token) => {
                let repeated = self.eat("...");
                if self.eat("=") {
                    let value = self.value()?;
                    Argument {
                        token: Some(token),
                        multiple_token: repeated,
                        ..value
                    }
                } else {
                    Argument {
                        token: Some(token),
                        multiple: repeated,
                        ..Argument::new(token.to_ascii_lowercase().into(), Kind::PureToken)
                    }
                }
            }
        };
        argument.multiple |= self.eat("...");
        self.attributes(&mut argument)?;
        Ok(argument)
    }

    fn token(&mut self) -> Result<Option<&'static str>, NotationError> {
        if self.rest().starts_with('\'') {
            return self.quoted("'").map(Some);
        }
        if !self.rest().starts_with(|c: char| c.is_ascii_uppercase()) {
            return Ok(None);
        }
        let belongs = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "-_".contains(c);
        Ok(Some(self.take(belongs)))
    }

    fn value(&mut self) -> Result<Argument, NotationError> {
        let belongs = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let name = match self.rest().starts_with('`') {
            true => self.quoted("`")?,
            false => self.take(belongs),
        };
        if name.is_empty() {
            return Err(self.expected("a name or a token"));
        }
        let mut argument = Argument::new(name.into(), Kind::String);
        if self.eat("(") {
            argument.kind = Kind::OneOf;
            argument.inner = self.choices()?;
            return Ok(argument);
        }
        if self.eat("{") {
            argument.kind = Kind::Block;
            argument.inner = self.arguments()?;
            self.expect("}")?;
            return Ok(argument);
        }
        let kind = if self.eat(":") {
            Some(self.kind()?)
        } else {
            None
        };
        if self.eat("@") {
            let number = self.take(|c| c.is_ascii_digit());
            argument.key_spec = Some(
                number
                    .parse()
                    .map_err(|_| self.expected("a small number"))?,
            );
            argument.kind = Kind::Key;
        }
        argument.kind = kind.unwrap_or(argument.kind);
        Ok(argument)
    }

    fn choices(&mut self) -> Result<Vec<Argument>, NotationError> {
        let mut choices = Vec::new();
        loop {
            self.skip_blanks();
            choices.push(self.argument()?);
            self.skip_blanks();
            if !self.eat("|") {
                self.expect(")")?;
                return Ok(choices);
            }
        }
    }

    fn kind(&mut self) -> Result<Kind, NotationError> {
        Ok(match self.take(|c| c.is_ascii_lowercase() || c == '-') {
            "string" => Kind::String,
            "integer" => Kind::Integer,
            "double" => Kind::Double,
            "key" => Kind::Key,
            "pattern" => Kind::Pattern,
            "unix-time" => Kind::UnixTime,
            "token" => Kind::PureToken,
            _ => return Err(self.expected("a type")),
        })
    }

    fn attributes(&mut self, argument: &mut Argument) -> Result<(), NotationError> {
        loop {
            let before = self.at;
            self.skip_blanks();
            if self.eat("since=") {
                argument.since = self.version()?;
            } else if self.eat("deprecated=") {
                argument.deprecated_since = self.version()?;
            } else if self.eat("summary=") {
                argument.summary = self.quoted("'")?;
            } else if self.eat("display=") {
                argument.display = self.quoted("'")?;
            } else {
                self.at = before;
                return Ok(());
            }
        }
    }

    fn version(&mut self) -> Result<&'static str, NotationError> {
        match self.take(|c| c.is_ascii_digit() || c == '.') {
            "" => Err(self.expected("a version")),
            version => Ok(version),
        }
    }

    /// What stands between two marks.
    fn quoted(&mut self, mark: &'static str) -> Result<&'static str, NotationError> {
        self.expect(mark)?;
        let inside = self.rest().split_once(mark).map(|(inside, _)| inside);
        let inside = inside.ok_or_else(|| self.expected("the closing mark"))?;
        self.at += inside.len() + mark.len();
        Ok(inside)
    }

    /// The longest run of characters of a kind.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'static str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) {
        self.take(|c| c.is_ascii_whitespace());
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &'static str) -> Result<(), NotationError> {
        match self.eat(text) {
            true => Ok(()),
            false => Err(self.expected(text)),
        }
    }

    fn expected(&self, expected: &'static str) -> NotationError {
        NotationError {
            at: self.at,
            expected,
        }
    }

    fn rest(&self) -> &'static str {
        &self.text[self.at..]
    }
}

impl Argument {
    fn new(name: Cow<'static, str>, kind: Kind) -> Self {
        Argument {
            name,
            kind,
            key_spec: None,
            token: None,
            display: "",
            summary: "",
            since: "",
            deprecated_since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            inner: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &'static str, kind: Kind) -> Argument {
        Argument::new(name.into(), kind)
    }

    #[test]
    fn each_rule_is_read() {
        let text = "key@0 value:double [condition(NX | '*'=auto-id:token)... since=2.6.12] \
            `ip:port` deprecated=2.8.12 summary='an address' display='ip:port'\n \
            [GET...=pattern:pattern@1...] EX=more{a [B...] c}";
        let expected = vec![
            Argument {
                key_spec: Some(0),
                ..plain("key", Kind::Key)
            },
            plain("value", Kind::Double),
            Argument {
                since: "2.6.12",
                optional: true,
                multiple: true,
                inner: vec![
                    Argument {
                        token: Some("NX"),
                        ..plain("nx", Kind::PureToken)
                    },
                    Argument {
                        token: Some("*"),
                        ..plain("auto-id", Kind::PureToken)
                    },
                ],
                ..plain("condition", Kind::OneOf)
            },
            Argument {
                deprecated_since: "2.8.12",
                summary: "an address",
                display: "ip:port",
                ..plain("ip:port", Kind::String)
            },
            Argument {
                key_spec: Some(1),
                token: Some("GET"),
                optional: true,
                multiple: true,
                multiple_token: true,
                ..plain("pattern", Kind::Pattern)
            },
            Argument {
                token: Some("EX"),
                inner: vec![
                    plain("a", Kind::String),
                    Argument {
                        token: Some("B"),
                        optional: true,
                        multiple: true,
                        ..plain("b", Kind::PureToken)
                    },
                    plain("c", Kind::String),
                ],
                ..plain("more", Kind::Block)
            },
        ];
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse(" "), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("key@", 4, "a small number"),
            ("key@900", 7, "a small number"),
            ("value:text", 10, "a type"),
            ("one(A | b", 9, ")"),
            ("one(A | )", 8, "a name or a token"),
            ("block{a", 7, "}"),
            ("a }", 2, "an argument"),
            ("[a", 2, "]"),
            ("[[a]]", 1, "a name or a token"),
            ("'x", 1, "the closing mark"),
            ("EX=", 3, "a name or a token"),
            ("a since=x", 8, "a version"),
            ("a summary=x", 10, "'"),
            ("a b=c", 3, "a name or a token"),
        ];
        for (text, at, expected) in cases {
            assert_eq!(parse(text), Err(NotationError { at, expected }), "{text}");
        }
    }
}
