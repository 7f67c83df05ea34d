//! Values of every type, written and read back; and what is damaged, which must be refused or be another whole value.

use super::ziplist::tests::ziplist;
use super::*;
use crate::keyspace::collections::list::End;
use crate::keyspace::series::{DuplicatePolicy, LabelPair, Series};
use crate::keyspace::stream::{Keep, NewId, StreamId, Trim};
use crate::keyspace::{
    Content, Data, Entry, Hash, Json, KeyedState, List, Parsed, Rng, Set, Settings, Stream, Value,
    ZSet,
};

fn settings() -> Settings {
    Settings::new(KeyedState { k0: 1, k1: 2 })
}

/// Texts as keys' values have them: numbers of all sizes, short and long ones, ones that compress and ones that do not.
fn text(rng: &mut Rng) -> Vec<u8> {
    match rng.below(8) {
        0 => ((rng.next_u64() as i64) >> rng.below(64))
            .to_string()
            .into_bytes(),
        1 => b"abc".repeat(rng.index(60)),
        2 => (0..rng.index(300)).map(|_| rng.next_u64() as u8).collect(),
        _ => format!("m{}", rng.below(1000)).into_bytes(),
    }
}

fn list(rng: &mut Rng, len: usize) -> Value {
    let mut list = List::new();
    for _ in 0..len {
        list.push(End::Back, &text(rng), &settings());
    }
    Value::List(Box::new(list))
}

fn set(rng: &mut Rng, len: usize, only_ints: bool) -> Value {
    let mut set = Set::intset();
    for _ in 0..len {
        let int = (rng.next_u64() as i64) >> rng.below(64);
        if only_ints {
            set.insert_entry(Entry::Int(int), &settings());
        } else {
            set.insert(&text(rng), &settings());
        }
    }
    Value::Set(Box::new(set))
}

fn hash(rng: &mut Rng, len: usize) -> Value {
    let mut hash = Hash::new();
    for _ in 0..len {
        hash.set(&text(rng), &text(rng), &settings());
    }
    Value::Hash(Box::new(hash))
}

fn zset(rng: &mut Rng, len: usize) -> Value {
    let mut zset = ZSet::default();
    for _ in 0..len {
        let score = match rng.below(6) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => rng.below(100) as f64 - 50.0,
            3 => 0.1,
            _ => f64::from_bits(rng.next_u64()),
        };
        let _ = zset.insert(&text(rng), score, &settings());
    }
    Value::SortedSet(Box::new(zset))
}

fn stream(rng: &mut Rng, len: usize) -> Value {
    let mut stream = Stream::new();
    let mut ids = Vec::new();
    for n in 0..len as u64 {
        let names: &[&str] = match rng.below(3) {
            0 => &["a", "12"],
            1 => &["b"],
            _ => &["long name"],
        };
        let fields: Vec<(&[u8], Vec<u8>)> = names
            .iter()
            .map(|name| (name.as_bytes(), text(rng)))
            .collect();
        let id = StreamId::new(n / 4 + 1, n);
        let pairs = fields.iter().map(|(name, value)| (*name, &value[..]));
        stream.log.append(NewId::Exact(id), 0, pairs).unwrap();
        ids.push(id);
    }
    for id in &ids {
        if rng.below(4) == 0 {
            stream.log.delete(*id);
        }
    }
    let keep = Keep::Last(rng.below(len as u64 + 1));
    if rng.below(3) == 0 {
        let approximate = Some(0);
        stream.log.trim(Trim { keep, approximate });
    }
    for name in [&b"g"[..], b"empty", b""] {
        let read = Some(rng.below(9)).filter(|read| *read > 4);
        stream.create_group(name, StreamId::MIN, read).unwrap();
    }
    for round in 0..6 {
        let consumer = [&b"c"[..], b"d"][rng.index(2)];
        let count = rng.index(9);
        stream
            .read_new(b"g", consumer, count, false, 1000 + round)
            .unwrap();
        if let Some(id) = ids.get(rng.index(ids.len() + 1)) {
            stream.acknowledge(b"g", &[*id]).unwrap();
        }
    }
    stream.create_consumer(b"g", b"idle", 77).unwrap();
    Value::Stream(Box::new(stream))
}

