//! A sequence with an order-statistics tree behind it: the element at a rank, insertion and removal
//! at a rank, and the rank where a condition stops to hold, each in O(log n). It does not compare
//! its elements; whoever keeps it sorted asks [`partition_point`](CountedTree::partition_point)
//! with a condition of its own. So one tree serves ranges by rank, by score and by member alike.
//!
//! It is a B+ tree. Wide leaves keep a search within a few cache lines and a walk within one array;
//! an inner node has, for each child, the child's first element (to search by) and the number of
//! elements below it (to count by).

use std::ops::Range;

/// Elements of a leaf.
const LEAF_MAX: usize = 64;
/// Children of an inner node.
const INNER_MAX: usize = 48;
/// A node is filled up from a neighbour, or joined with it, when it has fewer than 1 / `SPARSE` of
/// the most.
const SPARSE: usize = 4;

/// The sequence.
#[derive(Clone, Debug)]
pub struct CountedTree<T: Copy> {
    root: Node<T>,
    len: usize,
    census: Census,
}

#[derive(Debug)]
enum Node<T> {
    /// Has room for `LEAF_MAX`; is empty only as the root, and has no room then.
    Leaf(Vec<T>),
    /// Is never empty.
    Inner(Box<Inner<T>>),
}

/// The children, in three parallel arrays, as a search needs but one of them.
#[derive(Debug)]
struct Inner<T> {
    firsts: Vec<T>,
    counts: Vec<u32>,
    children: Vec<Node<T>>,
}

/// How many nodes there are, for the memory they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Census {
    leaves: usize,
    inners: usize,
}

impl<T: Copy> CountedTree<T> {
    /// An empty sequence.
    pub fn new() -> CountedTree<T> {
        CountedTree {
            root: Node::Leaf(Vec::new()),
            len: 0,
            census: Census::default(),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes on the heap. O(1).
    pub fn heap_bytes(&self) -> usize {
        let child_bytes = size_of::<T>() + size_of::<u32>() + size_of::<Node<T>>();
        self.census.leaves * LEAF_MAX * size_of::<T>()
            + self.census.inners * (size_of::<Inner<T>>() + (INNER_MAX + 1) * child_bytes)
    }

    /// The element at `rank`.
    pub fn get(&self, rank: usize) -> Option<T> {
        (rank < self.len).then(|| {
            let (leaf, at) = self.leaf_of(rank);
            leaf[at]
        })
    }

    /// The number of elements for which `before` holds. It must hold for the first ones and no
    /// others, as for [`slice::partition_point`].
    pub fn partition_point(&self, mut before: impl FnMut(&T) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(items) => return rank + border(items, before),
                Node::Inner(inner) => {
                    // The last child whose first element is before: the border is in it or right
                    // behind it.
                    let child = border(&inner.firsts, &mut before).saturating_sub(1);
                    rank += sum(&inner.counts[..child]);
                    node = &inner.children[child];
                }
            }
        }
    }

    /// Puts an element at `rank`, before what is there.
    ///
    /// # Panics
    /// If `rank` is above the length.
    pub fn insert(&mut self, rank: usize, item: T) {
        assert!(rank <= self.len, "rank {rank} of {}", self.len);
        let appends = rank == self.len;
        if let Some(right) = self.root.insert(rank, item, appends, &mut self.census) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            let mut inner = Inner::new(&mut self.census);
            inner.push(left);
            inner.push(right);
            self.root = Node::Inner(Box::new(inner));
        }
        self.len += 1;
    }

    /// Takes out the element at `rank`.
    ///
    /// # Panics
    /// If there is none.
    pub fn remove(&mut self, rank: usize) -> T {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        let item = self.root.remove(rank, &mut self.census);
        self.len -= 1;
        while let Node::Inner(inner) = &mut self.root
            && inner.children.len() <= 1
        {
            self.census.inners -= 1;
            self.root = inner.children.pop().unwrap_or(Node::Leaf(Vec::new()));
        }
        item
    }

    /// Puts another element in the place of the one at `rank`.
    ///
    /// # Panics
    /// If there is none.
    pub fn replace(&mut self, rank: usize, item: T) {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        let (mut node, mut rank) = (&mut self.root, rank);
        loop {
            match node {
                Node::Leaf(items) => {
                    items[rank] = item;
                    return;
                }
                Node::Inner(inner) => {
                    let (child, within) = inner.child_with(rank);
                    if within == 0 {
                        inner.firsts[child] = item;
                    }
                    (node, rank) = (&mut inner.children[child], within);
                }
            }
        }
    }

    /// The elements at these ranks (as far as there are), from either side.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_, T> {
        Iter {
            tree: self,
            ranks: ranks.start..ranks.end.min(self.len),
            front: &[],
            back: &[],
        }
    }

    /// Frees about `budget` elements from the end; returns whether all is free.
    pub fn drop_some(&mut self, budget: usize) -> bool {
        let goal = self.len.saturating_sub(budget);
        while self.len > goal {
            self.len -= self.root.drop_last_leaf(&mut self.census);
        }
        if self.is_empty() {
            *self = CountedTree::new();
        }
        self.is_empty()
    }

    /// The leaf that holds `rank`, which there must be, and the place in it.
    fn leaf_of(&self, mut rank: usize) -> (&[T], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => return (items, rank),
                Node::Inner(inner) => {
                    let (child, within) = inner.child_with(rank);
                    (node, rank) = (&inner.children[child], within);
                }
            }
        }
    }
}

