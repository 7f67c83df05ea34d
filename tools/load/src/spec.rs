//! What the user asked for, before it is checked: the same fields as flags and as keys of a mix file, so that
//! each is documented and parsed in one place.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer, de};

use crate::keys::Popularity;
use crate::sizes::Sizes;
use crate::units;

/// A count such as `100k`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count(pub u64);

/// A duration such as `10s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span(pub Duration);

/// `reads:writes`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub f64, pub f64);

impl FromStr for Count {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        units::parse_count(text).map(Count)
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        units::parse_duration(text).map(Span)
    }
}

impl FromStr for Ratio {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        text.split_once(':')
            .and_then(|(r, w)| Some(Ratio(number(r)?, number(w)?)))
            .filter(|r| r.0 + r.1 > 0.0)
            .ok_or_else(|| format!("`{text}` is no ratio (try 9:1, reads before writes)"))
    }
}

impl FromStr for Popularity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Popularity::parse(text)
    }
}

impl FromStr for Sizes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Sizes::parse(text)
    }
}

/// When the requests of an open loop are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Evenly spaced.
    #[default]
    Fixed,
    /// At random, as independent users come.
    Poisson,
}

/// One operation of a mix file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpSpec {
    /// `read`, `write`, `insert`, `delete`, `rmw`, `read-through`, `put`, `get`, `get *`, `incr`, `decr`, `add N`,
    /// or a RESP command.
    #[serde(rename = "do")]
    pub action: String,
    /// Its share, relative to the others.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// One load: a target and what is asked of it.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LoadSpec {
    /// Connections, shared out over the threads [default: 50]
    #[arg(short = 'c', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub connections: Option<Count>,
    /// Requests in flight per connection [default: 1]
    #[arg(short = 'p', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub pipeline: Option<Count>,
    /// Open loop: this many requests per second, whether replies come or not. Without it the loop is closed: a connection sends when it has been answered
    #[arg(short = 'r', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub rate: Option<Count>,
    /// How the requests of an open loop are spaced [default: fixed]
    #[arg(long)]
    pub arrivals: Option<Arrivals>,
    /// A named workload; `pentad-load mixes` lists them
    #[arg(short = 'm', long, value_name = "NAME")]
    pub mix: Option<String>,
    /// Reads to writes, where no mix or command is given [default: 9:1]
    #[arg(long, value_name = "R:W")]
    #[serde(deserialize_with = "scalar")]
    pub ratio: Option<Ratio>,
    /// A RESP command with __key__, __value__, __rand__ or __rand:100__ in it; repeatable, `3*GET __key__` weighs 3
    #[arg(long = "command", value_name = "TEMPLATE")]
    #[serde(rename = "command")]
    pub commands: Vec<String>,
    /// The operations of this load (mix files only).
    #[arg(skip)]
    #[serde(rename = "op")]
    pub ops: Vec<OpSpec>,
    /// Number of keys [default: 100k]
    #[arg(short = 'k', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub keys: Option<Count>,
    /// uniform, sequential, zipf:EXPONENT, hot:KEYS:REQUESTS (two fractions), latest:EXPONENT [default: uniform]
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "scalar")]
    pub distribution: Option<Popularity>,
    /// Bytes of a key: 16, 12-40, or 16:80,64:20 (size:weight) [default: 16]
    #[arg(long, value_name = "SIZES")]
    #[serde(deserialize_with = "scalar")]
    pub key_size: Option<Sizes>,
    /// What every key begins with [default: key: and others by protocol and mix]
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,
    /// Bytes of a value, as for keys [default: 32]
    #[arg(short = 'd', long, value_name = "SIZES")]
    #[serde(deserialize_with = "scalar")]
    pub value_size: Option<Sizes>,
    /// Time to live of what `write` stores (resp)
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub ttl: Option<Span>,
    /// Do not store the keys before the run, although it reads them
    #[arg(long)]
    pub no_preload: bool,
    /// Speak RESP3
    #[arg(long)]
    pub resp3: bool,
}

/// The run around the loads.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunSpec {
    /// How long to measure [default: 10s, unless --requests is given]
    #[arg(short = 't', long, value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub duration: Option<Span>,
    /// How many requests to measure
    #[arg(short = 'n', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub requests: Option<Count>,
    /// How long to run before measuring [default: 0s]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub warmup: Option<Span>,
    /// Threads, each with its own event loop and its share of the connections [default: 1]
    #[arg(short = 'T', long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub threads: Option<Count>,
    /// The same seed makes the same choices of keys, sizes and operations [default: 1]
    #[arg(long, value_name = "N")]
    #[serde(deserialize_with = "scalar")]
    pub seed: Option<Count>,
    /// A request not answered for so long counts as lost; a target that answers nothing for so long ends the run [default: 5s]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub timeout: Option<Span>,
    /// An open loop whose requests leave later than this (p99), through the generator's own fault, is marked invalid [default: 1ms]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "scalar")]
    pub lateness_max: Option<Span>,
    /// Do not check replies against what was stored, only that they are no errors
    #[arg(long)]
    pub no_verify: bool,
    /// After the run, read every key once more and check it
    #[arg(long)]
    pub audit: bool,
    /// Break things on purpose: split writes mid-frame, half-close and reset connections, after one batch in a hundred
    #[arg(long)]
    pub faults: bool,
}

