//! Scripts: the same to pentad and to a redis-server beside it, with every reply equal; one group of changes each; and
//! scripts that mean no good, while others go on being served.
//!
//! `oracle/scripts.txt` holds scripts, with `---` between them; each is run in RESP2 and RESP3. `PENTAD_SCRIPT_CASES` is
//! the number of random cases.

mod common;

use std::sync::{Arc, Mutex};

use common::redis::Redis;
use common::resp::{Request, encode, request};
use common::rng::{for_each_seed, number_from_env};
use common::{Driven, Rng};
use pentad::change::Group;
use pentad::client::Peer;
use pentad::config::{Config, Scheme};
use pentad::hub::ChangeSink;
use pentad::{BusyHost, ConnId, Engine, SystemClock};

/// Runs requests on both, and gives what each answered to each.
fn compare(redis: &Redis, driven: &mut Driven, requests: &[Request]) {
    const MARK: &[u8] = b"that is all";
    let id = driven.open(Scheme::Resp);
    let mut ours = Vec::new();
    for request in requests {
        ours.extend_from_slice(&driven.send(id, &encode(request)));
    }
    ours.extend_from_slice(&driven.send(id, &encode(&[b"PING", MARK])));
    driven.engine.close(id);
    let theirs = redis.connect().run(requests, MARK);
    assert!(
        ours == theirs,
        "{}\nours   {}\ntheirs {}",
        common::resp::typed(requests.last().expect("a request")),
        ours.escape_ascii(),
        theirs.escape_ascii()
    );
}

fn eval(script: &str) -> Request {
    request(&["EVAL", script, "2", "k1", "k2", "a1", "a2"])
}

