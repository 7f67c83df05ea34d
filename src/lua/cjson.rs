//! `cjson`: JSON as lua-cjson 2.1 reads and writes it, its limits, its settings and its errors included.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{push_number, type_name};
use super::{Arguments, Work, raise};
use crate::number::parse_f64_prefix;

/// How JSON is read and written; every instance (`cjson.new`) has its own.
#[derive(Clone, Debug)]
struct Settings {
    sparse_as_object: bool,
    sparse_ratio: i32,
    sparse_safe: i32,
    encode_depth_max: i32,
    decode_depth_max: i32,
    encode_invalid: Invalid,
    decode_invalid: bool,
    keep_buffer: bool,
    digits: i32,
}

/// The deepest nesting that any setting allows: each level takes some of the stack.
const DEPTH_CEILING: i32 = 1500;

/// What becomes of a number that JSON has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_as_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            keep_buffer: true,
            digits: 14,
        }
    }
}

type Shared = Arc<Mutex<Settings>>;

/// The library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let shared = Shared::default();
    let at = Arc::clone(&shared);
    library.raw_set(
        "encode",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, "encode", &values);
            if values.len() != 1 {
                return Err(arguments.wrong(1, "expected 1 argument"));
            }
            let settings = read(&at);
            let mut encoder = Encoder {
                lua,
                settings: &settings,
                out: Vec::new(),
                work: Work::new(lua),
            };
            encoder.value(arguments.value(1), 0)?;
            lua.create_string(encoder.out)
        })?,
    )?;
    let at = Arc::clone(&shared);
    library.raw_set(
        "decode",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, "decode", &values);
            if values.len() != 1 {
                return Err(arguments.wrong(1, "expected 1 argument"));
            }
            let text = arguments.string(1)?;
            let text = text.as_bytes();
            if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
                return Err(raise(lua, "JSON parser does not support UTF-16 or UTF-32"));
            }
            let settings = read(&at);
            Decoder::new(lua, &settings, &text).decode()
        })?,
    )?;
    open_settings(lua, &library, &shared)?;
    library.raw_set("new", lua.create_function(|lua, _: MultiValue| open(lua))?)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

fn read(shared: &Shared) -> Settings {
    shared
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

// ---- settings -------------------------------------------------------------------------------------

/// The functions that show a setting, and change it when they are given something.
fn open_settings(lua: &Lua, library: &Table, shared: &Shared) -> mlua::Result<()> {
    type Change = fn(&Arguments<'_>, &mut Settings) -> mlua::Result<Vec<Value>>;
    let functions: [(&'static str, usize, Change); 7] = [
        ("encode_sparse_array", 3, |arguments, settings| {
            Ok(vec![
                boolean(arguments, 1, &mut settings.sparse_as_object)?,
                integer(arguments, 2, &mut settings.sparse_ratio, 0, i32::MAX)?,
                integer(arguments, 3, &mut settings.sparse_safe, 0, i32::MAX)?,
            ])
        }),
        ("encode_max_depth", 1, |arguments, settings| {
            Ok(vec![integer(
                arguments,
                1,
                &mut settings.encode_depth_max,
                1,
                i32::MAX,
            )?])
        }),
        ("decode_max_depth", 1, |arguments, settings| {
            Ok(vec![integer(
                arguments,
                1,
                &mut settings.decode_depth_max,
                1,
                i32::MAX,
            )?])
        }),
        ("encode_number_precision", 1, |arguments, settings| {
            Ok(vec![integer(arguments, 1, &mut settings.digits, 1, 14)?])
        }),
        ("encode_keep_buffer", 1, |arguments, settings| {
            Ok(vec![boolean(arguments, 1, &mut settings.keep_buffer)?])
        }),
        ("encode_invalid_numbers", 1, |arguments, settings| {
            let set = match arguments.value(1) {
                Value::Nil => settings.encode_invalid,
                Value::Boolean(true) => Invalid::Written,
                Value::Boolean(false) => Invalid::Refused,
                _ => match &*option(arguments, 1)? {
                    b"off" => Invalid::Refused,
                    b"on" => Invalid::Written,
                    b"null" => Invalid::Null,
                    other => return Err(invalid_option(arguments, 1, other)),
                },
            };
            settings.encode_invalid = set;
            Ok(vec![match set {
                Invalid::Refused => Value::Boolean(false),
                Invalid::Written => Value::Boolean(true),
                Invalid::Null => Value::String(arguments.lua.create_string("null")?),
            }])
        }),
        ("decode_invalid_numbers", 1, |arguments, settings| {
            Ok(vec![boolean(arguments, 1, &mut settings.decode_invalid)?])
        }),
    ];
    for (name, most, change) in functions {
        let shared = Arc::clone(shared);
        let function = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, name, &values);
            if values.len() > most {
                return Err(arguments.wrong(most + 1, "found too many arguments"));
            }
            let mut settings = read(&shared);
            let shown = change(&arguments, &mut settings)?;
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = settings;
            Ok(MultiValue::from_vec(shown))
        })?;
        library.raw_set(name, function)?;
    }
    Ok(())
}

