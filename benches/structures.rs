//! What the structures cost by themselves, without requests: nanoseconds on the CPU per operation at sizes from 10 to a
//! million elements, or to as many as `PENTAD_STRUCTURES_MAX` says.
//!
//! `cargo bench --bench structures [-- FILTER]`. `tools/structures.py` puts the same operations through pentad and redis-server
//! beside these; the names of the rows are what they have in common.

#[path = "common/cpu_clock.rs"]
mod cpu_clock;
#[path = "common/rounds.rs"]
mod rounds;

use std::fmt::Write as _;
use std::hint::black_box;

use pentad::keyspace::collections::list::End;
use pentad::keyspace::stream::{Keep, Log, NewId, Trim};
use pentad::keyspace::{Hash, KeyedState, List, Settings, ZSet};
use rounds::least_ns;

/// As in the daemon.
#[cfg(feature = "daemon")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u64; 5] = [10, 1_000, 100_000, 1_000_000, 10_000_000];

/// Gets a random number each time.
type Operation = Box<dyn FnMut(u64)>;
/// Fills a structure with so many elements, and gives what is measured.
type Prepare = fn(u64) -> Operation;

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let most = match std::env::var("PENTAD_STRUCTURES_MAX") {
        Ok(text) => text.parse().expect("PENTAD_STRUCTURES_MAX is a number"),
        Err(_) => 1_000_000,
    };
    let structures: [(&str, Prepare); 6] = [
        ("sorted set insert", sorted_set_insert),
        ("sorted set rank", sorted_set_rank),
        ("list ends", list_ends),
        ("hash get", hash_get),
        ("hash set", hash_set),
        ("stream append", stream_append),
    ];
    println!("{:20} {:>10} {:>9}", "operation", "elements", "ns");
    for (name, prepare) in structures {
        if filter
            .as_ref()
            .is_some_and(|filter| !name.starts_with(filter.as_str()))
        {
            continue;
        }
        for size in SIZES.into_iter().filter(|size| *size <= most) {
            println!("{name:20} {size:>10} {:>9.1}", least_ns(prepare(size)));
        }
    }
}

fn settings() -> Settings {
    Settings::new(KeyedState {
        k0: 0x0706_0504_0302_0100,
        k1: 0x0f0e_0d0c_0b0a_0908,
    })
}

/// Names of elements as a client sends them, made without an allocation.
#[derive(Default)]
struct Name(String);

impl Name {
    fn of(&mut self, number: u64) -> &[u8] {
        self.0.clear();
        // A String cannot fail to be written to.
        let _ = write!(self.0, "element:{number:012}");
        self.0.as_bytes()
    }
}

fn filled_sorted_set(size: u64, settings: &Settings) -> ZSet {
    let (mut set, mut name) = (ZSet::new(), Name::default());
    for number in 0..size {
        let score = number.wrapping_mul(0x9E37_79B9) % size;
        let inserted = set.insert(name.of(number), score as f64, settings);
        inserted.expect("a number");
    }
    set
}

/// Another score for a member: it goes to another place.
fn sorted_set_insert(size: u64) -> Operation {
    let settings = settings();
    let (mut set, mut name) = (filled_sorted_set(size, &settings), Name::default());
    Box::new(move |random| {
        let score = (random >> 32) as f64;
        let inserted = set.insert(name.of(random % size), score, &settings);
        black_box(inserted.is_ok());
    })
}

fn sorted_set_rank(size: u64) -> Operation {
    let (set, mut name) = (filled_sorted_set(size, &settings()), Name::default());
    Box::new(move |random| {
        black_box(set.rank(name.of(random % size)));
    })
}

/// A push at one end and a pop at the other, by turns: half of them each.
fn list_ends(size: u64) -> Operation {
    let settings = settings();
    let (mut list, mut name) = (List::new(), Name::default());
    for number in 0..size {
        list.push(End::Back, name.of(number), &settings);
    }
    let mut pushes = true;
    Box::new(move |random| {
        if pushes {
            list.push(End::Back, name.of(random % size), &settings);
        } else {
            black_box(list.pop_with(End::Front, &settings, |entry| entry.len()));
        }
        pushes = !pushes;
    })
}

fn filled_hash(size: u64, settings: &Settings) -> Hash {
    let (mut hash, mut name) = (Hash::new(), Name::default());
    for number in 0..size {
        hash.set(name.of(number), b"xxxxxxxxxxxxxxxx", settings);
    }
    hash
}

fn hash_get(size: u64) -> Operation {
    let (hash, mut name) = (filled_hash(size, &settings()), Name::default());
    Box::new(move |random| {
        black_box(hash.get(name.of(random % size)));
    })
}

fn hash_set(size: u64) -> Operation {
    let settings = settings();
    let (mut hash, mut name) = (filled_hash(size, &settings), Name::default());
    Box::new(move |random| {
        black_box(hash.set(name.of(random % size), b"yyyyyyyyyyyyyyyy", &settings));
    })
}

/// An entry more, and what is too much goes, as `XADD key MAXLEN ~ size` does it.
fn stream_append(size: u64) -> Operation {
    let (mut log, mut name) = (Log::default(), Name::default());
    let trim = Trim {
        keep: Keep::Last(size),
        approximate: Some(0),
    };
    let mut append = move |number| {
        let field = [(&b"field"[..], name.of(number))];
        let id = log.append(NewId::Auto, 1_700_000_000_000, field.into_iter());
        id.expect("ids are not used up");
        log.trim(trim);
    };
    (0..size).for_each(&mut append);
    Box::new(append)
}
