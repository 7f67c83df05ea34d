//! What programs do through redis-rs, against a server that runs already and is empty:
//!
//!     cargo run -- PORT
//!
//! Every result is printed, so that two servers can be compared by `diff`. What depends on the server's own order, time or
//! numbers is sorted or left out before.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::geo::{RadiusOptions, RadiusOrder, RadiusSearchResult, Unit};
use redis::streams::{
    StreamAutoClaimReply, StreamInfoGroupsReply, StreamMaxlen, StreamPendingReply,
    StreamRangeReply, StreamReadOptions, StreamReadReply,
};
use redis::{
    AsyncCommands, AsyncIter, Client, Commands, Connection, ErrorKind, ExistenceCheck, Iter,
    RedisError, RedisResult, SetExpiry, SetOptions, Value, pipe,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let port = std::env::args()
        .nth(1)
        .ok_or("usage: redis-rs-clients PORT")?;
    for protocol in ["resp2", "resp3"] {
        let client = Client::open(format!("redis://127.0.0.1:{port}/?protocol={protocol}"))?;
        let mut connection = client.get_connection()?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        for (name, idiom) in SYNC {
            let _: () = connection.flushall()?;
            println!("{protocol} {name}: {}", idiom(&mut connection, &client)?);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(on_runtime(protocol, &client))?;
    }
    Ok(())
}

// ---- one connection, one request after another ----------------------------------------------------

type Idiom = fn(&mut Connection, &Client) -> Outcome<String>;

const SYNC: [(&str, Idiom); 12] = [
    ("strings", strings),
    ("errors", errors),
    ("hashes", hashes),
    ("lists", lists),
    ("sets", sets),
    ("sorted sets", sorted_sets),
    ("streams", streams),
    ("geo and bits", geo_and_bits),
    ("pipelines", pipelines),
    ("transactions", transactions),
    ("scans", scans),
    ("messages", messages),
];

fn strings(c: &mut Connection, _: &Client) -> Outcome<String> {
    let set: String = c.set("greeting", "hello")?;
    let got: Option<String> = c.get("greeting")?;
    let options = SetOptions::default()
        .conditional_set(ExistenceCheck::NX)
        .get(true)
        .with_expiration(SetExpiry::EX(10));
    let old: Option<String> = c.set_options("greeting", "new", options)?;
    let _: () = c.mset(&[("a", 1), ("b", 2)])?;
    let many: (i32, i32, Option<i32>) = c.mget(&["a", "b", "none"])?;
    let sum: i64 = c.incr("a", 41)?;
    let half: f64 = c.incr("b", 0.5)?;
    let bytes: &[u8] = b"\x00\xff\r\n$";
    let _: () = c.set("bytes", bytes)?;
    let same: Vec<u8> = c.get("bytes")?;
    let _: () = c.set_ex("short", 1, 100)?;
    let ttl: i64 = c.ttl("short")?;
    let gone: Option<i32> = c.get_del("a")?;
    let exists: bool = c.exists("a")?;
    let renamed: bool = c.rename_nx("b", "c")?;
    let taken: Value = c.key_type("c")?;
    let flags = (same == bytes, gone, exists, renamed, taken);
    Ok(format!(
        "{:?}",
        (set, got, old, many, sum, half, ttl, flags)
    ))
}

fn errors(c: &mut Connection, _: &Client) -> Outcome<String> {
    let _: () = c.set("text", "x")?;
    let kinds: Vec<(ErrorKind, Option<String>, Option<String>)> = [
        c.incr::<_, _, i64>("text", 1),
        c.lpush::<_, _, i64>("text", 1),
        redis::cmd("NOSUCH").query::<i64>(c),
        redis::cmd("GET").query::<i64>(c),
        c.xack::<_, _, _, i64>("text", "g", &["1-1"]),
    ]
    .into_iter()
    .filter_map(RedisResult::err)
    .map(|error: RedisError| {
        let detail = error.detail().map(str::to_owned);
        (error.kind(), error.code().map(str::to_owned), detail)
    })
    .collect();
    Ok(format!("{kinds:?}"))
}

fn hashes(c: &mut Connection, _: &Client) -> Outcome<String> {
    let _: () = c.hset_multiple("user", &[("name", "Ada"), ("born", "1815")])?;
    let added: i32 = c.hset("user", "city", "London")?;
    let all: BTreeMap<String, String> = c.hgetall("user")?;
    let some: Vec<Option<String>> = c.hmget("user", &["name", "none"])?;
    let born: i64 = c.hincr("user", "born", 1)?;
    let keys: BTreeSet<String> = c.hkeys("user")?;
    let removed: i32 = c.hdel("user", &["name", "none"])?;
    let values = (added, some, born, keys, removed, c.hlen::<_, i32>("user")?);
    Ok(format!("{all:?} {values:?}"))
}

fn lists(c: &mut Connection, _: &Client) -> Outcome<String> {
    let len: i32 = c.rpush("queue", &[1, 2, 3, 4, 5])?;
    let first: i32 = c.lpop("queue", None)?;
    let last: Vec<i32> = c.rpop("queue", std::num::NonZeroUsize::new(2))?;
    let moved: i32 = c.lmove(
        "queue",
        "done",
        redis::Direction::Left,
        redis::Direction::Right,
    )?;
    let all: Vec<i32> = c.lrange("queue", 0, -1)?;
    let popped: Option<(String, i32)> = c.blpop("done", 1.0)?;
    let none: Option<(String, i32)> = c.blpop("done", 0.02)?;
    Ok(format!(
        "{:?}",
        (len, first, last, moved, all, popped, none)
    ))
}

fn sets(c: &mut Connection, _: &Client) -> Outcome<String> {
    let _: i32 = c.sadd("one", &[1, 2, 3])?;
    let _: i32 = c.sadd("two", &["2", "3", "x"])?;
    let inter: BTreeSet<String> = c.sinter(&["one", "two"])?;
    let union: BTreeSet<String> = c.sunion(&["one", "two"])?;
    let diff: BTreeSet<String> = c.sdiff(&["one", "two"])?;
    let is: (bool, bool) = (c.sismember("one", 1)?, c.sismember("one", 9)?);
    let removed: i32 = c.srem("one", &[1, 9])?;
    let stored: i32 = c.sunionstore("all", &["one", "two"])?;
    Ok(format!("{:?}", (inter, union, diff, is, removed, stored)))
}

fn sorted_sets(c: &mut Connection, _: &Client) -> Outcome<String> {
    let added: i32 = c.zadd_multiple("board", &[(10.5, "ada"), (20.0, "bob"), (30.0, "eve")])?;
    let score: f64 = c.zincr("board", "ada", 15)?;
    let all: Vec<(String, f64)> = c.zrange_withscores("board", 0, -1)?;
    let high: Vec<String> = c.zrangebyscore("board", "(20", "+inf")?;
    let rank: Option<i32> = c.zrank("board", "ada")?;
    let none: Option<f64> = c.zscore("board", "nobody")?;
    let least: Vec<(String, f64)> = c.zpopmin("board", 1)?;
    let count: i32 = c.zcount("board", "-inf", 26)?;
    let merged: i32 = c.zunionstore("all", &["board", "board"])?;
    let scores: Vec<Option<f64>> = c.zscore_multiple("all", &["ada", "none"])?;
    let more = (least, count, merged, scores);
    Ok(format!("{:?}", (added, score, all, high, rank, none, more)))
}

fn streams(c: &mut Connection, _: &Client) -> Outcome<String> {
    let id: String = c.xadd("log", "1-1", &[("line", "first")])?;
    let _: String = c.xadd_maxlen(
        "log",
        StreamMaxlen::Approx(1000),
        "2-1",
        &[("line", "second")],
    )?;
    let _: () = c.xgroup_create_mkstream("log", "workers", "0")?;
    let range: StreamRangeReply = c.xrange_all("log")?;
    let options = StreamReadOptions::default()
        .group("workers", "w1")
        .count(10);
    let read: StreamReadReply = c.xread_options(&["log"], &[">"], &options)?;
    let pending: StreamPendingReply = c.xpending("log", "workers")?;
    let acked: i32 = c.xack("log", "workers", &["1-1"])?;
    let claimed: StreamAutoClaimReply = c.xautoclaim_options(
        "log",
        "workers",
        "w2",
        0,
        "0-0",
        redis::streams::StreamAutoClaimOptions::default(),
    )?;
    let groups: StreamInfoGroupsReply = c.xinfo_groups("log")?;
    let wait = StreamReadOptions::default().block(20);
    let none: Option<StreamReadReply> = c.xread_options(&["log"], &["$"], &wait)?;
    let ids = |entries: &[redis::streams::StreamId]| -> Vec<String> {
        entries
            .iter()
            .map(|entry| format!("{} {:?}", entry.id, entry.get::<String>("line")))
            .collect()
    };
    let read: Vec<_> = read
        .keys
        .iter()
        .map(|key| (key.key.clone(), ids(&key.ids)))
        .collect();
    let groups: Vec<_> = groups
        .groups
        .iter()
        .map(|g| (g.name.clone(), g.consumers, g.pending))
        .collect();
    let is_none = none.is_none_or(|reply| reply.keys.is_empty());
    let more = (
        pending.count(),
        acked,
        ids(&claimed.claimed),
        groups,
        is_none,
    );
    Ok(format!("{:?}", (id, ids(&range.ids), read, more)))
}

fn geo_and_bits(c: &mut Connection, _: &Client) -> Outcome<String> {
    let places = [
        ("13.361389", "38.115556", "Palermo"),
        ("15.087269", "37.502669", "Catania"),
    ];
    let added: i32 = c.geo_add("places", &places)?;
    let distance: f64 = c.geo_dist("places", "Palermo", "Catania", Unit::Kilometers)?;
    let near: Vec<RadiusSearchResult> = c.geo_radius(
        "places",
        15.0,
        37.0,
        200.0,
        Unit::Kilometers,
        RadiusOptions::default().with_dist().order(RadiusOrder::Asc),
    )?;
    let near: Vec<_> = near.iter().map(|place| (&place.name, place.dist)).collect();
    let bits: (bool, bool) = (c.setbit("bits", 7, true)?, c.getbit("bits", 7)?);
    let ones: i32 = c.bitcount("bits")?;
    let visitors: (bool, i64) = (
        c.pfadd("visitors", &["ada", "bob"])?,
        c.pfcount("visitors")?,
    );
    Ok(format!(
        "{:?}",
        (added, distance, near, bits, ones, visitors)
    ))
}

fn pipelines(c: &mut Connection, _: &Client) -> Outcome<String> {
    let mut pipeline = pipe();
    pipeline
        .set("k", 1)
        .ignore()
        .incr("k", 1)
        .get("k")
        .hset("h", "f", "v");
    let all: (i32, i32, i32) = pipeline.query(c)?;
    let mut long = pipe();
    for number in 0..10_000 {
        long.set(number % 100, number).ignore();
    }
    let _: () = long.query(c)?;
    let failed: RedisResult<(i32, i32)> = pipe().incr("k", 1).lpush("k", 1).query(c);
    let code = failed.err().map(|error| error.kind());
    let last: i32 = c.get(99)?;
    Ok(format!("{all:?} {code:?} {last}"))
}

fn transactions(c: &mut Connection, client: &Client) -> Outcome<String> {
    let key = "counter";
    let mut rounds = 0;
    let mut other = client.get_connection()?;
    let (new,): (i32,) = redis::transaction(c, &[key], |c, pipeline| {
        let old: Option<i32> = c.get(key)?;
        rounds += 1;
        if rounds == 1 {
            // Somebody else is faster: the first round comes to nothing.
            let _: () = other.set(key, 40)?;
        }
        pipeline
            .set(key, old.unwrap_or(0) + 2)
            .ignore()
            .get(key)
            .query(c)
    })?;
    Ok(format!("{new} after {rounds} rounds"))
}

fn scans(c: &mut Connection, _: &Client) -> Outcome<String> {
    let mut pipeline = pipe();
    for number in 0..500 {
        pipeline.set(format!("scanned:{number}"), number).ignore();
        pipeline.hset("wide", number, number).ignore();
        pipeline.zadd("board", number, number).ignore();
    }
    let _: () = pipeline.query(c)?;
    let found: Iter<'_, String> = c.scan_match("scanned:*")?;
    let found: BTreeSet<String> = found.collect::<Result<_, _>>()?;
    let fields: Iter<'_, (i32, i32)> = c.hscan("wide")?;
    let fields: BTreeSet<(i32, i32)> = fields.collect::<Result<_, _>>()?;
    let members: Iter<'_, (i32, i32)> = c.zscan("board")?;
    let members: BTreeSet<(i32, i32)> = members.collect::<Result<_, _>>()?;
    Ok(format!(
        "{} {} {}",
        found.len(),
        fields.len(),
        members.len()
    ))
}

fn messages(c: &mut Connection, client: &Client) -> Outcome<String> {
    let mut subscriber = client.get_connection()?;
    let mut subscription = subscriber.as_pubsub();
    subscription.subscribe(&["news", "sport"])?;
    subscription.psubscribe("n*")?;
    let receivers: (i32, i32) = (c.publish("news", "one")?, c.publish("sport", "two")?);
    let mut got = Vec::new();
    for _ in 0..3 {
        let message = subscription.get_message()?;
        let pattern: Option<String> = message.get_pattern()?;
        got.push((
            pattern,
            message.get_channel_name().to_owned(),
            message.get_payload::<String>()?,
        ));
    }
    subscription.unsubscribe("news")?;
    subscription.punsubscribe("n*")?;
    let after: i32 = c.publish("news", "three")?;
    Ok(format!("{:?}", (receivers, got, after)))
}

// ---- one connection, many tasks -------------------------------------------------------------------

async fn on_runtime(protocol: &str, client: &Client) -> Outcome {
    let mut connection = client.get_multiplexed_async_connection().await?;
    let _: () = connection.flushall().await?;
    println!("{protocol} tasks: {}", tasks(&connection).await?);
    println!("{protocol} async scan: {}", scan(&mut connection).await?);
    println!(
        "{protocol} async messages: {}",
        listen(client, &mut connection).await?
    );
    println!("{protocol} manager: {}", manager(client).await?);
    if protocol == "resp3" {
        println!("{protocol} json: {}", json(&mut connection).await?);
    }
    Ok(())
}

/// A thousand tasks share one connection; each gets its own answers.
async fn tasks(connection: &MultiplexedConnection) -> Outcome<String> {
    let of_task = |number: i32| {
        let mut connection = connection.clone();
        async move {
            let key = format!("task:{number}");
            let _: () = connection.set(&key, number).await?;
            let _: i64 = connection.incr("all", 1).await?;
            let list: (i32, i32) = pipe()
                .incr(&key, 1)
                .incr(&key, 1)
                .query_async(&mut connection)
                .await?;
            RedisResult::Ok(list == (number + 1, number + 2))
        }
    };
    let right = futures_util::future::join_all((0..1000).map(of_task)).await;
    let right: Vec<bool> = right.into_iter().collect::<Result<_, _>>()?;
    let all: i64 = connection.clone().get("all").await?;
    Ok(format!(
        "{} {all}",
        right.iter().filter(|right| **right).count()
    ))
}

async fn scan(connection: &mut MultiplexedConnection) -> Outcome<String> {
    let mut found: AsyncIter<'_, String> = connection.scan_match("task:*").await?;
    let mut keys = BTreeSet::new();
    while let Some(key) = found.next_item().await {
        keys.insert(key?);
    }
    Ok(keys.len().to_string())
}

async fn listen(client: &Client, connection: &mut MultiplexedConnection) -> Outcome<String> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe("news").await?;
    subscription.psubscribe("s*").await?;
    let mut stream = subscription.into_on_message();
    for (channel, message) in [("news", "one"), ("sport", "two"), ("none", "lost")] {
        let _: i32 = connection.publish(channel, message).await?;
    }
    let mut got = Vec::new();
    while got.len() < 2 {
        let message = tokio::time::timeout(Duration::from_secs(5), stream.next()).await?;
        let message = message.ok_or("the end of messages")?;
        got.push(message.get_payload::<String>()?);
    }
    Ok(format!("{got:?}"))
}