fn series(rng: &mut Rng, len: usize) -> Value {
    let mut series = Series::new();
    series.set_chunk_size_bytes(128);
    series.set_duplicate_policy(Some(DuplicatePolicy::Max));
    series.set_labels(vec![
        LabelPair::new(b"site", b"a").unwrap(),
        LabelPair::new(b"12", b"34").unwrap(),
    ]);
    for n in 0..len as i64 {
        let timestamp = n * 10 - 500;
        let value = rng.below(1000) as f64 / 7.0;
        series.add(timestamp, value, None).unwrap();
    }
    series.set_retention_ms(5000);
    Value::Series(Box::new(series))
}

fn json(text: &[u8]) -> Value {
    match Json::parse(text) {
        Ok(Parsed::Document(json)) => Value::Json(Box::new(json)),
        _ => panic!("a document"),
    }
}

/// Some of everything, small and large.
fn values() -> Vec<Value> {
    let mut rng = Rng::seeded(90);
    let mut values = Vec::new();
    for len in [1, 3, 20, 128, 129, 600, 3000] {
        values.push(list(&mut rng, len));
        values.push(set(&mut rng, len, true));
        values.push(set(&mut rng, len, false));
        values.push(hash(&mut rng, len));
        values.push(zset(&mut rng, len));
        values.push(stream(&mut rng, len));
        values.push(series(&mut rng, len));
    }
    values.push(Value::Stream(Box::default()));
    values.push(Value::Series(Box::default()));
    values.push(json(b"{\"a\": [1, 2.50, null], \"b\": {\"c\": \"d\"}}"));
    values.push(json(b"123456789012345678901234567890"));
    values.push(Value::string(b"to be or not to be ".repeat(1000)));
    let mut long = List::new();
    long.push(End::Back, &vec![b'x'; 2 << 20], &settings());
    long.push(End::Back, b"short", &settings());
    values.push(Value::List(Box::new(long)));
    values
}

fn encoded(value: &Value, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(Data::Value(value), version, &mut bytes);
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Option<Content<'static>>, RdbError> {
    decode_whole(bytes, u64::MAX, &settings())
}