/// JSON that is 1000 levels deep takes more stack in a debug build than test threads have.
fn with_much_stack(run: fn()) {
    const STACK_BYTES: usize = 32 * 1024 * 1024;
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    if let Err(panic) = thread.spawn(run).expect("a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn scripts_answer_what_they_answer_in_redis() {
    with_much_stack(compare_scripts_of_file);
}

fn compare_scripts_of_file() {
    let Some(redis) = Redis::start() else { return };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/scripts.txt");
    let scripts = std::fs::read_to_string(path).expect("the file of scripts");
    let mut driven = Driven::with(Config::default());
    let mut found = Vec::new();
    for resp in ["2", "3"] {
        compare(&redis, &mut driven, &[request(&["FLUSHALL"])]);
        for script in scripts.split("\n---\n") {
            let requests = [request(&["HELLO", resp]), eval(script.trim_end())];
            // The reply to HELLO describes the server: it is left out by asking for the rest alone.
            let mut ask = |redis: &Redis| {
                let id = driven.open(Scheme::Resp);
                driven.send(id, &encode(&requests[0]));
                let ours = driven.send(id, &encode(&requests[1]));
                driven.engine.close(id);
                let mut connection = redis.connect();
                connection.ask(&requests[0]);
                let theirs = connection.run(&requests[1..], b"the end");
                let end = b"$7\r\nthe end\r\n";
                let theirs = theirs.strip_suffix(end).map(<[u8]>::to_vec);
                (ours, theirs.unwrap_or_default())
            };
            let (ours, theirs) = ask(&redis);
            if ours != theirs {
                found.push(format!(
                    "RESP{resp}: {script}\nours   {}\ntheirs {}",
                    ours.escape_ascii(),
                    theirs.escape_ascii()
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// A value as Lua writes it.
fn literal(rng: &mut Rng, depth: usize) -> String {
    const STRINGS: [&str; 8] = [
        "",
        "a",
        "é\\n\\0",
        "\\127/\\\"x\\\\",
        "0",
        "1.5",
        "null",
        "abcdefghijklmnopqrstuvwxyzabcdefghijkl",
    ];
    const NUMBERS: [&str; 16] = [
        "0",
        "1",
        "-1",
        "127",
        "128",
        "255",
        "256",
        "-32",
        "-33",
        "65535",
        "65536",
        "4294967296",
        "-2147483649",
        "0.5",
        "1e100",
        "3.14159265358979",
    ];
    match rng.below(if depth > 3 { 4 } else { 7 }) {
        0 => format!("\"{}\"", rng.pick(&STRINGS)),
        1 => rng.pick(&NUMBERS).to_owned(),
        2 => rng.pick(&["true", "false", "cjson.null"]).to_owned(),
        3 => rng
            .range(i64::from(i32::MIN), i64::from(i32::MAX))
            .to_string(),
        4 => format!("{{[\"k{}\"]={}}}", rng.below(9), literal(rng, depth + 1)),
        5 => format!("{{[{}]={}}}", rng.below(20), literal(rng, depth + 1)),
        _ => {
            let items: Vec<String> = (0..rng.below(5)).map(|_| literal(rng, depth + 1)).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

fn cases() -> u64 {
    number_from_env("PENTAD_SCRIPT_CASES").unwrap_or(400)
}

#[test]
fn values_go_through_the_libraries_as_in_redis() {
    let Some(redis) = Redis::start() else { return };
    let mut driven = Driven::with(Config::default());
    for_each_seed(cases(), |seed| {
        let mut rng = Rng::seeded(seed);
        let value = literal(&mut rng, 0);
        let json = literal(&mut rng, 2).replace(['{', '}'], "\\\"");
        let script = format!(
            "local function try(f, ...) local ok, r = pcall(f, ...) return tostring(ok) .. tostring(r) end \
             local v = {value} \
             return {{try(cjson.encode, v), try(cmsgpack.pack, v), \
             try(function() return cjson.encode(cmsgpack.unpack(cmsgpack.pack(v))) end), \
             try(function() return cjson.encode(cjson.decode(cjson.encode(v))) end), \
             try(function() return cjson.encode(cjson.decode([==[{json}]==])) end)}}"
        );
        compare(&redis, &mut driven, &[eval(&script)]);
    });
}

#[test]
fn numbers_go_through_bit_and_struct_as_in_redis() {
    let Some(redis) = Redis::start() else { return };
    const FORMATS: [&str; 12] = [
        "b", "B", ">h", "<H", ">l", "L", "i3", ">I5", "f", ">d", "!4bi", "i8",
    ];
    let mut driven = Driven::with(Config::default());
    for_each_seed(cases(), |seed| {
        let mut rng = Rng::seeded(seed);
        let number = match rng.below(4) {
            0 => rng.range(-300, 300).to_string(),
            1 => rng.range(-(1 << 40), 1 << 40).to_string(),
            2 => format!("{}.5", rng.range(-1000, 1000)),
            _ => format!("2^{}", rng.below(62)),
        };
        let other = rng.range(-70, 70);
        let format = rng.pick(&FORMATS);
        let script = format!(
            "local n, m = {number}, {other} \
             local s = struct.pack('{format}', n, m) \
             return {{s, tostring(struct.unpack('{format}', s)), struct.size('{format}'), bit.tobit(n), bit.bnot(n), \
             bit.band(n, m), bit.bor(n, m), bit.bxor(n, m), bit.lshift(n, m), bit.rshift(n, m), bit.arshift(n, m), \
             bit.rol(n, m), bit.ror(n, m), bit.bswap(n), bit.tohex(n), bit.tohex(n, m), tostring(n), cjson.encode(n)}}"
        );
        compare(&redis, &mut driven, &[eval(&script)]);
    });
}

#[test]
fn patterns_match_as_luas_own_do() {
    let Some(redis) = Redis::start() else { return };
    const PARTS: [&str; 26] = [
        "a", "b", "c", ".", "%a", "%d", "%w", "%s", "%u", "[ab]", "[^a]", "[a-c]", "(", ")", "()",
        "%1", "%b()", "%f[%w]", "$", "^", "*", "+", "-", "?", "%%", "[]]",
    ];
    let mut driven = Driven::with(Config::default());
    for_each_seed(cases(), |seed| {
        let mut rng = Rng::seeded(seed);
        let pattern: String = (0..1 + rng.below(6)).map(|_| rng.pick(&PARTS)).collect();
        let text: String = (0..rng.below(9))
            .map(|_| rng.pick(&["a", "b", "c", "1", " ", "(", ")", "A"]))
            .collect();
        let new = rng.pick(&["x", "%0%0", "<%1>", "%%", ""]);
        let init = rng.range(-4, 6);
        let script = format!(
            "local s, p = [==[{text}]==], [==[{pattern}]==] \
             local function try(f, ...) local r = {{pcall(f, ...)}} for i = 1, #r do r[i] = tostring(r[i]) end return r end \
             return {{try(string.find, s, p, {init}), try(string.match, s, p), try(string.gsub, s, p, [==[{new}]==]), \
             try(string.gsub, s, p, function(a, b) return b or a end, 3), try(string.gsub, s, p, {{a = 'Z'}}), \
             try(function() local t = {{}} for a, b in string.gmatch(s, p) do t[#t + 1] = tostring(a) .. tostring(b) end \
             return table.concat(t, ';') end)}}"
        );
        compare(&redis, &mut driven, &[eval(&script)]);
    });
}

#[test]
fn libraries_move_both_ways() {
    let Some(redis) = Redis::start() else { return };
    let mut driven = Driven::with(Config::default());
    let id = driven.open(Scheme::Resp);
    let code = "#!lua name=lib\nlocal count = 0\nredis.register_function('f', function(keys, args)\n count = count + 1\n \
                return redis.call('INCRBY', keys[1], args[1] * count) end)";
    let load = request(&["FUNCTION", "LOAD", code]);
    let call = request(&["FCALL", "f", "1", "k", "5"]);
    driven.ask(id, &load);
    let dump = driven.ask(id, &request(&["FUNCTION", "DUMP"]));
    let dump = dump.text().expect("a payload").to_vec();
    let mut theirs = redis.connect();
    let restore: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &dump];
    assert_eq!(theirs.ask(&restore).text(), Some(&b"OK"[..]));
    assert_eq!(theirs.ask(&call), driven.ask(id, &call));
    let dump = theirs
        .ask(&["FUNCTION", "DUMP"])
        .text()
        .expect("a payload")
        .to_vec();
    let restore: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &dump, b"FLUSH"];
    assert_eq!(driven.ask(id, &request(&restore)).text(), Some(&b"OK"[..]));
    // The library is new here, and counts from the beginning.
    theirs.ask(&["FUNCTION", "LOAD", "REPLACE", code]);
    assert_eq!(theirs.ask(&call), driven.ask(id, &call));
}

// ---- effects --------------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct Groups(Arc<Mutex<Vec<Vec<String>>>>);

impl ChangeSink for Groups {
    fn take(&mut self, group: &Group) {
        let mut commands = Vec::new();
        group.for_each(|change| {
            let words: Vec<String> = change
                .command
                .iter()
                .map(|word| word.escape_ascii().to_string())
                .collect();
            commands.push(words.join(" "));
        });
        self.0.lock().expect("no panic before").push(commands);
    }
}

#[test]
fn what_a_script_writes_is_one_group_of_effects() {
    let mut driven = Driven::with(Config::default());
    let groups = Groups::default();
    driven
        .engine
        .set_change_sink(Some(Box::new(groups.clone())));
    let id = driven.open(Scheme::Resp);
    let script = "redis.call('SET', 'a', 1) redis.call('INCR', 'a') redis.call('RPUSH', 'l', 'x', 'y') \
                  redis.call('LPOP', 'l') error('after all of it')";
    assert!(driven.ask(id, &request(&["EVAL", script, "0"])).is_error());
    let groups = groups.0.lock().expect("no panic before").clone();
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0].len(), 4, "{groups:?}");
    assert!(groups[0].iter().all(|command| !command.contains("EVAL")));
}

// ---- scripts that mean no good --------------------------------------------------------------------

/// Asks, from other connections, what they are told; and ends the script.
struct Others {
    turns: usize,
    answers: Vec<Vec<u8>>,
}

impl BusyHost for Others {
    fn busy_turn(&mut self, engine: &mut Engine) -> bool {
        self.turns += 1;
        let mut ask = |listener: usize, bytes: &[u8]| {
            let id: ConnId = engine.open(listener, Peer::InProcess).expect("room");
            engine.receive(id, bytes);
            let answer = engine.output(id).to_vec();
            engine.close(id);
            answer
        };
        if self.turns == 3 {
            // The listeners stand in the order of `common::drive::SCHEMES`.
            self.answers = vec![
                ask(0, b"GET k\r\n"),
                ask(1, b"get *\n"),
                ask(2, b"get\n"),
                ask(3, b"rk\r\n"),
                ask(6, b"\0\0\0\x1b{\"command\":\"GET\",\"key\":\"p\"}"),
                ask(0, b"FUNCTION KILL\r\n"),
                ask(0, b"SCRIPT KILL\r\n"),
            ];
        }
        false
    }
}

#[test]
fn others_are_served_while_a_script_goes_on_and_on() {
    const BUSY: &[u8] = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
    let hostile = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local c = coroutine.wrap(function() while true do end end) c()",
        "return string.find(string.rep('a', 60), string.rep('a?', 60) .. string.rep('a', 61))",
        "return string.gsub(string.rep('a', 100000), '.-b', 'x')",
        "return string.match(string.rep('(', 200000), '%b()%b()')  or string.find(string.rep('a', 300000), '.-.-.-b')",
        "for _ in string.gmatch(string.rep('a', 300000), '.-.-b') do end",
        "while true do table.sort({3, 1, 2}, function() while true do end end) end",
        "local t = {} for i = 1, 100000 do t[i] = i % 1000 end while true do table.sort(t) end",
        "while true do redis.call('GET', 'k') end",
        "while true do pcall(redis.call, 'NOSUCH') end",
    ];
    for script in hostile {
        let mut driven = Driven::with(Config::default());
        driven.engine.set_clock(Arc::new(SystemClock::default()));
        let id = driven.open(Scheme::Resp);
        driven.send(id, b"CONFIG SET lua-time-limit 20\r\n");
        let mut others = Others {
            turns: 0,
            answers: Vec::new(),
        };
        let eval = encode(&["EVAL", script, "0"]);
        driven
            .engine
            .with_host(&mut others, |engine| engine.receive(id, &eval));
        let answer = driven.read(id);
        let killed = b"-ERR Script killed by user with SCRIPT KILL...\r\n";
        assert_eq!(
            answer.escape_ascii().to_string(),
            killed.escape_ascii().to_string(),
            "{script}"
        );
        let expected: [&[u8]; 7] = [
            BUSY,
            b"error\nwrong command\n\n",
            b"err\n",
            b"\r\n",
            b"\0\0\0\x13{\"status_code\":503}",
            BUSY,
            b"+OK\r\n",
        ];
        assert_eq!(others.answers, expected, "{script}");
        assert_eq!(
            driven.send(id, b"EVAL 'return 7' 0\r\n"),
            b":7\r\n",
            "{script}"
        );
    }
}

#[test]
fn a_script_that_has_written_cannot_be_killed_and_without_a_host_it_is_ended() {
    let mut driven = Driven::with(Config::default());
    driven.engine.set_clock(Arc::new(SystemClock::default()));
    let id = driven.open(Scheme::Resp);
    driven.send(id, b"CONFIG SET busy-reply-threshold 20\r\n");
    let script = "redis.call('SET', 'k', 1) while true do end";
    let answer = driven.ask(id, &request(&["EVAL", script, "0"]));
    assert!(answer.is_error());
    assert_eq!(driven.send(id, b"GET k\r\n"), b"$1\r\n1\r\n");
}

#[test]
fn memory_and_stacks_have_an_end() {
    with_much_stack(run_bombs);
}

fn run_bombs() {
    let scripts = [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = string.rep('x', 1000000) .. #t end",
        "return string.rep('x', 2000000000)",
        "local function f() return 1 + f() end return f()",
        "local t = {} for i = 1, 5000 do t = {t} end return t",
        "local t = {} for i = 1, 5000 do t = {t} end return cjson.encode(t)",
        "return cjson.decode(string.rep('[', 100000))",
        "return cmsgpack.unpack(string.rep('\\145', 100000))",
        "return #string.gsub(string.rep('x', 1000000), 'x', string.rep('y', 1000))",
        "return loadstring(string.rep('(', 100000))()",
        "return string.find('a', string.rep('(', 100))",
        "return string.format('%99999d', 1)",
        "local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
        "return unpack({}, 1, 1e8)",
        "return coroutine.wrap(function() return coroutine.wrap(function() error({}) end)() end)()",
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1e4 do t[i] = s end return #cjson.encode(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1e4 do t[i] = s end return #cmsgpack.pack(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1e4 do t[i] = s end return #table.concat(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 2000 do t[i] = s end \
         return #struct.pack(string.rep('s', 2000), unpack(t))",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 2000 do t[i] = s end return redis.call('DEL', unpack(t))",
        "local s = string.rep('x', 1e6) return #string.gsub(s, 'x', s)",
        "collectgarbage('stop') local t = {} while true do t = {t} end",
        "local c = {} for i = 1, 1e6 do c[i] = coroutine.create(print) end",
        "error({foo = 1})",
        "error(setmetatable({}, {__tostring = function() error('x') end}))",
    ];
    let mut driven = Driven::with(Config::default());
    driven.engine.set_clock(Arc::new(SystemClock::default()));
    let id = driven.open(Scheme::Resp);
    driven.send(id, b"CONFIG SET lua-memory-limit 20mb\r\n");
    for script in scripts {
        let answer = driven.send(id, &encode(&["EVAL", script, "0"]));
        assert!(
            answer.starts_with(b"-") || script.contains("return t") || script.contains("__index"),
            "{script}: {}",
            answer[..answer.len().min(200)].escape_ascii()
        );
        assert_eq!(
            driven.send(id, b"EVAL 'return 7' 0\r\n"),
            b":7\r\n",
            "{script}"
        );
    }
}

#[test]
fn what_scripts_leave_is_collected_between_turns() {
    let mut driven = Driven::with(Config::default());
    let id = driven.open(Scheme::Resp);
    let bytes = |driven: &mut Driven| -> usize {
        let info = driven.send(id, b"INFO memory\r\n");
        let info = String::from_utf8(info).unwrap();
        let field = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory_lua:"));
        field.unwrap().parse().unwrap()
    };
    assert_eq!(bytes(&mut driven), 0);
    assert_eq!(driven.send(id, b"EVAL 'return 1' 0\r\n"), b":1\r\n");
    let little = bytes(&mut driven);
    let script = "local t = {} for i = 1, 3e5 do t[i] = {i} end collectgarbage('step', 1) return 1";
    assert_eq!(driven.send(id, &encode(&["EVAL", script, "0"])), b":1\r\n");
    assert!(bytes(&mut driven) > 16 * 1024 * 1024);
    assert!(driven.engine.needs_maintenance());
    while driven.engine.maintain() {}
    let left = bytes(&mut driven);
    assert!(left < 2 * little, "{left} bytes, {little} at first");
}

#[test]
fn nothing_is_left_for_other_scripts_and_nothing_gets_out() {
    let mut driven = Driven::with(Config::default());
    let id = driven.open(Scheme::Resp);
    let attempts = [
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "redis.call = nil",
        "string.upper = function() return 'mine' end",
        "getmetatable('').__index = {}",
        "getmetatable('').__index.upper = nil",
        "table.insert(redis, 1)",
        "table.sort(_G)",
        "math.pi = 3",
        "cjson.encode = nil",
        "return io.open('/etc/passwd')",
        "return os.execute('ls')",
        "return os.getenv('HOME')",
        "return require('os')",
        "return dofile('/etc/passwd')",
        "return loadfile('/etc/passwd')",
        "return debug.getinfo(1)",
        "return package.path",
        "return print('x')",
        "return getfenv(0)",
        "return setfenv(1, {})",
        "return newproxy()",
        "return string.dump(function() end)",
        "return loadstring('\\27Lua')()",
        "return redis.call('EVAL', 'return 1', 0)",
        "return redis.call('MULTI')",
        "return redis.call('SUBSCRIBE', 'x')",
        "return redis.call('SCRIPT', 'FLUSH')",
    ];
    for script in attempts {
        let answer = driven.send(id, &encode(&["EVAL", script, "0"]));
        assert!(
            answer.starts_with(b"-"),
            "{script}: {}",
            answer.escape_ascii()
        );
    }
    let sound =
        "return {('x'):upper(), redis.sha1hex(''), cjson.encode({1}), math.floor(math.pi * 100)}";
    let answer = driven.send(id, &encode(&["EVAL", sound, "0"]));
    assert_eq!(
        answer.escape_ascii().to_string(),
        "*4\\r\\n$1\\r\\nX\\r\\n$40\\r\\nda39a3ee5e6b4b0d3255bfef95601890afd80709\\r\\n$3\\r\\n[1]\\r\\n:314\\r\\n"
    );
}

#[test]
fn a_reply_without_end_ends_its_client_alone() {
    let mut driven = Driven::new();
    let other = driven.open(Scheme::Resp);
    let scripts = [
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1e4 do t[i] = s end return t",
        "local t = {1} for i = 1, 60 do t = {t, t} end return t",
    ];
    for script in scripts {
        let id = driven.open(Scheme::Resp);
        driven.engine.receive(id, &encode(&["EVAL", script, "0"]));
        assert!(driven.engine.is_finished(id), "{script}");
        driven.engine.close(id);
        assert_eq!(driven.send(other, b"PING\r\n"), b"+PONG\r\n");
    }
}
