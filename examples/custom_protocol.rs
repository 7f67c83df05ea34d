//! A protocol of the program's own, next to RESP, on the same data: a notice board to be used with netcat.
//!
//! `post <text>` puts a notice up, `list` shows all, `quit` ends. `cargo run --example custom_protocol` shows it and ends;
//! with an address as argument (`127.0.0.1:7000`) it serves there.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use pentad::{Next, Protocol, ProtocolCx, Server};

/// Lines above this are no notice.
const LINE_BYTES_MAX: usize = 1000;

/// A conversation: it has no state but its input.
struct Board;

impl Protocol for Board {
    fn step(&mut self, input: &[u8], cx: &mut ProtocolCx<'_>) -> Next {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return if input.len() > LINE_BYTES_MAX {
                Next::Close
            } else {
                Next::NeedMore
            };
        };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        match line {
            b"quit" => return Next::Close,
            b"list" => list(cx),
            _ => match line.strip_prefix(b"post ") {
                Some(text) => post(text, cx),
                None => cx.write(b"post <text>, list or quit\n"),
            },
        }
        Next::Done(end + 1)
    }
}

fn post(text: &[u8], cx: &mut ProtocolCx<'_>) {
    let mut store = cx.store();
    let posted = store.list("board").map(|mut board| board.push_back(text));
    match posted {
        Ok(count) => cx.write(format!("{count} notices\n").as_bytes()),
        Err(error) => cx.write(format!("sorry: {error}\n").as_bytes()),
    }
}

fn list(cx: &mut ProtocolCx<'_>) {
    let notices = cx.store().list("board").map(|board| board.range(0, -1));
    for notice in notices.unwrap_or_default() {
        cx.write(&[b"- ", &notice[..], b"\n"].concat());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let mut server = Server::builder()
        .protocol("board", || Board)
        .listen(format!(
            "board://{}",
            address.as_deref().unwrap_or("127.0.0.1:0")
        ))
        .listen("resp://127.0.0.1:0")
        .build()?;
    for (scheme, address) in server.addresses() {
        println!("listening {scheme} {address}");
    }
    if address.is_some() {
        loop {
            server.turn(None)?;
        }
    }
    let server = server.spawn()?;
    // What a Redis client writes is on the board, too.
    let pushed = server
        .handle()
        .submit(|store| store.execute(["RPUSH", "board", "from redis"]));
    pushed.wait()??;
    let mut client = TcpStream::connect(server.address().ok_or("no listener")?)?;
    client.write_all(b"post hello\nlist\nquit\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    print!("{answer}");
    assert_eq!(answer, "2 notices\n- from redis\n- hello\n");
    Ok(())
}
