//! The stream against a naive model of it, and against what redis-server 7.0.15 answers.

use std::collections::BTreeMap;

use super::*;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct Model {
    entries: Vec<(StreamId, Pairs)>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
    group: Option<ModelGroup>,
}

#[derive(Default)]
struct ModelGroup {
    last_id: StreamId,
    /// Consumer, time, count.
    pending: BTreeMap<StreamId, (Vec<u8>, i64, u64)>,
    /// Seen and active time.
    consumers: BTreeMap<Vec<u8>, (i64, i64)>,
}

const GROUP: &[u8] = b"group";

impl Model {
    fn has(&self, id: StreamId) -> bool {
        self.entries.iter().any(|(of, _)| *of == id)
    }

    fn delete(&mut self, id: StreamId) -> bool {
        let had = self.has(id);
        self.entries.retain(|(of, _)| *of != id);
        if had {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        had
    }

    fn between(&self, start: StreamId, end: StreamId) -> Vec<(StreamId, Pairs)> {
        let inside = |(id, _): &&(StreamId, Pairs)| *id >= start && *id <= end;
        self.entries.iter().filter(inside).cloned().collect()
    }

    fn check(&self, stream: &Stream) {
        let log = &stream.log;
        assert_eq!(log.len(), self.entries.len() as u64);
        assert_eq!(log.last_id(), self.last_id);
        assert_eq!(log.max_deleted_id(), self.max_deleted_id);
        assert_eq!(log.entries_added(), self.added);
        assert_eq!(log.top_id(), self.entries.last().map(|entry| entry.0));
        let first = self.entries.first().map_or(StreamId::MIN, |entry| entry.0);
        assert_eq!(log.first_id(), first);
        let Some(model) = &self.group else {
            assert_eq!(stream.group(GROUP).err(), Some(NoGroup));
            return;
        };
        let group = stream.group(GROUP).unwrap();
        assert_eq!(group.last_delivered_id(), model.last_id);
        assert_eq!(group.pending_len(), model.pending.len());
        let pending: Vec<_> = group
            .pending(&PendingQuery::ALL)
            .map(|p| (p.id, (p.consumer.to_vec(), p.delivery_ms, p.delivery_count)))
            .collect();
        assert_eq!(
            pending,
            model.pending.clone().into_iter().collect::<Vec<_>>()
        );
        let consumers: Vec<_> = group
            .consumers()
            .map(|c| (c.name.to_vec(), (c.seen_ms, c.active_ms.unwrap_or(-1))))
            .collect();
        assert_eq!(
            consumers,
            model.consumers.clone().into_iter().collect::<Vec<_>>()
        );
        for consumer in group.consumers() {
            let query = PendingQuery {
                consumer: Some(consumer.name),
                ..PendingQuery::ALL
            };
            let own = model.pending.values().filter(|p| p.0 == consumer.name);
            assert_eq!(consumer.pending, own.clone().count());
            assert_eq!(group.pending(&query).count(), consumer.pending);
        }
    }
}

impl ModelGroup {
    fn see(&mut self, consumer: &[u8], now: i64) -> bool {
        let created = !self.consumers.contains_key(consumer);
        self.consumers.entry(consumer.to_vec()).or_insert((0, -1)).0 = now;
        created
    }

    fn activate(&mut self, consumer: &[u8], now: i64) {
        self.consumers.get_mut(consumer).unwrap().1 = now;
    }
}

fn pairs_of(entry: Entry<'_>) -> (StreamId, Pairs) {
    let fields = entry.fields();
    (
        entry.id,
        fields.map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
    )
}

fn borrowed(pairs: &Pairs) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    pairs.iter().map(|(name, value)| (&name[..], &value[..]))
}

