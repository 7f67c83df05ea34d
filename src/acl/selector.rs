//! One set of permissions: which commands may be run, on which keys and channels. A user has one, and may have more
//! beside it; a request is allowed when one of them allows all of it.

use std::collections::BTreeMap;
use std::fmt;

use super::has_blank;
use crate::glob;
use crate::protocol::resp::Table;
use crate::protocol::resp::command::{Command, access, category, flag};

/// Why a rule was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It is not understood, or its pattern has blanks.
    Syntax,
    /// It names no command and no category.
    UnknownCommand,
    /// A key pattern is added where all keys are allowed.
    AllKeys,
    /// A channel pattern is added where all channels are allowed.
    AllChannels,
    /// A password is removed that the user does not have.
    NoSuchPassword,
    /// A hash is none.
    BadHash,
    /// The first argument of a subcommand is named.
    ArgumentOfSubcommand,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Syntax => "Syntax error",
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::ArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

impl std::error::Error for RuleError {}

/// What of a request is not allowed. The order is that of Redis: of several reasons the greatest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The command.
    Command,
    /// The key that is this argument.
    Key(usize),
    /// The channel that is this argument.
    Channel(usize),
}

/// A request, as far as permissions go.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it names.
    pub command: &'a Command,
    /// The arguments, the command's name first.
    pub args: &'a [&'a [u8]],
    /// Which of them are keys, and what is done to them as a set of [`access`] bits.
    pub keys: &'a [(usize, u32)],
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Nothing has been taken from all commands.
    all_commands: bool,
    /// The rules begin with all commands, not with none.
    begins_with_all: bool,
    /// A bit per command.
    allowed: Vec<u64>,
    /// First arguments with which a command is allowed that is not otherwise.
    first_args: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The rules about commands since the beginning, with their signs.
    rules: Vec<Vec<u8>>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct KeyPattern {
    read: bool,
    write: bool,
    pattern: Vec<u8>,
}

/// What rules are written down for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// To be shown, as Redis does it. With some patterns Redis could not read it again.
    Shown,
    /// To be read again.
    Readable,
}

