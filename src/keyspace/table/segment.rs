//! The slots of one segment: a small open-addressed table in the order of tags.
//!
//! A slot is a tag and where its record is; a probe ends at the first greater tag, hit or miss. Since the tag holds the
//! bits that say to which half a record goes, segments are split and merged without a look at any record. This
//! module must not know what a record is.

/// Bits of a slot that say where the record is.
const ADDRESS_BITS: u32 = 36;
/// Bits of a slot that are its tag.
pub const TAG_BITS: u32 = 64 - ADDRESS_BITS;
/// Bits of the hash that choose the segment, which are the low bits of the tag: segments are not split further.
pub const LEVEL_MAX: u32 = 20;

/// A tag, and where the record is (in the unit of whoever keeps the records); 0 is an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u64);

impl Slot {
    /// The slot of a record.
    #[inline]
    pub fn new(tag: u32, address: u64) -> Self {
        Slot(u64::from(tag) << ADDRESS_BITS | (address + 1))
    }

    /// Its tag; 0 of an empty one.
    #[inline]
    pub fn tag(self) -> u32 {
        (self.0 >> ADDRESS_BITS) as u32
    }

    /// Where the record is; `None` of an empty slot.
    #[inline]
    pub fn address(self) -> Option<u64> {
        (self.0 & ((1 << ADDRESS_BITS) - 1)).checked_sub(1)
    }

    /// Whether there is no record.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

const EMPTY: Slot = Slot(0);

/// What of a hash a slot keeps: its top bits, by which slots are ordered, and the low ones, which choose the segment.
#[inline]
pub fn tag_of(hash: u64) -> u32 {
    const ORDER_BITS: u32 = TAG_BITS - LEVEL_MAX;
    ((hash >> (64 - ORDER_BITS)) << LEVEL_MAX | hash & ((1 << LEVEL_MAX) - 1)) as u32
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Segment {
    slots: Box<[Slot]>,
    len: u32,
    /// Homes of tags are spread over this many slots; the few behind them take the overflow of the last run.
    homes: u32,
    /// No record expires before this Unix time in ms.
    pub next_expiry_ms: i64,
}

impl Default for Segment {
    fn default() -> Self {
        Segment {
            slots: Box::default(),
            len: 0,
            homes: 0,
            next_expiry_ms: i64::MAX,
        }
    }
}

impl Segment {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// All slots, the empty ones too.
    #[inline]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Where the search for a tag begins.
    #[inline]
    pub fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * u64::from(self.homes)) >> TAG_BITS) as usize
    }

    /// The first slot with this tag for which `is_it` says so, given the record's address; and that address.
    #[inline]
    pub fn find(&self, tag: u32, mut is_it: impl FnMut(u64) -> bool) -> Option<(usize, u64)> {
        let mut index = self.home(tag);
        loop {
            let slot = *self.slots.get(index)?;
            let address = slot.address()?;
            if slot.tag() >= tag {
                if slot.tag() > tag {
                    return None;
                }
                if is_it(address) {
                    return Some((index, address));
                }
            }
            index += 1;
        }
    }

    /// Puts a record's slot in its place in the order of tags, and returns where that is. O(1) on average.
    pub fn insert(&mut self, tag: u32, address: u64) -> usize {
        if self.len as usize * 5 > self.homes as usize * 4 {
            self.resize(self.len as usize * 10 / 7);
        }
        self.len += 1;
        loop {
            let mut index = self.home(tag);
            while (self.slots.get(index)).is_some_and(|slot| !slot.is_empty() && slot.tag() <= tag)
            {
                index += 1;
            }
            let rest = self.slots.get(index..).unwrap_or_default();
            let Some(gap) = rest.iter().position(|slot| slot.is_empty()) else {
                self.resize(self.homes as usize + self.homes as usize / 8 + 8);
                continue;
            };
            self.slots.copy_within(index..index + gap, index + 1);
            self.slots[index] = Slot::new(tag, address);
            return index;
        }
    }

    /// Makes room in an empty segment for about so many records.
    pub fn make_room(&mut self, len: usize) {
        if self.len == 0 && len > 0 {
            self.resize(len * 10 / 7);
        }
    }

    /// Says that the record of a slot has moved.
    #[inline]
    pub fn set_address(&mut self, index: usize, address: u64) {
        self.slots[index] = Slot::new(self.slots[index].tag(), address);
    }

    /// Empties a slot; those behind it may move up by one.
    pub fn remove(&mut self, index: usize) {
        let mut end = index + 1;
        while (self.slots.get(end))
            .is_some_and(|slot| !slot.is_empty() && self.home(slot.tag()) < end)
        {
            end += 1;
        }
        self.slots.copy_within(index + 1..end, index);
        self.slots[end - 1] = EMPTY;
        self.len -= 1;
    }

    /// Gives memory back when most slots are empty.
    pub fn shrink_if_sparse(&mut self) {
        if self.len == 0 {
            *self = Segment::default();
        } else if (self.len as usize) * 3 < self.homes as usize {
            self.resize(self.len as usize * 10 / 7);
        }
    }

    /// Splits by the bit of the hash at `level`, of which both halves have had all lower bits in common.
    pub fn split(self, level: u32) -> (Segment, Segment) {
        let is_high = |slot: &Slot| slot.tag() >> level & 1 == 1;
        let records = || self.slots.iter().filter(|slot| !slot.is_empty());
        let high = records().filter(|slot| is_high(slot)).count();
        let half = |len: usize, wanted: bool| {
            let slots = records()
                .copied()
                .filter(move |slot| is_high(slot) == wanted);
            Segment::of(slots, len, self.next_expiry_ms)
        };
        (half(self.len() - high, false), half(high, true))
    }

    /// The inverse of [`Segment::split`].
    pub fn merge(first: Segment, second: Segment) -> Segment {
        let records = |segment: &Segment| {
            let slots = segment.slots.iter().copied();
            slots.filter(|slot| !slot.is_empty()).collect::<Vec<_>>()
        };
        let mut slots = [records(&first), records(&second)].concat();
        slots.sort_by_key(|slot| slot.tag());
        let len = slots.len();
        let next_expiry_ms = first.next_expiry_ms.min(second.next_expiry_ms);
        Segment::of(slots.into_iter(), len, next_expiry_ms)
    }

    /// A segment of `len` slots that come in the order of their tags.
    fn of(slots: impl Iterator<Item = Slot> + Clone, len: usize, next_expiry_ms: i64) -> Self {
        let mut segment = Segment {
            len: len as u32,
            next_expiry_ms,
            ..Segment::default()
        };
        if len > 0 {
            segment.spread(slots, len * 10 / 7);
        }
        segment
    }

    fn resize(&mut self, homes: usize) {
        let old = std::mem::take(&mut self.slots);
        self.spread(old.iter().copied().filter(|slot| !slot.is_empty()), homes);
    }

    /// Spreads slots, which come in the order of their tags, over about `homes` homes.
    fn spread(&mut self, slots: impl Iterator<Item = Slot> + Clone, homes: usize) {
        // Room for a few more than there are, in steps that allocators hand out anyway.
        let mut homes = (homes.max(6) + 9).next_multiple_of(8) - 4;
        'retry: loop {
            self.homes = homes as u32;
            self.slots = vec![EMPTY; homes + 4].into();
            let mut next = 0;
            for slot in slots.clone() {
                let index = self.home(slot.tag()).max(next);
                let Some(place) = self.slots.get_mut(index) else {
                    homes += 8;
                    continue 'retry;
                };
                *place = slot;
                next = index + 1;
            }
            return;
        }
    }

    /// Bytes of memory. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }
}
