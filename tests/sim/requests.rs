//! Random requests that the model knows, in all protocols. The choices come from outside: a seed, or a fuzzer's bytes.

use pentad::Scheme;

use crate::model::Op;

/// Where choices come from.
pub trait Dice {
    /// A number below `bound`, which is above 0.
    fn below(&mut self, bound: usize) -> usize;

    /// True in `percent` of 100 cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Few, so that types and clients meet.
const KEYS: [&str; 5] = ["a", "b", "c", "d", "counter"];
const TEXTS: [&str; 8] = [
    "1",
    "-7",
    "text",
    "",
    "9223372036854775807",
    "007",
    "a longer text",
    "x",
];
const ITEMS: [&str; 7] = [
    "m",
    "n",
    "o",
    "17",
    "-3",
    "",
    "a member that is not so short as the others are, but a long one, in fact",
];
const INDICES: [&str; 7] = ["0", "1", "-1", "2", "-3", "5", "-100"];
const NUMBERS: [&str; 6] = ["1", "-1", "5", "12", "-20", "9223372036854775807"];
const SCORES: [&str; 6] = ["0", "1", "-2", "2.5", "7", "-0.5"];

/// A request in this protocol, at this time.
pub fn request(dice: &mut dyn Dice, scheme: Scheme, now_ms: i64) -> Op {
    let key = dice.pick(&KEYS);
    match scheme {
        Scheme::Resp => command(dice, key, now_ms),
        Scheme::Metrics if dice.chance(60) => {
            // RedisTimeSeries writes what is below 1 in a way of its own.
            let (value, at) = (dice.pick(&SCORES[..5]), dice.pick(&NUMBERS));
            Op::new(scheme, &["put", dice.pick(&["m1", "m2", key]), value, at])
        }
        Scheme::Metrics => Op::new(scheme, &["get", dice.pick(&["m1", "m2", key])]),
        Scheme::Counter => match dice.below(4) {
            0 => Op::new(scheme, &["get"]),
            1 => Op::new(scheme, &["incr"]),
            2 => Op::new(scheme, &["decr"]),
            _ => Op::new(scheme, &["add", dice.pick(&NUMBERS)]),
        },
        Scheme::Lab | Scheme::LabByte | Scheme::LabDigit => {
            // Others' keys and texts may be too long for one digit.
            let key = if key == "counter" { "a" } else { key };
            let text = dice.pick(&["v", "12", "", "value"]);
            if dice.chance(50) {
                Op::new(scheme, &["s", key, text])
            } else {
                Op::new(scheme, &["r", key])
            }
        }
        Scheme::Speicher | Scheme::Custom(_) => {
            let key = dice.pick(&["j1", "j2", key]);
            let value = dice.pick(&["1.0", "\"text\"", "null", "[1,{\"a\":2}]", "{}", "\"\""]);
            match dice.below(5) {
                0 | 1 => Op::new(scheme, &["SET", key, value]),
                2 | 3 => Op::new(scheme, &["GET", key]),
                _ => Op::new(scheme, &["DEL", key]),
            }
        }
    }
}

fn command(dice: &mut dyn Dice, key: &str, now_ms: i64) -> Op {
    let other = dice.pick(&KEYS);
    let any = dice.pick(&["j1", "m1", key, key]);
    let text = dice.pick(&TEXTS);
    let (item, item2) = (dice.pick(&ITEMS), dice.pick(&ITEMS));
    let (index, index2) = (dice.pick(&INDICES), dice.pick(&INDICES));
    let by = dice.pick(&NUMBERS);
    let (score, score2) = (dice.pick(&SCORES), dice.pick(&SCORES));
    let at_ms = (now_ms + [-5, 1, 20, 200, 5000][dice.below(5)]).to_string();
    let ms = ["1", "30", "400", "100000"][dice.below(4)];
    let words: &[&str] = match dice.below(62) {
        0 | 1 => &["SET", key, text],
        2 => &["SET", key, text, "PX", ms],
        3 => &["SET", key, text, "NX"],
        4 => &["SET", key, text, "XX"],
        5 => &["SET", key, text, "KEEPTTL"],
        6 | 7 => &["GET", any],
        8 => &["GETDEL", key],
        9 => &["APPEND", key, text],
        10 => &["STRLEN", key],
        11 => &["GETRANGE", key, index, index2],
        12 | 13 => &["INCRBY", key, by],
        14 => &["DEL", any, other],
        15 => &["DEL", any],
        16 => &["EXISTS", any, other, any],
        17 => &["TYPE", any],
        18 => &["KEYS", "*"],
        19 | 20 => &["PEXPIREAT", any, &at_ms],
        21 => &["PERSIST", any],
        22 => &["PTTL", any],
        23 => &["PEXPIRETIME", any],
        24 => &["RENAME", key, other],
        25 => &["LPUSH", key, item, item2],
        26 => &["RPUSH", key, item, item2, item],
        27 => &["LPOP", key],
        28 => &["RPOP", key],
        29 => &["LPOP", key, "2"],
        30 => &["RPOP", key, "3"],
        31 => &["LLEN", key],
        32 => &["LINDEX", key, index],
        33 => &["LRANGE", key, index, index2],
        34 => &["LTRIM", key, index, index2],
        35 => &["LSET", key, index, item],
        36 => &["LREM", key, index, item],
        37 | 38 => &["HSET", key, item, text, item2, by],
        39 => &["HGET", key, item],
        40 => &["HDEL", key, item, item2],
        41 => &["HLEN", key],
        42 => &["HGETALL", key],
        43 => &["HINCRBY", key, item, by],
        44 | 45 => &["SADD", key, item, item2, text],
        46 => &["SREM", key, item, item2],
        47 => &["SCARD", key],
        48 => &["SISMEMBER", key, item],
        49 => &["SMEMBERS", key],
        50 => &["SINTER", key, other],
        51 => &["SUNIONSTORE", key, key, other],
        52 | 53 => &["ZADD", key, score, item, score2, item2],
        54 => &["ZINCRBY", key, score, item],
        55 => &["ZREM", key, item],
        56 => &["ZCARD", key],
        57 => &["ZSCORE", key, item],
        58 => &["ZRANK", key, item],
        59 => &["ZCOUNT", key, score, score2],
        60 => &["ZRANGE", key, index, index2, "WITHSCORES"],
        _ => &["ZPOPMIN", key],
    };
    Op::new(Scheme::Resp, words)
}
