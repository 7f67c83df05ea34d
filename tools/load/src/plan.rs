//! The checked plan of a run: every choice made, every default filled in, nothing left to fail but the target.

use std::time::Duration;

use crate::keys::{KeyNames, Popularity};
use crate::ledger::{Ledger, Needs};
use crate::mixes;
use crate::request::Renderer;
use crate::sizes::Sizes;
use crate::spec::{Arrivals, Count, LoadSpec, OpSpec, Ratio, RunSpec};
use crate::target::{Framing, Protocol, Target};
use crate::template::{Meaning, Template, meaning};
use crate::value::Values;

/// What an operation does to its key, which is what its reply is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    Write,
    Delete,
    /// RESP `INCR`: the reply must be above every reply seen before it was sent.
    Increment,
    Push,
    Pop,
    /// The counter protocol: adds so much.
    Bump(i64),
    /// The counter protocol: reads the sum.
    Total,
    /// Checked for form only.
    Other,
}

/// One operation of a load.
#[derive(Clone, Debug)]
pub struct Op {
    /// The name in reports.
    pub name: String,
    pub action: Action,
    /// Its share of what is drawn; 0 where it only follows another.
    pub weight: f64,
    /// Takes a new key instead of drawing one.
    pub insert: bool,
    /// Sent on the same key when this one has been answered.
    pub then: Option<usize>,
    /// Sent on the same key when this one found nothing.
    pub on_miss: Option<usize>,
    /// The RESP command; the other protocols know what to send from the action.
    pub template: Option<Template>,
}

/// One load, ready to run.
#[derive(Clone, Debug)]
pub struct Load {
    pub target: Target,
    pub connections: usize,
    pub pipeline: usize,
    /// Requests per second of an open loop; `None` is a closed loop.
    pub rate: Option<f64>,
    pub arrivals: Arrivals,
    pub ops: Vec<Op>,
    /// The operation that stores each key before the run.
    pub preload: Option<usize>,
    /// The operation that reads each key after the run.
    pub audit: Option<usize>,
    /// Keys there from the start, and keys there is room for.
    pub keys: u64,
    pub keys_max: u64,
    pub popularity: Popularity,
    /// The shortest time to live any operation sets.
    pub ttl_ms: Option<u32>,
    pub renderer: Renderer,
    /// What its keys begin with.
    pub prefix: String,
    pub resp3: bool,
    /// What the reader of a report should know about how it was checked.
    pub notes: Vec<String>,
}

/// The whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub loads: Vec<Load>,
    pub duration: Option<Duration>,
    /// Requests to measure, shared out over the loads.
    pub requests: Option<u64>,
    pub warmup: Duration,
    pub threads: usize,
    pub seed: u64,
    pub timeout: Duration,
    pub lateness_max: Duration,
    pub verify: bool,
    pub audit: bool,
    pub faults: bool,
}

const CONNECTIONS_MAX: u64 = 60_000;
const PIPELINE_MAX: u64 = 100_000;
const KEYS_MAX: u64 = u32::MAX as u64;

impl Plan {
    /// Checks a run and its loads.
    pub fn new(run: &RunSpec, loads: &[(Target, LoadSpec)]) -> Result<Plan, String> {
        let seed = run.seed.map_or(1, |c| c.0);
        let threads = run.threads.map_or(1, |c| c.0);
        if !(1..=256).contains(&threads) {
            return Err("--threads must be from 1 to 256".to_string());
        }
        let loads = loads
            .iter()
            .map(|(target, spec)| load(target, spec, seed, run))
            .collect::<Result<Vec<_>, _>>()?;
        for (i, a) in loads.iter().enumerate() {
            if let Some(b) = loads[..i]
                .iter()
                .find(|b| a.target == b.target && a.prefix == b.prefix)
            {
                return Err(format!(
                    "two loads on {} use the same keys `{}`: what one stores the other cannot know (set key-prefix)",
                    b.target, b.prefix
                ));
            }
        }
        let connections: usize = loads.iter().map(|l| l.connections).sum();
        if (connections as u64) < threads {
            return Err(format!(
                "{threads} threads need at least as many connections, not {connections}"
            ));
        }
        let duration = match (run.duration, run.requests) {
            (None, None) => Some(Duration::from_secs(10)),
            (duration, _) => duration.map(|d| d.0),
        };
        if duration == Some(Duration::ZERO) || run.requests == Some(Count(0)) {
            return Err("a run of no time or no requests measures nothing".to_string());
        }
        let timeout = run.timeout.map_or(Duration::from_secs(5), |d| d.0);
        if timeout < Duration::from_millis(10) {
            return Err("--timeout must be at least 10ms".to_string());
        }
        Ok(Plan {
            loads,
            duration,
            requests: run.requests.map(|c| c.0),
            warmup: run.warmup.map_or(Duration::ZERO, |d| d.0),
            threads: threads as usize,
            seed,
            timeout,
            lateness_max: run.lateness_max.map_or(Duration::from_millis(1), |d| d.0),
            verify: !run.no_verify,
            audit: run.audit,
            faults: run.faults,
        })
    }
}