fn random_pairs(rng: &mut Rng, value_len_max: u64) -> Pairs {
    let count = if rng.chance(80) { 2 } else { 1 + rng.below(4) };
    let mut pairs = Pairs::new();
    for field in 0..count {
        let name = if rng.chance(90) {
            field
        } else {
            rng.below(1000)
        };
        let value = (0..rng.below(value_len_max)).map(|_| rng.next() as u8);
        pairs.push((name.to_string().into_bytes(), value.collect()));
    }
    pairs
}

fn random_id(rng: &mut Rng, model: &Model) -> StreamId {
    if rng.chance(10) || model.entries.is_empty() {
        return StreamId::new(rng.below(model.last_id.ms + 2), rng.below(3));
    }
    let recent = if rng.chance(50) { 20 } else { 100_000 };
    let back = rng.below(recent.min(model.entries.len() as u64)) as usize;
    model.entries[model.entries.len() - 1 - back].0
}

#[test]
fn a_stream_does_what_a_list_of_entries_does() {
    for seed in 0..3 {
        let mut rng = Rng(seed);
        let (mut stream, mut model) = (Stream::new(), Model::default());
        let value_len_max = [10, 100, 1000][seed as usize % 3];
        let (mut now, mut most_blocks) = (1, 0);
        for step in 0..4000 {
            now += rng.below(3) as i64;
            random_log_step(&mut rng, &mut stream, &mut model, now, value_len_max);
            if rng.chance(40) {
                random_group_step(&mut rng, &mut stream, &mut model, now);
            }
            if step % 40 == 0 {
                model.check(&stream);
            }
            most_blocks = most_blocks.max(stream.log.blocks());
        }
        assert!(most_blocks > 5, "{most_blocks}");
        let mut copy = stream.clone();
        model.check(&copy);
        while !copy.drop_some(7) {}
        assert_eq!((copy.heap_bytes(), copy.log.len()), (0, 0));
        model.check(&stream);
        stream.destroy_group(GROUP);
        let all = Trim {
            keep: Keep::Last(0),
            approximate: None,
        };
        assert_eq!(stream.log.trim(all), model.entries.len() as u64);
        assert_eq!(stream.heap_bytes(), 0);
    }
}

fn random_log_step(
    rng: &mut Rng,
    stream: &mut Stream,
    model: &mut Model,
    now: i64,
    value_len_max: u64,
) {
    match rng.below(100) {
        0..70 => {
            let pairs = random_pairs(rng, value_len_max);
            let new_id = match rng.below(10) {
                0 => NewId::Exact(random_id(rng, model)),
                1 => NewId::AutoSeq(model.last_id.ms + rng.below(2)),
                2 => NewId::Exact(StreamId::new(
                    model.last_id.ms + 1 + rng.below(5),
                    rng.next(),
                )),
                _ => NewId::Auto,
            };
            let last = model.last_id;
            match stream.log.append(new_id, now as u64, borrowed(&pairs)) {
                Ok(id) => {
                    assert!(id > last);
                    match new_id {
                        NewId::Exact(exact) => assert_eq!(id, exact),
                        NewId::AutoSeq(ms) => assert_eq!(id.ms, ms),
                        NewId::Auto if now as u64 > last.ms => {
                            assert_eq!(id, StreamId::new(now as u64, 0));
                        }
                        NewId::Auto => assert_eq!(Some(id), last.next()),
                    }
                    model.entries.push((id, pairs));
                    model.last_id = id;
                    model.added += 1;
                }
                Err(AppendError::IdZero) => assert_eq!(new_id, NewId::Exact(StreamId::MIN)),
                Err(error) => {
                    assert_eq!(error, AppendError::IdTooSmall);
                    assert!(match new_id {
                        NewId::Exact(id) => id <= last,
                        NewId::AutoSeq(ms) => ms == last.ms && last.seq == u64::MAX,
                        NewId::Auto => false,
                    });
                }
            }
        }
        70..78 => {
            let from = random_id(rng, model);
            let run = if rng.chance(10) { rng.below(150) } else { 1 };
            let ids = model.between(from, StreamId::MAX).into_iter();
            for (id, _) in ids.take(run as usize).chain([(from, Pairs::new())]) {
                assert_eq!(stream.log.delete(id), model.delete(id));
            }
        }
        78..80 => random_trim(rng, stream, model),
        80 => {
            let id = random_id(rng, model);
            let top = model.entries.last().map_or(StreamId::MIN, |entry| entry.0);
            let expected = if id < model.max_deleted_id {
                Err(SetIdError::BelowMaxDeleted)
            } else if id < top {
                Err(SetIdError::BelowTop)
            } else {
                model.last_id = id;
                Ok(())
            };
            assert_eq!(stream.log.set_last_id(id, None, None), expected);
        }
        _ => {
            let (start, end) = (random_id(rng, model), random_id(rng, model));
            let expected = model.between(start, end);
            let range = stream.log.range(start, end);
            assert!(range.clone().map(pairs_of).eq(expected.iter().cloned()));
            assert!(
                range
                    .clone()
                    .rev()
                    .map(pairs_of)
                    .eq(expected.iter().rev().cloned())
            );
            let (mut range, mut left) = (range, &expected[..]);
            while let Some((first, rest)) = left.split_first() {
                if rng.chance(50) {
                    assert_eq!(range.next().map(pairs_of).as_ref(), Some(first));
                    left = rest;
                } else if let Some((last, rest)) = left.split_last() {
                    assert_eq!(range.next_back().map(pairs_of).as_ref(), Some(last));
                    left = rest;
                }
            }
            assert!(range.next().is_none() && range.next_back().is_none());
            let found = stream.log.get(start).map(pairs_of);
            assert_eq!(
                found.as_ref(),
                model.entries.iter().find(|entry| entry.0 == start)
            );
            assert_eq!(stream.log.contains(start), found.is_some());
        }
    }
}

