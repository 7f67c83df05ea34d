//! `math.random` and `math.randomseed` as Redis has them: the same numbers for the same seed, everywhere.
//!
//! The generator is `drand48`'s: 48 bits of state, one multiplication a number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Lua, MultiValue, Table};

use super::{Arguments, raise};

const STATE_BITS: u64 = (1 << 48) - 1;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
/// The state that Redis starts with.
const START: u64 = 0x1234_ABCD_330E;

/// The two functions, on a state of their own.
pub fn open(lua: &Lua) -> mlua::Result<Table> {
    let state = Arc::new(AtomicU64::new(START));
    let functions = lua.create_table()?;
    let drawn = Arc::clone(&state);
    functions.raw_set(
        "random",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, "random", &values);
            random(&arguments, next(&drawn))
        })?,
    )?;
    functions.raw_set(
        "randomseed",
        lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(lua, "randomseed", &values);
            let seed = arguments.integer(1)? as u32;
            state.store((u64::from(seed) << 16) | 0x330E, Ordering::Relaxed);
            Ok(())
        })?,
    )?;
    Ok(functions)
}

/// The next 31 bits.
fn next(state: &AtomicU64) -> u32 {
    let before = state.load(Ordering::Relaxed);
    let after = before.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & STATE_BITS;
    state.store(after, Ordering::Relaxed);
    (after >> 17) as u32
}

fn random(arguments: &Arguments<'_>, drawn: u32) -> mlua::Result<f64> {
    const MOST: u32 = i32::MAX as u32;
    let part = f64::from(drawn % MOST) / f64::from(MOST);
    let int = |place| {
        arguments
            .integer(place)
            .map(|value| f64::from(value as i32))
    };
    match arguments.len() {
        0 => Ok(part),
        1 => {
            let to = int(1)?;
            if to < 1.0 {
                return Err(arguments.wrong(1, "interval is empty"));
            }
            Ok((part * to).floor() + 1.0)
        }
        2 => {
            let (from, to) = (int(1)?, int(2)?);
            if from > to {
                return Err(arguments.wrong(2, "interval is empty"));
            }
            Ok((part * (to - from + 1.0)).floor() + from)
        }
        _ => Err(raise(arguments.lua, "wrong number of arguments")),
    }
}
