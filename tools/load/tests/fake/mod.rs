//! Tiny servers for the five protocols, a thread per connection, as naive as can be and sharing nothing with the
//! tool's own codecs; and ways to make them misbehave.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a server does wrong, and when (counted in requests over all connections).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    None,
    /// Sleeps once for so long, before this request.
    Stall(u64, Duration),
    /// Every so many replies one has a byte changed.
    Corrupt(u64),
    /// Every so many replies one is sent twice.
    Duplicate(u64),
    /// Every so many replies one is left out.
    Drop(u64),
    /// Every so many replies two change places.
    Swap(u64),
    /// From this request on nothing is answered.
    Silent(u64),
    /// At this request the connection is closed.
    Close(u64),
    /// At this request something else is sent.
    Garbage(u64),
    /// From this request on writes are acknowledged and forgotten.
    Forget(u64),
}

#[derive(Default)]
pub struct Data {
    strings: HashMap<Vec<u8>, Vec<u8>>,
    lists: HashMap<Vec<u8>, VecDeque<Vec<u8>>>,
    series: HashMap<String, BTreeMap<i64, f64>>,
    counter: i64,
}

/// A running server.
pub struct Fake {
    pub port: u16,
    pub requests: Arc<AtomicU64>,
    /// All bytes received, in order, where there is one connection.
    pub received: Arc<Mutex<Vec<u8>>>,
}

struct Shared {
    data: Mutex<Data>,
    requests: Arc<AtomicU64>,
    received: Arc<Mutex<Vec<u8>>>,
    trouble: Trouble,
    stalled: Mutex<bool>,
}

impl Fake {
    pub fn start(scheme: &'static str, trouble: Trouble) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let requests = Arc::new(AtomicU64::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared {
            data: Mutex::new(Data::default()),
            requests: Arc::clone(&requests),
            received: Arc::clone(&received),
            trouble,
            stalled: Mutex::new(false),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    stream.set_nodelay(true).expect("nodelay");
                    let _ = serve(scheme, stream, &shared);
                });
            }
        });
        Fake {
            port,
            requests,
            received,
        }
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

/// Reads requests one by one and answers each, minding the trouble.
fn serve(scheme: &str, mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut held: Option<Vec<u8>> = None;
    while let Some(request) = read_request(scheme, &mut input, shared)? {
        let n = shared.requests.fetch_add(1, SeqCst) + 1;
        if let Trouble::Stall(at, how_long) = shared.trouble {
            let mut stalled = shared.stalled.lock().expect("lock");
            if n >= at && !*stalled {
                *stalled = true;
                let until = Instant::now() + how_long;
                while Instant::now() < until {
                    std::thread::sleep(until - Instant::now());
                }
            }
        }
        let forget = matches!(shared.trouble, Trouble::Forget(at) if n >= at);
        let Some(mut reply) = answer(
            scheme,
            &request,
            &mut shared.data.lock().expect("lock"),
            forget,
        ) else {
            return Ok(());
        };
        match shared.trouble {
            Trouble::Corrupt(every) if n.is_multiple_of(every) && reply.len() > 8 => {
                let at = reply.len() - 4;
                reply[at] ^= 1;
            }
            Trouble::Duplicate(every) if n.is_multiple_of(every) => reply.extend(reply.clone()),
            Trouble::Drop(every) if n.is_multiple_of(every) => reply.clear(),
            Trouble::Swap(every)
                if n.is_multiple_of(every) && held.is_none() && reply.len() > 8 =>
            {
                held = Some(reply);
                continue;
            }
            Trouble::Silent(at) if n >= at => continue,
            Trouble::Close(at) if n == at => return Ok(()),
            Trouble::Garbage(at) if n == at => {
                reply = b"<html>502 Bad Gateway</html>\r\n\r\n\n\n".to_vec()
            }
            _ => {}
        }
        if let Some(earlier) = held.take() {
            reply.extend(earlier);
        }
        stream.write_all(&reply)?;
    }
    Ok(())
}

type Words = Vec<Vec<u8>>;

fn read_request(
    scheme: &str,
    input: &mut impl BufRead,
    shared: &Shared,
) -> std::io::Result<Option<Words>> {
    let mut line = Vec::new();
    let take = |input: &mut dyn BufRead, n: usize| {
        let mut body = vec![0; n];
        input.read_exact(&mut body).map(|()| body)
    };
    let request = match scheme {
        "speicher" | "lab+byte" | "lab+digit" => {
            let head = match take(input, if scheme == "speicher" { 4 } else { 1 }) {
                Ok(head) => head,
                Err(_) => return Ok(None),
            };
            let len = match scheme {
                "speicher" => u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize,
                "lab+byte" => usize::from(head[0]),
                _ => usize::from(head[0] - b'0'),
            };
            vec![take(input, len)?]
        }
        _ => {
            if input.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            let text = line.trim_ascii_end().to_vec();
            if scheme == "resp" {
                let count: usize = std::str::from_utf8(&text[1..])
                    .expect("text")
                    .parse()
                    .expect("count");
                let mut words = Vec::new();
                for _ in 0..count {
                    let mut header = Vec::new();
                    input.read_until(b'\n', &mut header)?;
                    let len: usize = std::str::from_utf8(header[1..].trim_ascii_end())
                        .expect("text")
                        .parse()
                        .expect("len");
                    let mut word = take(input, len + 2)?;
                    word.truncate(len);
                    words.push(word);
                }
                words
            } else {
                vec![text]
            }
        }
    };
    let mut received = shared.received.lock().expect("lock");
    if received.len() < 1 << 20 {
        for word in &request {
            received.extend_from_slice(word);
        }
    }
    Ok(Some(request))
}

