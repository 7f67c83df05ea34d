//! From the bytes a client sent to the row of the command they name.
//!
//! A hash table with open addressing, built once for all servers that add nothing to it. What is hashed and compared is the
//! length and up to eight bytes from either end, in lower case, as two machine words: for a name of up
//! to 16 bytes that is all of it, and a longer one is compared in full besides. Clients cannot add
//! names, hence cannot make the search long. This module must not know what a row says beyond its
//! name.

use std::sync::{Arc, LazyLock};

use super::command::Command;
use super::{CommandRef, FAMILIES};

/// The commands of a server, to be found by name in any case. A clone shares all of it until either of them changes.
#[derive(Clone, Debug)]
pub struct Table {
    /// A power of two of places, more than half of them empty, so that every search ends.
    slots: Arc<[Option<Slot>]>,
    /// In the order in which `COMMAND` lists them.
    commands: Arc<Vec<CommandRef>>,
    /// The same and their subcommands, in the order of their numbers: those of a command stand behind it.
    numbered: Arc<Vec<CommandRef>>,
}

#[derive(Clone, Debug)]
struct Slot {
    digest: Digest,
    command: CommandRef,
    number: usize,
}

impl Table {
    /// The commands that every server has.
    pub fn built_in() -> Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(FAMILIES));
        TABLE.clone()
    }

    /// A table of all the commands of the given families. Of commands of the same name the first counts. O(commands).
    pub fn new(families: &[&'static [Command]]) -> Self {
        let count: usize = families.iter().map(|family| family.len()).sum();
        let mut table = Table {
            slots: vec![None; (2 * count + 1).next_power_of_two()].into(),
            commands: Arc::new(Vec::with_capacity(count)),
            numbered: Arc::new(Vec::with_capacity(2 * count)),
        };
        for command in families.iter().copied().flatten() {
            table.insert(CommandRef::BuiltIn(command));
        }
        table
    }

    /// Adds a command; false when there is one of this name already. O(1), amortised, when nothing is shared.
    pub fn insert(&mut self, command: CommandRef) -> bool {
        if 2 * (self.commands.len() + 1) > self.slots.len() {
            let larger = vec![None; 2 * self.slots.len()].into();
            let old = std::mem::replace(&mut self.slots, larger);
            for slot in old.iter().flatten() {
                self.put(slot.clone());
            }
        }
        let slot = Slot {
            digest: Digest::of(command.name.as_bytes()),
            command: command.clone(),
            number: self.numbered.len(),
        };
        if !self.put(slot) {
            return false;
        }
        let subcommands = command.subcommands.iter().map(CommandRef::BuiltIn);
        let numbered = Arc::make_mut(&mut self.numbered);
        numbered.push(command.clone());
        numbered.extend(subcommands);
        Arc::make_mut(&mut self.commands).push(command);
        true
    }

    /// Gives a command its place, if there is none of this name.
    fn put(&mut self, slot: Slot) -> bool {
        let place = self.place(slot.command.name.as_bytes(), slot.digest);
        let is_free = self.slots[place].is_none();
        if is_free {
            Arc::make_mut(&mut self.slots)[place] = Some(slot);
        }
        is_free
    }

    /// All commands and subcommands: each stands at its number.
    pub fn numbered(&self) -> &[CommandRef] {
        &self.numbered
    }

    /// The number of a command of this table, for sets of commands; O(number of its container's subcommands).
    pub fn number(&self, command: &Command) -> usize {
        let name = command.name;
        let container = name
            .split_once('|')
            .map_or(name, |(container, _)| container);
        let container = container.as_bytes();
        let Some(slot) = &self.slots[self.place(container, Digest::of(container))] else {
            return 0;
        };
        let mut subcommands = slot.command.subcommands.iter();
        let place = subcommands.position(|subcommand| subcommand.name == name);
        slot.number + place.map_or(0, |place| place + 1)
    }

    /// The command called `name`, in any case; O(1), no allocation.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandRef> {
        let slot = self.slots[self.place(name, Digest::of(name))].as_ref();
        slot.map(|slot| slot.command.clone())
    }

    /// The command or subcommand with the full name `name`, such as `client|setname`.
    pub fn find_full(&self, name: &[u8]) -> Option<CommandRef> {
        match name.iter().position(|byte| *byte == b'|') {
            None => self.find(name),
            Some(bar) => find_subcommand(&*self.find(&name[..bar])?, &name[bar + 1..])
                .map(CommandRef::BuiltIn),
        }
    }

    /// The command a request names with its first argument or, of a container, its first two.
    pub fn find_request(&self, request: &[&[u8]]) -> Option<CommandRef> {
        let command = self.find(request.first()?)?;
        match request.get(1) {
            Some(name) if !command.subcommands.is_empty() => {
                find_subcommand(&command, name).map(CommandRef::BuiltIn)
            }
            _ => Some(command),
        }
    }

    /// All commands, without subcommands.
    pub fn commands(&self) -> &[CommandRef] {
        &self.commands
    }

    /// Where the command called `name` is, or would be.
    #[inline]
    fn place(&self, name: &[u8], digest: Digest) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = digest.hash() & mask;
        while let Some(slot) = &self.slots[place] {
            if slot.digest == digest && (digest.is_exact() || slot.is_called(name)) {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }
}