impl Load {
    /// The versions of this load's keys, nothing stored yet.
    pub fn ledger(&self, shared: bool) -> Ledger {
        let deletions = self.ops.iter().any(|op| op.action == Action::Delete);
        let needs = Needs {
            deletions,
            expiry: self.ttl_ms.is_some(),
            shared,
        };
        Ledger::new(self.keys_max, self.keys, needs)
    }

    /// The load's operations as one line: `read 90%, write 10%`.
    pub fn work(&self) -> String {
        let total: f64 = self.ops.iter().map(|op| op.weight).sum();
        let drawn = self.ops.iter().filter(|op| op.weight > 0.0);
        drawn
            .map(|op| format!("{} {:.0}%", op.name, 100.0 * op.weight / total))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn load(target: &Target, spec: &LoadSpec, seed: u64, run: &RunSpec) -> Result<Load, String> {
    let fail = |why: String| format!("{target}: {why}");
    let protocol = target.protocol;
    let mix = match &spec.mix {
        Some(name) => Some(
            mixes::find(name)
                .ok_or_else(|| fail(format!("no mix is called `{name}` ({})", mixes::names())))?,
        ),
        None => None,
    };
    let digit = protocol == Protocol::Lab(Framing::Digit);
    let keys = match (spec.keys, mix) {
        (Some(count), _) => count.0,
        (None, Some(mix)) if mix.keys > 0 => mix.keys,
        _ if digit => 10_000,
        _ => 100_000,
    };
    if keys == 0 || keys > KEYS_MAX {
        return Err(fail("--keys must be from 1 to 4294967295".to_string()));
    }
    let sizes = |own: &Option<Sizes>, otherwise: &str| match own {
        Some(sizes) => Ok(sizes.clone()),
        None => Sizes::parse(otherwise),
    };
    let prefix = match &spec.key_prefix {
        Some(prefix) => prefix.as_str(),
        None if digit => "",
        None => default_prefix(protocol, mix),
    };
    if prefix.bytes().any(|b| {
        !b.is_ascii_graphic()
            || b"\"\\".contains(&b)
            || (b == b':' && matches!(protocol, Protocol::Lab(_)) && spec.key_prefix.is_some())
    }) {
        return Err(fail(format!(
            "the key prefix `{prefix}` cannot be written in {}",
            protocol.name()
        )));
    }
    let prefix = if matches!(protocol, Protocol::Lab(_)) {
        prefix.trim_end_matches(':')
    } else {
        prefix
    };
    let ops = chosen_ops(spec, mix, protocol).map_err(fail)?;
    let inserts = ops.iter().any(|(op, _)| op == "insert");
    let keys_max = if inserts {
        (2 * keys).min(KEYS_MAX)
    } else {
        keys
    };
    let names = KeyNames::new(
        prefix,
        sizes(&spec.key_size, if digit { "3" } else { "16" })?,
        if digit { 36 } else { 10 },
        keys_max,
    )
    .map_err(fail)?;
    let value_size = match mix {
        Some(mix) if !digit => mix.value_size,
        _ if digit => "4",
        _ => "32",
    };
    let values = Values::new(sizes(&spec.value_size, value_size)?, seed);
    check_lab_sizes(protocol, &spec.key_size, &values).map_err(fail)?;

    let mut builder = Builder {
        protocol,
        names,
        values,
        keys,
        ttl: spec.ttl.map(|ttl| ttl.0),
        ops: Vec::new(),
        cells: Vec::new(),
        opaque: None,
        ttl_ms: None,
    };
    for (text, weight) in &ops {
        builder.add(text, *weight).map_err(fail)?;
    }
    let mut notes = builder.demote_what_cannot_be_followed();
    if !builder.ops.iter().any(|op| op.weight > 0.0) {
        return Err(fail("no operation has a weight".to_string()));
    }
    let (preload, audit) = builder.preload_and_audit().map_err(fail)?;
    let preload = preload.filter(|_| !spec.no_preload);
    if digit && preload.is_none() {
        return Err(fail(
            "the replies of lab+digit have no length, so its keys must be preloaded".to_string(),
        ));
    }
    if run.audit && audit.is_none() {
        notes.push("nothing to audit: no operation stores what can be read back".to_string());
    }
    let connections = spec.connections.map_or(50, |c| c.0);
    let pipeline = spec.pipeline.map_or(1, |c| c.0);
    if !(1..=CONNECTIONS_MAX).contains(&connections) || !(1..=PIPELINE_MAX).contains(&pipeline) {
        return Err(fail(format!(
            "--connections must be from 1 to {CONNECTIONS_MAX}, --pipeline from 1 to {PIPELINE_MAX}"
        )));
    }
    if spec.rate == Some(Count(0)) {
        return Err(fail("--rate must be above 0".to_string()));
    }
    if spec.resp3 && protocol != Protocol::Resp {
        return Err(fail("--resp3 needs a resp target".to_string()));
    }
    let popularity = match (&spec.distribution, mix) {
        (Some(own), _) => own.clone(),
        (None, Some(mix)) => Popularity::parse(mix.distribution)?,
        (None, None) => Popularity::Uniform,
    };
    let Builder {
        ops,
        names,
        values,
        ttl_ms,
        ..
    } = builder;
    Ok(Load {
        target: target.clone(),
        connections: connections as usize,
        pipeline: pipeline as usize,
        rate: spec.rate.map(|c| c.0 as f64),
        arrivals: spec.arrivals.unwrap_or_default(),
        ops,
        preload,
        audit,
        keys,
        keys_max,
        popularity,
        ttl_ms,
        renderer: Renderer {
            protocol,
            names,
            values,
        },
        prefix: prefix.to_string(),
        resp3: spec.resp3,
        notes,
    })
}

/// Where nothing else is asked for, each use of keys has its own: behind several listeners may be one keyspace.
fn default_prefix(protocol: Protocol, mix: Option<&mixes::Mix>) -> &'static str {
    match (protocol, mix.map(|mix| mix.name)) {
        (Protocol::Metrics, _) => "series:",
        (Protocol::Speicher, _) => "doc:",
        (Protocol::Lab(Framing::Line), _) => "lab",
        (Protocol::Lab(_), _) => "labb",
        (Protocol::Resp, Some("session")) => "session:",
        (Protocol::Resp, Some("queue")) => "queue:",
        _ => "key:",
    }
}

/// The operations asked for: commands, `[[load.op]]`, a mix, or reads and writes in a ratio.
fn chosen_ops(
    spec: &LoadSpec,
    mix: Option<&mixes::Mix>,
    protocol: Protocol,
) -> Result<Vec<(String, f64)>, String> {
    let mut ops: Vec<(String, f64)> = Vec::new();
    for command in &spec.commands {
        let (weight, text) = match command.split_once('*') {
            Some((n, text)) if n.parse::<f64>().is_ok() => (n.parse().unwrap_or(1.0), text),
            _ => (1.0, command.as_str()),
        };
        ops.push((text.to_string(), weight));
    }
    ops.extend(
        spec.ops
            .iter()
            .map(|OpSpec { action, weight }| (action.clone(), *weight)),
    );
    if !ops.is_empty() {
        if mix.is_some() {
            return Err("a mix and commands of one's own exclude each other".to_string());
        }
        if let Some((text, weight)) = ops.iter().find(|(_, w)| !w.is_finite() || *w < 0.0) {
            return Err(format!("`{text}` cannot weigh {weight}"));
        }
        return Ok(ops);
    }
    if let Some(mix) = mix {
        let fits = match protocol {
            Protocol::Resp => true,
            Protocol::Metrics => mix.name == "metrics",
            Protocol::Counter => false,
            Protocol::Lab(_) => !mix.resp_only && !["metrics", "cache"].contains(&mix.name),
            Protocol::Speicher => !mix.resp_only && mix.name != "metrics",
        };
        if !fits {
            return Err(format!(
                "the mix {} cannot be spoken in {}",
                mix.name,
                protocol.name()
            ));
        }
        return Ok(mix
            .ops
            .iter()
            .map(|(text, weight)| (text.to_string(), *weight))
            .collect());
    }
    let Ratio(reads, writes) = spec.ratio.unwrap_or(Ratio(9.0, 1.0));
    Ok(vec![
        ("read".to_string(), reads),
        ("write".to_string(), writes),
    ])
}

fn check_lab_sizes(
    protocol: Protocol,
    key_size: &Option<Sizes>,
    values: &Values,
) -> Result<(), String> {
    let (room, key_default) = match protocol {
        Protocol::Lab(Framing::Byte) => (255, 16),
        Protocol::Lab(Framing::Digit) => (9, 3),
        _ => return Ok(()),
    };
    let key = key_size.as_ref().map_or(key_default, Sizes::max);
    if 2 + key + values.sizes().max() > room {
        return Err(format!(
            "a message of {} holds {room} bytes: `s`, a key of {key}, `:` and a value of {} do not fit",
            protocol.name(),
            values.sizes().max()
        ));
    }
    if protocol == Protocol::Lab(Framing::Digit) && values.sizes().fixed().is_none() {
        return Err(
            "the replies of lab+digit have no length, so all values must have the same size"
                .to_string(),
        );
    }
    Ok(())
}

/// A sample of now; of several in one millisecond the last one stays.
const TS_ADD: &str = "TS.ADD ts:__key__ * __rand__ ON_DUPLICATE LAST";

/// Collects operations and what is known about the keys they share.
struct Builder {
    protocol: Protocol,
    names: KeyNames,
    values: Values,
    keys: u64,
    ttl: Option<Duration>,
    ops: Vec<Op>,
    /// The places within a key that operations store in or read from.
    cells: Vec<String>,
    /// A command that changes keys in a way that cannot be followed.
    opaque: Option<String>,
    ttl_ms: Option<u32>,
}

impl Builder {
    /// Adds an operation, and after it those it calls for. Gives the index of the first.
    fn add(&mut self, text: &str, weight: f64) -> Result<usize, String> {
        let first = match (self.protocol, text.trim()) {
            (Protocol::Resp, word) => return self.add_resp(word, weight),
            (Protocol::Counter, "read" | "get") => self.push("get", Action::Total, weight),
            (Protocol::Counter, "write" | "incr") => self.push("incr", Action::Bump(1), weight),
            (Protocol::Counter, "decr") => self.push("decr", Action::Bump(-1), weight),
            (Protocol::Counter, word) => {
                let n = word
                    .strip_prefix("add ")
                    .and_then(|n| n.trim().parse::<i64>().ok());
                let n = n.filter(|n| n.unsigned_abs() <= 1 << 40);
                let n = n.ok_or_else(|| {
                    format!("`{word}` is no operation of counter (get, incr, decr, add N)")
                })?;
                self.push(&format!("add {n}"), Action::Bump(n), weight)
            }
            (Protocol::Metrics, "read" | "get") => self.push("get", Action::Read, weight),
            (Protocol::Metrics, "write" | "put") => self.push("put", Action::Write, weight),
            (Protocol::Metrics, "get *") => self.push("get *", Action::Other, weight),
            (Protocol::Lab(_) | Protocol::Speicher, "read" | "get") => {
                self.push("read", Action::Read, weight)
            }
            (Protocol::Lab(_) | Protocol::Speicher, "write" | "set") => {
                self.push("write", Action::Write, weight)
            }
            (Protocol::Lab(_) | Protocol::Speicher, "insert") => {
                let op = self.push("insert", Action::Write, weight);
                self.ops[op].insert = true;
                op
            }
            (Protocol::Lab(_) | Protocol::Speicher, word @ ("rmw" | "read-through")) => {
                self.pair(word, weight)?
            }
            (Protocol::Speicher, "delete") => self.push("delete", Action::Delete, weight),
            (protocol, word) => {
                return Err(format!("`{word}` is no operation of {}", protocol.name()));
            }
        };
        Ok(first)
    }

