//! The commands on strings as arrays of bits.

use super::{Args, CommandError};
use crate::accounting::check_available;
use crate::keyspace::bits::{self, Field, FieldType, Operation, Overflow, RangeUnit};
use crate::keyspace::{FieldStep, Key};
use crate::number::parse_i64;
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn setbit(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    const INVALID: CommandError = CommandError::text("ERR bit is not an integer or out of range");
    let offset = offset(cx, args)?;
    let on = match parse_i64(&args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(INVALID),
    };
    check_available(offset as usize / 8 + 1)?;
    let key = cx.key(&args[1]);
    let old = cx.keyspace.set_bit(&key, offset, on)?;
    cx.reply().integer(i64::from(old));
    Ok(())
}

pub fn getbit(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let offset = offset(cx, args)?;
    let key = cx.key(&args[1]);
    let bit = with_string(cx, &key, |bytes| bits::get(bytes, offset))?.unwrap_or(false);
    cx.reply().integer(i64::from(bit));
    Ok(())
}

/// The offset of a bit, the second argument.
fn offset(cx: &Cx<'_>, args: Args<'_>) -> Result<u64, CommandError> {
    bits::parse_offset(&args[2], string_bytes_max(cx)).map_err(CommandError::err)
}

fn string_bytes_max(cx: &Cx<'_>) -> u64 {
    cx.hub.limits.request_bytes_max as u64
}

/// What `read` makes of the bytes of the string at a key; `None` when there is none.
fn with_string<R>(
    cx: &mut Cx<'_>,
    key: &Key<'_>,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, CommandError> {
    let string = cx.keyspace.string(key)?;
    let mut digits = [0; 20];
    Ok(string.map(|string| read(string.as_bytes(&mut digits))))
}

/// `BITCOUNT key [start end [BYTE | BIT]]`. The key is looked at before the rest.
pub fn bitcount(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let count = with_string(cx, &key, |bytes| match args.len() {
        2 => Ok(bits::count(bytes)),
        4 | 5 => {
            let (start, end) = (args.integer(2)?, args.integer(3)?);
            // As in Redis, a range written backwards is empty before its unit is looked at.
            if start < 0 && end < 0 && start > end {
                return Ok(0);
            }
            Ok(bits::count_range(bytes, start, end, unit(args, 4)?))
        }
        _ => Err(CommandError::Syntax),
    })?;
    let count = count.transpose()?.unwrap_or(0);
    cx.reply().integer(count as i64);
    Ok(())
}

/// The unit of a range, bytes unless told.
fn unit(args: Args<'_>, at: usize) -> Result<RangeUnit, CommandError> {
    match args.get(at) {
        None => Ok(RangeUnit::Byte),
        Some(word) => RangeUnit::parse(word).ok_or(CommandError::Syntax),
    }
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`. The range is only looked at when there is a string.
pub fn bitpos(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let bit = match args.integer(2)? {
        0 => false,
        1 => true,
        _ => {
            return Err(CommandError::text("ERR The bit argument must be 1 or 0."));
        }
    };
    let key = cx.key(&args[1]);
    let position = with_string(cx, &key, |bytes| {
        if args.len() > 6 {
            return Err(CommandError::Syntax);
        }
        let start = args.get(3).map_or(Ok(0), |_| args.integer(3))?;
        let unit = unit(args, 5)?;
        let end = args.get(4).map(|_| args.integer(4)).transpose()?;
        Ok(bits::position(bytes, bit, start, end, unit))
    })?;
    let position = match position {
        // Zeros without end.
        None if bit => None,
        None => Some(0),
        Some(position) => position?,
    };
    cx.reply()
        .integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// `BITOP AND | OR | XOR | NOT destkey key [key ...]`
pub fn bitop(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let operation = Operation::parse(&args[1]).ok_or(CommandError::Syntax)?;
    if operation == Operation::Not && args.len() != 4 {
        return Err(CommandError::text(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let to = cx.key(&args[2]);
    let sources: Vec<Key<'_>> = args.iter_from(3).map(|source| cx.key(source)).collect();
    let (mut longest, mut digits) = (0, [0; 20]);
    for source in &sources {
        let string = cx.keyspace.string(source)?;
        longest = longest.max(string.map_or(0, |string| string.as_bytes(&mut digits).len()));
    }
    check_available(longest)?;
    let len = cx.keyspace.bit_operation(operation, &to, &sources)?;
    cx.reply().count(len);
    Ok(())
}

/// `BITFIELD key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset
/// increment ...]`
pub fn bitfield(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let steps = field_steps(cx, args)?;
    run_field_steps(cx, args, &steps)
}

/// The same with GET only.
pub fn bitfield_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let steps = field_steps(cx, args)?;
    if steps.iter().any(|step| !matches!(step, FieldStep::Get(_))) {
        return Err(CommandError::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    run_field_steps(cx, args, &steps)
}

fn run_field_steps(cx: &mut Cx<'_>, args: Args<'_>, steps: &[FieldStep]) -> Done {
    let key = cx.key(&args[1]);
    let written = steps.iter().filter_map(FieldStep::written_field);
    let last_bit = written.map(|field| field.last_bit()).max();
    check_available(last_bit.map_or(0, |bit| bit as usize / 8 + 1))?;
    let mut results = Vec::with_capacity(steps.len());
    cx.keyspace
        .bit_field(&key, steps, |result| results.push(result))?;
    let mut reply = cx.reply();
    reply.array(results.len());
    for result in results {
        match result {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    }
    Ok(())
}

/// Parses all of BITFIELD's subcommands. What OVERFLOW says holds until the next one.
fn field_steps(cx: &Cx<'_>, args: Args<'_>) -> Result<Vec<FieldStep>, CommandError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::default();
    let mut at = 2;
    while at < args.len() {
        let following = args.len() - at - 1;
        if args.is(at, "overflow") && following >= 1 {
            overflow = Overflow::parse(&args[at + 1])
                .ok_or(CommandError::text("ERR Invalid OVERFLOW type specified"))?;
            at += 2;
        } else if args.is(at, "get") && following >= 2 {
            steps.push(FieldStep::Get(field(cx, args, at + 1)?));
            at += 3;
        } else if args.is(at, "set") && following >= 3 {
            let field = field(cx, args, at + 1)?;
            steps.push(FieldStep::Set(field, args.integer(at + 3)?, overflow));
            at += 4;
        } else if args.is(at, "incrby") && following >= 3 {
            let field = field(cx, args, at + 1)?;
            steps.push(FieldStep::Increment(field, args.integer(at + 3)?, overflow));
            at += 4;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(steps)
}

/// A field's type and offset, from the argument at `at` on.
fn field(cx: &Cx<'_>, args: Args<'_>, at: usize) -> Result<Field, CommandError> {
    let kind = FieldType::parse(&args[at]).map_err(CommandError::err)?;
    Field::parse(kind, &args[at + 1], string_bytes_max(cx)).map_err(CommandError::err)
}