impl Slot {
    fn is_called(&self, name: &[u8]) -> bool {
        self.command.name.as_bytes().eq_ignore_ascii_case(name)
    }
}

/// The subcommand called `name` (its own part only), in any case; O(number of subcommands).
pub fn find_subcommand(container: &Command, name: &[u8]) -> Option<&'static Command> {
    let own_part = container.name.len() + 1;
    container.subcommands.iter().find(|command| {
        let own_name = command.name.as_bytes().get(own_part..);
        own_name.is_some_and(|own_name| own_name.eq_ignore_ascii_case(name))
    })
}

/// The length and both ends of a name, without the difference between the cases of ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    start: u64,
    end: u64,
    length: usize,
}

impl Digest {
    #[inline]
    fn of(name: &[u8]) -> Self {
        // The ends overlap in a name that is shorter than both together: no byte is left out.
        let (start, end) = if let Some(start) = name.first_chunk::<8>()
            && let Some(end) = name.last_chunk::<8>()
        {
            (u64::from_le_bytes(*start), u64::from_le_bytes(*end))
        } else if let Some(start) = name.first_chunk::<4>()
            && let Some(end) = name.last_chunk::<4>()
        {
            let [start, end] = [*start, *end].map(u32::from_le_bytes);
            (start.into(), end.into())
        } else if let (Some(first), Some(last)) = (name.first(), name.last()) {
            let middle = name[name.len() / 2];
            let start = u32::from_le_bytes([*first, middle, *last, 0]);
            (start.into(), 0)
        } else {
            (0, 0)
        };
        Digest {
            start: lower_case(start),
            end: lower_case(end),
            length: name.len(),
        }
    }

    /// Whether there is nothing in the name beyond the digest.
    #[inline]
    fn is_exact(self) -> bool {
        self.length <= 16
    }

    #[inline]
    fn hash(self) -> usize {
        let mixed = (self.start ^ self.end.rotate_left(27)).wrapping_add(self.length as u64);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
    }
}