fn random_trim(rng: &mut Rng, stream: &mut Stream, model: &mut Model) {
    let keep = if rng.chance(85) {
        Keep::Last(300 + rng.below(1000))
    } else {
        Keep::From(random_id(rng, model))
    };
    let limit = if rng.chance(50) { 0 } else { rng.below(300) };
    let approximate = rng.chance(60).then_some(limit);
    let exact = match keep {
        Keep::Last(len) => model.entries.len().saturating_sub(len as usize),
        Keep::From(id) => model.entries.partition_point(|entry| entry.0 < id),
    };
    let trimmed = stream.log.trim(Trim { keep, approximate }) as usize;
    match approximate {
        None => assert_eq!(trimmed, exact),
        Some(0) => assert!(trimmed <= exact && exact - trimmed <= 100),
        Some(limit) => assert!(trimmed <= exact.min(limit as usize)),
    }
    model.entries.drain(..trimmed);
}

fn random_group_step(rng: &mut Rng, stream: &mut Stream, model: &mut Model, now: i64) {
    let consumer = format!("c{}", rng.below(4)).into_bytes();
    let random: Vec<StreamId> = (0..1 + rng.below(4))
        .map(|_| random_id(rng, model))
        .collect();
    if rng.chance(1) {
        let had = stream.destroy_group(GROUP).is_some();
        assert_eq!(had, model.group.take().is_some());
    }
    if model.group.is_none() {
        assert_eq!(stream.acknowledge(GROUP, &random), Err(NoGroup));
        stream.create_group(GROUP, random[0], None).unwrap();
        model.group = Some(ModelGroup {
            last_id: random[0],
            ..ModelGroup::default()
        });
    }
    assert_eq!(
        stream.create_group(GROUP, random[0], None),
        Err(GroupExists)
    );
    let mut group = model.group.take().unwrap();
    match rng.below(20) {
        0 => {
            stream.set_group_id(GROUP, random[0], None).unwrap();
            group.last_id = random[0];
        }
        1 => {
            let created = stream.create_consumer(GROUP, &consumer, now).unwrap();
            assert_eq!(created, !group.consumers.contains_key(&consumer));
            group.consumers.entry(consumer).or_insert((now, -1));
        }
        2 => {
            let pending = stream.delete_consumer(GROUP, &consumer).unwrap();
            let own = group.pending.values().filter(|p| p.0 == consumer).count();
            assert_eq!(pending, group.consumers.remove(&consumer).map(|_| own));
            group.pending.retain(|_, p| p.0 != consumer);
        }
        3..9 => {
            let (count, no_ack) = (rng.below(30) as usize, rng.chance(20));
            let read = stream
                .read_new(GROUP, &consumer, count, no_ack, now)
                .unwrap();
            assert_eq!(read.consumer_created, group.see(&consumer, now));
            let mut new = model.between(group.last_id, StreamId::MAX);
            new.retain(|(id, _)| *id > group.last_id);
            new.truncate(count);
            let delivered = read.delivered.map_or(Vec::new(), |d| {
                let entries = stream.log.range(d.first, d.last).map(pairs_of);
                let entries: Vec<_> = entries.collect();
                assert_eq!(entries.len(), d.count);
                entries
            });
            assert_eq!(delivered, new);
            for (id, _) in new {
                group.last_id = id;
                if !no_ack {
                    group.pending.insert(id, (consumer.clone(), now, 1));
                    group.activate(&consumer, now);
                }
            }
        }
        9..11 => {
            let (after, count) = (random[0], rng.below(30) as usize);
            let read = stream
                .read_history(GROUP, &consumer, after, count, now)
                .unwrap();
            assert_eq!(read.consumer_created, group.see(&consumer, now));
            let own = group.pending.iter_mut();
            let own = own
                .filter(|(id, p)| **id > after && p.0 == consumer)
                .take(count);
            let mut ids = Vec::new();
            for (id, pending) in own {
                ids.push(*id);
                if model.has(*id) {
                    (pending.1, pending.2) = (now, pending.2 + 1);
                }
            }
            assert_eq!(read.ids, ids);
        }
        11..14 => {
            let acknowledged = stream.acknowledge(GROUP, &random).unwrap();
            let had = random
                .iter()
                .filter(|id| group.pending.remove(id).is_some());
            assert_eq!(acknowledged, had.count());
        }
        14..17 => {
            let claim = Claim {
                min_idle_ms: rng.below(20) as i64 - 5,
                delivered: match rng.below(3) {
                    0 => DeliveredAt::Now,
                    1 => DeliveredAt::Ago(rng.below(20) as i64 - 5),
                    _ => DeliveredAt::Time(now + 5 - rng.below(20) as i64),
                },
                delivery_count: rng.chance(30).then(|| rng.below(9)),
                force: rng.chance(30),
                just_id: rng.chance(30),
                last_id: rng.chance(10).then_some(random[0]),
            };
            let claimed = stream
                .claim(GROUP, &consumer, &claim, &random, now)
                .unwrap();
            assert_eq!(claimed.consumer_created, group.see(&consumer, now));
            let moved = claim.last_id.is_some_and(|id| id > group.last_id);
            assert_eq!(claimed.last_id_moved, moved);
            group.last_id = group.last_id.max(claim.last_id.unwrap_or_default());
            let time = match claim.delivered {
                DeliveredAt::Now => now,
                DeliveredAt::Ago(ago) => now - ago,
                DeliveredAt::Time(time) => time,
            };
            let time = if time < 0 { now } else { time.min(now) };
            let (mut ids, mut deleted) = (Vec::new(), Vec::new());
            for id in &random {
                let pending = group.pending.get(id).cloned();
                if !model.has(*id) {
                    group.pending.remove(id);
                    deleted.extend(pending.map(|_| *id));
                    continue;
                }
                let long_idle = pending
                    .as_ref()
                    .is_none_or(|p| now - p.1 >= claim.min_idle_ms);
                if (pending.is_none() && !claim.force) || !long_idle {
                    continue;
                }
                let before = pending.map_or(1, |p| p.2);
                let count = before + u64::from(!claim.just_id);
                let count = claim.delivery_count.unwrap_or(count);
                group.pending.insert(*id, (consumer.clone(), time, count));
                group.activate(&consumer, now);
                ids.push(*id);
            }
            assert_eq!((claimed.ids, claimed.deleted), (ids, deleted));
        }
        17..19 => {
            let claim = AutoClaim {
                min_idle_ms: rng.below(20) as i64,
                start: if rng.chance(50) {
                    StreamId::MIN
                } else {
                    random[0]
                },
                count: 1 + rng.below(10),
                just_id: rng.chance(30),
            };
            let claimed = stream.autoclaim(GROUP, &consumer, &claim, now).unwrap();
            assert_eq!(claimed.consumer_created, group.see(&consumer, now));
            let all: Vec<StreamId> = group.pending.range(claim.start..).map(|p| *p.0).collect();
            let (mut ids, mut deleted, mut looked_at) = (Vec::new(), Vec::new(), 0);
            for id in all.iter().take(10 * claim.count as usize) {
                if (ids.len() + deleted.len()) as u64 == claim.count {
                    break;
                }
                looked_at += 1;
                if !model.has(*id) {
                    group.pending.remove(id);
                    deleted.push(*id);
                    continue;
                }
                let pending = group.pending.get_mut(id).unwrap();
                if now - pending.1 >= claim.min_idle_ms {
                    let count = pending.2 + u64::from(!claim.just_id);
                    *pending = (consumer.clone(), now, count);
                    group.activate(&consumer, now);
                    ids.push(*id);
                }
            }
            let cursor = all.get(looked_at).copied().unwrap_or_default();
            assert_eq!((claimed.ids, claimed.deleted), (ids, deleted));
            assert_eq!(claimed.cursor, cursor);
        }
        _ => {
            let query = PendingQuery {
                start: random[0],
                end: random_id(rng, model),
                consumer: rng.chance(50).then_some(&consumer[..]),
                min_idle_ms: rng.below(20) as i64,
                now_ms: now,
            };
            let ids = stream.group(GROUP).unwrap().pending(&query).map(|p| p.id);
            let expected = group.pending.iter().filter(|(id, p)| {
                **id >= query.start
                    && **id <= query.end
                    && query.consumer.is_none_or(|name| name == p.0)
                    && now - p.1 >= query.min_idle_ms
            });
            assert!(ids.eq(expected.map(|(id, _)| *id)));
        }
    }
    model.group = Some(group);
}