/// A connection that is killed comes back.
async fn manager(client: &Client) -> Outcome<String> {
    let mut manager = ConnectionManager::new(client.clone()).await?;
    let id: i64 = redis::cmd("CLIENT")
        .arg("ID")
        .query_async(&mut manager)
        .await?;
    let mut other = client.get_multiplexed_async_connection().await?;
    let killed: i32 = redis::cmd("CLIENT")
        .arg("KILL")
        .arg("ID")
        .arg(id)
        .query_async(&mut other)
        .await?;
    let mut again = None;
    for _ in 0..100 {
        let answer: RedisResult<String> = redis::cmd("PING").query_async(&mut manager).await;
        again = answer.ok();
        if again.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(format!("{killed} {again:?}"))
}

/// A document, where the server has them.
async fn json(connection: &mut MultiplexedConnection) -> Outcome<&'static str> {
    let server: redis::InfoDict = redis::cmd("INFO")
        .arg("server")
        .query_async(connection)
        .await?;
    if server.get::<String>("server_name").as_deref() == Some("pentad") {
        let text = r#"{"a":[1,2],"b":null}"#;
        let _: () = redis::cmd("JSON.SET")
            .arg("doc")
            .arg("$")
            .arg(text)
            .query_async(connection)
            .await?;
        let got: String = redis::cmd("JSON.GET")
            .arg("doc")
            .query_async(connection)
            .await?;
        if got != text {
            return Err(format!("JSON.GET gave {got}").into());
        }
    }
    Ok("as set, where there is JSON")
}
