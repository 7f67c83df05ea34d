//! TLS over real sockets: all protocols, client certificates, users by certificate, reloads, and those who do not behave.
#![cfg(unix)]

mod process;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use process::{Daemon, Folder, PATIENCE, ask, expect, until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Somebody who signs, and the files of those whom he has signed.
struct Authority {
    folder: Folder,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
struct Identity {
    cert: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "CA");
        let certificate = params.self_signed(&key).unwrap().pem();
        let folder = Folder::new(name);
        folder.file("ca.pem", &certificate);
        Authority {
            folder,
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes a certificate for `name`, in the files `file.pem` and `file.key`.
    fn sign(&self, file: &str, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            cert: self.folder.file(&format!("{file}.pem"), &certificate.pem()),
            key: self
                .folder
                .file(&format!("{file}.key"), &key.serialize_pem()),
        }
    }

    /// The flags of a daemon that shows a certificate of this authority, and knows others of it.
    fn flags(&self) -> Vec<String> {
        let server = self.sign("server", "server");
        let flag = |name: &str, path: PathBuf| [name.to_owned(), path.display().to_string()];
        [
            flag("--tls-cert-file", server.cert),
            flag("--tls-key-file", server.key),
            flag("--tls-ca-cert-file", self.folder.path("ca.pem")),
        ]
        .concat()
    }

    fn connect(&self, address: &str, identity: Option<&Identity>) -> Stream {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&identity.cert).unwrap()],
                    PrivateKeyDer::from_pem_file(&identity.key).unwrap(),
                )
                .unwrap(),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(client, process::connect(address))
    }
}

fn resp_flags(authority: &Authority, more: &[&str]) -> Vec<String> {
    let mut flags = authority.flags();
    flags.extend(["--listen", "resp+tls://127.0.0.1:0"].map(str::to_owned));
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    flags
}

#[test]
fn all_protocols_are_spoken_through_tls() {
    let authority = Authority::new("tls-protocols");
    let client = authority.sign("client", "client");
    let mut flags = authority.flags();
    for scheme in process::SCHEMES {
        flags.extend(["--listen".to_owned(), format!("{scheme}+tls://127.0.0.1:0")]);
    }
    let daemon = Daemon::start(&flags);
    let set = br#"{"command":"SET","key":"k","value":1}"#;
    let framed = [&(set.len() as u32).to_be_bytes(), &set[..]].concat();
    let exchanges: [(&str, &[u8], &[u8]); 7] = [
        ("resp", b"PING\r\n", b"+PONG\r\n"),
        ("metrics", b"put m 1 1\n", b"ok\n\n"),
        ("counter", b"incr\nget\n", b"ok\nval 1\n"),
        ("lab", b"sname:v\r\nrname\r\n", b"v\r\n"),
        ("lab+byte", b"\x06sn:fou\x02rn", b"\x03fou"),
        ("lab+digit", b"", b""),
        ("speicher", &framed, b"\0\0\0\x13{\"status_code\":200}"),
    ];
    for (scheme, request, reply) in exchanges {
        let mut stream = authority.connect(daemon.address(scheme), Some(&client));
        ask(&mut stream, request, reply);
    }
}

#[test]
fn much_comes_whole_however_slowly_it_is_read() {
    let authority = Authority::new("tls-much");
    let flags = resp_flags(&authority, &["--tls-auth-clients", "no"]);
    let daemon = Daemon::start(&flags);
    let address = daemon.address("resp");
    let mut stream = authority.connect(address, None);
    let value: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len());
    ask(
        &mut stream,
        &[head.as_bytes(), &value, b"\r\n"].concat(),
        b"+OK\r\n",
    );
    stream.write_all(&b"GET k\r\n".repeat(5)).unwrap();
    let reply = [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
    let mut got = vec![0; reply.len()];
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(50));
        stream.read_exact(&mut got).unwrap();
        assert!(got == reply, "something else came");
    }
    // The last word arrives, and the end is announced.
    stream.write_all(b"ECHO last\r\nQUIT\r\n").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"$4\r\nlast\r\n+OK\r\n");
}