    fn add_resp(&mut self, word: &str, weight: f64) -> Result<usize, String> {
        let write = match self.ttl {
            Some(ttl) if ttl.as_millis() == 0 => {
                return Err("--ttl must be at least 1ms".to_string());
            }
            Some(ttl) => format!("SET __key__ __value__ PX {}", ttl.as_millis()),
            None if word == "read-through" => "SET __key__ __value__ EX 60".to_string(),
            None => "SET __key__ __value__".to_string(),
        };
        match word {
            "read" => self.command("read", "GET __key__", weight),
            "write" => self.command("write", &write, weight),
            "delete" => self.command("delete", "DEL __key__", weight),
            "put" => self.command("put", TS_ADD, weight),
            "get" => self.command("get", "TS.GET ts:__key__", weight),
            "insert" => {
                let op = self.command("insert", &write, weight)?;
                self.ops[op].insert = true;
                Ok(op)
            }
            "rmw" | "read-through" => {
                let first = self.pair(word, weight)?;
                if word == "read-through" {
                    let fill = first + 1;
                    self.ops[fill].template = Some(self.compile(&write)?);
                    self.note_meaning(&meaning(&write)?);
                }
                Ok(first)
            }
            command => {
                let name = command
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_ascii_uppercase();
                let same = self
                    .ops
                    .iter()
                    .filter(|op| op.name == name || op.name.starts_with(&format!("{name}#")))
                    .count();
                let name = if same > 0 {
                    format!("{name}#{}", same + 1)
                } else {
                    name
                };
                self.command(&name, command, weight)
            }
        }
    }