impl LoadSpec {
    /// What is not set here is taken from `other`.
    pub fn or(self, other: &LoadSpec) -> LoadSpec {
        let own_work = self.mix.is_some()
            || self.ratio.is_some()
            || !self.commands.is_empty()
            || !self.ops.is_empty();
        let work = if own_work { &self } else { other };
        LoadSpec {
            mix: work.mix.clone(),
            ratio: work.ratio,
            commands: work.commands.clone(),
            ops: work.ops.clone(),
            connections: self.connections.or(other.connections),
            pipeline: self.pipeline.or(other.pipeline),
            rate: self.rate.or(other.rate),
            arrivals: self.arrivals.or(other.arrivals),
            keys: self.keys.or(other.keys),
            distribution: self.distribution.or(other.distribution.clone()),
            key_size: self.key_size.or(other.key_size.clone()),
            key_prefix: self.key_prefix.or(other.key_prefix.clone()),
            value_size: self.value_size.or(other.value_size.clone()),
            ttl: self.ttl.or(other.ttl),
            no_preload: self.no_preload || other.no_preload,
            resp3: self.resp3 || other.resp3,
        }
    }
}

impl RunSpec {
    /// What is not set here is taken from `other`.
    pub fn or(self, other: &RunSpec) -> RunSpec {
        let bounded = self.duration.is_some() || self.requests.is_some();
        let bound = if bounded { &self } else { other };
        RunSpec {
            duration: bound.duration,
            requests: bound.requests,
            warmup: self.warmup.or(other.warmup),
            threads: self.threads.or(other.threads),
            seed: self.seed.or(other.seed),
            timeout: self.timeout.or(other.timeout),
            lateness_max: self.lateness_max.or(other.lateness_max),
            no_verify: self.no_verify || other.no_verify,
            audit: self.audit || other.audit,
            faults: self.faults || other.faults,
        }
    }
}

/// A mix file: `[run]` and any number of `[[load]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixFile {
    pub run: RunSpec,
    pub load: Vec<MixLoad>,
}

/// One `[[load]]`: a target and the fields of [`LoadSpec`].
#[derive(Debug, Deserialize)]
pub struct MixLoad {
    pub target: Option<String>,
    #[serde(flatten)]
    pub rest: toml::Table,
}

/// A load and its target, where it names one.
pub type NamedLoad = (Option<String>, LoadSpec);

impl MixFile {
    /// Parses the text of a mix file; the error says where.
    pub fn parse(text: &str) -> Result<(RunSpec, Vec<NamedLoad>), String> {
        let file: MixFile = toml::from_str(text).map_err(|e| e.to_string())?;
        if file.load.is_empty() {
            return Err("no [[load]] in it".to_string());
        }
        // A flattened table and deny_unknown_fields do not go together in serde: so the rest is read by itself.
        let loads = file
            .load
            .into_iter()
            .map(|load| {
                Ok((
                    load.target,
                    load.rest
                        .try_into::<LoadSpec>()
                        .map_err(|e| e.to_string())?,
                ))
            })
            .collect::<Result<_, String>>()?;
        Ok((file.run, loads))
    }
}

/// A number or a string, by the same parser as the flag.
fn scalar<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Integer(i64),
        Float(f64),
        Text(String),
    }
    let text = match Scalar::deserialize(deserializer)? {
        Scalar::Integer(n) => n.to_string(),
        Scalar::Float(n) => n.to_string(),
        Scalar::Text(text) => text,
    };
    text.parse().map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_file_is_read_with_the_flags_parsers() {
        let (run, loads) = MixFile::parse(
            r#"
            [run]
            duration = "3s"
            threads = 2
            [[load]]
            target = "resp://127.0.0.1:1"
            keys = "10k"
            value-size = "64:50,1k:50"
            [[load.op]]
            do = "GET __key__"
            weight = 3
            [[load]]
            target = "counter://127.0.0.1:1"
            rate = 1000
            "#,
        )
        .expect("parses");
        assert_eq!(run.duration, Some(Span(Duration::from_secs(3))));
        assert_eq!(loads[0].1.keys, Some(Count(10_000)));
        assert_eq!(loads[0].1.ops[0].weight, 3.0);
        assert_eq!(loads[1].1.rate, Some(Count(1000)));
    }

    #[test]
    fn mistakes_in_a_mix_file_are_named() {
        for (text, word) in [
            ("[run]\nduratoin = 3\n[[load]]", "duratoin"),
            ("[[load]]\nkyes = 3", "kyes"),
            ("[[load]]\nkeys = \"many\"", "many"),
            ("", "load"),
            ("[[load]", "line"),
        ] {
            let error = MixFile::parse(text).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_load_of_its_own_work_does_not_inherit_the_commands() {
        let own = LoadSpec {
            mix: Some("cache".into()),
            ..LoadSpec::default()
        };
        let flags = LoadSpec {
            commands: vec!["PING".into()],
            keys: Some(Count(5)),
            ..LoadSpec::default()
        };
        let merged = own.or(&flags);
        assert!(merged.commands.is_empty());
        assert_eq!(merged.keys, Some(Count(5)));
        assert_eq!(LoadSpec::default().or(&flags).commands.len(), 1);
    }
}
