//! Where requests go: `scheme://host:port` or `scheme+unix:///path`, as pentad's own `--listen` spells it.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// The protocol spoken to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp,
    Metrics,
    Counter,
    Lab(Framing),
    Speicher,
}

/// How the lab protocol marks where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `\r\n` ends a message.
    Line,
    /// One length byte, then the body.
    Byte,
    /// One ASCII digit, then the body; replies come bare.
    Digit,
}

impl Protocol {
    /// The scheme in a target's URL.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Resp => "resp",
            Protocol::Metrics => "metrics",
            Protocol::Counter => "counter",
            Protocol::Lab(Framing::Line) => "lab",
            Protocol::Lab(Framing::Byte) => "lab+byte",
            Protocol::Lab(Framing::Digit) => "lab+digit",
            Protocol::Speicher => "speicher",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Protocol::Resp => 6379,
            Protocol::Metrics => 8888,
            Protocol::Counter => 4444,
            Protocol::Lab(_) => 7777,
            Protocol::Speicher => 14567,
        }
    }
}

/// An address that has been resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One parsed and resolved target.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub protocol: Protocol,
    pub address: Address,
    /// What follows `user:password@` means in RESP: `AUTH`. An empty user is the default one.
    pub login: Option<(String, String)>,
    /// The database of `resp://host:port/N`.
    pub database: u32,
    display: String,
}

impl Target {
    /// Parses and resolves a target. The error is one line that names the target.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("target `{text}`: {why}");
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("no scheme (try resp://127.0.0.1:6379)"))?;
        let (scheme, unix) = match scheme.strip_suffix("+unix") {
            Some(scheme) => (scheme, true),
            None => (scheme, false),
        };
        let protocol = match scheme {
            "resp" | "redis" => Protocol::Resp,
            "metrics" => Protocol::Metrics,
            "counter" => Protocol::Counter,
            "lab" => Protocol::Lab(Framing::Line),
            "lab+byte" => Protocol::Lab(Framing::Byte),
            "lab+digit" => Protocol::Lab(Framing::Digit),
            "speicher" => Protocol::Speicher,
            _ => {
                return Err(bad(
                    "unknown scheme (resp, metrics, counter, lab, lab+byte, lab+digit, speicher; +unix for a socket file)",
                ));
            }
        };
        let rest = rest.split('?').next().unwrap_or_default();
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => {
                let (user, password) = login.split_once(':').unwrap_or(("", login));
                (Some((user.to_string(), password.to_string())), rest)
            }
            None => (None, rest),
        };
        if login.is_some() && protocol != Protocol::Resp {
            return Err(bad("only resp has users and passwords"));
        }
        let mut target = Target {
            protocol,
            address: Address::Unix(PathBuf::from(rest)),
            login,
            database: 0,
            display: format!(
                "{}{}://{rest}",
                protocol.name(),
                if unix { "+unix" } else { "" }
            ),
        };
        if unix {
            return if rest.is_empty() {
                Err(bad("no path"))
            } else {
                Ok(target)
            };
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if !database.is_empty() {
            if protocol != Protocol::Resp {
                return Err(bad("only resp has a database in its path"));
            }
            target.database = database
                .parse()
                .map_err(|_| bad("the database is no number"))?;
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let with_port = if has_port {
            authority.to_string()
        } else {
            format!(
                "{}:{}",
                authority.trim_end_matches(':'),
                protocol.default_port()
            )
        };
        if with_port.starts_with(':') {
            return Err(bad("no host"));
        }
        let address = with_port
            .to_socket_addrs()
            .map_err(|e| bad(&format!("cannot resolve: {e}")))?
            .min_by_key(|a| a.is_ipv6())
            .ok_or_else(|| bad("the name has no address"))?;
        target.address = Address::Tcp(address);
        Ok(target)
    }
}

/// The target as the user wrote it, without the password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_and_part() {
        let t = Target::parse("resp://me:secret@127.0.0.1:7000/3").expect("parses");
        assert_eq!(t.login, Some(("me".into(), "secret".into())));
        assert_eq!(t.database, 3);
        assert_eq!(t.to_string(), "resp://127.0.0.1:7000/3");
        let t = Target::parse("lab+digit+unix:///tmp/x.sock").expect("parses");
        assert_eq!(t.protocol, Protocol::Lab(Framing::Digit));
        assert_eq!(t.address, Address::Unix("/tmp/x.sock".into()));
        let t = Target::parse("speicher://127.0.0.1").expect("parses");
        assert_eq!(
            t.address,
            Address::Tcp("127.0.0.1:14567".parse().expect("address"))
        );
        assert!(
            matches!(Target::parse("resp://[::1]:5"), Ok(t) if t.address == Address::Tcp("[::1]:5".parse().expect("address")))
        );
    }

    #[test]
    fn refusals_name_the_target() {
        for bad in [
            "127.0.0.1:6379",
            "http://x",
            "resp://",
            "lab+unix://",
            "resp://127.0.0.1:1/x",
            "metrics://a:b@127.0.0.1:1",
        ] {
            let error = Target::parse(bad).expect_err(bad);
            assert!(error.contains(bad), "{error}");
        }
    }
}