    /// A read and the write that follows it: always (`rmw`) or when the key was missing (`read-through`).
    fn pair(&mut self, word: &str, weight: f64) -> Result<usize, String> {
        let (read, write) = if word == "rmw" {
            ("rmw read", "rmw write")
        } else {
            ("read", "fill")
        };
        let (read, write) = if self.protocol == Protocol::Resp {
            (
                self.command(read, "GET __key__", weight)?,
                self.command(write, "SET __key__ __value__", 0.0)?,
            )
        } else {
            (
                self.push(read, Action::Read, weight),
                self.push(write, Action::Write, 0.0),
            )
        };
        if word == "rmw" {
            self.ops[read].then = Some(write);
        } else {
            self.ops[read].on_miss = Some(write);
        }
        Ok(read)
    }

    fn command(&mut self, name: &str, text: &str, weight: f64) -> Result<usize, String> {
        let meaning = meaning(text)?;
        self.note_meaning(&meaning);
        let action = match meaning {
            Meaning::Write { .. } => Action::Write,
            Meaning::Read { .. } => Action::Read,
            Meaning::Delete => Action::Delete,
            Meaning::Increment => Action::Increment,
            Meaning::Push => Action::Push,
            Meaning::Pop => Action::Pop,
            Meaning::Expire { .. } | Meaning::Harmless | Meaning::Opaque => Action::Other,
        };
        if meaning == Meaning::Opaque {
            self.opaque = Some(text.to_string());
        }
        let op = self.push(name, action, weight);
        self.ops[op].template = Some(self.compile(text)?);
        Ok(op)
    }

