//! Writing requests: an operation, a key and a version become the bytes of the target's protocol.

use std::io::Write;

use crate::keys::KeyNames;
use crate::plan::{Action, Op};
use crate::random::{Rng, mix64};
use crate::target::{Framing, Protocol};
use crate::template::decimal;
use crate::value::Values;

/// Rows kept per series: the timestamps of a key go round this many places, so a series stays bounded.
pub const SERIES_ROWS: u32 = 60;
/// The first timestamp of every series.
pub const SERIES_START: i64 = 1_700_000_000;

/// What all requests of one load are made from.
#[derive(Clone, Debug)]
pub struct Renderer {
    pub protocol: Protocol,
    pub names: KeyNames,
    pub values: Values,
}

impl Renderer {
    /// Appends one request. Allocates nothing once `scratch` and `out` have grown.
    #[inline]
    pub fn write(
        &self,
        op: &Op,
        key: u64,
        version: u32,
        rng: &mut Rng,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        if let Some(template) = &op.template {
            template.write(key, version, (&self.names, &self.values), rng, scratch, out);
            return;
        }
        match self.protocol {
            Protocol::Resp => {}
            Protocol::Metrics => self.metrics(op.action, key, version, out),
            Protocol::Counter => counter(op.action, out),
            Protocol::Lab(framing) => self.lab(framing, op.action, key, version, scratch, out),
            Protocol::Speicher => self.speicher(op.action, key, version, out),
        }
    }

    /// The request as a person reads it, for a report.
    pub fn describe(&self, op: &Op, key: u64, version: u32) -> String {
        if let Some(template) = &op.template {
            return template.describe(key, version, (&self.names, &self.values));
        }
        let mut bytes = Vec::new();
        self.write(
            op,
            key,
            version,
            &mut Rng::new(0),
            &mut Vec::new(),
            &mut bytes,
        );
        show_bytes(&bytes, 96)
    }

    fn metrics(&self, action: Action, key: u64, version: u32, out: &mut Vec<u8>) {
        match action {
            Action::Write => {
                out.extend_from_slice(b"put ");
                self.names.write(key, out);
                let timestamp = SERIES_START + i64::from(version % SERIES_ROWS);
                // Writing to a Vec cannot fail.
                let _ = writeln!(out, " {:?} {timestamp}", self.metric(key, version));
            }
            Action::Read => {
                out.extend_from_slice(b"get ");
                self.names.write(key, out);
                out.push(b'\n');
            }
            _ => out.extend_from_slice(b"get *\n"),
        }
    }

    /// The value of a series row: its version, and a fraction that depends on key and version.
    pub fn metric(&self, key: u64, version: u32) -> f64 {
        let fraction = mix64(key.wrapping_mul(31) ^ u64::from(version)) & 0xff;
        f64::from(version) + fraction as f64 / 256.0
    }

    fn lab(
        &self,
        framing: Framing,
        action: Action,
        key: u64,
        version: u32,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        if action == Action::Write {
            scratch.clear();
            scratch.push(b's');
            self.names.write(key, scratch);
            scratch.push(b':');
            self.values.write(key, version, scratch);
            lab_frame(framing, scratch, out);
        }
        // `s` has no reply: each is followed by the `r` that answers for it.
        scratch.clear();
        scratch.push(b'r');
        self.names.write(key, scratch);
        lab_frame(framing, scratch, out);
    }

    fn speicher(&self, action: Action, key: u64, version: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(match action {
            Action::Write => b"{\"command\":\"SET\",\"key\":\"",
            Action::Delete => b"{\"command\":\"DEL\",\"key\":\"",
            _ => b"{\"command\":\"GET\",\"key\":\"",
        });
        self.names.write(key, out);
        if action == Action::Write {
            out.extend_from_slice(b"\",\"value\":\"");
            self.values.write(key, version, out);
        }
        out.extend_from_slice(b"\"}");
        let len = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    }
}

/// Bytes on one line, cut short, with what is not printable escaped.
pub fn show_bytes(bytes: &[u8], len_max: usize) -> String {
    let shown = &bytes[..bytes.len().min(len_max)];
    let mut text = shown.escape_ascii().to_string();
    if shown.len() < bytes.len() {
        text.push_str(&format!("... ({} bytes)", bytes.len()));
    }
    text
}

fn counter(action: Action, out: &mut Vec<u8>) {
    match action {
        Action::Bump(1) => out.extend_from_slice(b"incr\n"),
        Action::Bump(-1) => out.extend_from_slice(b"decr\n"),
        Action::Bump(n) => {
            out.extend_from_slice(if n < 0 { b"add -" } else { b"add " });
            decimal(n.unsigned_abs(), out);
            out.push(b'\n');
        }
        _ => out.extend_from_slice(b"get\n"),
    }
}

fn lab_frame(framing: Framing, body: &[u8], out: &mut Vec<u8>) {
    match framing {
        Framing::Line => {
            out.extend_from_slice(body);
            out.extend_from_slice(b"\r\n");
            return;
        }
        // The plan has checked that the body fits.
        Framing::Byte => out.push(body.len() as u8),
        Framing::Digit => out.push(b'0' + body.len() as u8),
    }
    out.extend_from_slice(body);
}