impl<T: Copy> Default for CountedTree<T> {
    fn default() -> CountedTree<T> {
        CountedTree::new()
    }
}

/// A walk over a [`CountedTree`]: a leaf at a time, and each next leaf from the root.
#[derive(Clone)]
pub struct Iter<'a, T: Copy> {
    tree: &'a CountedTree<T>,
    ranks: Range<usize>,
    /// What is left of the leaf at either end; may reach beyond `ranks`.
    front: &'a [T],
    back: &'a [T],
}

impl<T: Copy> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.front.is_empty() {
            let (leaf, at) = self.tree.leaf_of(self.ranks.start);
            self.front = &leaf[at..];
        }
        let (&item, rest) = self.front.split_first()?;
        self.front = rest;
        self.ranks.start += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ranks.len(), Some(self.ranks.len()))
    }
}

impl<T: Copy> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.back.is_empty() {
            let (leaf, at) = self.tree.leaf_of(self.ranks.end - 1);
            self.back = &leaf[..=at];
        }
        let (&item, rest) = self.back.split_last()?;
        self.back = rest;
        self.ranks.end -= 1;
        Some(item)
    }
}

impl<T: Copy> ExactSizeIterator for Iter<'_, T> {}

impl<T: Copy> Node<T> {
    /// The number of elements in and below this node.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(inner) => sum(&inner.counts),
        }
    }

    /// The first element. There must be one.
    fn first(&self) -> T {
        match self {
            Node::Leaf(items) => items[0],
            Node::Inner(inner) => inner.firsts[0],
        }
    }

    /// Whether the node has so little in it that its parent should see to it.
    fn is_sparse(&self) -> bool {
        match self {
            Node::Leaf(items) => items.len() < LEAF_MAX / SPARSE,
            Node::Inner(inner) => inner.children.len() < INNER_MAX / SPARSE,
        }
    }

    /// Inserts, and returns the right half of the node if it had to be split. Where the whole tree
    /// `appends`, what is there stays in the left half: a tree that is filled in order has full
    /// nodes.
    fn insert(
        &mut self,
        rank: usize,
        item: T,
        appends: bool,
        census: &mut Census,
    ) -> Option<Node<T>> {
        match self {
            Node::Leaf(items) => insert_in_leaf(items, rank, item, appends, census).map(Node::Leaf),
            Node::Inner(inner) => inner
                .insert(rank, item, appends, census)
                .map(|right| Node::Inner(Box::new(right))),
        }
    }

    fn remove(&mut self, rank: usize, census: &mut Census) -> T {
        match self {
            Node::Leaf(items) => {
                let item = items.remove(rank);
                if items.is_empty() {
                    *items = Vec::new();
                    census.leaves -= 1;
                }
                item
            }
            Node::Inner(inner) => inner.remove(rank, census),
        }
    }

    /// Returns the number of elements that went.
    fn drop_last_leaf(&mut self, census: &mut Census) -> usize {
        match self {
            Node::Leaf(items) => {
                census.leaves -= 1;
                std::mem::take(items).len()
            }
            Node::Inner(inner) => {
                let last = inner.children.len() - 1;
                let dropped = inner.children[last].drop_last_leaf(census);
                inner.counts[last] -= dropped as u32;
                if inner.counts[last] == 0 {
                    census.inners -= usize::from(matches!(inner.children[last], Node::Inner(_)));
                    inner.truncate(last);
                }
                dropped
            }
        }
    }
}

