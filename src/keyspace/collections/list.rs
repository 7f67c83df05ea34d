//! The list type: elements in the order they were put, with cheap pushes and pops at both ends.
//!
//! Small, it is one compact blob. Large, it is a deque of them, each of bounded size (a quicklist
//! in spirit): an index is found by skipping whole nodes from the nearer end, and a change in the
//! middle moves a node's bytes at most. An element larger than a node may be has a node of its own.

use std::collections::VecDeque;
use std::ops::Range;

use super::compact::{self, Compact, Entry, encoded_bytes};
use super::settings::{NodeLimit, Settings};

/// One end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head, index 0.
    Front,
    /// The tail.
    Back,
}

/// One side of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Towards the head.
    Before,
    /// Towards the tail.
    After,
}

/// The list.
#[derive(Debug, Default)]
pub struct List {
    nodes: Nodes,
    len: usize,
    /// What all nodes hold on the heap.
    node_bytes: usize,
}

#[derive(Clone, Debug)]
enum Nodes {
    One(Compact),
    /// None of them is empty.
    Many(VecDeque<Compact>),
}

impl List {
    /// An empty list, compact.
    pub fn new() -> List {
        List::default()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match &self.nodes {
            Nodes::One(_) => "listpack",
            Nodes::Many(_) => "quicklist",
        }
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        match &self.nodes {
            Nodes::One(_) => self.node_bytes,
            Nodes::Many(nodes) => self.node_bytes + nodes.capacity() * size_of::<Compact>(),
        }
    }

    /// Upgrades ahead of a command that will add `count` elements of `bytes` bytes in all, if those
    /// and what is there are too much for one node. Each single change looks for itself; this
    /// spares a large one the way through small.
    pub fn expect(&mut self, count: usize, bytes: usize, settings: &Settings) {
        /// What an empty listpack takes: with it, lists convert at the length at which they do in
        /// Redis.
        const LISTPACK_BYTES: usize = 7;
        if let Nodes::One(node) = &mut self.nodes {
            let bytes = LISTPACK_BYTES + node.encoded_bytes() + bytes;
            if !settings.list_node_limit().allows(bytes, node.len() + count) {
                let node = std::mem::take(node);
                let is_empty = node.is_empty();
                let nodes = std::iter::once(node).filter(|_| !is_empty);
                self.nodes = Nodes::Many(nodes.collect());
            }
        }
    }

    /// Adds an element at an end. O(1).
    pub fn push(&mut self, end: End, value: &[u8], settings: &Settings) {
        self.expect(1, value.len(), settings);
        let entry = Entry::parse(value);
        let mut node = self.node_at(end);
        if !self.fits(node, entry, settings.list_node_limit()) {
            node += usize::from(end == End::Back && self.nodes.count() > 0);
            self.nodes.insert(node, Compact::new());
        }
        self.edit(node, |node| match end {
            End::Front => node.push_front(entry),
            End::Back => node.push_back(entry),
        });
        self.len += 1;
    }

    /// Takes out the element at an end and shows it to `take`; none if the list is empty. O(1).
    pub fn pop_with<R>(
        &mut self,
        end: End,
        settings: &Settings,
        take: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let index = self.node_at(end);
        let node = self.nodes.get(index);
        let at = match end {
            End::Front => 0,
            End::Back => node.previous(node.encoded_bytes()),
        };
        let result = take(node.read(at));
        self.edit(index, |node| node.remove(at, 1));
        self.len -= 1;
        if self.nodes.get(index).is_empty() {
            self.nodes.remove(index..index + 1);
        }
        self.downgrade(settings);
        Some(result)
    }

