//! Reads a value of any type, in every form that Redis has written since the first version of the format.
//!
//! Members come twice in no set, scores are numbers, sequences end where they say: what is not so is refused, because no
//! Redis has written it. Every element is put in by the operation that a command would use.

use super::intset::read_intset;
use super::listpack::Listpack;
use super::source::Text;
use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use super::{RdbError, Slice, Source, kind, module, node, stream};
use crate::keyspace::collections::list::End;
use crate::keyspace::collections::zset::Update;
use crate::keyspace::{Content, Entry, Hash, List, Set, Settings, Value, ZSet};
use crate::number::{INT_TEXT, parse_f64};

const DUPLICATE: RdbError = RdbError::Corrupt("a member or field is there twice");
const NO_SCORE: RdbError = RdbError::Corrupt("a score is not a number");
const UNPAIRED: RdbError = RdbError::Corrupt("a sequence of pairs ends within a pair");

/// Reads the type and the value; `None` for a collection without elements, which cannot be a key's value (old versions of
/// Redis have written such). O(size).
pub fn decode<'s, S: Source>(
    source: &'s mut S,
    settings: &Settings,
) -> Result<Option<Content<'s>>, RdbError> {
    let kind = source.byte()?;
    decode_kind(kind, source, settings)
}

/// Reads type and value, of which a string may have `string_bytes_max` bytes, and with which the bytes must end.
pub fn decode_whole(
    bytes: &[u8],
    string_bytes_max: u64,
    settings: &Settings,
) -> Result<Option<Content<'static>>, RdbError> {
    let mut source = Slice::new(bytes, string_bytes_max);
    let content = decode(&mut source, settings)?.map(Content::into_owned);
    if source.rest().is_empty() {
        Ok(content)
    } else {
        Err(RdbError::Corrupt("there is something behind the value"))
    }
}

/// As [`decode`], when the type has been read.
pub(super) fn decode_kind<'s, S: Source>(
    kind: u8,
    source: &'s mut S,
    settings: &Settings,
) -> Result<Option<Content<'s>>, RdbError> {
    let value = match kind {
        kind::STRING => return decode_string(source).map(Some),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            let list = decode_list(kind, source, settings)?;
            (!list.is_empty()).then(|| Value::List(Box::new(list)))
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => {
            let set = decode_set(kind, source, settings)?;
            (!set.is_empty()).then(|| Value::Set(Box::new(set)))
        }
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
            let zset = decode_zset(kind, source, settings)?;
            (!zset.is_empty()).then(|| Value::SortedSet(Box::new(zset)))
        }
        kind::HASH | kind::HASH_ZIPMAP | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => {
            let hash = decode_hash(kind, source, settings)?;
            (!hash.is_empty()).then(|| Value::Hash(Box::new(hash)))
        }
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            let stream = stream::decode_stream(kind, source)?;
            Some(Value::Stream(Box::new(stream)))
        }
        kind::MODULE_2 => return module::decode_module(source).map(Some),
        kind if kind::HASH_WITH_FIELD_EXPIRY.contains(&kind) => return Err(RdbError::FieldExpiry),
        kind => return Err(RdbError::UnknownType(kind)),
    };
    Ok(value.map(Content::Value))
}

fn decode_string<S: Source>(source: &mut S) -> Result<Content<'_>, RdbError> {
    Ok(match source.string()? {
        Text::Int(int) => Content::Int(int),
        Text::Bytes(bytes) => Content::string(bytes),
    })
}

fn decode_list<S: Source>(kind: u8, source: &mut S, settings: &Settings) -> Result<List, RdbError> {
    let mut list = List::new();
    let mut push = |element: &[u8]| list.push(End::Back, element, settings);
    match kind {
        kind::LIST => {
            for _ in 0..source.length()? {
                push(source.string()?.as_bytes(&mut INT_TEXT.clone()));
            }
        }
        kind::LIST_ZIPLIST => {
            for element in Ziplist::new(&source.blob()?)? {
                push(element?.text(&mut INT_TEXT.clone()));
            }
        }
        _ => {
            for _ in 0..source.length()? {
                decode_node(kind, source, settings, &mut list)?;
            }
        }
    }
    Ok(list)
}

/// A node of a quicklist.
fn decode_node<S: Source>(
    kind: u8,
    source: &mut S,
    settings: &Settings,
    list: &mut List,
) -> Result<(), RdbError> {
    // What was more than one node stays so, even if it fits one.
    let several = |list: &mut List| {
        if !list.is_empty() {
            list.expect(usize::MAX / 2, usize::MAX / 2, settings);
        }
    };
    let container = match kind {
        kind::LIST_QUICKLIST => None,
        _ => Some(source.length()?),
    };
    match container {
        None => {
            let blob = source.blob()?;
            for (index, element) in Ziplist::new(&blob)?.enumerate() {
                if index == 0 {
                    several(list);
                }
                let element = element?;
                list.push(End::Back, element.text(&mut INT_TEXT.clone()), settings);
            }
        }
        Some(node::PACKED) => {
            let blob = source.blob()?;
            for (index, element) in Listpack::new(&blob)?.enumerate() {
                if index == 0 {
                    several(list);
                }
                let element = element?;
                list.push(End::Back, element.text(&mut INT_TEXT.clone()), settings);
            }
        }
        Some(node::PLAIN) => {
            several(list);
            let element = source.string()?;
            list.push(End::Back, element.as_bytes(&mut INT_TEXT.clone()), settings);
        }
        Some(_) => return Err(RdbError::Corrupt("a node of a list is of an unknown kind")),
    }
    Ok(())
}