fn insert_in_leaf<T: Copy>(
    items: &mut Vec<T>,
    rank: usize,
    item: T,
    appends: bool,
    census: &mut Census,
) -> Option<Vec<T>> {
    if items.capacity() == 0 {
        *items = new_leaf(census);
    }
    if items.len() < LEAF_MAX {
        items.insert(rank, item);
        return None;
    }
    let cut = if appends { LEAF_MAX } else { LEAF_MAX / 2 };
    let mut right = new_leaf(census);
    right.extend_from_slice(&items[cut..]);
    items.truncate(cut);
    if rank < cut || (rank == cut && !appends) {
        items.insert(rank, item);
    } else {
        right.insert(rank - cut, item);
    }
    Some(right)
}

fn new_leaf<T>(census: &mut Census) -> Vec<T> {
    census.leaves += 1;
    Vec::with_capacity(LEAF_MAX)
}

impl<T: Copy> Inner<T> {
    fn new(census: &mut Census) -> Inner<T> {
        census.inners += 1;
        Inner::with_room()
    }

    /// Room for one child too many: it is split only then.
    fn with_room() -> Inner<T> {
        Inner {
            firsts: Vec::with_capacity(INNER_MAX + 1),
            counts: Vec::with_capacity(INNER_MAX + 1),
            children: Vec::with_capacity(INNER_MAX + 1),
        }
    }

    fn push(&mut self, child: Node<T>) {
        self.insert_child(self.children.len(), child);
    }

    fn insert_child(&mut self, at: usize, child: Node<T>) {
        self.firsts.insert(at, child.first());
        self.counts.insert(at, child.count() as u32);
        self.children.insert(at, child);
    }

    fn remove_child(&mut self, at: usize) -> Node<T> {
        self.firsts.remove(at);
        self.counts.remove(at);
        self.children.remove(at)
    }

    fn truncate(&mut self, len: usize) {
        self.firsts.truncate(len);
        self.counts.truncate(len);
        self.children.truncate(len);
    }

    /// Notes anew what it knows of a child.
    fn review(&mut self, at: usize) {
        self.firsts[at] = self.children[at].first();
        self.counts[at] = self.children[at].count() as u32;
    }

    /// The child that holds `rank`, and the rank within it.
    fn child_with(&self, mut rank: usize) -> (usize, usize) {
        let mut child = 0;
        while rank >= self.counts[child] as usize {
            rank -= self.counts[child] as usize;
            child += 1;
        }
        (child, rank)
    }

    /// Where to insert at `rank`: at the border of two children, the end of the left one.
    fn child_before(&self, rank: usize) -> (usize, usize) {
        match rank.checked_sub(1) {
            Some(before) => {
                let (child, within) = self.child_with(before);
                (child, within + 1)
            }
            None => (0, 0),
        }
    }

    fn insert(
        &mut self,
        rank: usize,
        item: T,
        appends: bool,
        census: &mut Census,
    ) -> Option<Inner<T>> {
        let (child, within) = self.child_before(rank);
        match self.children[child].insert(within, item, appends, census) {
            Some(right) => {
                self.review(child);
                self.insert_child(child + 1, right);
            }
            None => {
                self.counts[child] += 1;
                if within == 0 {
                    self.firsts[child] = item;
                }
            }
        }
        (self.children.len() > INNER_MAX).then(|| {
            census.inners += 1;
            self.split_off(if appends { INNER_MAX } else { INNER_MAX / 2 })
        })
    }

    fn split_off(&mut self, at: usize) -> Inner<T> {
        let mut right = Inner::with_room();
        right.take_children(self, at..self.children.len());
        right
    }

    /// Moves children of `from` to the end of this node.
    fn take_children(&mut self, from: &mut Inner<T>, range: Range<usize>) {
        self.firsts.extend(from.firsts.drain(range.clone()));
        self.counts.extend(from.counts.drain(range.clone()));
        self.children.extend(from.children.drain(range));
    }

    fn remove(&mut self, rank: usize, census: &mut Census) -> T {
        let (child, within) = self.child_with(rank);
        let item = self.children[child].remove(within, census);
        self.counts[child] -= 1;
        if self.counts[child] == 0 {
            // An only child: any other was joined before it ran empty.
            census.inners -= usize::from(matches!(self.remove_child(child), Node::Inner(_)));
        } else if self.children[child].is_sparse() && self.children.len() > 1 {
            self.relieve(child.min(self.children.len() - 2), census);
        } else if within == 0 {
            self.firsts[child] = self.children[child].first();
        }
        item
    }