    /// The element at an index. O(nodes to the nearer end).
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        let place = self.locate(index)?;
        let node = self.nodes.get(place.node);
        Some(node.read(node.seek(place.within)))
    }

    /// Replaces the element at an index; returns whether there was one.
    pub fn set(&mut self, index: usize, value: &[u8], settings: &Settings) -> bool {
        if index >= self.len {
            return false;
        }
        self.expect(1, value.len(), settings);
        let (entry, limit) = (Entry::parse(value), settings.list_node_limit());
        if let Some(place) = self.locate(index) {
            let node = self.nodes.get(place.node);
            let at = node.seek(place.within);
            let bytes = node.encoded_bytes() - (node.next(at) - at) + encoded_bytes(entry);
            if node.len() == 1 || limit.allows(bytes, node.len()) {
                self.edit(place.node, |node| node.replace(at, entry));
            } else {
                self.edit(place.node, |node| node.remove(at, 1));
                self.len -= 1;
                self.insert_at(index, entry, limit);
            }
        }
        self.downgrade(settings);
        true
    }

    /// Puts an element beside the first that equals `pivot`; returns whether there is one. O(n).
    pub fn insert(&mut self, side: Side, pivot: &[u8], value: &[u8], settings: &Settings) -> bool {
        let Some(index) = self.positions(pivot, End::Front, usize::MAX).next() else {
            return false;
        };
        self.expect(1, value.len(), settings);
        let index = index + usize::from(side == Side::After);
        self.insert_at(index, Entry::parse(value), settings.list_node_limit());
        true
    }

    /// Removes up to `limit` elements that equal `value`, those nearest to `from`; returns how
    /// many. O(n).
    pub fn remove_value(
        &mut self,
        value: &[u8],
        limit: usize,
        from: End,
        settings: &Settings,
    ) -> usize {
        let wanted = Entry::parse(value);
        let (nodes, mut removed) = (self.nodes.count(), 0);
        for step in 0..nodes {
            let index = if from == End::Front {
                step
            } else {
                nodes - 1 - step
            };
            let matches = self
                .nodes
                .get(index)
                .iter()
                .filter(|&entry| entry == wanted)
                .count();
            let take = matches.min(limit - removed);
            if take == 0 {
                continue;
            }
            let first = if from == End::Front {
                0
            } else {
                matches - take
            };
            let (gone, mut seen) = (first..first + take, 0);
            self.edit(index, |node| {
                node.retain(|entry| {
                    let is_match = entry == wanted;
                    seen += usize::from(is_match);
                    !(is_match && gone.contains(&(seen - 1)))
                })
            });
            removed += take;
        }
        if removed > 0 {
            self.len -= removed;
            self.tidy(settings.list_node_limit());
            self.downgrade(settings);
        }
        removed
    }

    /// Removes the elements at these indexes, as far as there are. O(what is removed + nodes).
    pub fn remove_range(&mut self, indexes: Range<usize>, settings: &Settings) {
        let mut left = indexes.end.min(self.len).saturating_sub(indexes.start);
        let Some(Place { mut node, within }) = self.locate(indexes.start) else {
            return;
        };
        self.len -= left;
        if within > 0 {
            let take = left.min(self.nodes.get(node).len() - within);
            self.edit(node, |node| node.remove(node.seek(within), take));
            left -= take;
            node += 1;
        }
        let whole = node;
        while left > 0 && self.nodes.get(node).len() <= left {
            left -= self.nodes.get(node).len();
            self.node_bytes -= self.nodes.get(node).heap_bytes();
            node += 1;
        }
        self.nodes.remove(whole..node);
        if left > 0 {
            self.edit(whole, |node| node.remove(0, left));
        }
        self.join(whole, settings.list_node_limit());
        self.join(whole.saturating_sub(1), settings.list_node_limit());
        self.downgrade(settings);
    }

    /// Removes all elements but those at these indexes. O(what is removed + nodes).
    pub fn trim(&mut self, keep: Range<usize>, settings: &Settings) {
        self.remove_range(keep.end.max(keep.start)..self.len, settings);
        self.remove_range(0..keep.start, settings);
    }

    /// All elements, from either side.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len)
    }

    /// The elements at these indexes (as far as there are), from either side. O(nodes) to start.
    pub fn range(&self, indexes: Range<usize>) -> Iter<'_> {
        let end = indexes.end.min(self.len);
        let empty = Iter {
            nodes: &self.nodes,
            front_node: 0,
            front: compact::Iter::default(),
            back_node: 0,
            back: compact::Iter::default(),
            left: 0,
        };
        if indexes.start >= end {
            return empty;
        }
        let (Some(first), Some(last)) = (self.locate(indexes.start), self.locate(end - 1)) else {
            return empty;
        };
        Iter {
            front_node: first.node,
            front: self.nodes.get(first.node).range(first.within..usize::MAX),
            back_node: last.node,
            back: self.nodes.get(last.node).range(0..last.within + 1),
            left: end - indexes.start,
            ..empty
        }
    }

    /// Gives the elements at these indexes (as far as there are) to `visit`, in order: what [`List::range`] does, at the
    /// least cost for each. O(nodes) to start.
    #[inline]
    pub fn visit_range(&self, indexes: Range<usize>, mut visit: impl FnMut(Entry<'_>)) {
        let end = indexes.end.min(self.len);
        let Some(first) = (indexes.start < end)
            .then(|| self.locate(indexes.start))
            .flatten()
        else {
            return;
        };
        let mut left = end - indexes.start;
        let mut entries = self.nodes.get(first.node).range(first.within..usize::MAX);
        for node in first.node + 1.. {
            for entry in entries.by_ref().take(left) {
                visit(entry);
                left -= 1;
            }
            if left == 0 {
                return;
            }
            entries = self.nodes.get(node).iter();
        }
    }

    /// The elements node by node: a list of one node is compact.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = compact::Iter<'_>> {
        (0..self.nodes.count()).map(|node| self.nodes.get(node).iter())
    }

    /// The indexes of the elements that equal `value`, from an end on, looking at `compared_max`
    /// elements at most.
    pub fn positions<'a>(
        &'a self,
        value: &'a [u8],
        from: End,
        compared_max: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let wanted = Entry::parse(value);
        let mut walk = self.iter();
        (0..self.len.min(compared_max)).filter_map(move |step| match from {
            End::Front => (walk.next() == Some(wanted)).then_some(step),
            End::Back => (walk.next_back() == Some(wanted)).then(|| self.len - 1 - step),
        })
    }

    /// Frees nodes from the end, with about `budget` elements; returns whether all is free. What is
    /// left is a list still.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        let goal = self.len.saturating_sub(budget);
        match &mut self.nodes {
            Nodes::One(_) => *self = List::new(),
            Nodes::Many(nodes) => {
                while self.len > goal
                    && let Some(node) = nodes.pop_back()
                {
                    self.len -= node.len();
                    self.node_bytes -= node.heap_bytes();
                }
            }
        }
        self.is_empty()
    }

    /// Puts an element before the one at this index. The form is already the one that fits it.
    fn insert_at(&mut self, index: usize, entry: Entry<'_>, limit: NodeLimit) {
        let place = self.locate_before(index);
        self.len += 1;
        let Some(Place { node, within }) = place else {
            // Nothing is there: a first node.
            self.nodes.insert(0, Compact::new());
            self.edit(0, |node| node.push_back(entry));
            return;
        };
        if self.fits(node, entry, limit) {
            self.edit(node, |node| node.insert(node.seek(within), entry));
            return;
        }
        let right = node + 1;
        if within < self.nodes.get(node).len() {
            let tail = self.edit(node, |node| node.split_off(node.seek(within)));
            self.node_bytes += tail.heap_bytes();
            self.nodes.insert(right, tail);
        }
        if self.fits(node, entry, limit) {
            self.edit(node, |node| node.push_back(entry));
        } else if right < self.nodes.count() && self.fits(right, entry, limit) {
            self.edit(right, |node| node.push_front(entry));
        } else {
            self.nodes.insert(right, Compact::new());
            self.edit(right, |node| node.push_back(entry));
        }
        self.join(right + 1, limit);
        self.join(node, limit);
    }

    /// Where the element with this index is.
    fn locate(&self, index: usize) -> Option<Place> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let (mut node, mut within) = (0, index);
            while within >= self.nodes.get(node).len() {
                within -= self.nodes.get(node).len();
                node += 1;
            }
            return Some(Place { node, within });
        }
        let (mut node, mut behind) = (self.nodes.count() - 1, self.len - index);
        while behind > self.nodes.get(node).len() {
            behind -= self.nodes.get(node).len();
            node -= 1;
        }
        let within = self.nodes.get(node).len() - behind;
        Some(Place { node, within })
    }

    /// Where to put an element before the one with this index: at a border of nodes, the end of the
    /// left one.
    fn locate_before(&self, index: usize) -> Option<Place> {
        match index.checked_sub(1) {
            Some(before) => self.locate(before).map(|Place { node, within }| Place {
                node,
                within: within + 1,
            }),
            None => (self.nodes.count() > 0).then_some(Place { node: 0, within: 0 }),
        }
    }

    /// The node at an end.
    fn node_at(&self, end: End) -> usize {
        match end {
            End::Front => 0,
            End::Back => self.nodes.count().saturating_sub(1),
        }
    }

    /// Whether there is such a node and it may take the entry.
    fn fits(&self, node: usize, entry: Entry<'_>, limit: NodeLimit) -> bool {
        match &self.nodes {
            Nodes::One(_) => true,
            Nodes::Many(nodes) => nodes.get(node).is_some_and(|node| {
                node.is_empty()
                    || limit.allows(node.encoded_bytes() + encoded_bytes(entry), node.len() + 1)
            }),
        }
    }

    /// Changes a node and keeps account of its memory.
    fn edit<R>(&mut self, node: usize, change: impl FnOnce(&mut Compact) -> R) -> R {
        let node = self.nodes.get_mut(node);
        let before = node.heap_bytes();
        let result = change(node);
        self.node_bytes = self.node_bytes - before + node.heap_bytes();
        result
    }

    /// Joins a node with the one before it if both are small. Only up to half of the limit: the
    /// next insertion shall not split them again.
    fn join(&mut self, node: usize, limit: NodeLimit) {
        let Nodes::Many(nodes) = &mut self.nodes else {
            return;
        };
        let Some(left) = node.checked_sub(1).filter(|_| node < nodes.len()) else {
            return;
        };
        let bytes = nodes[left].encoded_bytes() + nodes[node].encoded_bytes();
        if limit
            .half()
            .allows(bytes, nodes[left].len() + nodes[node].len())
            && let Some(right) = nodes.remove(node)
        {
            self.node_bytes -= right.heap_bytes();
            self.edit(left, |left| left.append(&right));
        }
    }

    /// Drops empty nodes and joins small ones, in one pass.
    fn tidy(&mut self, limit: NodeLimit) {
        let Nodes::Many(nodes) = &mut self.nodes else {
            return;
        };
        let mut tidied: VecDeque<Compact> = VecDeque::new();
        for node in nodes.drain(..).filter(|node| !node.is_empty()) {
            match tidied.back_mut() {
                Some(last)
                    if limit.half().allows(
                        last.encoded_bytes() + node.encoded_bytes(),
                        last.len() + node.len(),
                    ) =>
                {
                    last.append(&node);
                }
                _ => tidied.push_back(node),
            }
        }
        self.node_bytes = tidied.iter().map(Compact::heap_bytes).sum();
        *nodes = tidied;
    }

    /// After a removal: one node that is no more than half full is a compact list again.
    fn downgrade(&mut self, settings: &Settings) {
        if let Nodes::Many(nodes) = &mut self.nodes
            && nodes.len() <= 1
        {
            let half = settings.list_node_limit().half();
            let node = nodes.pop_front().unwrap_or_default();
            if node.is_empty() || half.allows(node.encoded_bytes(), node.len()) {
                self.nodes = Nodes::One(node);
            } else {
                nodes.push_front(node);
            }
        }
    }
}