impl Selector {
    /// One that allows nothing, but for the channels if they are allowed by default.
    pub fn new(all_channels: bool, table: &Table) -> Self {
        Selector {
            all_commands: false,
            begins_with_all: false,
            allowed: vec![0; table.count().div_ceil(64)],
            first_args: BTreeMap::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Whether it allows everything.
    pub fn allows_all(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Applies one rule about commands, keys or channels.
    pub fn apply(&mut self, rule: &[u8], table: &Table) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => {
                self.all_keys = true;
                self.keys.clear();
            }
            _ if is("resetkeys") => {
                self.all_keys = false;
                self.keys.clear();
            }
            _ if is("allchannels") || is("&*") => {
                self.all_channels = true;
                self.channels.clear();
            }
            _ if is("resetchannels") => {
                self.all_channels = false;
                self.channels.clear();
            }
            _ if is("allcommands") || is("+@all") => self.restart(true),
            _ if is("nocommands") || is("-@all") => self.restart(false),
            [b'~' | b'%', ..] => self.add_key_pattern(rule)?,
            [b'&', pattern @ ..] => self.add_channel_pattern(pattern)?,
            [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                let bits = category::by_name(name).ok_or(RuleError::UnknownCommand)?;
                self.remember(*sign, &rule[1..]);
                for command in table.commands() {
                    if command.acl_categories() & bits != 0 {
                        self.set(command, *sign == b'+');
                    }
                }
            }
            [b'+', name @ ..] => self.allow(name, table)?,
            [b'-', name @ ..] => {
                let command = table.find_full(name).ok_or(RuleError::UnknownCommand)?;
                self.set(&command, false);
                self.remember(b'-', command.name.as_bytes());
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Applies the rules about commands anew, to a table that has more of them.
    pub fn command_added(&mut self, table: &Table) {
        let rules = std::mem::take(&mut self.rules);
        self.allowed = vec![0; table.count().div_ceil(64)];
        self.restart(self.begins_with_all);
        for rule in rules {
            // It has been in order before.
            let _ = self.apply(&rule, table);
        }
    }

    fn restart(&mut self, with_all: bool) {
        self.all_commands = with_all;
        self.begins_with_all = with_all;
        self.allowed.fill(if with_all { u64::MAX } else { 0 });
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_key_pattern(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        let (mut read, mut write) = (rule[0] == b'~', rule[0] == b'~');
        let mut rest = &rule[1..];
        if rule[0] == b'%' {
            // Without a `~` the pattern is empty, as in Redis.
            while let [letter, tail @ ..] = rest {
                rest = tail;
                match letter.to_ascii_uppercase() {
                    b'R' if !read => read = true,
                    b'W' if !write => write = true,
                    b'~' => break,
                    _ => return Err(RuleError::Syntax),
                }
            }
        }
        if !read && !write || has_blank(rest) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.pattern == rest) {
            Some(known) => {
                known.read |= read;
                known.write |= write;
            }
            None => self.keys.push(KeyPattern {
                read,
                write,
                pattern: rest.to_vec(),
            }),
        }
        Ok(())
    }

    fn add_channel_pattern(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        if has_blank(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// `+command`, `+command|subcommand`, `+command|first-argument`.
    fn allow(&mut self, name: &[u8], table: &Table) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
            let command = table.find(name).ok_or(RuleError::UnknownCommand)?;
            self.set(&command, true);
            self.remember(b'+', command.name.as_bytes());
            return Ok(());
        };
        let (container, own) = (&name[..bar], &name[bar + 1..]);
        let command = table
            .find_full(container)
            .ok_or(RuleError::UnknownCommand)?;
        if command.is_subcommand() {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        // What is written down must read back the same.
        if own.is_empty() || has_blank(own) {
            return Err(RuleError::Syntax);
        }
        if command.subcommands.is_empty() {
            let allowed = self.first_args.entry(command.number).or_default();
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(own)) {
                allowed.push(own.to_vec());
            }
        } else {
            let command = table.find_full(name).ok_or(RuleError::UnknownCommand)?;
            self.set(&command, true);
        }
        self.remember(b'+', name);
        Ok(())
    }

    /// Allows a command or not, with all its subcommands.
    fn set(&mut self, command: &Command, allow: bool) {
        self.first_args.remove(&command.number);
        for command in std::iter::once(command).chain(command.subcommands) {
            let number = command.number;
            let bit = 1 << (number % 64);
            if allow {
                self.allowed[number / 64] |= bit;
            } else {
                self.allowed[number / 64] &= !bit;
                self.all_commands = false;
            }
        }
    }

    /// Keeps a rule about commands, in the place of all that it makes void.
    fn remember(&mut self, sign: u8, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.rules
            .retain(|rule| match rule[1..].strip_prefix(&name[..]) {
                Some(rest) => !(rest.is_empty() || rest[0] == b'|'),
                None => true,
            });
        self.rules.push([&[sign], &name[..]].concat());
    }

    /// Whether it allows all of a request; if not, what it does not.
    pub fn check(&self, request: Request<'_>) -> Result<(), Denied> {
        let Request {
            command,
            args,
            keys,
        } = request;
        let number = command.number;
        let allowed = self.all_commands
            || command.has(flag::NO_AUTH)
            || self
                .allowed
                .get(number / 64)
                .is_some_and(|bits| bits & 1 << (number % 64) != 0)
            || self.allows_first_arg(request);
        if !allowed {
            return Err(Denied::Command);
        }
        if !self.all_keys
            && let Some((index, _)) = keys
                .iter()
                .find(|(index, access)| !self.allows_key(args[*index], *access))
        {
            return Err(Denied::Key(*index));
        }
        if !self.all_channels
            && let Some((channels, is_pattern)) = channels_of(command, args.len())
            && let Some(index) =
                { channels }.find(|index| !self.allows_channel(args[*index], is_pattern))
        {
            return Err(Denied::Channel(index));
        }
        Ok(())
    }

    fn allows_first_arg(&self, request: Request<'_>) -> bool {
        let at = if request.command.is_subcommand() {
            2
        } else {
            1
        };
        let allowed = self.first_args.get(&request.command.number);
        allowed
            .zip(request.args.get(at))
            .is_some_and(|(allowed, arg)| {
                allowed.iter().any(|known| known.eq_ignore_ascii_case(arg))
            })
    }

    /// Whether a key may be used for what `access` says.
    pub fn allows_key(&self, key: &[u8], access: u32) -> bool {
        let reads = access & access::ACCESS != 0;
        let writes = access & (access::INSERT | access::DELETE | access::UPDATE) != 0;
        self.all_keys
            || self.keys.iter().any(|known| {
                (known.read || !reads)
                    && (known.write || !writes)
                    && glob::matches(&known.pattern, key, false)
            })
    }

    /// Whether every key may be read.
    pub fn reads_all_keys(&self) -> bool {
        self.all_keys
            || self
                .keys
                .iter()
                .any(|known| known.read && known.pattern == b"*")
    }

    /// Whether a channel may be used. A pattern of PSUBSCRIBE has to be allowed by that very pattern.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|known| match is_pattern {
                true => known == channel,
                false => glob::matches(known, channel, false),
            })
    }

    /// The rules about commands, as they would be given.
    pub fn command_rules(&self) -> Vec<u8> {
        let first: &[u8] = match self.begins_with_all {
            true => b"+@all",
            false => b"-@all",
        };
        let rules = std::iter::once(first).chain(self.rules.iter().map(|rule| &rule[..]));
        rules.collect::<Vec<_>>().join(&b' ')
    }

    /// The key patterns, as they would be given.
    pub fn key_rules(&self, form: Form) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let patterns = self.keys.iter().map(|known| {
            let sign: &[u8] = match (known.read, known.write) {
                // `~*` is all keys, and no pattern may come after it.
                (true, true) if form == Form::Readable && known.pattern == b"*" => b"%RW~",
                (true, true) => b"~",
                (true, false) => b"%R~",
                _ => b"%W~",
            };
            [sign, &known.pattern].concat()
        });
        patterns.collect::<Vec<_>>().join(&b' ')
    }

    /// The channel patterns, as they would be given.
    pub fn channel_rules(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns = self
            .channels
            .iter()
            .map(|known| [b"&", &known[..]].concat());
        patterns.collect::<Vec<_>>().join(&b' ')
    }

    /// All rules, as they would be given.
    pub fn describe(&self, form: Form) -> Vec<u8> {
        let mut parts = Vec::new();
        if self.all_keys || !self.keys.is_empty() {
            parts.push(self.key_rules(form));
        }
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        if self.all_channels || !self.channels.is_empty() {
            parts.push(self.channel_rules());
        }
        parts.push(self.command_rules());
        parts.join(&b' ')
    }
}

/// The arguments that are channels to be subscribed to or published in, and whether they are patterns. To leave a channel
/// is always allowed.
fn channels_of(command: &Command, count: usize) -> Option<(std::ops::Range<usize>, bool)> {
    match command.name {
        "subscribe" | "ssubscribe" => Some((1..count, false)),
        "psubscribe" => Some((1..count, true)),
        "publish" | "spublish" => Some((1..2, false)),
        _ => None,
    }
}
