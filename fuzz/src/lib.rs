//! What the fuzz targets share: engines to talk to, bytes as choices, and what the tests have already (a naive model, a
//! disk in memory, RESP from the client's side).

pub mod common;
#[path = "../../tests/faults/disk.rs"]
#[allow(dead_code)]
pub mod disk;
#[path = "../../tests/faults/frame.rs"]
pub mod frame;
#[path = "../../tests/sim/model.rs"]
pub mod model;
#[path = "../../tests/sim/requests.rs"]
pub mod requests;

use std::cell::RefCell;

use common::Driven;
use common::resp::request;
use pentad::Config;
use pentad::config::{Limits, Scheme};

/// The daemon's allocator. It is much faster than the system's at what fuzzing does: making servers and dropping them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes as choices. When there are none left, the first of everything is chosen.
pub struct Choices<'a>(pub &'a [u8]);

impl requests::Dice for Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % bound
    }
}

/// A server whose limits are soon reached.
pub fn server() -> Driven {
    Driven::with(Config {
        limits: Limits {
            request_bytes_max: 4096,
            line_bytes_max: 256,
            output_bytes_max: 1024 * 1024,
            databases: 2,
            ..Limits::default()
        },
        ..Config::default()
    })
}

thread_local! {
    static SPARE: RefCell<Vec<Driven>> = const { RefCell::new(Vec::new()) };
}

/// Lends a server without data and connections, for what changes nothing but data: to make one takes long.
pub fn with_server<R>(run: impl FnOnce(&mut Driven) -> R) -> R {
    let mut server = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(server);
    let result = run(&mut server);
    let janitor = server.open(Scheme::Resp);
    server.ask(janitor, &request(&["FLUSHALL"]));
    server.engine.close(janitor);
    while server.engine.maintain() {}
    // Nobody sends what there is to be sent.
    server.engine.take_touched(&mut Vec::new());
    SPARE.with_borrow_mut(|spare| spare.push(server));
    result
}

/// Words of RESP requests that change more than data and the connection, or whose replies depend on more.
const TRACES: [&[u8]; 10] = [
    b"acl",
    b"client",
    b"config",
    b"debug",
    b"hello",
    b"rand",
    b"save",
    b"shutdown",
    b"spop",
    b"swapdb",
];

/// Whether one of these words stands anywhere in the input, in any case.
pub fn has_word(input: &[u8], words: &[&[u8]]) -> bool {
    let is_at = |rest: &[u8], word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    // Most places are told from the first letters of all words by their lowest bits.
    let bit = |byte: u8| 1u32 << (byte & 31);
    let first = words.iter().fold(0, |bits, word| bits | bit(word[0]));
    let mut places = (0..input.len()).filter(|at| first & bit(input[*at]) != 0);
    places.any(|at| words.iter().any(|word| is_at(&input[at..], word)))
}

/// What a server without data answers to bytes that come in pieces of these lengths (the rest at once), and whether it hangs up
/// before it is told that no more will come.
pub fn answer(scheme: Scheme, input: &[u8], pieces: &[u8]) -> (Vec<u8>, bool) {
    if scheme == Scheme::Resp && has_word(input, &TRACES) {
        return answer_of(&mut server(), scheme, input, pieces);
    }
    with_server(|server| answer_of(server, scheme, input, pieces))
}

fn answer_of(server: &mut Driven, scheme: Scheme, input: &[u8], pieces: &[u8]) -> (Vec<u8>, bool) {
    let id = server.open(scheme);
    let mut answer = Vec::new();
    let mut rest = input;
    for piece in pieces {
        let (piece, after) = rest.split_at((1 + usize::from(*piece)).min(rest.len()));
        rest = after;
        answer.extend(server.send(id, piece));
    }
    answer.extend(server.send(id, rest));
    let closed = server.engine.is_finished(id);
    server.engine.receive_eof(id);
    answer.extend(server.read(id));
    server.engine.close(id);
    (answer, closed)
}

/// That a server answers the same however its input is cut. The first bytes say where.
pub fn check_cuts(scheme: Scheme, data: &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let (pieces, input) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let whole = answer(scheme, input, &[]);
    let cut = answer(scheme, input, pieces);
    assert!(
        whole == cut,
        "{scheme}: {}\nwhole: {}\nin pieces of {pieces:?} + 1: {}",
        input.escape_ascii(),
        whole.0.escape_ascii(),
        cut.0.escape_ascii()
    );
}