#[test]
fn approximate_trims_remove_what_redis_removes() {
    /// The name's length or the decimal's zeros; blocks, then what two trims remove, by redis-server.
    const TEXTS: [(usize, usize, u64, u64); 14] = [
        (0, 10, 500, 100),
        (1, 10, 500, 100),
        (10, 10, 500, 100),
        (38, 12, 421, 84),
        (62, 18, 448, 112),
        (63, 19, 495, 110),
        (64, 19, 483, 107),
        (126, 35, 493, 145),
        (127, 35, 493, 145),
        (128, 36, 482, 140),
        (300, 77, 494, 143),
        (1000, 250, 500, 148),
        (4000, 1000, 500, 150),
        (5000, 1000, 500, 150),
    ];
    let texts = TEXTS.map(|(len, ..)| vec![b'x'; len]);
    let numbers = TEXTS.map(|(zeros, ..)| 10u64.pow(zeros.min(18) as u32).to_string());
    for index in 0..TEXTS.len() {
        let (_, blocks, by_len, by_id) = TEXTS[index];
        check_trims(&texts[index], (blocks, by_len, by_id));
        check_trims(numbers[index].as_bytes(), (10, 500, 100));
    }
}

fn check_trims(value: &[u8], expected: (usize, u64, u64)) {
    let mut log = Log::default();
    for index in 0..1000 {
        let id = NewId::Exact(StreamId::new(index / 7 + 1, index % 7 + 1));
        let fields = std::iter::once((&b"name"[..], value));
        log.append(id, 0, fields).unwrap();
    }
    let blocks = log.blocks();
    let by_len = log.trim(Trim {
        keep: Keep::Last(500),
        approximate: Some(TRIM_LIMIT_DEFAULT),
    });
    let by_id = log.trim(Trim {
        keep: Keep::From(StreamId::new(120, 3)),
        approximate: Some(150),
    });
    assert_eq!((blocks, by_len, by_id), expected, "{} bytes", value.len());
}

