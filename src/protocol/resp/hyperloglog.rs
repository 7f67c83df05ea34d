//! The commands on HyperLogLogs.

use super::{Args, CommandError};
use crate::keyspace::hyperloglog::{self, Encoding};
use crate::keyspace::{HllOpError, Key};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

pub fn pfadd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = args
        .get(1)
        .map(|key| cx.key(key))
        .ok_or(CommandError::Syntax)?;
    let added = cx.keyspace.hll_add(&key, args.iter_from(2))?;
    cx.reply().integer(i64::from(added));
    Ok(())
}

pub fn pfcount(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let count = if args.len() == 2 {
        let key = cx.key(&args[1]);
        cx.keyspace.hll_count(&key)?
    } else {
        let keys = keys(cx, args, 1);
        cx.keyspace.hll_count_union(keys.into_iter())?
    };
    cx.reply().integer(count as i64);
    Ok(())
}

pub fn pfmerge(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let to = cx.key(&args[1]);
    let sources = keys(cx, args, 2);
    cx.keyspace.hll_merge(&to, &sources)?;
    cx.reply().ok();
    Ok(())
}

fn keys<'a>(cx: &Cx<'_>, args: Args<'a>, from: usize) -> Vec<Key<'a>> {
    args.iter_from(from).map(|key| cx.key(key)).collect()
}

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
pub fn pfdebug(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[2]);
    let Some(string) = cx.keyspace.string(&key)? else {
        return Err(CommandError::text("ERR The specified key does not exist"));
    };
    let bytes = string.to_vec();
    let encoding = hyperloglog::encoding(&bytes).map_err(HllOpError::from)?;
    if args.is(1, "getreg") {
        let registers = hyperloglog::registers(&bytes).map_err(HllOpError::from)?;
        // As in Redis it is dense afterwards.
        cx.keyspace.hll_to_dense(&key)?;
        let mut reply = cx.reply();
        reply.array(registers.len());
        for register in registers {
            reply.integer(i64::from(register));
        }
    } else if args.is(1, "decode") {
        match hyperloglog::decode(&bytes).map_err(HllOpError::from)? {
            Some(runs) => cx.reply().bulk(runs.as_bytes()),
            None => return Err(CommandError::text("ERR HLL encoding is not sparse")),
        }
    } else if args.is(1, "encoding") {
        cx.reply().simple(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        });
    } else if args.is(1, "todense") {
        let converted = cx.keyspace.hll_to_dense(&key)?.unwrap_or(false);
        cx.reply().integer(i64::from(converted));
    } else {
        let subcommand = String::from_utf8_lossy(&args[1]);
        return Err(CommandError::err(format_args!(
            "Unknown PFDEBUG subcommand '{subcommand}'"
        )));
    }
    Ok(())
}

/// PFSELFTEST: adds elements to both encodings, which must agree and count within the usual error.
pub fn pfselftest(cx: &mut Cx<'_>, _: Args<'_>) -> Done {
    const ELEMENTS: u64 = 1000;
    let test = || {
        let (mut sparse, mut dense) = (hyperloglog::create(), hyperloglog::create());
        hyperloglog::to_dense(&mut dense)?;
        for element in 0..ELEMENTS {
            let element = element.to_le_bytes();
            hyperloglog::add(&mut sparse, &element)?;
            hyperloglog::add(&mut dense, &element)?;
        }
        let agree = hyperloglog::registers(&sparse)? == hyperloglog::registers(&dense)?;
        let count = hyperloglog::count(&mut dense)?;
        Ok(agree && count.abs_diff(ELEMENTS) < ELEMENTS / 20)
    };
    match test() {
        Ok(true) => cx.reply().ok(),
        Ok(false) => {
            return Err(CommandError::text(
                "ERR TESTFAILED the encodings do not agree",
            ));
        }
        Err(error) => return Err(HllOpError::Hll(error).into()),
    }
    Ok(())
}