/// The reply; `None` closes the connection.
fn answer(scheme: &str, request: &Words, data: &mut Data, forget: bool) -> Option<Vec<u8>> {
    match scheme {
        "resp" => Some(resp(request, data, forget)),
        "metrics" => Some(metrics(&request[0], data)),
        "counter" => Some(counter(&request[0], data, forget)),
        "speicher" => Some(speicher(&request[0], data)),
        _ => lab(scheme, &request[0], data),
    }
}

fn resp(words: &Words, data: &mut Data, forget: bool) -> Vec<u8> {
    let bulk = |value: Option<&Vec<u8>>| match value {
        Some(v) => [
            format!("${}\r\n", v.len()).as_bytes(),
            v.as_slice(),
            b"\r\n",
        ]
        .concat(),
        None => b"$-1\r\n".to_vec(),
    };
    let word = |i: usize| words[i].clone();
    match words[0].to_ascii_uppercase().as_slice() {
        b"SET" => {
            if !forget {
                data.strings.insert(word(1), word(2));
            }
            b"+OK\r\n".to_vec()
        }
        b"GET" => bulk(data.strings.get(&words[1])),
        b"DEL" => {
            let gone = data.strings.remove(&words[1]).is_some() | data.lists.remove(&words[1]).is_some();
            format!(":{}\r\n", u8::from(gone)).into_bytes()
        }
        b"HSET" => {
            data.strings.insert([word(1), word(2)].concat(), word(3));
            b":1\r\n".to_vec()
        }
        b"HGET" => bulk(data.strings.get(&[word(1), word(2)].concat())),
        b"EXPIRE" => b":1\r\n".to_vec(),
        b"LPUSH" => {
            let list = data.lists.entry(word(1)).or_default();
            list.push_front(word(2));
            format!(":{}\r\n", list.len()).into_bytes()
        }
        b"RPOP" => bulk(data.lists.entry(word(1)).or_default().pop_back().as_ref()),
        b"INFO" => bulk(Some(&b"redis_version:7.2.4\r\nserver_name:fake\r\nused_cpu_user:1.5\r\nused_cpu_sys:0.5\r\n".to_vec())),
        _ => b"-ERR unknown command\r\n".to_vec(),
    }
}

fn metrics(line: &[u8], data: &mut Data) -> Vec<u8> {
    let text = String::from_utf8_lossy(line).into_owned();
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["put", key, value, timestamp] => {
            let rows = data.series.entry(key.to_string()).or_default();
            rows.insert(
                timestamp.parse().expect("timestamp"),
                value.parse().expect("value"),
            );
            b"ok\n\n".to_vec()
        }
        ["get", key] => {
            let rows = data.series.get(*key).cloned().unwrap_or_default();
            let rows: String = rows
                .iter()
                .map(|(t, v)| format!("{key} {v:?} {t}\n"))
                .collect();
            format!("ok\n{rows}\n").into_bytes()
        }
        _ => b"error\nwrong command\n\n".to_vec(),
    }
}

fn counter(line: &[u8], data: &mut Data, forget: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(line).into_owned();
    let mut add = |n: i64| {
        data.counter += if forget { 0 } else { n };
        b"ok\n".to_vec()
    };
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["incr"] => add(1),
        ["decr"] => add(-1),
        ["add", n] => add(n.parse().expect("number")),
        ["get"] => format!("val {}\n", data.counter).into_bytes(),
        _ => b"err\n".to_vec(),
    }
}

fn lab(scheme: &str, message: &[u8], data: &mut Data) -> Option<Vec<u8>> {
    match message.first() {
        Some(b's') => {
            let colon = message.iter().position(|b| *b == b':')?;
            data.strings
                .insert(message[1..colon].to_vec(), message[colon + 1..].to_vec());
            Some(Vec::new())
        }
        Some(b'r') => {
            let value = data.strings.get(&message[1..]).cloned().unwrap_or_default();
            Some(match scheme {
                "lab+byte" => [&[value.len() as u8], value.as_slice()].concat(),
                "lab+digit" => value,
                _ => [value.as_slice(), b"\r\n"].concat(),
            })
        }
        _ => None,
    }
}

fn speicher(body: &[u8], data: &mut Data) -> Vec<u8> {
    let request: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let key = request["key"].as_str().expect("key").as_bytes().to_vec();
    let reply = match request["command"].as_str() {
        Some("SET") => {
            data.strings.insert(
                key,
                request["value"]
                    .as_str()
                    .expect("value")
                    .as_bytes()
                    .to_vec(),
            );
            serde_json::json!({"status_code": 200})
        }
        Some("GET") => match data.strings.get(&key) {
            Some(v) => serde_json::json!({"status_code": 200, "value": String::from_utf8_lossy(v)}),
            None => serde_json::json!({"status_code": 404}),
        },
        _ => match data.strings.remove(&key) {
            Some(_) => serde_json::json!({"status_code": 200}),
            None => serde_json::json!({"status_code": 404}),
        },
    };
    let text = reply.to_string();
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

/// Reads whatever a client sends, so that a test can hold a port that never answers.
pub fn black_hole() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut sink = [0; 4096];
                while stream.read(&mut sink).is_ok_and(|n| n > 0) {}
            });
        }
    });
    port
}