#[test]
fn a_block_is_full_when_redis_says_so() {
    let names = |prefix: char, count| -> Pairs {
        let names = (0..count).map(|field| format!("{prefix}{field:02}").into_bytes());
        names.map(|name| (name, Vec::new())).collect()
    };
    let one = |name: &str, value: &[u8]| vec![(name.as_bytes().to_vec(), value.to_vec())];
    let numbers = |texts: &[&str]| -> Vec<Pairs> {
        texts
            .iter()
            .map(|text| one("name", text.as_bytes()))
            .collect()
    };
    // How long a value may be that still joins these entries, by redis-server.
    let mut cases = vec![
        (vec![one("name", &[b'x'; 10])], 4050),
        (
            vec![one("name", &[b'x'; 10]), one("other", &[b'x'; 70])],
            3960,
        ),
        (
            vec![one("name", &[b'x'; 10]), one("name", &[b'x'; 130])],
            3908,
        ),
        (numbers(&["127", "-4096", "-32768", "8388607"]), 4024),
        (
            numbers(&["128", "4096", "32768", "8388608", "2147483648"]),
            4002,
        ),
        (
            numbers(&["-1", "-4097", "-32769", "-8388609", "-2147483649"]),
            4002,
        ),
    ];
    for (count, room) in [(61, 2767), (62, 2744), (63, 2723)] {
        let (first, other) = (names('a', count), names('b', count));
        cases.push((vec![first, other.clone(), other], room));
    }
    for (entries, room) in cases {
        for (len, blocks) in [(room, 1), (room + 1, 2)] {
            let mut log = Log::default();
            for pairs in &entries {
                let id = NewId::Exact(StreamId::new(log.len() + 1, 1));
                log.append(id, 0, borrowed(pairs)).unwrap();
            }
            let value = vec![b'x'; len];
            let fields = std::iter::once((&b"name"[..], &value[..]));
            let id = NewId::Exact(StreamId::new(9, 1));
            log.append(id, 0, fields).unwrap();
            assert_eq!(log.blocks(), blocks, "{len} bytes after {entries:?}");
        }
    }
}

