//! One user.

use super::has_blank;
use super::password::Hash;
use super::selector::{Denied, Form, Request, RuleError, Selector};
use crate::protocol::resp::Table;

/// See the module's head. A change makes a new one: whoever still has the old one keeps what it allowed.
#[derive(Clone, Debug)]
pub struct User {
    name: Box<[u8]>,
    enabled: bool,
    no_password: bool,
    skips_sanitizing: bool,
    passwords: Vec<Hash>,
    /// The one that rules without parentheses are about.
    root: Selector,
    others: Vec<Selector>,
    all_channels_by_default: bool,
}

impl User {
    /// A user that is off and may do nothing.
    pub fn new(name: &[u8], all_channels_by_default: bool, table: &Table) -> Self {
        User {
            name: name.into(),
            enabled: false,
            no_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels_by_default, table),
            others: Vec::new(),
            all_channels_by_default,
        }
    }

    /// A user that may do everything and needs no password.
    pub fn all_powerful(name: &[u8], table: &Table) -> Self {
        let mut user = User::new(name, false, table);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            // These rules are always in order.
            let _ = user.apply(rule.as_bytes(), table);
        }
        user
    }

    /// The same user, of a table that has more commands: its rules may speak of them, as those about categories do.
    pub fn command_added(&mut self, table: &Table) {
        for selector in std::iter::once(&mut self.root).chain(&mut self.others) {
            selector.command_added(table);
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The same user after these rules, of which those in parentheses may be spread over several. An error says what is
    /// wrong, in Redis's words.
    pub fn with_rules(mut self, rules: &[&[u8]], table: &Table) -> Result<User, String> {
        for rule in merge_parentheses(rules)? {
            self.apply(&rule, table).map_err(|error| {
                let rule = String::from_utf8_lossy(&rule).into_owned();
                format!("Error in ACL SETUSER modifier '{rule}': {error}")
            })?;
        }
        Ok(self)
    }

    /// Applies one rule.
    pub fn apply(&mut self, rule: &[u8], table: &Table) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("skip-sanitize-payload") => self.skips_sanitizing = true,
            _ if is("sanitize-payload") => self.skips_sanitizing = false,
            _ if is("nopass") => {
                self.no_password = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.no_password = false;
                self.passwords.clear();
            }
            [b'>', password @ ..] => self.add_password(Hash::of(password)),
            [b'#', hash @ ..] => self.add_password(Hash::from_hex(hash).ok_or(RuleError::BadHash)?),
            [b'<', password @ ..] => self.remove_password(Hash::of(password))?,
            [b'!', hash @ ..] => {
                self.remove_password(Hash::from_hex(hash).ok_or(RuleError::BadHash)?)?;
            }
            [b'(', rules @ .., b')'] => {
                let mut selector = Selector::new(self.all_channels_by_default, table);
                for rule in rules.split(u8::is_ascii_whitespace) {
                    // Written down, it would seem to end the selector.
                    if rule.ends_with(b")") {
                        return Err(RuleError::Syntax);
                    }
                    if !rule.is_empty() {
                        selector.apply(rule, table)?;
                    }
                }
                self.others.push(selector);
            }
            _ if is("clearselectors") => self.others.clear(),
            _ if is("reset") => *self = User::new(&self.name, self.all_channels_by_default, table),
            rule => self.root.apply(rule, table)?,
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, hash: Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// Whether connections are let in without saying anything: it is on, and needs no password.
    pub fn is_open(&self) -> bool {
        self.enabled && self.no_password
    }

    /// Whether it is on.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether any password will do.
    pub fn needs_no_password(&self) -> bool {
        self.no_password
    }

    /// Whether this password lets it in.
    pub fn admits(&self, password: &[u8]) -> bool {
        let hash = Hash::of(password);
        // All are compared, so that the time does not tell which it was.
        let known = self
            .passwords
            .iter()
            .filter(|known| **known == hash)
            .count();
        self.enabled && (self.no_password || known > 0)
    }

    /// Whether it may do everything.
    pub fn allows_all(&self) -> bool {
        self.selectors().any(Selector::allows_all)
    }

    /// Whether it may do all of a request. If no selector allows it, the greatest of the reasons is told.
    pub fn check(&self, request: Request<'_>) -> Result<(), Denied> {
        let mut worst = Denied::Command;
        for selector in self.selectors() {
            match selector.check(request) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether a selector that allows the request lets every key be read too.
    pub fn reads_all_keys_by(&self, request: Request<'_>) -> bool {
        self.selectors()
            .any(|selector| selector.check(request).is_ok() && selector.reads_all_keys())
    }

    /// Whether it may use a channel (or a pattern of channels).
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors()
            .any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// The first selector is the one that rules without parentheses are about.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Its flags, as Redis shows them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.no_password {
            flags.push("nopass");
        }
        flags.push(match self.skips_sanitizing {
            true => "skip-sanitize-payload",
            false => "sanitize-payload",
        });
        flags
    }

    /// The hashes of its passwords.
    pub fn passwords(&self) -> &[Hash] {
        &self.passwords
    }

    /// The line that makes such a user: `user name rule ...`.
    pub fn describe(&self, form: Form) -> Vec<u8> {
        let mut parts = vec![b"user".to_vec(), self.name.to_vec()];
        parts.extend(
            self.flags()
                .into_iter()
                .map(|flag| flag.as_bytes().to_vec()),
        );
        parts.extend(
            self.passwords
                .iter()
                .map(|hash| format!("#{}", hash.to_hex()).into_bytes()),
        );
        parts.push(self.root.describe(form));
        let others = self.others.iter();
        let others = others.map(|selector| [b"(", &selector.describe(form)[..], b")"].concat());
        parts.extend(others);
        parts.join(&b' ')
    }

    /// Whether the name can be written down.
    pub fn is_name(name: &[u8]) -> bool {
        !has_blank(name)
    }
}

/// Puts rules in parentheses together that are spread over several words.
pub(super) fn merge_parentheses(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
    let mut merged = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
                if rule.ends_with(b")") {
                    merged.extend(open.take().map(|(_, selector)| selector));
                }
            }
            None if rule.starts_with(b"(") && !rule.ends_with(b")") => {
                open = Some((rule, rule.to_vec()))
            }
            None => merged.push(rule.to_vec()),
        }
    }
    match open {
        None => Ok(merged),
        Some((first, _)) => Err(format!(
            "Unmatched parenthesis in acl selector starting at '{}'.",
            String::from_utf8_lossy(first)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(rules: &str) -> Result<String, String> {
        let table = Table::default();
        let rules: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
        let user = User::new(b"u", false, &table).with_rules(&rules, &table)?;
        Ok(String::from_utf8_lossy(&user.describe(Form::Readable)).into_owned())
    }

    #[test]
    fn rules_are_shown_as_they_would_be_given() {
        for (rules, shown) in [
            (
                "on nopass",
                "on nopass sanitize-payload resetchannels -@all",
            ),
            (
                "+@all -@dangerous +info ~a* %R~b &c",
                "off sanitize-payload ~a* %R~b resetchannels &c +@all -@dangerous +info",
            ),
            (
                "+config|get +config|set -config",
                "off sanitize-payload resetchannels -@all -config",
            ),
            ("%R~x %W~x allchannels", "off sanitize-payload ~x &* -@all"),
            ("%RW~*", "off sanitize-payload %RW~* resetchannels -@all"),
            (
                "%RW~* ~b",
                "off sanitize-payload %RW~* ~b resetchannels -@all",
            ),
            (
                "+get (+set ~x) ( ~y allcommands )",
                "off sanitize-payload resetchannels -@all +get (~x resetchannels -@all +set) (~y resetchannels +@all)",
            ),
            (
                "+select|0 +SELECT|1 +select|0",
                "off sanitize-payload resetchannels -@all +select|1 +select|0",
            ),
        ] {
            assert_eq!(
                describe(rules).as_deref(),
                Ok(format!("user u {shown}").as_str()),
                "{rules}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told() {
        for (rules, why) in [
            (
                "+nosuch",
                "'+nosuch': Unknown command or category name in ACL",
            ),
            (
                "+config|get|x",
                "'+config|get|x': Allowing first-arg of a subcommand is not supported",
            ),
            (
                "#12",
                "'#12': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
            ),
            ("%X~a", "'%X~a': Syntax error"),
        ] {
            assert_eq!(
                describe(rules),
                Err(format!("Error in ACL SETUSER modifier {why}"))
            );
        }
        assert!(
            describe("allkeys ~a")
                .unwrap_err()
                .contains("'allkeys' flag")
        );
        assert_eq!(
            describe("+get (~x").unwrap_err(),
            "Unmatched parenthesis in acl selector starting at '(~x'."
        );
    }
}
