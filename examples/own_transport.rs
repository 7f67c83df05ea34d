//! The server without its sockets, for programs that have a transport of their own: bytes go in, bytes come out, and the
//! time is handed in.

use std::error::Error;

use pentad::client::Peer;
use pentad::{Address, Config, ConnId, Engine, Flow, Listen, Now, Scheme, Seed};

/// Whatever carries bytes: here, both ends of it are vectors.
#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

/// Moves what there is to be moved, and lets the engine run: what a turn of the server does for a socket.
fn carry(engine: &mut Engine, id: ConnId, wire: &mut Wire) {
    loop {
        if engine.flow(id) == Some(Flow::Turn) {
            // It has had its share, or has waited for a key: there is input that it holds.
            engine.resume(id);
        } else if engine.takes_input(id) && !wire.to_server.is_empty() {
            engine.receive(id, &std::mem::take(&mut wire.to_server));
        }
        let bytes = engine.output(id);
        let count = bytes.len();
        wire.to_client.extend_from_slice(bytes);
        engine.sent(id, count);
        if count == 0 && engine.flow(id) != Some(Flow::Turn) {
            break;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config {
        seed: Some(Seed::fixed(1)),
        ..Config::default()
    };
    let mut now = Now {
        unix_us: 1_750_000_000_000_000,
        monotonic_us: 0,
    };
    let mut engine = Engine::new(&config, now);
    // What connections speak is said by a listener, even where nothing listens.
    let nowhere = Address::Tcp("nowhere".to_owned(), 0);
    let listener = engine.add_listener(Listen::new(Scheme::Resp, nowhere), "nowhere".to_owned());
    let id = engine.open(listener, Peer::InProcess).ok_or("no room")?;

    let mut wire = Wire::default();
    wire.to_server
        .extend_from_slice(b"SET k v PX 500\r\nGET k\r\nBLPOP li");
    carry(&mut engine, id, &mut wire);
    wire.to_server.extend_from_slice(b"st 1\r\n");
    carry(&mut engine, id, &mut wire);
    assert_eq!(wire.to_client, b"+OK\r\n$1\r\nv\r\n");

    // A second goes by: the key is gone, and so is the client's patience.
    now.unix_us += 1_000_000;
    now.monotonic_us += 1_000_000;
    engine.set_now(now);
    engine.check_waits();
    wire.to_server.extend_from_slice(b"EXISTS k\r\n");
    carry(&mut engine, id, &mut wire);
    println!("{}", wire.to_client.escape_ascii());
    assert_eq!(wire.to_client, b"+OK\r\n$1\r\nv\r\n*-1\r\n:0\r\n");
    engine.close(id);
    Ok(())
}