fn add(stream: &mut Stream, id: StreamId) {
    let fields = std::iter::once((&b"a"[..], &b"b"[..]));
    stream.log.append(NewId::Exact(id), 0, fields).unwrap();
}

/// A stream of `1-0` to `len-0`.
fn counted(len: u64) -> Stream {
    let mut stream = Stream::new();
    (1..=len).for_each(|ms| add(&mut stream, StreamId::new(ms, 0)));
    stream
}

fn read_and_lag(stream: &Stream) -> (Option<u64>, Option<i64>) {
    let info = stream.groups().next().unwrap();
    (info.group.entries_read(), info.lag)
}

#[test]
fn the_lag_is_known_where_redis_knows_it() {
    let mut stream = counted(5);
    stream.create_group(GROUP, StreamId::MIN, None).unwrap();
    assert_eq!(read_and_lag(&stream), (None, Some(5)));
    stream.read_new(GROUP, b"c", 1, false, 0).unwrap();
    assert_eq!(read_and_lag(&stream), (Some(1), Some(4)));
    stream.read_new(GROUP, b"c", 1, false, 0).unwrap();
    assert_eq!(read_and_lag(&stream), (Some(2), Some(3)));
    // A gap ahead: how many are left is not known until the end is reached.
    stream.log.delete(StreamId::new(4, 0));
    assert_eq!(read_and_lag(&stream), (Some(2), None));
    stream.read_new(GROUP, b"c", 1, false, 0).unwrap();
    assert_eq!(read_and_lag(&stream), (None, None));
    stream.read_new(GROUP, b"c", 9, false, 0).unwrap();
    assert_eq!(read_and_lag(&stream), (Some(5), Some(0)));
    // The gap is behind.
    add(&mut stream, StreamId::new(6, 0));
    assert_eq!(read_and_lag(&stream), (Some(5), Some(1)));
    // In the middle nothing is known; before the first entry it is.
    stream
        .set_group_id(GROUP, StreamId::new(3, 0), None)
        .unwrap();
    assert_eq!(read_and_lag(&stream), (None, None));
    stream.log.trim(Trim {
        keep: Keep::Last(1),
        approximate: None,
    });
    assert_eq!(read_and_lag(&stream), (None, Some(1)));
    // The client is believed, too.
    stream
        .set_group_id(GROUP, StreamId::new(3, 0), Some(9))
        .unwrap();
    assert_eq!(read_and_lag(&stream), (Some(9), Some(-3)));
    // A future id.
    stream
        .set_group_id(GROUP, StreamId::new(9, 0), None)
        .unwrap();
    assert_eq!(read_and_lag(&stream), (None, None));
}