fn boolean(arguments: &Arguments<'_>, place: usize, setting: &mut bool) -> mlua::Result<Value> {
    match arguments.value(place) {
        Value::Nil => {}
        Value::Boolean(value) => *setting = *value,
        _ => {
            *setting = match &*option(arguments, place)? {
                b"off" => false,
                b"on" => true,
                other => return Err(invalid_option(arguments, place, other)),
            }
        }
    }
    Ok(Value::Boolean(*setting))
}

fn option(arguments: &Arguments<'_>, place: usize) -> mlua::Result<Vec<u8>> {
    Ok(arguments.string(place)?.as_bytes().to_vec())
}

fn invalid_option(arguments: &Arguments<'_>, place: usize, option: &[u8]) -> mlua::Error {
    let option = String::from_utf8_lossy(option);
    arguments.wrong(place, &format!("invalid option '{option}'"))
}

fn integer(
    arguments: &Arguments<'_>,
    place: usize,
    setting: &mut i32,
    least: i32,
    most: i32,
) -> mlua::Result<Value> {
    if !arguments.value(place).is_nil() {
        let value = arguments.integer(place)?;
        match i32::try_from(value) {
            Ok(value) if (least..=most).contains(&value) => *setting = value,
            _ => {
                let why = format!("expected integer between {least} and {most}");
                return Err(arguments.wrong(1, &why));
            }
        }
    }
    Ok(Value::Integer((*setting).into()))
}

// ---- writing --------------------------------------------------------------------------------------