/// All that can be read of a value, as text; in no order where there is none.
fn shown(data: Data<'_>) -> String {
    let sorted = |mut items: Vec<String>| {
        items.sort();
        items.join(" ")
    };
    let value = match data {
        Data::Bytes { bytes, .. } => return format!("string {}", bytes.escape_ascii()),
        Data::Int(int) => return format!("string {int}"),
        Data::Value(value) => value,
    };
    match value {
        Value::String(bytes) => format!("string {}", bytes.escape_ascii()),
        Value::List(list) => {
            assert_eq!(list.iter().count(), list.len());
            let all: Vec<_> = list.iter().collect();
            for (index, element) in all.iter().enumerate() {
                assert_eq!(list.get(index), Some(*element));
            }
            format!("{} {all:?}", list.encoding())
        }
        Value::Set(set) => {
            assert_eq!(set.iter().count(), set.len());
            set.iter().for_each(|one| assert!(set.contains_entry(one)));
            let members = set.iter().map(|one| Entry::parse(&one.to_vec()).to_vec());
            sorted(members.map(|one| one.escape_ascii().to_string()).collect())
        }
        Value::Hash(hash) => {
            assert_eq!(hash.iter().count(), hash.len());
            let pair = |(field, value): (Entry<'_>, Entry<'_>)| {
                assert_eq!(
                    hash.get(&field.to_vec()).map(Entry::to_vec),
                    Some(value.to_vec())
                );
                let (field, value) = (field.to_vec(), value.to_vec());
                format!("{}={}", field.escape_ascii(), value.escape_ascii())
            };
            hash.encoding().to_owned() + " " + &sorted(hash.iter().map(pair).collect())
        }
        Value::SortedSet(zset) => {
            assert_eq!(zset.iter().count(), zset.len());
            let mut all = zset.encoding().to_owned();
            for (rank, (member, score)) in zset.iter().enumerate() {
                let member = member.to_vec();
                assert_eq!(zset.rank(&member), Some(rank));
                assert_eq!(zset.score(&member), Some(score));
                all += &format!(" {}={score}", member.escape_ascii());
            }
            all
        }
        Value::Stream(stream) => {
            let info = stream.info();
            let mut all = format!(
                "{} {} {} {} {} {}",
                info.length,
                info.radix_tree_keys,
                info.last_generated_id,
                info.max_deleted_entry_id,
                info.entries_added,
                info.recorded_first_entry_id
            );
            for entry in stream.log.range(StreamId::MIN, StreamId::MAX) {
                let fields: Vec<_> = entry.fields().collect();
                all += &format!(" {} {fields:?}", entry.id);
            }
            for info in stream.groups() {
                let group = info.group;
                let consumers: Vec<_> = group.consumers().collect();
                let query = crate::keyspace::stream::PendingQuery::ALL;
                let pending: Vec<_> = group.pending(&query).collect();
                let read = (group.last_delivered_id(), group.entries_read());
                all += &format!(" {info:?} {read:?} {consumers:?} {pending:?}");
            }
            all
        }
        Value::Json(json) => format!("json {}", json.text().escape_ascii()),
        Value::Series(series) => format!(
            "{} {} {:?} {:?} {:?}",
            series.retention_ms(),
            series.chunk_size_bytes(),
            series.duplicate_policy(),
            series.labels(),
            series.range(i64::MIN..=i64::MAX).collect::<Vec<_>>()
        ),
    }
}

#[test]
fn values_come_back() {
    for value in values() {
        let bytes = encoded(&value, Version::V11);
        let back = decoded(&bytes).unwrap().unwrap();
        assert_eq!(shown(back.data()), shown(Data::Value(&value)));
        if let (Value::Set(before), Data::Value(Value::Set(after))) = (&value, back.data()) {
            assert_eq!(after.encoding(), before.encoding());
        }
        let again = encoded_content(&back, Version::V11);
        // A table may have its elements in another order.
        if !matches!(&value, Value::Set(_) | Value::Hash(_) if again != bytes) {
            assert_eq!(again, bytes);
        }
    }
}

fn encoded_content(content: &Content<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(content.data(), version, &mut bytes);
    bytes
}

#[test]
fn what_is_written_for_7_0_comes_back_but_for_when_consumers_were_active() {
    for value in values() {
        let back = decoded(&encoded(&value, Version::V10)).unwrap().unwrap();
        let (back, value) = (shown(back.data()), shown(Data::Value(&value)));
        let without_active = |text: &str| {
            let mut parts = text.split(" active_ms: ");
            let mut kept = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                kept += part.split_once(" }").map_or(part, |(_, rest)| rest);
            }
            kept
        };
        assert_eq!(without_active(&back), without_active(&value));
    }
}

#[test]
fn strings_come_back() {
    let texts = [
        "",
        "a",
        "0",
        "-1",
        "00",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
    ];
    for text in texts {
        let mut bytes = Vec::new();
        let content = Content::string(text.as_bytes().into());
        encode(content.data(), Version::V10, &mut bytes);
        let back = decoded(&bytes).unwrap().unwrap();
        assert_eq!(shown(back.data()), format!("string {text}"));
        let is_int = matches!(back, Content::Int(_));
        assert_eq!(is_int, text.parse::<i64>().is_ok() && text != "00");
    }
}

#[test]
fn every_cut_is_refused() {
    for value in values() {
        let bytes = encoded(&value, Version::V11);
        let step = 1 + bytes.len() / 50;
        for end in (0..bytes.len()).step_by(step) {
            assert!(
                decode(&mut Slice::new(&bytes[..end], u64::MAX), &settings()).is_err(),
                "{} of {}",
                end,
                bytes.len()
            );
        }
    }
}