    /// Joins the child at `left` and its right neighbour, or shares their content evenly if it is
    /// too much for one.
    fn relieve(&mut self, left: usize, census: &mut Census) {
        let right = self.remove_child(left + 1);
        let rest = match (&mut self.children[left], right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                share_leaves(left, right, census).map(Node::Leaf)
            }
            (Node::Inner(left), Node::Inner(right)) => left.share(right, census).map(Node::Inner),
            _ => unreachable!("all leaves are at one depth"),
        };
        self.review(left);
        if let Some(right) = rest {
            self.insert_child(left + 1, right);
        }
    }

    /// What [`relieve`](Self::relieve) does to two inner nodes; returns the right one if it is
    /// still needed.
    fn share(&mut self, mut right: Box<Inner<T>>, census: &mut Census) -> Option<Box<Inner<T>>> {
        let total = self.children.len() + right.children.len();
        if total <= INNER_MAX {
            self.take_children(&mut right, 0..total - self.children.len());
            census.inners -= 1;
            return None;
        }
        let half = total / 2;
        if self.children.len() < half {
            self.take_children(&mut right, 0..half - self.children.len());
            return Some(right);
        }
        let mut moved = self.split_off(half);
        moved.take_children(
            &mut right,
            0..total - self.children.len() - moved.children.len(),
        );
        Some(Box::new(moved))
    }
}

/// As [`Inner::share`], for leaves.
fn share_leaves<T: Copy>(
    left: &mut Vec<T>,
    mut right: Vec<T>,
    census: &mut Census,
) -> Option<Vec<T>> {
    let total = left.len() + right.len();
    if total <= LEAF_MAX {
        left.append(&mut right);
        census.leaves -= 1;
        return None;
    }
    let half = total / 2;
    if left.len() < half {
        left.extend(right.drain(..half - left.len()));
    } else {
        right.splice(0..0, left.drain(half..));
    }
    Some(right)
}

/// With the room of a node: a derived clone would have none, and grow by doubling.
impl<T: Copy> Clone for Node<T> {
    fn clone(&self) -> Node<T> {
        match self {
            Node::Leaf(items) if items.is_empty() => Node::Leaf(Vec::new()),
            Node::Leaf(items) => {
                let mut copy = Vec::with_capacity(LEAF_MAX);
                copy.extend_from_slice(items);
                Node::Leaf(copy)
            }
            Node::Inner(inner) => {
                let mut copy = Inner::with_room();
                copy.firsts.extend_from_slice(&inner.firsts);
                copy.counts.extend_from_slice(&inner.counts);
                copy.children.extend_from_slice(&inner.children);
                Node::Inner(Box::new(copy))
            }
        }
    }
}

/// As [`slice::partition_point`], but looking at every eighth element first. The processor runs
/// ahead of the loop, so these loads do not wait for each other as those of a binary search do: a
/// third less for a leaf out of the cache.
fn border<T>(items: &[T], mut before: impl FnMut(&T) -> bool) -> usize {
    const STEP: usize = 8;
    let mut start = 0;
    while start + STEP <= items.len() && before(&items[start + STEP - 1]) {
        start += STEP;
    }
    let end = items.len().min(start + STEP);
    start
        + items[start..end]
            .iter()
            .take_while(|&item| before(item))
            .count()
}

