//! `struct`: numbers and strings to and from bytes, by a format.

use mlua::{Lua, MultiValue, Table, Value};

use super::{Arguments, Work, raise};

/// The longest integer, in bytes.
const INTEGER_BYTES_MAX: usize = 32;
/// What `!` without a number aligns to.
const ALIGN_BYTES_MAX: usize = 8;

/// The library.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    library.raw_set("size", lua.create_function(size)?)?;
    Ok(library)
}

/// A format, read option by option.
struct Format<'a> {
    text: &'a [u8],
    at: usize,
    big_endian: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Self {
        // C ends it at a NUL.
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Format {
            text: &text[..end],
            at: 0,
            big_endian: cfg!(target_endian = "big"),
            align: 1,
        }
    }

    /// The next option and its size.
    fn next(&mut self, lua: &Lua) -> mlua::Result<Option<(u8, usize)>> {
        let Some(&option) = self.text.get(self.at) else {
            return Ok(None);
        };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(lua, 1)?,
            b'i' | b'I' => {
                let size = self.number(lua, 4)?;
                if size > INTEGER_BYTES_MAX {
                    return Err(raise(
                        lua,
                        format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}"),
                    ));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn number(&mut self, lua: &Lua, default: usize) -> mlua::Result<usize> {
        let mut number: Option<i32> = None;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            let more = i32::from(digit - b'0');
            let next = number
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|number| number.checked_add(more));
            number = Some(next.ok_or_else(|| raise(lua, "integral size overflow"))?);
            self.at += 1;
        }
        Ok(number.map_or(default, |number| number as usize))
    }

    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & size.wrapping_sub(1)) & size.wrapping_sub(1)
    }

    /// An option that is no value.
    fn control(&mut self, arguments: &Arguments<'_>, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(arguments.lua, ALIGN_BYTES_MAX)?;
                if align == 0 || !align.is_power_of_two() {
                    return Err(raise(
                        arguments.lua,
                        format!("alignment {align} is not a power of 2"),
                    ));
                }
                self.align = align;
            }
            option => {
                let why = [b"invalid format option '", &[option][..], b"'"].concat();
                return Err(arguments.wrong(1, &String::from_utf8_lossy(&why)));
            }
        }
        Ok(())
    }
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<mlua::LuaString> {
    let arguments = Arguments::new(lua, "pack", &values);
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let mut format = Format::new(&text);
    let mut packed: Vec<u8> = Vec::new();
    let mut total = 0;
    let mut place = 2;
    let mut work = Work::new(lua);
    while let Some((option, mut size)) = format.next(lua)? {
        work.step(packed.len())?;
        let padding = format.padding(total, option, size);
        total += padding;
        packed.resize(packed.len() + padding, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = arguments.number(place)?;
                place += 1;
                let value = if number < 0.0 {
                    to_c_long(number) as u64
                } else {
                    to_c_unsigned_long(number)
                };
                let mut bytes = [0; INTEGER_BYTES_MAX];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                if format.big_endian {
                    packed.extend(bytes[..size].iter().rev());
                } else {
                    packed.extend_from_slice(&bytes[..size]);
                }
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = arguments.number(place)? as f32;
                place += 1;
                packed.extend_from_slice(&if format.big_endian {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                });
            }
            b'd' => {
                let number = arguments.number(place)?;
                place += 1;
                packed.extend_from_slice(&if format.big_endian {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                });
            }
            b'c' | b's' => {
                let string = arguments.string(place)?;
                place += 1;
                let string = string.as_bytes();
                if size == 0 {
                    size = string.len();
                }
                if string.len() < size {
                    return Err(arguments.wrong(place, "string too short"));
                }
                packed.extend_from_slice(&string[..size]);
                if option == b's' {
                    packed.push(0);
                    size += 1;
                }
            }
            option => format.control(&arguments, option)?,
        }
        total += size;
    }
    lua.create_string(packed)
}

