//! A command of the program's own, next to all the others: a rate limiter that any Redis client can ask.
//!
//! `LIMIT.TAKE key max window-ms` answers 1 while there were fewer than `max` of them in the window, and 0 from then on.

use std::error::Error;
use std::time::Duration;

use pentad::{Args, CommandCx, CommandError, CommandSpec, Server, testing::ManualClock};

const TAKE: CommandSpec = CommandSpec::new(4)
    .writes_key()
    .summary("Takes one of a limited number of permits, if there is one left.")
    .since("1.0.0")
    .complexity("O(1)")
    .arguments("key max:integer window-ms:integer");

fn take(cx: &mut CommandCx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let max = args.integer(2)?;
    let window_ms = u64::try_from(args.integer(3)?).map_err(|_| CommandError::Syntax)?;
    let mut store = cx.store();
    let taken = store.incr_by(&args[1], 1)?;
    if taken == 1 {
        store.expire_in(&args[1], Duration::from_millis(window_ms));
    }
    cx.reply().integer(i64::from(taken <= max));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::default();
    let mut server = Server::builder()
        .clock(clock.clone())
        .command("LIMIT.TAKE", TAKE, take)
        .build()?;
    let mut ask = || -> Result<Option<i64>, Box<dyn Error>> {
        let reply = server
            .store()
            .execute(["LIMIT.TAKE", "login:ada", "2", "1000"])?;
        Ok(reply.as_i64())
    };
    let first = [ask()?, ask()?, ask()?];
    clock.advance(Duration::from_secs(1));
    let later = ask()?;
    println!("three at once: {first:?}, a second later: {later:?}");
    assert_eq!((first, later), ([Some(1), Some(1), Some(0)], Some(1)));
    let docs = server.store().execute(["COMMAND", "DOCS", "LIMIT.TAKE"])?;
    let summary = docs
        .field("LIMIT.TAKE")
        .and_then(|docs| docs.field("summary")?.as_str());
    println!("COMMAND DOCS says: {}", summary.unwrap_or_default());
    Ok(())
}