    fn note_meaning(&mut self, meaning: &Meaning) {
        let cell = match meaning {
            Meaning::Write { cell, .. } | Meaning::Read { cell } => Some(cell.clone()),
            Meaning::Increment => Some("counter".to_string()),
            Meaning::Push | Meaning::Pop => Some("list".to_string()),
            _ => None,
        };
        if let Some(cell) = cell.filter(|c| !self.cells.contains(c)) {
            self.cells.push(cell);
        }
        if let Meaning::Write {
            ttl_ms: Some(ttl), ..
        }
        | Meaning::Expire { ttl_ms: Some(ttl) } = meaning
        {
            self.ttl_ms = Some(self.ttl_ms.map_or(*ttl, |t| t.min(*ttl)));
        }
    }

    fn compile(&self, text: &str) -> Result<Template, String> {
        Template::compile(text, &self.names, &self.values, self.keys)
    }

    fn push(&mut self, name: &str, action: Action, weight: f64) -> usize {
        self.ops.push(Op {
            name: name.to_string(),
            action,
            weight,
            insert: false,
            then: None,
            on_miss: None,
            template: None,
        });
        self.ops.len() - 1
    }

    /// Where operations use a key in ways that cannot be followed together, replies are checked for form only.
    fn demote_what_cannot_be_followed(&mut self) -> Vec<String> {
        let why = if let Some(command) = &self.opaque {
            format!("`{command}` changes keys in ways this generator does not follow")
        } else if self.cells.len() > 1 {
            format!("the commands use a key as {}", self.cells.join(" and as "))
        } else {
            return Vec::new();
        };
        for op in &mut self.ops {
            op.action = Action::Other;
        }
        vec![format!(
            "{why}: replies are checked for form, not for content"
        )]
    }