fn decode_set<S: Source>(kind: u8, source: &mut S, settings: &Settings) -> Result<Set, RdbError> {
    let mut set = match kind {
        kind::SET_LISTPACK => Set::listpack(),
        _ => Set::intset(),
    };
    let insert = |set: &mut Set, member: &[u8]| match set.insert(member, settings) {
        true => Ok(()),
        false => Err(DUPLICATE),
    };
    match kind {
        kind::SET => {
            let len = source.length()?;
            set.expect(usize::try_from(len).unwrap_or(usize::MAX), settings);
            for _ in 0..len {
                insert(&mut set, source.string()?.as_bytes(&mut INT_TEXT.clone()))?;
            }
        }
        kind::SET_INTSET => {
            for int in read_intset(&source.blob()?)? {
                insert(&mut set, Entry::Int(int).text(&mut INT_TEXT.clone()))?;
            }
        }
        _ => {
            for member in Listpack::new(&source.blob()?)? {
                insert(&mut set, member?.text(&mut INT_TEXT.clone()))?;
            }
        }
    }
    Ok(set)
}

fn decode_hash<S: Source>(kind: u8, source: &mut S, settings: &Settings) -> Result<Hash, RdbError> {
    let mut hash = Hash::new();
    let set = |hash: &mut Hash, field: &[u8], value: &[u8]| match hash.set(field, value, settings) {
        true => Ok(()),
        false => Err(DUPLICATE),
    };
    match kind {
        kind::HASH => {
            let len = source.length()?;
            hash.expect(usize::try_from(len).unwrap_or(usize::MAX), settings);
            let mut field = Vec::new();
            for _ in 0..len {
                field.clear();
                field.extend_from_slice(source.string()?.as_bytes(&mut INT_TEXT.clone()));
                let value = source.string()?;
                set(&mut hash, &field, value.as_bytes(&mut INT_TEXT.clone()))?;
            }
        }
        kind::HASH_ZIPMAP => {
            for pair in Zipmap::new(&source.blob()?)? {
                let (field, value) = pair?;
                set(&mut hash, field, value)?;
            }
        }
        kind::HASH_ZIPLIST => for_each_pair(Ziplist::new(&source.blob()?)?, |field, value| {
            let (mut field_room, mut value_room) = (INT_TEXT, INT_TEXT);
            let (field, value) = (field.text(&mut field_room), value.text(&mut value_room));
            set(&mut hash, field, value)
        })?,
        _ => for_each_pair(Listpack::new(&source.blob()?)?, |field, value| {
            let (mut field_room, mut value_room) = (INT_TEXT, INT_TEXT);
            let (field, value) = (field.text(&mut field_room), value.text(&mut value_room));
            set(&mut hash, field, value)
        })?,
    }
    Ok(hash)
}

fn decode_zset<S: Source>(kind: u8, source: &mut S, settings: &Settings) -> Result<ZSet, RdbError> {
    let mut zset = ZSet::default();
    let insert =
        |zset: &mut ZSet, member: &[u8], score: f64| match zset.insert(member, score, settings) {
            Ok(Update::Added) => Ok(()),
            Ok(_) => Err(DUPLICATE),
            Err(_) => Err(NO_SCORE),
        };
    match kind {
        kind::ZSET | kind::ZSET_2 => {
            let len = source.length()?;
            zset.expect(usize::try_from(len).unwrap_or(usize::MAX), settings);
            let mut member = Vec::new();
            for _ in 0..len {
                member.clear();
                member.extend_from_slice(source.string()?.as_bytes(&mut INT_TEXT.clone()));
                let score = match kind {
                    kind::ZSET => decode_text_score(source)?,
                    _ => f64::from_le_bytes(source.array()?),
                };
                insert(&mut zset, &member, score)?;
            }
        }
        kind::ZSET_ZIPLIST => for_each_pair(Ziplist::new(&source.blob()?)?, |member, score| {
            let mut room = INT_TEXT;
            insert(&mut zset, member.text(&mut room), score_of(score)?)
        })?,
        _ => for_each_pair(Listpack::new(&source.blob()?)?, |member, score| {
            let mut room = INT_TEXT;
            insert(&mut zset, member.text(&mut room), score_of(score)?)
        })?,
    }
    Ok(zset)
}

/// A score as the first version of sorted sets has it: its length and its text.
fn decode_text_score<S: Source>(source: &mut S) -> Result<f64, RdbError> {
    match source.byte()? {
        253 => Err(NO_SCORE),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => parse_f64(source.take(usize::from(len))?).ok_or(NO_SCORE),
    }
}

/// A score as a compact sequence has it.
fn score_of(entry: Entry<'_>) -> Result<f64, RdbError> {
    match entry {
        Entry::Int(int) => Ok(int as f64),
        Entry::Bytes(text) => parse_f64(text).ok_or(NO_SCORE),
    }
}

/// Shows the elements of a sequence two by two.
fn for_each_pair<'a>(
    mut elements: impl Iterator<Item = Result<Entry<'a>, RdbError>>,
    mut each: impl FnMut(Entry<'a>, Entry<'a>) -> Result<(), RdbError>,
) -> Result<(), RdbError> {
    while let Some(first) = elements.next() {
        let first = first?;
        let second = elements.next().ok_or(UNPAIRED)??;
        each(first, second)?;
    }
    Ok(())
}
