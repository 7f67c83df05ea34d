//! The server within a tokio program, on the program's only thread: tokio's poller watches the server's.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use pentad::Server;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Turns the server whenever it has something to do, for ever.
async fn turn(server: &RefCell<Server>) -> io::Result<()> {
    // A second descriptor of the same poller, so that the server is free to be turned meanwhile.
    let descriptor = server.borrow().as_fd().try_clone_to_owned()?;
    #[allow(
        deprecated,
        reason = "its successor is unsafe, for descriptors that lie about themselves: an OwnedFd does not"
    )]
    let descriptor = AsyncFd::new(descriptor)?;
    loop {
        let timeout = server.borrow().next_timeout();
        let sleep = tokio::time::sleep(timeout.unwrap_or(Duration::from_secs(3600)));
        tokio::select! {
            ready = descriptor.readable() => ready?.clear_ready(),
            () = sleep => {}
        }
        // Never waits. It takes all events that there are, so that the next edge is a new one.
        server.borrow_mut().turn(Some(Duration::ZERO))?;
    }
}

async fn client(address: &str) -> Result<String, Box<dyn Error>> {
    let mut client = TcpStream::connect(address).await?;
    client
        .write_all(b"SET greeting hello\r\nBLPOP jobs 5\r\n")
        .await?;
    let mut reply = String::new();
    let mut bytes = [0; 64];
    while !reply.ends_with("job\r\n") {
        let count = client.read(&mut bytes).await?;
        reply.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if count == 0 {
            break;
        }
    }
    Ok(reply)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().listen("resp://127.0.0.1:0").build()?;
    let address = server.addresses().next().ok_or("no listener")?.1.to_owned();
    let handle = server.handle();
    let server = RefCell::new(server);

    let program = async {
        // A result of the loop can be awaited like any other.
        let host = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let pushed =
                handle.submit(|store| store.list("jobs").map(|mut jobs| jobs.push_back("job")));
            pushed.await
        };
        let (reply, pushed) = tokio::join!(client(&address), host);
        pushed??;
        reply
    };
    let reply = tokio::select! {
        ended = turn(&server) => return Err(format!("the server ended: {ended:?}").into()),
        reply = program => reply?,
    };
    println!("{}", reply.escape_debug());
    assert_eq!(reply, "+OK\r\n*2\r\n$4\r\njobs\r\n$3\r\njob\r\n");
    assert_eq!(
        server.borrow_mut().store().get_vec("greeting")?.as_deref(),
        Some(&b"hello"[..])
    );
    Ok(())
}