fn unpack(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    const RESULTS_MAX: usize = 7990;
    let arguments = Arguments::new(lua, "unpack", &values);
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let data = arguments.string(2)?;
    let data = data.as_bytes();
    let mut format = Format::new(&text);
    let at = arguments.integer_or(3, 1)?;
    if at < 1 {
        return Err(arguments.wrong(3, "offset must be 1 or greater"));
    }
    let mut at = usize::try_from(at - 1).unwrap_or(usize::MAX);
    let too_short = || arguments.wrong(2, "data string too short");
    let mut results: Vec<Value> = Vec::new();
    while let Some((option, mut size)) = format.next(lua)? {
        at = at.saturating_add(format.padding(at, option, size));
        let fits = |size: usize| at.checked_add(size).is_some_and(|end| end <= data.len());
        if !fits(size) {
            return Err(too_short());
        }
        if results.len() > RESULTS_MAX {
            return Err(raise(lua, "stack overflow (too many results)"));
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let bytes = &data[at..at + size];
                let number = integer(bytes, format.big_endian, option.is_ascii_lowercase());
                results.push(Value::Number(number));
            }
            b'x' => {}
            b'f' => {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(&data[at..at + 4]);
                let number = if format.big_endian {
                    f32::from_be_bytes(bytes)
                } else {
                    f32::from_le_bytes(bytes)
                };
                results.push(Value::Number(number.into()));
            }
            b'd' => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&data[at..at + 8]);
                let number = if format.big_endian {
                    f64::from_be_bytes(bytes)
                } else {
                    f64::from_le_bytes(bytes)
                };
                results.push(Value::Number(number));
            }
            b'c' => {
                if size == 0 {
                    let before = results.pop();
                    let before = before.as_ref().and_then(super::arguments::as_number);
                    let Some(number) = before else {
                        return Err(raise(lua, "format 'c0' needs a previous size"));
                    };
                    size = to_c_unsigned_long(number) as usize;
                    if !fits(size) {
                        return Err(too_short());
                    }
                }
                let string = lua.create_string(&data[at..at + size])?;
                results.push(Value::String(string));
            }
            b's' => {
                let Some(end) = memchr::memchr(0, &data[at..]) else {
                    return Err(raise(lua, "unfinished string in data"));
                };
                let string = lua.create_string(&data[at..at + end])?;
                results.push(Value::String(string));
                size = end + 1;
            }
            option => format.control(&arguments, option)?,
        }
        at += size;
    }
    results.push(Value::Number((at + 1) as f64));
    Ok(MultiValue::from_vec(results))
}

fn size(lua: &Lua, values: MultiValue) -> mlua::Result<f64> {
    let arguments = Arguments::new(lua, "size", &values);
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let mut format = Format::new(&text);
    let mut total = 0;
    while let Some((option, size)) = format.next(lua)? {
        total += format.padding(total, option, size);
        if option == b's' {
            return Err(arguments.wrong(1, "option 's' has no fixed size"));
        } else if option == b'c' && size == 0 {
            return Err(arguments.wrong(1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(&arguments, option)?;
        }
        total += size;
    }
    Ok(total as f64)
}

fn integer(bytes: &[u8], big_endian: bool, is_signed: bool) -> f64 {
    let mut value: u64 = 0;
    let mut add = |byte: &u8| value = (value << 8) | u64::from(*byte);
    if big_endian {
        bytes.iter().for_each(&mut add);
    } else {
        bytes.iter().rev().for_each(&mut add);
    }
    if !is_signed {
        return value as f64;
    }
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32).wrapping_mul(8).wrapping_sub(1));
    if value & mask != 0 {
        value |= mask;
    }
    value as i64 as f64
}

/// Half of the numbers that 64 bits hold.
const HALF: f64 = 9_223_372_036_854_775_808.0;

/// As C on x86-64 converts a `double` to a `long`: what does not fit is the smallest.
pub fn to_c_long(number: f64) -> i64 {
    if (-HALF..HALF).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// The same to an `unsigned long`.
fn to_c_unsigned_long(number: f64) -> u64 {
    if number < HALF {
        to_c_long(number) as u64
    } else {
        (to_c_long(number - HALF) as u64) ^ (1 << 63)
    }
}