#[test]
fn what_is_damaged_is_refused_or_whole() {
    let mut rng = Rng::seeded(91);
    let (mut refused, mut whole) = (0, 0);
    let good: Vec<Vec<u8>> = values()
        .iter()
        .flat_map(|value| [Version::V10, Version::V11].map(|version| encoded(value, version)))
        .filter(|bytes| bytes.len() < 3000)
        .collect();
    for _ in 0..15_000 {
        let mut bytes = good[rng.index(good.len())].clone();
        for _ in 0..1 + rng.index(3) {
            let at = rng.index(bytes.len());
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes[at] = rng.next_u64() as u8,
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.next_u64() as u8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        match decode(&mut Slice::new(&bytes, 1 << 20), &settings()) {
            Ok(Some(content)) => {
                shown(content.data());
                whole += 1;
            }
            Ok(None) | Err(_) => refused += 1,
        }
    }
    assert!(refused > 3000 && whole > 1000, "{refused} {whole}");
}

#[test]
fn noise_is_refused_or_whole() {
    let mut rng = Rng::seeded(92);
    for _ in 0..50_000 {
        let mut bytes: Vec<u8> = (0..rng.index(60)).map(|_| rng.next_u64() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first %= 26;
        }
        if let Ok(Some(content)) = decode(&mut Slice::new(&bytes, 1 << 20), &settings()) {
            shown(content.data());
        }
    }
}

/// A value: its kind and strings.
fn of(kind: u8, strings: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![kind];
    strings.iter().for_each(|string| bytes.put_string(string));
    bytes
}

#[test]
fn forms_of_older_redis_are_read() {
    let entries = [
        Entry::Bytes(b"a"),
        Entry::Int(1),
        Entry::Bytes(b"b"),
        Entry::Int(-5),
    ];
    let pack = ziplist(&entries);
    let mut of_two = vec![kind::LIST_QUICKLIST];
    of_two.put_length(2);
    of_two.put_string(&pack);
    of_two.put_string(&pack);
    let mut plain = vec![kind::LIST];
    plain.put_length(2);
    plain.put_string(b"a");
    plain.put_string(b"7");
    let mut scored = vec![kind::ZSET];
    scored.put_length(3);
    for (member, score) in [("a", &b"\x031.5"[..]), ("b", b"\xfe"), ("c", b"\xff")] {
        scored.put_string(member.as_bytes());
        scored.put(score);
    }
    let mut pairs = vec![kind::HASH];
    pairs.put_length(1);
    pairs.put_string(b"f");
    pairs.put_string(b"v");
    for (bytes, expected) in [
        (
            of(kind::LIST_ZIPLIST, &[&pack]),
            "listpack [\"a\", 1, \"b\", -5]",
        ),
        (
            of_two,
            "quicklist [\"a\", 1, \"b\", -5, \"a\", 1, \"b\", -5]",
        ),
        (plain, "listpack [\"a\", 7]"),
        (of(kind::HASH_ZIPLIST, &[&pack]), "listpack a=1 b=-5"),
        (of(kind::ZSET_ZIPLIST, &[&pack]), "listpack b=-5 a=1"),
        (
            of(kind::HASH_ZIPMAP, &[b"\x01\x01f\x01\x00v\xff"]),
            "listpack f=v",
        ),
        (
            of(kind::SET_INTSET, &[b"\x02\0\0\0\x02\0\0\0\xff\xff\x07\0"]),
            "-1 7",
        ),
        (scored, "listpack c=-inf a=1.5 b=inf"),
        (pairs, "listpack f=v"),
    ] {
        let content = decoded(&bytes).unwrap().unwrap();
        assert_eq!(shown(content.data()), expected);
    }
}

#[test]
fn streams_of_redis_5_are_read() {
    let mut rng = Rng::seeded(93);
    let mut new = Stream::new();
    for n in 1..300 {
        let value = text(&mut rng);
        let fields = [(&b"f"[..], &value[..])].into_iter();
        new.log
            .append(NewId::Exact(StreamId::new(n, 0)), 0, fields)
            .unwrap();
    }
    new.create_group(b"g", StreamId::new(1, 0), Some(1))
        .unwrap();
    let bytes = encoded(&Value::Stream(Box::new(new)), Version::V10);
    // Without what the second kind has more: the first and the deleted id, and the two counts.
    let mut old = vec![kind::STREAM_LISTPACKS];
    let mut tail = Vec::new();
    tail.put_length(299);
    tail.put_length(299);
    tail.put_length(0);
    let mut more = Vec::new();
    for number in [1, 0, 0, 0, 299] {
        more.put_length(number);
    }
    let at = bytes
        .windows(tail.len() + more.len())
        .position(|window| window.starts_with(&tail) && window.ends_with(&more));
    let at = at.unwrap() + tail.len();
    old.extend(&bytes[1..at]);
    // One group, its name, the id up to which it has read; then it says how many entries that were.
    let group = at + more.len();
    let read = group + 1 + 2 + 2;
    old.extend(&bytes[group..read]);
    old.extend(&bytes[read + 1..]);
    let (old, new) = (
        decoded(&old).unwrap().unwrap(),
        decoded(&bytes).unwrap().unwrap(),
    );
    assert_eq!(shown(old.data()), shown(new.data()));
}

#[test]
fn what_no_redis_writes_is_refused() {
    let mut twice = vec![kind::SET];
    twice.put_length(2);
    twice.put_string(b"a");
    twice.put_string(b"a");
    let mut nan = vec![kind::ZSET_2];
    nan.put_length(1);
    nan.put_string(b"a");
    nan.put(&f64::NAN.to_le_bytes());
    let odd = ziplist(&[Entry::Int(1)]);
    let not_a_score = ziplist(&[Entry::Int(1), Entry::Bytes(b"x")]);
    let same = ziplist(&[
        Entry::Int(1),
        Entry::Int(2),
        Entry::Bytes(b"1"),
        Entry::Int(3),
    ]);
    let mut many = vec![kind::HASH];
    many.put_length(u64::MAX);
    let mut module = vec![kind::MODULE_2];
    module.put_length(u64::from_be_bytes(*b"\x4d\x30\x43\x4d\x30\x43\x4d\x01"));
    for bytes in [
        twice,
        nan,
        of(kind::HASH_ZIPLIST, &[&odd]),
        of(kind::ZSET_ZIPLIST, &[&not_a_score]),
        of(kind::ZSET_ZIPLIST, &[&same]),
        of(kind::HASH_ZIPLIST, &[&same]),
        many,
        module,
        vec![22, 0],
        vec![6, 0],
        vec![26],
        vec![],
    ] {
        let mut source = Slice::new(&bytes, 1 << 20);
        assert!(decode(&mut source, &settings()).is_err(), "{bytes:?}");
    }
    for empty in [
        vec![kind::LIST, 0],
        vec![kind::SET, 0],
        of(kind::HASH_ZIPLIST, &[&ziplist(&[])]),
    ] {
        assert!(matches!(decoded(&empty), Ok(None)));
    }
}

#[test]
fn names_of_modules_are_read() {
    let mut bytes = vec![kind::MODULE_2];
    // TSDB-TYPE of RedisTimeSeries.
    let place = |letter: u8| match letter {
        b'A'..=b'Z' => u64::from(letter - b'A'),
        _ => 62,
    };
    let id = b"TSDB-TYPE"
        .iter()
        .fold(0, |id, letter| id << 6 | place(*letter))
        << 10
        | 7;
    bytes.put_length(id);
    let unknown = RdbError::UnknownModule {
        name: "TSDB-TYPE".to_owned(),
        version: 7,
    };
    assert_eq!(decoded(&bytes).err(), Some(unknown));
}