#[test]
fn a_stream_that_never_had_entries_has_no_lag() {
    let mut stream = Stream::new();
    stream
        .create_group(GROUP, StreamId::new(7, 0), None)
        .unwrap();
    assert_eq!(read_and_lag(&stream), (None, Some(0)));
}

#[test]
fn the_last_possible_id_is_the_last() {
    let mut stream = counted(1);
    stream.create_group(GROUP, StreamId::MIN, None).unwrap();
    add(&mut stream, StreamId::MAX);
    for id in [
        NewId::Auto,
        NewId::AutoSeq(u64::MAX),
        NewId::Exact(StreamId::MAX),
    ] {
        assert_eq!(stream.log.next_id(id, 5), Err(AppendError::IdsExhausted));
    }
    let all = stream.log.range(StreamId::MIN, StreamId::MAX);
    assert_eq!(all.clone().count(), 2);
    assert_eq!(all.rev().count(), 2);
    stream.read_new(GROUP, b"c", 9, false, 0).unwrap();
    let read = stream.read_new(GROUP, b"c", 9, false, 0).unwrap();
    assert_eq!(read.delivered, None);
    let claim = AutoClaim {
        min_idle_ms: 0,
        start: StreamId::MIN,
        count: 9,
        just_id: true,
    };
    let claimed = stream.autoclaim(GROUP, b"d", &claim, 0).unwrap();
    assert_eq!((claimed.ids.len(), claimed.cursor), (2, StreamId::MIN));
}

#[test]
fn the_number_of_a_millisecond_does_not_carry_over() {
    let mut stream = Stream::new();
    add(&mut stream, StreamId::new(5, u64::MAX));
    assert_eq!(
        stream.log.next_id(NewId::AutoSeq(5), 0),
        Err(AppendError::IdTooSmall)
    );
    assert_eq!(stream.log.next_id(NewId::Auto, 0), Ok(StreamId::new(6, 0)));
    assert_eq!(
        Log::default().next_id(NewId::AutoSeq(0), 0),
        Ok(StreamId::new(0, 1))
    );
}

