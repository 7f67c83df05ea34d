// What programs do through ioredis and node-redis, against a server that runs already and is empty:
//
//     npm ci && node clients.mjs PORT
//
// Every result is printed, so that two servers can be compared by `diff`. What depends on the server's own order, time or
// numbers is sorted or left out before. To add an idiom, add a function to `idioms`: it has a client of each library's own
// making beside what that library calls things.

import Redis from "ioredis";
import { createClient } from "redis";

const port = Number(process.argv[2]);

function show(name, value) {
  const plain = (_, v) => {
    if (v instanceof Map) return Object.fromEntries(v);
    if (v instanceof Set) return [...v].sort();
    if (v instanceof Error) return `${v.name}: ${v.message}`;
    if (Buffer.isBuffer(v)) return v.toString("latin1");
    return v;
  };
  console.log(name, JSON.stringify(value === undefined ? null : value, plain));
}

const failure = (promise) => promise.then(
  () => "no error",
  (error) => error.message,
);

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- ioredis --------------------------------------------------------------------------------------

const ioredis = {
  async strings(r) {
    return [
      await r.set("greeting", "hello", "EX", 100),
      await r.get("greeting"),
      await r.set("greeting", "again", "NX"),
      await r.set("greeting", "new", "XX", "GET"),
      await r.mset({ a: 1, b: 2 }),
      await r.mget("a", "b", "none"),
      await r.incrby("a", 41),
      await r.incrbyfloat("b", 0.5),
      await r.append("greeting", "er"),
      await r.getrange("greeting", 1, 2),
      await r.setBuffer?.("bytes", Buffer.from([0, 255, 13, 10])),
      await r.set("bytes", Buffer.from([0, 255, 13, 10])),
      await r.getBuffer("bytes"),
      await r.strlen("bytes"),
      await r.getdel("bytes"),
      await failure(r.incr("greeting")),
      await failure(r.lpush("greeting", "x")),
      await failure(r.call("NOSUCH", "x")),
    ];
  },
  async hashes(r) {
    return [
      await r.hset("user:1", { name: "Ada", born: 1815 }),
      await r.hset("user:1", new Map([["city", "London"]])),
      await r.hgetall("user:1"),
      await r.hmget("user:1", "name", "none"),
      await r.hincrby("user:1", "born", 1),
      (await r.hkeys("user:1")).sort(),
      await r.hexists("user:1", "name"),
      await r.hdel("user:1", "name", "none"),
      await r.hlen("user:1"),
    ];
  },
  async lists(r) {
    return [
      await r.rpush("queue", 1, 2, 3, [4, 5]),
      await r.lrange("queue", 0, -1),
      await r.lpop("queue"),
      await r.rpop("queue", 2),
      await r.lmove("queue", "done", "LEFT", "RIGHT"),
      await r.lpos("queue", 3),
      await r.linsert("queue", "BEFORE", 3, "between"),
      await r.ltrim("queue", 0, 0),
      await r.llen("queue"),
    ];
  },
  async sets(r) {
    await r.sadd("one", 1, 2, 3);
    await r.sadd("two", [2, 3, 4]);
    return [
      (await r.smembers("one")).sort(),
      (await r.sinter("one", "two")).sort(),
      (await r.sunion("one", "two")).sort(),
      await r.sdiffstore("left", "one", "two"),
      await r.smismember("one", 1, 4),
      await r.sintercard(2, "one", "two"),
      (await r.spop("left")),
    ];
  },
  async sortedSets(r) {
    return [
      await r.zadd("board", 10, "ada", 20, "bob", 30, "eve"),
      await r.zincrby("board", 15, "ada"),
      await r.zrange("board", 0, -1, "WITHSCORES"),
      await r.zrevrange("board", 0, 0),
      await r.zrangebyscore("board", "(20", "+inf"),
      await r.zrank("board", "ada"),
      await r.zscore("board", "nobody"),
      await r.zpopmin("board"),
      await r.zcount("board", "-inf", 25),
      await r.zunionstore("all", 2, "board", "board", "WEIGHTS", 1, 2),
      await r.zmscore("all", "ada", "none"),
    ];
  },
  async streams(r) {
    await r.xadd("log", "1-1", "line", "first");
    await r.xadd("log", "MAXLEN", "~", 1000, "2-1", "line", "second");
    await r.xgroup("CREATE", "log", "workers", "0");
    const read = await r.xreadgroup("GROUP", "workers", "w1", "COUNT", 10, "STREAMS", "log", ">");
    return [
      await r.xlen("log"),
      await r.xrange("log", "-", "+"),
      await r.xread("COUNT", 1, "STREAMS", "log", "0"),
      read,
      (await r.xpending("log", "workers")).slice(0, 3),
      await r.xack("log", "workers", "1-1"),
      await r.xread("BLOCK", 20, "STREAMS", "log", "$"),
    ];
  },
  async pipeline(r) {
    const results = await r.pipeline().set("p", 1).incr("p").lpush("p", "x").get("p").exec();
    return results.map(([error, result]) => error?.message ?? result);
  },
  async transaction(r) {
    await r.watch("t");
    const done = await r.multi().set("t", 1).incr("t").exec();
    await r.watch("t");
    const other = r.duplicate();
    await other.set("t", "changed");
    other.disconnect();
    const undone = await r.multi().set("t", 2).exec();
    return [done, undone, await r.get("t")];
  },
  async scan(r) {
    await r.mset(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`scanned:${i}`, i])));
    const found = new Set();
    for await (const keys of r.scanStream({ match: "scanned:*", count: 50 })) keys.forEach((key) => found.add(key));
    const fields = new Set();
    await r.hset("wide", Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`f${i}`, i])));
    for await (const pairs of r.hscanStream("wide")) pairs.forEach((_, i) => i % 2 || fields.add(pairs[i]));
    return [found.size, fields.size];
  },
  async pubsub(r) {
    const sub = r.duplicate();
    const got = [];
    sub.on("message", (channel, message) => got.push([channel, message]));
    sub.on("pmessage", (pattern, channel, message) => got.push([pattern, channel, message]));
    await sub.subscribe("news", "sport");
    await sub.psubscribe("n*");
    const receivers = [await r.publish("news", "one"), await r.publish("sport", "two"), await r.publish("none", "x")];
    while (got.length < 4) await after(5);
    await sub.unsubscribe("news");
    receivers.push(await r.publish("news", "three"));
    while (got.length < 5) await after(5);
    sub.disconnect();
    return [receivers, got];
  },
  async blocking(r) {
    const waiting = r.duplicate();
    const popped = waiting.blpop("jobs", 5);
    await after(50);
    await r.rpush("jobs", "job");
    const result = [await popped, await waiting.blpop("jobs", 0.02)];
    waiting.disconnect();
    return result;
  },
  async expiry(r) {
    await r.set("short", 1, "PX", 20);
    await r.set("long", 1);
    await r.expire("long", 100);
    await after(40);
    return [await r.get("short"), await r.ttl("long"), await r.persist("long"), await r.ttl("long")];
  },
  async geo(r) {
    await r.geoadd("places", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania");
    return [
      await r.geodist("places", "Palermo", "Catania", "km"),
      await r.geosearch("places", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC"),
      await r.geohash("places", "Palermo"),
    ];
  },
  async offlineQueue(r) {
    const lazy = r.duplicate({ lazyConnect: true, keyPrefix: "app:", db: 3 });
    const results = await Promise.all([lazy.set("k", 1), lazy.get("k"), lazy.ping()]);
    lazy.disconnect();
    return results;
  },
};

// ---- node-redis -----------------------------------------------------------------------------------

const nodeRedis = {
  async strings(r) {
    return [
      await r.set("greeting", "hello", { expiration: { type: "EX", value: 100 } }),
      await r.get("greeting"),
      await r.set("greeting", "again", { condition: "NX" }),
      await r.mSet({ a: "1", b: "2" }),
      await r.mGet(["a", "b", "none"]),
      await r.incrBy("a", 41),
      await r.incrByFloat("b", 0.5),
      await r.getEx("greeting", { type: "PERSIST" }),
      await r.setRange("greeting", 5, "!"),
      await r.lcsLen("greeting", "greeting"),
      await r.exists(["a", "b", "none"]),
      await failure(r.incr("greeting")),
      await failure(r.sendCommand(["NOSUCH"])),
    ];
  },
  async hashes(r) {
    return [
      await r.hSet("user:1", { name: "Ada", born: 1815 }),
      Object.entries(await r.hGetAll("user:1")).sort(),
      await r.hmGet("user:1", ["name", "none"]),
      await r.hIncrByFloat("user:1", "born", 0.5),
      (await r.hVals("user:1")).sort(),
      await r.hDel("user:1", ["name"]),
    ];
  },
  async lists(r) {
    return [
      await r.rPush("queue", ["1", "2", "3"]),
      await r.lRange("queue", 0, -1),
      await r.lPopCount("queue", 2),
      await r.lmPop("queue", "LEFT"),
      await r.lLen("queue"),
    ];
  },
  async sets(r) {
    await r.sAdd("one", ["1", "2", "3"]);
    await r.sAdd("two", ["2", "3", "4"]);
    return [
      [...(await r.sMembers("one"))].sort(),
      [...(await r.sInter(["one", "two"]))].sort(),
      [...(await r.sDiff(["one", "two"]))].sort(),
      await r.sIsMember("one", "1"),
      await r.smIsMember("one", ["1", "4"]),
      await r.sInterCard(["one", "two"], 1),
    ];
  },
  async sortedSets(r) {
    return [
      await r.zAdd("board", [{ score: 10.5, value: "ada" }, { score: 20, value: "bob" }]),
      await r.zIncrBy("board", 15, "ada"),
      await r.zRangeWithScores("board", 0, -1),
      await r.zRange("board", "(20", "+inf", { BY: "SCORE" }),
      await r.zScore("board", "ada"),
      await r.zmScore("board", ["ada", "none"]),
      await r.zPopMax("board"),
      await r.zRandMember("board"),
      await r.zUnionWithScores(["board", "board"]),
    ];
  },
  async streams(r) {
    await r.xAdd("log", "1-1", { line: "first" });
    await r.xAdd("log", "2-1", { line: "second" }, { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 1000 } });
    await r.xGroupCreate("log", "workers", "0");
    return [
      await r.xLen("log"),
      await r.xRange("log", "-", "+"),
      await r.xRead({ key: "log", id: "0-0" }, { COUNT: 1 }),
      await r.xReadGroup("workers", "w1", { key: "log", id: ">" }),
      (await r.xPending("log", "workers")).pending,
      await r.xAck("log", "workers", "1-1"),
      (await r.xAutoClaim("log", "workers", "w2", 0, "0-0")).messages,
      (await r.xInfoGroups("log"))[0].name,
    ];
  },
  async pipelined(r) {
    return await Promise.all([r.set("p", "1"), r.incr("p"), failure(r.lPush("p", "x")), r.get("p")]);
  },
  async transaction(r) {
    const done = await r.multi().set("t", "1").incr("t").exec();
    await r.watch("t");
    const other = await r.duplicate().connect();
    await other.set("t", "changed");
    other.destroy();
    const undone = await failure(r.multi().set("t", "2").exec());
    return [done, undone, await r.get("t")];
  },
  async scan(r) {
    await r.mSet(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`scanned:${i}`, `${i}`])));
    const found = new Set();
    for await (const keys of r.scanIterator({ MATCH: "scanned:*", COUNT: 50 })) [keys].flat().forEach((key) => found.add(key));
    const members = new Set();
    await r.sAdd("wide", Array.from({ length: 700 }, (_, i) => `m${i}`));
    for await (const some of r.sScanIterator("wide")) [some].flat().forEach((member) => members.add(member));
    return [found.size, members.size];
  },
  async pubsub(r) {
    const sub = await r.duplicate().connect();
    const got = [];
    await sub.subscribe("news", (message, channel) => got.push([channel, message]));
    await sub.pSubscribe("n*", (message, channel) => got.push(["n*", channel, message]));
    await sub.sSubscribe("shard", (message, channel) => got.push([channel, message]));
    const receivers = [await r.publish("news", "one"), await r.sPublish("shard", "two")];
    while (got.length < 3) await after(5);
    await sub.unsubscribe("news");
    await sub.pUnsubscribe("n*");
    await sub.sUnsubscribe("shard");
    receivers.push(await r.publish("news", "three"));
    const alive = await sub.ping();
    sub.destroy();
    return [receivers, got, alive];
  },
  async blocking(r) {
    const waiting = await r.duplicate().connect();
    const popped = waiting.bzPopMin("jobs", 5);
    await after(50);
    await r.zAdd("jobs", { score: 1, value: "job" });
    const result = [await popped, await waiting.blPop("jobs2", 0.02)];
    waiting.destroy();
    return result;
  },
  async json(r) {
    if ((await r.info("server")).includes("pentad")) {
      await r.json.set("doc", "$", { a: [1, 2], b: null });
      const text = await r.sendCommand(["JSON.GET", "doc"]);
      if (text !== '{"a":[1,2],"b":null}') throw new Error(`JSON.GET gave ${text}`);
    }
    return "";
  },
};

async function cachedOnTheClient() {
  const r = await createClient({ socket: { port }, RESP: 3, clientSideCache: { maxEntries: 100 } }).connect();
  const other = await createClient({ socket: { port } }).connect();
  await other.set("cached", "1");
  const seen = [await r.get("cached"), await r.get("cached")];
  await other.set("cached", "2");
  await after(50);
  seen.push(await r.get("cached"));
  await r.close();
  await other.close();
  return seen;
}

// ---- all of them ----------------------------------------------------------------------------------

const io = new Redis({ port });
for (const [name, idiom] of Object.entries(ioredis)) {
  await io.flushall();
  show(`ioredis ${name}`, await idiom(io));
}
await io.quit();

for (const RESP of [2, 3]) {
  const r = createClient({ socket: { port }, RESP, unstableResp3: true });
  r.on("error", (error) => { throw error; });
  await r.connect();
  for (const [name, idiom] of Object.entries(nodeRedis)) {
    await r.flushAll();
    show(`node-redis RESP${RESP} ${name}`, await idiom(r));
  }
  await r.close();
}
show("node-redis, cached", await cachedOnTheClient());
process.exit(0);
