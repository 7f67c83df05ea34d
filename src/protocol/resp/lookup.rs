//! From the bytes a client sent to the row of the command they name.
//!
//! A hash table with open addressing, made when the program is compiled, and a second one for what a host adds to it.
//! What is hashed and compared is the length and up to eight bytes from either end, in lower case, as two machine words:
//! for a name of up to 16 bytes that is all of it, and a longer one is compared in full besides. Clients cannot add
//! names, hence cannot make the search long. This module must not know what a row says beyond its
//! name.

use std::ops::Deref;
use std::sync::Arc;

use super::command::Command;
use super::table::COMMANDS;
use super::{CommandRef, Registered};

/// The commands of a server, to be found by name in any case: those that every server has, and those that were added.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// In the order in which they were added.
    added: Vec<CommandRef>,
    /// The same by name: a power of two of places, more than half of them empty, or none at all.
    added_slots: Vec<Option<Slot<CommandRef>>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot<C> {
    digest: Digest,
    command: C,
}

/// The places of the commands that every server has: more than half of them are empty, so that every search ends.
static BUILT_IN: [Option<Slot<&Command>>; BUILT_IN_PLACES] = place_all();

const BUILT_IN_PLACES: usize = places_for(COMMANDS.len());

impl Table {
    /// Adds a command of a host's own; false when there is one of this name already. O(1), amortised.
    pub fn insert(&mut self, mut registered: Registered) -> bool {
        let name = registered.row.name.as_bytes();
        if self.find(name).is_some() {
            return false;
        }
        registered.row.number = COMMANDS.len() + self.added.len();
        let slot = Slot {
            digest: Digest::of(name),
            command: CommandRef::Registered(Arc::new(registered)),
        };
        self.added.push(slot.command.clone());
        let places = places_for(self.added.len());
        if places > self.added_slots.len() {
            let old = std::mem::replace(&mut self.added_slots, vec![None; places]);
            old.into_iter().flatten().for_each(|slot| self.put(slot));
        }
        self.put(slot);
        true
    }

    /// Gives a command that was added its place.
    fn put(&mut self, slot: Slot<CommandRef>) {
        let place = place(&self.added_slots, slot.command.name.as_bytes(), slot.digest);
        self.added_slots[place] = Some(slot);
    }

    /// All commands and subcommands: each stands at its number.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        COMMANDS
            .iter()
            .chain(self.added.iter().map(|command| &**command))
    }

    /// How many commands and subcommands there are.
    pub fn count(&self) -> usize {
        COMMANDS.len() + self.added.len()
    }

    /// The command called `name`, in any case; O(1), no allocation.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandRef> {
        let digest = Digest::of(name);
        match find_in(&BUILT_IN, name, digest) {
            Some(slot) => Some(CommandRef::BuiltIn(slot.command)),
            None => self
                .find_added(name, digest)
                .map(|slot| slot.command.clone()),
        }
    }

    #[cold]
    fn find_added(&self, name: &[u8], digest: Digest) -> Option<&Slot<CommandRef>> {
        if self.added.is_empty() {
            return None;
        }
        find_in(&self.added_slots, name, digest)
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
}

/// How many places so many commands need: a power of two, more than twice as many.
const fn places_for(commands: usize) -> usize {
    (2 * commands + 1).next_power_of_two()
}

const fn place_all() -> [Option<Slot<&'static Command>>; BUILT_IN_PLACES] {
    let mut slots = [None; BUILT_IN_PLACES];
    let mut number = 0;
    while number < COMMANDS.len() {
        let command = &COMMANDS[number];
        let digest = Digest::of(command.name.as_bytes());
        let mut place = digest.hash() & (BUILT_IN_PLACES - 1);
        while slots[place].is_some() {
            place = (place + 1) & (BUILT_IN_PLACES - 1);
        }
        slots[place] = Some(Slot { digest, command });
        // Subcommands are found by way of their containers.
        number += 1 + command.subcommands.len();
    }
    slots
}

#[inline]
fn find_in<'s, C: Deref<Target = Command>>(
    slots: &'s [Option<Slot<C>>],
    name: &[u8],
    digest: Digest,
) -> Option<&'s Slot<C>> {
    slots[place(slots, name, digest)].as_ref()
}

