//! Journals: what cannot be read is said, and can be repaired; what can be read reads the same again.
#![no_main]

use std::cell::OnceCell;
use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pentad::Scheme;
use pentad::storage::Fsync;
use pentad::storage::disk::Disk;
use pentad::storage::journal::{self, Journal, JournalOptions};
use pentad_fuzz::common::Driven;
use pentad_fuzz::disk::SimDisk;
use pentad_fuzz::frame::frame;

thread_local! {
    static GOOD: OnceCell<BTreeMap<String, Vec<u8>>> = const { OnceCell::new() };
}

fn open(disk: &SimDisk) -> Option<Driven> {
    let mut driven = pentad_fuzz::server();
    let options = JournalOptions {
        fsync: Fsync::Always,
        segment_bytes: 100_000,
    };
    driven
        .engine
        .set_storage(Box::new(Journal::open(disk.clone(), options).ok()?));
    while driven.engine.is_loading() {
        driven.engine.load_some().ok()?;
    }
    Some(driven)
}

/// The files of a journal with some changes.
fn good() -> BTreeMap<String, Vec<u8>> {
    let disk = SimDisk::new(1);
    let mut driven = open(&disk).expect("an empty disk");
    let id = driven.open(Scheme::Resp);
    for request in [
        "SET a 1",
        "RPUSH l a b",
        "PEXPIRE a 100000",
        "XADD x 1-1 f v",
        "HSET h f v",
        "DEL l",
    ] {
        driven
            .engine
            .receive(id, format!("{request}\r\n").as_bytes());
        driven.engine.tend_storage();
        driven.engine.take_touched(&mut Vec::new());
    }
    disk.kill();
    disk.contents()
}

fuzz_target!(|data: &[u8]| {
    let mut files = GOOD.with(|cell| cell.get_or_init(good).clone());
    let Some((&mode, data)) = data.split_first() else {
        return;
    };
    let Some(last) = files.values_mut().max_by_key(|file| file.len()) else {
        return;
    };
    match mode % 3 {
        // Frames whose checksums are right.
        0 => data
            .split(|byte| *byte == 0xff)
            .filter(|part| !part.is_empty())
            .for_each(|part| last.extend(frame(part))),
        // Bytes in other places: two say where, one says what.
        1 => {
            for edit in data.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % last.len();
                last[at] = edit[2];
            }
        }
        _ => last.extend_from_slice(data),
    }
    let mut disk = SimDisk::new(1);
    for (name, bytes) in &files {
        let file = disk.create(name).expect("a disk without faults");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = disk.append(file, rest).expect("a disk without faults");
            rest = &rest[count..];
        }
        disk.sync(&[file]).expect("a disk without faults");
        disk.close(file);
    }
    let _ = journal::check(&mut disk);
    match open(&disk) {
        Some(mut driven) => {
            let contents = driven.contents();
            disk.kill();
            let mut again = open(&disk).expect("it could be read before");
            assert_eq!(again.contents(), contents);
        }
        None => {
            disk.kill();
            let _ = journal::repair(&mut disk);
            disk.kill();
            open(&disk);
        }
    }
});
