//! RDB files: one is refused, or loaded; what is loaded is saved and loads again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::keyspace::{Keyspace, Seed};
use pentad::rdb::{Loader, Reader, Version, Writer, save};

fn load(file: &[u8]) -> Option<(Keyspace, u64)> {
    let mut keyspace = Keyspace::new(Seed::fixed(1), 16);
    let mut loader = Loader::new(Reader::new(file).ok()?, true);
    while loader.step(&mut keyspace, 10).ok()? {}
    let keys = keyspace.len() as u64;
    Some((keyspace, keys))
}

fn write(keyspace: &Keyspace) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Version::V11).expect("memory takes it");
    save(keyspace, &mut writer, true).expect("memory takes it");
    writer.finish().expect("memory takes it")
}

fuzz_target!(|data: &[u8]| {
    // Checksums would keep everything out: of zero means none.
    let mut file = data.to_vec();
    file.extend_from_slice(b"\xff\0\0\0\0\0\0\0\0");
    for file in [data, &file] {
        let Some((keyspace, keys)) = load(file) else {
            continue;
        };
        let written = write(&keyspace);
        let (again, keys_again) = load(&written).expect("what was saved can be loaded");
        assert_eq!(keys_again, keys);
        assert_eq!(write(&again).len(), written.len());
    }
});