#[test]
fn whoever_has_no_certificate_is_not_let_in() {
    let authority = Authority::new("tls-clients");
    let others = Authority::new("tls-others");
    let client = authority.sign("client", "client");
    let stranger = others.sign("stranger", "client");
    let daemon = Daemon::start(resp_flags(&authority, &[]));
    let address = daemon.address("resp");
    let mut stream = authority.connect(address, Some(&client));
    ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
    for identity in [None, Some(&stranger)] {
        let mut refused = authority.connect(address, identity);
        let mut answer = Vec::new();
        let sent = refused
            .write_all(b"PING\r\n")
            .and_then(|()| refused.flush());
        let read = sent.and_then(|()| refused.read_to_end(&mut answer));
        assert!(read.is_err() && answer.is_empty(), "{read:?}: {answer:?}");
    }
    // In the clear there is nothing to be had, and nobody else is disturbed.
    let mut clear = process::connect(address);
    clear.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.windows(4).any(|four| four == b"PONG"), "{answer:?}");
    ask(&mut stream, b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn a_certificate_says_who_a_client_is() {
    let authority = Authority::new("tls-users");
    let (alice, nobody) = (
        authority.sign("alice", "alice"),
        authority.sign("nobody", "nobody"),
    );
    let more = [
        "--tls-auth-clients-user",
        "CN",
        "--tls-auth-clients",
        "optional",
        "--user",
        "alice on resetpass +get +acl|whoami ~a*",
        "--requirepass",
        "secret",
    ];
    let daemon = Daemon::start(resp_flags(&authority, &more));
    let address = daemon.address("resp");
    let mut stream = authority.connect(address, Some(&alice));
    ask(&mut stream, b"ACL WHOAMI\r\n", b"$5\r\nalice\r\n");
    ask(&mut stream, b"GET a\r\n", b"$-1\r\n");
    ask(
        &mut stream,
        b"GET b\r\n",
        b"-NOPERM No permissions to access a key\r\n",
    );
    for identity in [Some(&nobody), None] {
        let mut stream = authority.connect(address, identity);
        ask(
            &mut stream,
            b"GET a\r\n",
            b"-NOAUTH Authentication required.\r\n",
        );
        ask(&mut stream, b"AUTH secret\r\nGET a\r\n", b"+OK\r\n$-1\r\n");
    }
}

#[test]
fn certificates_are_read_anew() {
    let authority = Authority::new("tls-reload");
    let flags = resp_flags(&authority, &["--tls-auth-clients", "no"]);
    let daemon = Daemon::start(&flags);
    let address = daemon.address("resp");
    let shown = |stream: &Stream| stream.conn.peer_certificates().unwrap()[0].clone();
    let mut old = authority.connect(address, None);
    ask(&mut old, b"PING\r\n", b"+PONG\r\n");
    let before = shown(&old);

    // Half of the change is none: the new certificate does not go with the old key.
    let other = authority.sign("other", "server");
    let pem = other.cert.display();
    old.write_all(format!("CONFIG SET tls-cert-file {pem}\r\n").as_bytes())
        .unwrap();
    expect(&mut old, b"-ERR CONFIG SET failed (", "the half change");
    let mut rest = [0; 1];
    while rest != *b"\n" {
        old.read_exact(&mut rest).unwrap();
    }
    let mut same = authority.connect(address, None);
    ask(&mut same, b"PING\r\n", b"+PONG\r\n");
    assert_eq!(shown(&same), before);
    let key = other.key.display();
    let both = format!("CONFIG SET tls-cert-file {pem} tls-key-file {key}\r\n");
    ask(&mut old, both.as_bytes(), b"+OK\r\n");
    let mut new = authority.connect(address, None);
    ask(&mut new, b"PING\r\n", b"+PONG\r\n");
    let changed = shown(&new);
    assert_ne!(changed, before);

    // A renewed certificate in the place of the one that the settings name; and one that is broken.
    authority.sign("server", "server");
    daemon.signal(Signal::HUP);
    daemon.expect_log("as in the settings now");
    let mut newer = authority.connect(address, None);
    ask(&mut newer, b"PING\r\n", b"+PONG\r\n");
    let renewed = shown(&newer);
    assert!(renewed != changed && renewed != before);
    authority.folder.file("server.pem", "nothing");
    daemon.signal(Signal::HUP);
    daemon.expect_log("nothing is changed");
    let mut still = authority.connect(address, None);
    ask(&mut still, b"PING\r\n", b"+PONG\r\n");
    assert_eq!(shown(&still), renewed);
    // Whoever was there all the time has not noticed.
    ask(&mut old, b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn handshakes_that_go_nowhere_cost_little() {
    let authority = Authority::new("tls-slow");
    let more = ["--tls-auth-clients", "no", "--request-timeout-s", "1"];
    let daemon = Daemon::start(resp_flags(&authority, &more));
    let address = daemon.address("resp");
    // The head of a long record, and no more.
    let mut stuck: Vec<TcpStream> = (0..100).map(|_| process::connect(address)).collect();
    for stream in &mut stuck {
        stream.write_all(&[0x16, 3, 1, 0x10, 0, 1]).unwrap();
    }
    let mut good = authority.connect(address, None);
    ask(&mut good, b"PING\r\n", b"+PONG\r\n");
    for stream in &mut stuck {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut word = [0; 64];
        let ended = until(PATIENCE, "its end", || match stream.read(&mut word) {
            Ok(0) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        if let Err(error) = ended {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }
    ask(&mut good, b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn redis_cli_gets_in() {
    let authority = Authority::new("tls-cli");
    let client = authority.sign("client", "client");
    let daemon = Daemon::start(resp_flags(&authority, &[]));
    let (_, port) = daemon.address("resp").rsplit_once(':').unwrap();
    let path = |path: &PathBuf| path.display().to_string();
    let args = [
        "--tls",
        "-p",
        port,
        "--sni",
        "localhost",
        "--insecure",
        "--cert",
        &path(&client.cert),
        "--key",
        &path(&client.key),
        "INCRBY",
        "n",
        "41",
    ];
    let Ok(ran) = std::process::Command::new("redis-cli").args(args).output() else {
        return eprintln!("no redis-cli here");
    };
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(
        said.trim(),
        "41",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let authority = Authority::new("tls-wrong");
    let server = authority.sign("server", "server");
    let cert = server.cert.display().to_string();
    let key = server.key.display().to_string();
    for (flags, why) in [
        (vec!["--tls-cert-file", &cert], "TLS needs tls-key-file"),
        (
            vec!["--tls-cert-file", &cert, "--tls-key-file", &key],
            "TLS needs tls-ca-cert-file",
        ),
        (
            vec!["--tls-cert-file", &key, "--tls-key-file", &key],
            "TLS needs tls-ca-cert-file",
        ),
        (
            vec![
                "--tls-auth-clients",
                "no",
                "--tls-cert-file",
                &key,
                "--tls-key-file",
                &key,
            ],
            "there is no certificate in it",
        ),
        (
            vec!["--tls-auth-clients", "maybe"],
            "must be yes, optional or no",
        ),
    ] {
        let ended = process::run(&flags);
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{flags:?}: {}", ended.stderr);
    }
    let ended = process::run(["--listen", "resp+tls://127.0.0.1:0"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("TLS needs a certificate"),
        "{}",
        ended.stderr
    );
}