/// Where an element is: the node, and its index in there.
struct Place {
    node: usize,
    within: usize,
}

impl Nodes {
    fn count(&self) -> usize {
        match self {
            Nodes::One(_) => 1,
            Nodes::Many(nodes) => nodes.len(),
        }
    }

    fn get(&self, index: usize) -> &Compact {
        match self {
            Nodes::One(node) => node,
            Nodes::Many(nodes) => &nodes[index],
        }
    }

    fn get_mut(&mut self, index: usize) -> &mut Compact {
        match self {
            Nodes::One(node) => node,
            Nodes::Many(nodes) => &mut nodes[index],
        }
    }

    /// A single node takes everything, so this is for many.
    fn insert(&mut self, index: usize, node: Compact) {
        if let Nodes::Many(nodes) = self {
            nodes.insert(index, node);
        }
    }

    /// A single node stays, and is emptied.
    fn remove(&mut self, range: Range<usize>) {
        match self {
            Nodes::One(node) if !range.is_empty() => node.clear(),
            Nodes::One(_) => {}
            Nodes::Many(nodes) => drop(nodes.drain(range)),
        }
    }
}

/// Nodes are copied without their spare capacity, so their memory is counted anew.
impl Clone for List {
    fn clone(&self) -> List {
        let nodes = self.nodes.clone();
        let node_bytes = (0..nodes.count())
            .map(|node| nodes.get(node).heap_bytes())
            .sum();
        List {
            nodes,
            len: self.len,
            node_bytes,
        }
    }
}

