//! Sorted sets as maps: what GEOSEARCH finds in one, and where it puts that. What a place *is* stands in `geo.rs`.

use super::collections::zset::ScoreBound;
use super::geo::{Area, Position};
use super::zset_ops::collect;
use super::{Entry, Key, Keyspace, WrongType, ZSet};
use crate::change::Class;
use crate::number::push_f64;

/// A member whose place lies in an area.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The member.
    pub member: Vec<u8>,
    /// Its score.
    pub score: f64,
    /// Its place.
    pub position: Position,
    /// How far that is from the middle of the area.
    pub distance_m: f64,
}

impl Keyspace {
    /// The place of a member, if the key and the member exist. Not counted as a read. O(log n).
    pub fn geo_position(&self, key: &Key<'_>, member: &[u8]) -> Option<Position> {
        let score = self.peek::<ZSet>(key)?.score(member)?;
        Some(Position::from_score(score))
    }

    /// The members in an area, no more than `count_max`, in no order that means anything.
    /// O(log n + members in nine cells around it).
    pub fn geo_search(
        &mut self,
        key: &Key<'_>,
        area: &Area,
        count_max: usize,
    ) -> Result<Vec<Found>, WrongType> {
        let Some(zset) = self.read::<ZSet>(key)? else {
            return Ok(Vec::new());
        };
        let bound = |value, exclusive| ScoreBound { value, exclusive };
        let found = area
            .score_ranges()
            .map(|scores| zset.ranks_by_score(bound(scores.start, false), bound(scores.end, true)))
            .flat_map(|ranks| zset.range(ranks))
            .filter_map(|(member, score)| {
                let position = Position::from_score(score);
                area.distance_m(position).map(|distance_m| Found {
                    member: member.to_vec(),
                    score,
                    position,
                    distance_m,
                })
            });
        Ok(found.take(count_max).collect())
    }

    /// GEOSEARCHSTORE: puts a sorted set of these members under a key, in place of whatever it holds and without an
    /// expiry; without members the key is removed. O(n log n).
    pub fn geo_store(&mut self, key: &Key<'_>, members: &[(f64, Vec<u8>)], event: &'static str) {
        let entries = members
            .iter()
            .map(|(score, member)| (Entry::parse(member), *score));
        let zset = collect(members.len(), entries, &self.settings);
        let was_there = self.put_collection(key, zset);
        let del: &[&[u8]] = &[b"DEL", key.bytes];
        if members.is_empty() {
            if was_there {
                self.changed(key, Class::Generic, "del", del);
            }
            return;
        }
        if was_there {
            self.changed(key, Class::Generic, "", del);
        }
        // The members, and not how they were found: another machine's sine may be another in the last digit.
        let mut scores = Vec::new();
        if self.changes.wants_commands() {
            scores.extend(members.iter().map(|(score, _)| {
                let mut text = Vec::new();
                push_f64(&mut text, *score);
                text
            }));
        }
        self.changed_by(key, Class::SortedSet, event, |args| {
            args.extend([b"ZADD", key.bytes]);
            let members = members.iter().map(|(_, member)| member);
            args.extend(scores.iter().zip(members).flat_map(|(s, m)| [&s[..], m]));
        });
    }
}