fn sum(counts: &[u32]) -> usize {
    counts.iter().map(|&count| count as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::rng::Rng;

    /// Every node says of its children what is true; returns the depth.
    fn check<T: Copy + PartialEq + std::fmt::Debug>(tree: &CountedTree<T>) -> usize {
        fn walk<T: Copy + PartialEq + std::fmt::Debug>(
            node: &Node<T>,
            census: &mut Census,
        ) -> usize {
            match node {
                Node::Leaf(items) => {
                    assert!(
                        items.len() <= LEAF_MAX
                            && (items.capacity() == LEAF_MAX || items.is_empty())
                    );
                    census.leaves += usize::from(!items.is_empty());
                    1
                }
                Node::Inner(inner) => {
                    assert!((1..=INNER_MAX).contains(&inner.children.len()));
                    census.inners += 1;
                    let mut depths = Vec::new();
                    for (at, child) in inner.children.iter().enumerate() {
                        assert_eq!(inner.firsts[at], child.first());
                        assert_eq!(inner.counts[at] as usize, child.count());
                        depths.push(walk(child, census));
                    }
                    depths.dedup();
                    assert_eq!(depths.len(), 1);
                    depths[0] + 1
                }
            }
        }
        let mut census = Census::default();
        let depth = walk(&tree.root, &mut census);
        assert_eq!(census, tree.census);
        assert_eq!(tree.root.count(), tree.len());
        depth
    }

    #[test]
    fn behaves_as_a_vec() {
        let mut rng = Rng::seeded(12);
        for (rounds, insert_at) in [(60_000, 0..=100), (30_000, 0..=0), (30_000, 100..=100)] {
            let (mut tree, mut model) = (CountedTree::new(), Vec::new());
            for round in 0..rounds {
                let percent =
                    insert_at.start() + rng.index(insert_at.end() - insert_at.start() + 1);
                if rng.below(10) < if round < rounds * 6 / 10 { 8 } else { 1 } {
                    let rank = model.len() * percent / 100;
                    tree.insert(rank, round);
                    model.insert(rank, round);
                } else if !model.is_empty() {
                    let rank = rng.index(model.len());
                    assert_eq!(tree.remove(rank), model.remove(rank));
                }
                if rng.below(4) == 0 && !model.is_empty() {
                    let rank = rng.index(model.len());
                    tree.replace(rank, round + 1_000_000);
                    model[rank] = round + 1_000_000;
                }
                assert_eq!(tree.len(), model.len());
                let rank = rng.index(model.len() + 1);
                assert_eq!(tree.get(rank), model.get(rank).copied());
                if round % 500 == 0 {
                    check(&tree);
                }
            }
            assert!(tree.range(0..tree.len()).eq(model.iter().copied()));
            let mut copy = tree.clone();
            check(&copy);
            while !copy.is_empty() {
                assert_eq!(copy.remove(0), model.remove(0));
            }
            check(&copy);
            assert_eq!(copy.heap_bytes(), 0);
            assert!(!tree.is_empty());
        }
    }

    #[test]
    fn partition_point_is_that_of_the_sorted_slice() {
        let mut rng = Rng::seeded(13);
        let (mut tree, mut model) = (CountedTree::new(), Vec::new());
        for _ in 0..20_000 {
            let item = rng.below(8000);
            let rank = tree.partition_point(|&there| there < item);
            assert_eq!(rank, model.partition_point(|&there| there < item));
            assert!(tree.partition_point(|&there| there <= item) >= rank);
            tree.insert(rank, item);
            model.insert(rank, item);
        }
        assert_eq!(tree.partition_point(|_| true), 20_000);
        assert_eq!(tree.partition_point(|_| false), 0);
    }

    #[test]
    fn ranges_walk_from_either_side() {
        let mut tree = CountedTree::new();
        (0..5000u32).for_each(|n| tree.insert(n as usize, n));
        let mut rng = Rng::seeded(14);
        for _ in 0..200 {
            let start = rng.index(5200);
            let end = start + rng.index(300);
            let mut walk = tree.range(start..end);
            let mut model = (start..end.min(5000)).map(|n| n as u32);
            loop {
                assert_eq!(walk.len(), model.len());
                let (a, b) = match rng.below(2) {
                    0 => (walk.next(), model.next()),
                    _ => (walk.next_back(), model.next_back()),
                };
                assert_eq!(a, b);
                if a.is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn filling_in_order_fills_the_nodes() {
        let mut tree = CountedTree::new();
        (0..100_000usize).for_each(|n| tree.insert(n, n));
        assert_eq!(tree.census.leaves, 100_000usize.div_ceil(LEAF_MAX));
        assert_eq!(check(&tree), 3);
    }

    #[test]
    fn taking_from_one_end_frees_the_nodes() {
        for from_end in [false, true] {
            let mut tree = CountedTree::new();
            (0..30_000usize).for_each(|n| tree.insert(n, n));
            while tree.len() > 100 {
                tree.remove(if from_end { tree.len() - 1 } else { 0 });
            }
            check(&tree);
            assert!(tree.census.leaves <= 8, "{:?}", tree.census);
        }
    }

    #[test]
    fn an_only_child_may_run_empty() {
        let full = LEAF_MAX * INNER_MAX;
        let mut tree = CountedTree::new();
        (0..full * INNER_MAX + 1).for_each(|n| tree.insert(n, n));
        assert_eq!(check(&tree), 4);
        assert_eq!(tree.remove(full * INNER_MAX), full * INNER_MAX);
        assert_eq!(check(&tree), 3);
    }

    #[test]
    fn drops_in_slices() {
        let mut tree = CountedTree::new();
        (0..100_000usize).for_each(|n| tree.insert(n, n));
        let mut turns = 1;
        while !tree.drop_some(5000) {
            assert!(
                tree.range(0..tree.len())
                    .eq(0..100_000 - tree.len().abs_diff(100_000))
            );
            check(&tree);
            turns += 1;
        }
        assert!((19..=20).contains(&turns), "{turns}");
        assert_eq!(tree.heap_bytes(), 0);
    }
}