struct Encoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    out: Vec<u8>,
    work: Work<'a>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: i32) -> mlua::Result<()> {
        self.work.step(self.out.len())?;
        match value {
            Value::String(string) => self.string(&string.as_bytes()),
            Value::Integer(integer) => self.number(*integer as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Table(table) => self.table(table, depth + 1)?,
            other => return Err(self.cannot(type_name(other), "type not supported")),
        }
        Ok(())
    }

    fn cannot(&self, what: &str, why: &str) -> mlua::Error {
        raise(self.lua, format!("Cannot serialise {what}: {why}"))
    }

    fn table(&mut self, table: &Table, depth: i32) -> mlua::Result<()> {
        if depth > self.settings.encode_depth_max.min(DEPTH_CEILING) {
            return Err(raise(
                self.lua,
                format!("Cannot serialise, excessive nesting ({depth})"),
            ));
        }
        match self.array_len(table)? {
            Some(len) if len > 0 => {
                self.out.push(b'[');
                for place in 1..=len {
                    if place > 1 {
                        self.out.push(b',');
                    }
                    let value: Value = table.raw_get(place)?;
                    self.value(&value, depth)?;
                }
                self.out.push(b']');
                Ok(())
            }
            _ => self.object(table, depth),
        }
    }

    /// The length of the array that a table is; `None` when it is none.
    fn array_len(&mut self, table: &Table) -> mlua::Result<Option<i64>> {
        let (mut most, mut items) = (0_i64, 0_i64);
        let (mut is_array, mut stopped) = (true, Ok(()));
        let (work, made_bytes) = (&mut self.work, self.out.len());
        // An error ends the iteration; which one does not matter.
        let _ = table.for_each(|key: Value, _: Value| match key {
            Value::Integer(place) if place >= 1 => {
                most = most.max(place);
                items += 1;
                stopped = work.step(made_bytes);
                stopped.clone()
            }
            _ => {
                is_array = false;
                Err(mlua::Error::StackError)
            }
        });
        stopped?;
        if !is_array {
            return Ok(None);
        }
        let ratio = i64::from(self.settings.sparse_ratio);
        let is_sparse = ratio > 0
            && most > items.saturating_mul(ratio)
            && most > i64::from(self.settings.sparse_safe);
        if is_sparse && !self.settings.sparse_as_object {
            return Err(self.cannot("table", "excessively sparse array"));
        }
        Ok((!is_sparse).then_some(most))
    }

    fn object(&mut self, table: &Table, depth: i32) -> mlua::Result<()> {
        self.out.push(b'{');
        for (index, pair) in table.pairs::<Value, Value>().enumerate() {
            let (key, value) = pair?;
            if index > 0 {
                self.out.push(b',');
            }
            match &key {
                Value::String(key) => self.string(&key.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.number(super::as_number(&key).unwrap_or_default())?;
                    self.out.push(b'"');
                }
                other => {
                    let why = "table key must be a number or string";
                    return Err(self.cannot(type_name(other), why));
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, number: f64) -> mlua::Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => {
                    return Err(self.cannot("number", "must not be NaN or Inf"));
                }
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Written if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::Written => {}
            }
        }
        push_number(&mut self.out, number, self.settings.digits as usize);
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.out.reserve(bytes.len() + 2);
        self.out.push(b'"');
        for &byte in bytes {
            let short = match byte {
                b'"' | b'\\' | b'/' => byte,
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                0..32 | 127 => {
                    let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                    self.out.extend_from_slice(b"\\u00");
                    self.out.extend_from_slice(&digits);
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.push(b'"');
    }
}

// ---- reading --------------------------------------------------------------------------------------

struct Decoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    depth: i32,
    work: Work<'a>,
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What is wrong.
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(what) => what,
        }
    }
}

impl<'a> Decoder<'a> {
    fn new(lua: &'a Lua, settings: &'a Settings, text: &'a [u8]) -> Self {
        Decoder {
            lua,
            settings,
            text,
            at: 0,
            depth: 0,
            work: Work::new(lua),
        }
    }

    fn decode(mut self) -> mlua::Result<Value> {
        let token = self.token();
        let value = self.value(token)?;
        match self.token() {
            (Token::End, _) => Ok(value),
            other => Err(self.unexpected("the end", &other)),
        }
    }

    fn unexpected(&self, expected: &str, found: &(Token, usize)) -> mlua::Error {
        let (token, index) = found;
        raise(
            self.lua,
            format!(
                "Expected {expected} but found {} at character {}",
                token.name(),
                index + 1
            ),
        )
    }

    fn value(&mut self, token: (Token, usize)) -> mlua::Result<Value> {
        self.work.step(self.at)?;
        match token.0 {
            Token::String(string) => self.lua.create_string(string).map(Value::String),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Boolean(value) => Ok(Value::Boolean(value)),
            Token::Null => Ok(Value::NULL),
            Token::ObjectBegin => self.object(),
            Token::ArrayBegin => self.array(),
            _ => Err(self.unexpected("value", &token)),
        }
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth_max.min(DEPTH_CEILING) {
            let depth = self.depth;
            return Err(raise(
                self.lua,
                format!("Found too many nested data structures ({depth})"),
            ));
        }
        Ok(())
    }