impl Default for Nodes {
    fn default() -> Nodes {
        Nodes::One(Compact::new())
    }
}

/// Elements of a [`List`], from either side.
#[derive(Clone)]
pub struct Iter<'a> {
    nodes: &'a Nodes,
    /// What is left of the node at either end; may reach beyond the other.
    front_node: usize,
    front: compact::Iter<'a>,
    back_node: usize,
    back: compact::Iter<'a>,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let entry = self.front.next();
            if entry.is_some() {
                return entry;
            }
            self.front_node += 1;
            self.front = self.nodes.get(self.front_node).iter();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let entry = self.back.next_back();
            if entry.is_some() {
                return entry;
            }
            self.back_node -= 1;
            self.back = self.nodes.get(self.back_node).iter();
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::super::hasher::KeyedState;
    use super::*;
    use crate::keyspace::rng::Rng;

    fn settings(list_max_listpack_size: i32) -> Settings {
        Settings {
            list_max_listpack_size,
            ..Settings::new(KeyedState { k0: 0, k1: 0 })
        }
    }

    fn check(list: &List, model: &[Vec<u8>], settings: &Settings) {
        assert_eq!(list.len(), model.len());
        assert!(
            list.iter()
                .map(|entry| entry.to_vec())
                .eq(model.iter().cloned())
        );
        assert!(
            list.iter()
                .rev()
                .map(|entry| entry.to_vec())
                .eq(model.iter().rev().cloned())
        );
        let nodes: Vec<&Compact> = (0..list.nodes.count())
            .map(|index| list.nodes.get(index))
            .collect();
        assert_eq!(
            list.node_bytes,
            nodes.iter().map(|node| node.heap_bytes()).sum::<usize>()
        );
        if let Nodes::Many(_) = list.nodes {
            let limit = settings.list_node_limit();
            assert!(nodes.iter().all(|node| !node.is_empty()));
            assert!(
                nodes
                    .iter()
                    .all(|node| node.len() == 1 || limit.allows(node.encoded_bytes(), node.len()))
            );
        }
    }

    fn value(rng: &mut Rng) -> Vec<u8> {
        match rng.below(200) {
            0 => vec![b'H'; 3000 + rng.index(9000)],
            1..100 => rng.below(40).to_string().into_bytes(),
            _ => vec![b'a' + rng.below(26) as u8; rng.index(60)],
        }
    }

    #[test]
    fn behaves_as_a_vec() {
        let mut rng = Rng::seeded(60);
        for size in [-2, -1, 3, 40] {
            let settings = settings(size);
            let (mut list, mut model) = (List::new(), Vec::<Vec<u8>>::new());
            for round in 0..5000 {
                let growing = round % 2500 < 1500;
                let (one, other) = (value(&mut rng), value(&mut rng));
                let end = if rng.below(2) == 0 {
                    End::Front
                } else {
                    End::Back
                };
                let index = rng.index(model.len() + 2);
                match rng.below(if growing { 14 } else { 24 }) {
                    0..8 => {
                        list.push(end, &one, &settings);
                        model.insert(if end == End::Front { 0 } else { model.len() }, one);
                    }
                    8..10 => {
                        let side = if rng.below(2) == 0 {
                            Side::Before
                        } else {
                            Side::After
                        };
                        let pivot = model.iter().position(|there| *there == one);
                        assert_eq!(list.insert(side, &one, &other, &settings), pivot.is_some());
                        if let Some(pivot) = pivot {
                            model.insert(pivot + usize::from(side == Side::After), other);
                        }
                    }
                    10..12 => {
                        assert_eq!(list.set(index, &one, &settings), index < model.len());
                        if index < model.len() {
                            model[index] = one;
                        }
                    }
                    12 if rng.below(20) == 0 => {
                        let limit = [1, 2, usize::MAX][rng.index(3)];
                        let matches: Vec<usize> =
                            (0..model.len()).filter(|&at| model[at] == one).collect();
                        let take = matches.len().min(limit);
                        assert_eq!(list.remove_value(&one, limit, end, &settings), take);
                        let gone = if end == End::Front {
                            &matches[..take]
                        } else {
                            &matches[matches.len() - take..]
                        };
                        gone.iter().rev().for_each(|&at| drop(model.remove(at)));
                    }
                    13 if rng.below(20) == 0 => {
                        let count = rng.index(if growing { 20 } else { 400 });
                        list.remove_range(index..index + count, &settings);
                        let end = (index + count).min(model.len());
                        model.drain(index.min(end)..end);
                    }
                    14 if rng.below(50) == 0 => {
                        let keep = index..index + rng.index(300);
                        list.trim(keep.clone(), &settings);
                        model.truncate(keep.end);
                        model.drain(..keep.start.min(model.len()));
                    }
                    15..24 => {
                        let popped = list.pop_with(end, &settings, |entry| entry.to_vec());
                        let expected = match end {
                            End::Front => (!model.is_empty()).then(|| model.remove(0)),
                            End::Back => model.pop(),
                        };
                        assert_eq!(popped, expected);
                    }
                    _ => {}
                }
                let index = rng.index(model.len() + 1);
                assert_eq!(
                    list.get(index).map(|entry| entry.to_vec()).as_ref(),
                    model.get(index)
                );
                if round % 20 == 0 {
                    check(&list, &model, &settings);
                    check(&list.clone(), &model, &settings);
                }
            }
            while let Some(first) = list.pop_with(End::Front, &settings, |entry| entry.to_vec()) {
                assert_eq!(first, model.remove(0));
            }
            assert_eq!(
                (model.len(), list.heap_bytes(), list.encoding()),
                (0, 0, "listpack")
            );
        }
    }

    #[test]
    fn ranges_walk_from_either_side() {
        let (mut rng, settings) = (Rng::seeded(61), settings(50));
        let mut list = List::new();
        (0..1000).for_each(|n| list.push(End::Back, n.to_string().as_bytes(), &settings));
        for _ in 0..300 {
            let start = rng.index(1100);
            let end = start + rng.index(200);
            let (mut walk, mut model) =
                (list.range(start..end), start as i64..end.min(1000) as i64);
            let mut visited = Vec::new();
            list.visit_range(start..end, |entry| visited.push(entry.to_vec()));
            let expected = model.clone().map(|n| n.to_string().into_bytes());
            assert_eq!(visited, expected.collect::<Vec<_>>());
            loop {
                assert_eq!(walk.len(), model.clone().count());
                let (a, b) = match rng.below(2) {
                    0 => (walk.next(), model.next()),
                    _ => (walk.next_back(), model.next_back()),
                };
                assert_eq!(a, b.map(Entry::Int));
                if a.is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn positions_count_from_the_end_they_were_asked_from() {
        let settings = settings(2);
        let mut list = List::new();
        "abcabcab"
            .bytes()
            .for_each(|byte| list.push(End::Back, &[byte], &settings));
        let find = |value: &[u8], from, max| list.positions(value, from, max).collect::<Vec<_>>();
        assert_eq!(find(b"a", End::Front, 99), [0, 3, 6]);
        assert_eq!(find(b"a", End::Back, 99), [6, 3, 0]);
        assert_eq!(find(b"a", End::Front, 4), [0, 3]);
        assert_eq!(find(b"a", End::Back, 2), [6]);
        assert_eq!(find(b"x", End::Back, 99), [0_usize; 0]);
    }

    #[test]
    fn converts_both_ways_where_redis_does() {
        let settings = settings(-2);
        let mut list = List::new();
        let mut pushed = 0;
        while list.encoding() == "listpack" {
            list.push(End::Back, &[b'x'; 30], &settings);
            pushed += 1;
        }
        // 7 bytes of header, 32 an element; the last one counts bare.
        assert_eq!(pushed, (8192 - 7 - 30) / 32 + 2);
        while list.encoding() == "quicklist" {
            list.pop_with(End::Front, &settings, |_| {});
        }
        assert_eq!(list.len(), 4096 / 32);

        let settings = super::tests::settings(4);
        let mut list = List::new();
        (0..5).for_each(|_| list.push(End::Front, b"x", &settings));
        assert_eq!(list.encoding(), "quicklist");
        list.trim(0..3, &settings);
        assert_eq!(list.encoding(), "quicklist");
        list.trim(0..2, &settings);
        assert_eq!(list.encoding(), "listpack");
        list.expect(2, 2, &settings);
        assert_eq!(list.encoding(), "listpack");
        list.expect(3, 3, &settings);
        assert_eq!(list.encoding(), "quicklist");
    }

    #[test]
    fn a_huge_element_has_a_node_of_its_own() {
        let settings = settings(-2);
        let huge = vec![b'h'; 100_000];
        let mut list = List::new();
        list.push(End::Back, &huge, &settings);
        assert_eq!((list.encoding(), list.nodes.count()), ("quicklist", 1));
        (0..3).for_each(|_| list.push(End::Back, b"small", &settings));
        (0..3).for_each(|_| list.push(End::Front, b"small", &settings));
        assert_eq!(list.nodes.count(), 3);
        assert!(list.set(1, &huge, &settings));
        assert_eq!(list.nodes.count(), 5);
        assert!(list.get(1).is_some_and(|entry| entry.is(&huge)));
        assert!(list.get(2).is_some_and(|entry| entry.is(b"small")));
    }

    #[test]
    fn a_queue_keeps_its_memory_bounded() {
        let settings = settings(-2);
        let mut list = List::new();
        for n in 0..100_000u32 {
            list.push(End::Back, &n.to_be_bytes(), &settings);
            if n >= 1000 {
                list.pop_with(End::Front, &settings, |entry| {
                    assert!(entry.is(&(n - 1000).to_be_bytes()))
                });
            }
        }
        assert!(list.heap_bytes() < 24_000, "{}", list.heap_bytes());
    }

    #[test]
    fn drops_in_slices() {
        let settings = settings(-2);
        let mut list = List::new();
        (0..100_000).for_each(|n| list.push(End::Back, n.to_string().as_bytes(), &settings));
        let mut turns = 1;
        while !list.drop_some(5000) {
            assert_eq!(list.iter().count(), list.len());
            turns += 1;
        }
        assert!((10..=20).contains(&turns), "{turns}");
        assert_eq!(list.node_bytes, 0);
    }
}