#[test]
fn an_id_below_a_deleted_one_can_be_given_again() {
    let mut stream = counted(5);
    stream.log.delete(StreamId::new(5, 0));
    let (top, deleted) = (StreamId::new(4, 0), StreamId::new(1, 0));
    assert_eq!(
        stream.log.set_last_id(top, None, None),
        Err(SetIdError::BelowMaxDeleted)
    );
    // First the largest deleted id is lowered, then the last id.
    let same = stream.log.last_id();
    assert_eq!(stream.log.set_last_id(same, None, Some(deleted)), Ok(()));
    assert_eq!(stream.log.set_last_id(top, None, None), Ok(()));
    add(&mut stream, StreamId::new(4, 7));
    add(&mut stream, StreamId::new(5, 0));
    let ids = [(1, 0), (2, 0), (3, 0), (4, 0), (4, 7), (5, 0)];
    let ids = ids.map(|(ms, seq)| StreamId::new(ms, seq));
    let all = stream
        .log
        .range(StreamId::MIN, StreamId::MAX)
        .map(|entry| entry.id);
    assert!(all.eq(ids));
    let until = stream
        .log
        .range(StreamId::MIN, ids[4])
        .rev()
        .map(|entry| entry.id);
    assert!(until.eq(ids[..5].iter().rev().copied()));
    assert!(ids.iter().all(|id| stream.log.contains(*id)));
}

#[test]
fn the_last_id_is_set_within_its_bounds() {
    let mut log = counted(3).log;
    let id = StreamId::new(9, 0);
    assert_eq!(
        log.set_last_id(id, None, Some(StreamId::new(9, 1))),
        Err(SetIdError::BelowNewMaxDeleted)
    );
    assert_eq!(
        log.set_last_id(StreamId::new(2, 9), None, None),
        Err(SetIdError::BelowTop)
    );
    assert_eq!(
        log.set_last_id(id, Some(2), None),
        Err(SetIdError::AddedBelowLength)
    );
    assert_eq!(
        log.set_last_id(id, Some(7), Some(StreamId::new(8, 0))),
        Ok(())
    );
    assert_eq!(log.entries_added(), 7);
    assert_eq!(
        (log.last_id(), log.max_deleted_id()),
        (id, StreamId::new(8, 0))
    );
    assert_eq!(log.set_last_id(id, None, Some(StreamId::MIN)), Ok(()));
    assert_eq!(log.max_deleted_id(), StreamId::new(8, 0));
}

#[test]
fn memory_goes_when_what_it_held_is_gone() {
    let mut stream = counted(1000);
    let full = stream.heap_bytes();
    assert!(full > 1000 * 5);
    stream.create_group(GROUP, StreamId::MIN, None).unwrap();
    stream.read_new(GROUP, b"consumer", 1000, false, 0).unwrap();
    let read = stream.heap_bytes();
    assert!(read > full + 1000 * 64);
    stream.create_consumer(GROUP, b"other", 0).unwrap();
    assert!(stream.heap_bytes() > read);
    stream.delete_consumer(GROUP, b"other").unwrap();
    assert_eq!(stream.heap_bytes(), read);
    let mut group = stream.destroy_group(GROUP).unwrap();
    assert_eq!(stream.heap_bytes(), full);
    while !group.drop_some(300) {}
    assert_eq!((group.heap_bytes(), group.groups_len()), (0, 0));
    for ms in 1..=1000 {
        assert!(stream.log.delete(StreamId::new(ms, 0)));
    }
    assert_eq!((stream.heap_bytes(), stream.log.blocks()), (0, 0));
}

#[test]
fn an_exact_trim_frees_a_block_of_which_only_deleted_entries_are_left() {
    let mut stream = counted(5);
    stream.log.delete(StreamId::new(5, 0));
    let trim = Trim {
        keep: Keep::From(StreamId::new(5, 0)),
        approximate: None,
    };
    assert_eq!(stream.log.trim(trim), 4);
    assert_eq!((stream.log.blocks(), stream.log.len()), (0, 0));
    assert_eq!(stream.log.first_id(), StreamId::MIN);
}

#[test]
fn an_entry_that_is_too_large_is_refused() {
    let half = vec![0; ENTRY_BYTES_MAX / 2];
    let mut log = Log::default();
    let fields = [(&half[..], &half[..]), (b"", b"x")];
    let appended = log.append(NewId::Auto, 1, fields.iter().copied());
    assert_eq!(appended, Err(AppendError::TooLarge));
    assert_eq!(log.last_id(), StreamId::MIN);
}