    /// The operations that store every key before the run and read every key after it.
    fn preload_and_audit(&mut self) -> Result<(Option<usize>, Option<usize>), String> {
        let has = |ops: &[Op], action| ops.iter().any(|op| op.action == action);
        if has(&self.ops, Action::Push) || has(&self.ops, Action::Pop) {
            // What an earlier run left in a queue would be taken for this run's.
            return Ok((Some(self.command("empty", "DEL __key__", 0.0)?), None));
        }
        if self
            .ops
            .iter()
            .any(|op| op.name == "put" && op.template.is_some())
        {
            return Ok((Some(self.command("preload", TS_ADD, 0.0)?), None));
        }
        if !has(&self.ops, Action::Read) && !has(&self.ops, Action::Write) {
            return Ok((None, None));
        }
        if self.protocol != Protocol::Resp {
            return Ok((
                Some(self.push("preload", Action::Write, 0.0)),
                Some(self.push("audit", Action::Read, 0.0)),
            ));
        }
        let (write, read) = match self
            .cells
            .first()
            .and_then(|c| c.strip_prefix("hash field "))
        {
            Some(field) => (
                format!("HSET __key__ {field} __value__"),
                format!("HGET __key__ {field}"),
            ),
            None => match self.ttl.filter(|_| self.ttl_ms.is_some()) {
                Some(ttl) => (
                    format!("SET __key__ __value__ PX {}", ttl.as_millis()),
                    "GET __key__".to_string(),
                ),
                None => (
                    "SET __key__ __value__".to_string(),
                    "GET __key__".to_string(),
                ),
            },
        };
        Ok((
            Some(self.command("preload", &write, 0.0)?),
            Some(self.command("audit", &read, 0.0)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(target: &str, spec: LoadSpec) -> Result<Load, String> {
        let target = Target::parse(target).expect("target");
        Plan::new(&RunSpec::default(), &[(target, spec)]).map(|mut p| p.loads.remove(0))
    }

    fn commands(texts: &[&str]) -> LoadSpec {
        LoadSpec {
            commands: texts.iter().map(|t| t.to_string()).collect(),
            ..LoadSpec::default()
        }
    }

    #[test]
    fn commands_are_followed_where_they_can_be() {
        let load = plan(
            "resp://127.0.0.1:1",
            commands(&["3*GET __key__", "SET __key__ __value__"]),
        )
        .expect("plan");
        assert_eq!(load.work(), "GET 75%, SET 25%");
        assert_eq!(load.ops[0].action, Action::Read);
        assert!(load.preload.is_some() && load.notes.is_empty());

        let load = plan(
            "resp://127.0.0.1:1",
            commands(&["GET __key__", "APPEND __key__ x"]),
        )
        .expect("plan");
        assert!(load.ops.iter().all(|op| op.action == Action::Other));
        assert!(load.notes[0].contains("APPEND"));
        let load = plan(
            "resp://127.0.0.1:1",
            commands(&["HGET __key__ a", "HSET __key__ b __value__"]),
        )
        .expect("plan");
        assert!(load.notes[0].contains("hash field b"));
    }

    #[test]
    fn every_mix_compiles_for_resp() {
        for mix in mixes::MIXES {
            let spec = LoadSpec {
                mix: Some(mix.name.into()),
                ..LoadSpec::default()
            };
            let load = plan("resp://127.0.0.1:1", spec).expect(mix.name);
            assert!(
                load.ops.iter().all(|op| op.template.is_some()),
                "{}",
                mix.name
            );
            assert!(load.notes.is_empty(), "{}: {:?}", mix.name, load.notes);
        }
    }

    #[test]
    fn rmw_and_read_through_bring_their_followers() {
        let load = plan(
            "speicher://127.0.0.1:1",
            LoadSpec {
                mix: Some("ycsb-f".into()),
                ..LoadSpec::default()
            },
        )
        .expect("plan");
        let rmw = load
            .ops
            .iter()
            .find(|op| op.name == "rmw read")
            .expect("there");
        assert_eq!(load.ops[rmw.then.expect("follows")].name, "rmw write");
        let load = plan(
            "resp://127.0.0.1:1",
            LoadSpec {
                mix: Some("cache".into()),
                ..LoadSpec::default()
            },
        )
        .expect("plan");
        assert_eq!(load.ttl_ms, Some(60_000));
    }

    #[test]
    fn two_loads_must_not_share_keys() {
        let row = |prefix: &str| {
            let target = Target::parse("resp://127.0.0.1:1").expect("target");
            (
                target,
                LoadSpec {
                    key_prefix: Some(prefix.into()),
                    ..LoadSpec::default()
                },
            )
        };
        assert!(Plan::new(&RunSpec::default(), &[row("a"), row("b")]).is_ok());
        assert!(
            Plan::new(&RunSpec::default(), &[row("a"), row("a")])
                .is_err_and(|e| e.contains("same keys"))
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let sized = |value: &str| LoadSpec {
            value_size: Sizes::parse(value).ok(),
            ..LoadSpec::default()
        };
        for (target, spec, word) in [
            ("lab+digit://127.0.0.1:1", sized("5"), "9 bytes"),
            ("lab+digit://127.0.0.1:1", sized("1-4"), "same size"),
            ("lab+byte://127.0.0.1:1", sized("250"), "255"),
            (
                "counter://127.0.0.1:1",
                LoadSpec {
                    mix: Some("cache".into()),
                    ..LoadSpec::default()
                },
                "cache",
            ),
            (
                "resp://127.0.0.1:1",
                LoadSpec {
                    mix: Some("nope".into()),
                    ..LoadSpec::default()
                },
                "ycsb-a",
            ),
            ("metrics://127.0.0.1:1", commands(&["GET __key__"]), "GET"),
            (
                "resp://127.0.0.1:1",
                LoadSpec {
                    keys: Some(Count(0)),
                    ..LoadSpec::default()
                },
                "--keys",
            ),
            (
                "resp://127.0.0.1:1",
                LoadSpec {
                    rate: Some(Count(0)),
                    ..LoadSpec::default()
                },
                "--rate",
            ),
            (
                "speicher://127.0.0.1:1",
                LoadSpec {
                    key_prefix: Some("a\"".into()),
                    ..LoadSpec::default()
                },
                "prefix",
            ),
            ("resp://127.0.0.1:1", commands(&["GET __kye__"]), "__kye__"),
            (
                "resp://127.0.0.1:1",
                LoadSpec {
                    key_size: Some(Sizes::Fixed(5)),
                    ..LoadSpec::default()
                },
                "cannot hold",
            ),
        ] {
            let error = plan(target, spec).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