    fn object(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if matches!(token.0, Token::ObjectEnd) {
            self.depth -= 1;
            return Ok(Value::Table(table));
        }
        loop {
            let (Token::String(key), _) = &token else {
                return Err(self.unexpected("object key string", &token));
            };
            let key = self.lua.create_string(key)?;
            let colon = self.token();
            if !matches!(colon.0, Token::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let token_of_value = self.token();
            let value = self.value(token_of_value)?;
            table.raw_set(key, value)?;
            let next = self.token();
            match next.0 {
                Token::ObjectEnd => break,
                Token::Comma => token = self.token(),
                _ => return Err(self.unexpected("comma or object end", &next)),
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> mlua::Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if matches!(token.0, Token::ArrayEnd) {
            self.depth -= 1;
            return Ok(Value::Table(table));
        }
        for place in 1.. {
            let value = self.value(token)?;
            table.raw_set(place, value)?;
            let next = self.token();
            match next.0 {
                Token::ArrayEnd => break,
                Token::Comma => {}
                _ => return Err(self.unexpected("comma or array end", &next)),
            }
            token = self.token();
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    /// The byte at `at`; NUL at the end, as in C.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The next token, and where it begins (or where it is wrong).
    fn token(&mut self) -> (Token, usize) {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let simple = match self.byte(start) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return (Token::End, start),
            b'"' => {
                let token = self.string();
                let is_error = matches!(token, Token::Error(_));
                return (token, if is_error { self.at } else { start });
            }
            b'-' | b'0'..=b'9' => {
                if !self.settings.decode_invalid && self.is_invalid_number() {
                    return (Token::Error("invalid number"), start);
                }
                return (self.number(), start);
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => {
                return (self.word(), start);
            }
            _ => return (Token::Error("invalid token"), start),
        };
        self.at += 1;
        (simple, start)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let words = [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ];
        for (word, token) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        if self.settings.decode_invalid && self.is_invalid_number() {
            return self.number();
        }
        Token::Error("invalid token")
    }

    /// Whether what stands here is a number for C, and none for JSON.
    fn is_invalid_number(&self) -> bool {
        let mut at = self.at;
        match self.byte(at) {
            b'+' => return true,
            b'-' => at += 1,
            _ => {}
        }
        let begins = |word: &[u8]| {
            let begin = self.text.get(at..at + word.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(word))
        };
        match self.byte(at) {
            b'0' => matches!(self.byte(at + 1), b'x' | b'X' | b'0'..=b'9'),
            byte if byte <= b'9' => false,
            _ => begins(b"inf") || begins(b"nan"),
        }
    }

    fn number(&mut self) -> Token {
        match parse_f64_prefix(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        let mut string = Vec::new();
        self.at += 1;
        loop {
            match self.byte(self.at) {
                b'"' => break,
                0 => return Token::Error("unexpected end of string"),
                b'\\' => {
                    let meant = match self.byte(self.at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        b'u' => match self.unicode_escape() {
                            Some((character, len)) => {
                                let mut utf8 = [0; 4];
                                string
                                    .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
                                self.at += len;
                                continue;
                            }
                            None => return Token::Error("invalid unicode escape code"),
                        },
                        _ => return Token::Error("invalid escape code"),
                    };
                    string.push(meant);
                    self.at += 2;
                }
                byte => {
                    string.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String(string)
    }

    /// The character of `\uXXXX` here, or of a pair of them, and the length of it all.
    fn unicode_escape(&self) -> Option<(char, usize)> {
        let high = self.four_digits(self.at + 2)?;
        if high & 0xF800 != 0xD800 {
            return Some((char::from_u32(high)?, 6));
        }
        if high & 0x400 != 0 || self.byte(self.at + 6) != b'\\' || self.byte(self.at + 7) != b'u' {
            return None;
        }
        let low = self.four_digits(self.at + 8)?;
        if low & 0xFC00 != 0xDC00 {
            return None;
        }
        let code = (((high & 0x3FF) << 10) | (low & 0x3FF)) + 0x1_0000;
        Some((char::from_u32(code)?, 12))
    }

    fn four_digits(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, digit| {
            Some(value << 4 | char::from(*digit).to_digit(16)?)
        })
    }
}