/// Where the command called `name` is, or would be.
#[inline]
fn place<C: Deref<Target = Command>>(
    slots: &[Option<Slot<C>>],
    name: &[u8],
    digest: Digest,
) -> usize {
    let mask = slots.len() - 1;
    let mut place = digest.hash() & mask;
    while let Some(slot) = &slots[place] {
        let is_called = |name| slot.command.name.as_bytes().eq_ignore_ascii_case(name);
        if slot.digest == digest && (digest.is_exact() || is_called(name)) {
            break;
        }
        place = (place + 1) & mask;
    }
    place
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
    const fn of(name: &[u8]) -> Self {
        // The ends overlap in a name that is shorter than both together: no byte is left out.
        let (start, end) = if let Some(start) = name.first_chunk::<8>()
            && let Some(end) = name.last_chunk::<8>()
        {
            (u64::from_le_bytes(*start), u64::from_le_bytes(*end))
        } else if let Some(start) = name.first_chunk::<4>()
            && let Some(end) = name.last_chunk::<4>()
        {
            let (start, end) = (u32::from_le_bytes(*start), u32::from_le_bytes(*end));
            (start as u64, end as u64)
        } else if let (Some(first), Some(last)) = (name.first(), name.last()) {
            let middle = name[name.len() / 2];
            let start = u32::from_le_bytes([*first, middle, *last, 0]);
            (start as u64, 0)
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
    const fn hash(self) -> usize {
        let mixed = (self.start ^ self.end.rotate_left(27)).wrapping_add(self.length as u64);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
    }
}

/// Eight bytes at once, each ASCII capital made small.
#[inline]
const fn lower_case(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = bytes & (0x7F * EACH);
    // The highest bit of each byte: whether it is at least `A`, whether it is beyond `Z`.
    let from_a = low + (0x80 - b'A' as u64) * EACH;
    let beyond_z = low + (0x7F - b'Z' as u64) * EACH;
    let is_capital = (from_a & !beyond_z & !bytes) & (0x80 * EACH);
    bytes | (is_capital >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::resp::{CommandSpec, Registered};
    use std::collections::BTreeSet;

    #[test]
    fn every_command_is_found_in_any_case() {
        let table = Table::default();
        for command in &COMMANDS {
            let mixed: String = (command.name.char_indices())
                .map(|(i, c)| {
                    if i % 2 == 0 {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }
                })
                .collect();
            let request = mixed.split('|').map(str::as_bytes);
            let request: Vec<&[u8]> = request.collect();
            let names = [command.name, &command.name.to_uppercase(), &mixed];
            let found = names.map(|name| table.find_full(name.as_bytes()));
            for found in found.into_iter().chain([table.find_request(&request)]) {
                let found = found.map(|found| (found.name, found.number));
                assert_eq!(found, Some((command.name, command.number)));
            }
        }
    }

    #[test]
    fn every_command_stands_at_its_number_and_subcommands_behind_theirs() {
        let names: BTreeSet<&str> = COMMANDS.iter().map(|command| command.name).collect();
        assert_eq!(names.len(), COMMANDS.len(), "no name twice");
        for (number, command) in COMMANDS.iter().enumerate() {
            assert_eq!(command.number, number, "{}", command.name);
            for (place, subcommand) in command.subcommands.iter().enumerate() {
                assert!(std::ptr::eq(subcommand, &COMMANDS[number + 1 + place]));
                let container = subcommand.name.split_once('|').map(|(name, _)| name);
                assert_eq!(container, Some(command.name));
            }
        }
    }

    #[test]
    fn nothing_else_is_found() {
        let table = Table::default();
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
    }

    #[test]
    fn added_commands_are_found_beside_the_others() {
        const NAMES: [&str; 6] = [
            "a",
            "b",
            "x.get",
            "x.set",
            "a.very.long.name:1",
            "a.very.long.name:2",
        ];
        let registered =
            |name| Registered::new(name, CommandSpec::new(1), Box::new(|_, _| Ok(()))).unwrap();
        let mut table = Table::default();
        for (index, name) in NAMES.into_iter().enumerate() {
            assert!(table.find(name.as_bytes()).is_none());
            assert!(table.insert(registered(name)));
            assert!(!table.insert(registered(name)), "{name} is there");
            for (index, name) in NAMES.into_iter().take(index + 1).enumerate() {
                let found = table.find(name.to_uppercase().as_bytes()).unwrap();
                assert_eq!((found.name, found.number), (name, COMMANDS.len() + index));
            }
        }
        assert!(!table.insert(registered("GET")));
        assert!(table.find(b"get").is_some() && table.find(b"a.very.long.name:3").is_none());
        assert_eq!(table.count(), COMMANDS.len() + NAMES.len());
        let own = table.commands().skip(COMMANDS.len());
        assert!(own.map(|command| command.name).eq(NAMES));
    }

    #[test]
    fn the_hash_spreads_the_names() {
        let far = |slot: &(usize, &Slot<&Command>)| {
            (slot.0.wrapping_sub(slot.1.digest.hash()) & (BUILT_IN_PLACES - 1)) > 1
        };
        let places = BUILT_IN.iter().enumerate();
        let slots = places.filter_map(|(place, slot)| Some((place, slot.as_ref()?)));
        let (count, all) = (slots.clone().filter(far).count(), slots.count());
        assert!(
            count * 5 < all,
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
