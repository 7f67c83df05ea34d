//! A program with data of its own, and open ports on the same data: it keeps a word count at memory speed, and any Redis
//! client can look at it, or join in.
//!
//! `cargo run --example own_data` shows it and ends; with a text file as argument it counts that file's words.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use pentad::{Handle, Server, SubmitError};

const TEXT: &str = "the server is in the program and the program is in charge";

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => TEXT.to_owned(),
    };
    let mut server = Server::builder().listen("resp://127.0.0.1:0").build()?;
    let address = server.addresses().next().ok_or("no listener")?.1.to_owned();

    // Before anybody can connect: no thread, no lock, no copy; a call costs what a call costs.
    count_words(&mut server, &text)?;

    // From here on the server turns on its own thread, and the program goes on in this one.
    let server = server.spawn()?;
    println!("most frequent: {:?}", most_frequent(server.handle())?);
    println!("  or: redis-cli -u redis://{address} ZREVRANGE words 0 2 WITHSCORES");

    let mut client = BufReader::new(TcpStream::connect(&address)?);
    client
        .get_mut()
        .write_all(b"ZINCRBY words 100 pentad\r\n")?;
    client.read_line(&mut String::new())?;
    let most = most_frequent(server.handle())?;
    println!("after a client joined in: {most:?}");
    assert_eq!(most[0].0, "pentad");
    server.stop()?;
    Ok(())
}

fn count_words(server: &mut Server, text: &str) -> Result<(), Box<dyn Error>> {
    let mut store = server.store();
    let mut words = store.zset("words")?;
    for word in text.split_whitespace() {
        words.incr_by(word, 1.0)?;
    }
    store.set_for("counted", "recently", Duration::from_secs(3600));
    Ok(())
}

fn most_frequent(handle: &Handle) -> Result<Vec<(String, f64)>, SubmitError> {
    let most = handle.submit(|store| match store.zset("words") {
        Ok(words) => words.range(-3, -1),
        Err(_) => Vec::new(),
    });
    let own = |(word, count): (Vec<u8>, f64)| (String::from_utf8_lossy(&word).into_owned(), count);
    Ok(most.wait()?.into_iter().rev().map(own).collect())
}