/// Eight bytes at once, each ASCII capital made small.
#[inline]
fn lower_case(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = bytes & (0x7F * EACH);
    // The highest bit of each byte: whether it is at least `A`, whether it is beyond `Z`.
    let from_a = low + (0x80 - u64::from(b'A')) * EACH;
    let beyond_z = low + (0x7F - u64::from(b'Z')) * EACH;
    let is_capital = (from_a & !beyond_z & !bytes) & (0x80 * EACH);
    bytes | (is_capital >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_is_found_in_any_case() {
        let table = Table::new(FAMILIES);
        for command in FAMILIES.iter().copied().flatten() {
            let mixed: String = (command.name.char_indices())
                .map(|(i, c)| {
                    if i % 2 == 0 {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }
                })
                .collect();
            for name in [command.name, &command.name.to_uppercase(), &mixed] {
                let found = table.find(name.as_bytes());
                assert_eq!(found.map(|found| found.name), Some(command.name));
            }
            for subcommand in command.subcommands {
                let full = subcommand.name.to_uppercase();
                let found = table.find_full(full.as_bytes());
                assert_eq!(found.map(|found| found.name), Some(subcommand.name));
                let request = [command.name.as_bytes(), subcommand.own_name().as_bytes()];
                let found = table.find_request(&request);
                assert_eq!(found.map(|found| found.name), Some(subcommand.name));
                assert_eq!(
                    full.split_once('|')
                        .map(|(name, _)| name.to_lowercase())
                        .as_deref(),
                    Some(command.name)
                );
            }
        }
        let names: BTreeSet<&str> = table
            .commands()
            .iter()
            .map(|command| command.name)
            .collect();
        let rows = FAMILIES.iter().map(|family| family.len()).sum();
        assert_eq!(
            (names.len(), table.commands().len()),
            (rows, rows),
            "no name twice"
        );
    }

    #[test]
    fn nothing_else_is_found() {
        let table = Table::new(FAMILIES);
        let huge = vec![b'G'; 1 << 20];
        let names: [&[u8]; 14] = [
            b"",
            b"g",
            b"ge",
            b"gett",
            b" get",
            b"get\0",
            b"sort\x7fro",
            b"GETRANGF",
            b"client|",
            b"client|x",
            b"get|x",
            b"client|setname|x",
            b"\xff\xfe",
            &huge,
        ];
        for name in names {
            assert!(table.find_full(name).is_none(), "{name:?}");
        }
        assert!(table.find_request(&[]).is_none());
        assert!(table.find_request(&[b"client", b"nothing"]).is_none());
        assert_eq!(
            table.find_request(&[b"client"]).map(|found| found.name),
            Some("client")
        );
        assert_eq!(
            table.find_request(&[b"get", b"x"]).map(|found| found.name),
            Some("get")
        );
        assert!(Table::new(&[]).find(b"get").is_none());
    }

    #[test]
    fn every_command_stands_at_its_number() {
        let table = Table::new(FAMILIES);
        for (number, command) in table.numbered().iter().enumerate() {
            assert_eq!(table.number(command), number, "{}", command.name);
        }
    }

    #[test]
    fn the_hash_spreads_the_names() {
        let table = Table::new(FAMILIES);
        let mask = table.slots.len() - 1;
        let far = |command: &&CommandRef| {
            let name = command.name.as_bytes();
            let digest = Digest::of(name);
            (table.place(name, digest).wrapping_sub(digest.hash()) & mask) > 1
        };
        let count = table.commands.iter().filter(far).count();
        assert!(
            count * 5 < table.commands.len(),
            "{count} names are more than one place away"
        );
    }

    #[test]
    fn only_capitals_change() {
        for byte in 0..=255_u8 {
            let bytes = [byte, b'A', byte, 0xFF, b'z', byte, 0, byte];
            let expected = bytes.map(|byte| byte.to_ascii_lowercase());
            assert_eq!(
                lower_case(u64::from_le_bytes(bytes)),
                u64::from_le_bytes(expected)
            );
        }
    }

    #[test]
    fn digests_of_short_names_differ_when_the_names_do() {
        // Every byte of a name counts, wherever it stands and whatever the length.
        for length in 1..=16 {
            let name = vec![b'a'; length];
            for index in 0..length {
                let mut other = name.clone();
                other[index] = b'b';
                assert_ne!(Digest::of(&name), Digest::of(&other), "{index} of {length}");
                other[index] = b'A';
                assert_eq!(Digest::of(&name), Digest::of(&other), "{index} of {length}");
            }
            assert_ne!(Digest::of(&name), Digest::of(&name[1..]));
        }
    }
}
