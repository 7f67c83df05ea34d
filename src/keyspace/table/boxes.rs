//! Things that do not fit a record, each under a number: a slab that neither copies when it grows nor keeps what it
//! needed at its peak.
//!
//! This module must not know what the things are.

/// Things per chunk.
const CHUNK: usize = 256;
const NONE: u32 = u32::MAX;

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Boxes<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks that have room, each once.
    roomy: Vec<u32>,
    heap_bytes: usize,
}

#[derive(Clone, Debug)]
struct Chunk<T> {
    places: Vec<Place<T>>,
    /// The first hole.
    free: u32,
    used: u32,
}

#[derive(Clone, Debug)]
enum Place<T> {
    Thing(T),
    /// A hole, and the next one.
    Free(u32),
}

impl<T> Default for Boxes<T> {
    fn default() -> Self {
        Boxes {
            chunks: Vec::new(),
            roomy: Vec::new(),
            heap_bytes: 0,
        }
    }
}

impl<T> Boxes<T> {
    /// Keeps a thing, and gives its number. O(1).
    pub fn insert(&mut self, thing: T) -> u32 {
        let number = match self.roomy.last() {
            Some(&number) => number,
            None => {
                self.chunks.push(Chunk {
                    places: Vec::new(),
                    free: NONE,
                    used: 0,
                });
                let number = self.chunks.len() as u32 - 1;
                self.roomy.push(number);
                number
            }
        };
        let chunk = &mut self.chunks[number as usize];
        let before = chunk.places.capacity();
        if before == 0 && number > 0 {
            // A second chunk will be followed by a third; the first one grows as it is needed.
            chunk.places.reserve_exact(CHUNK);
        }
        let place = chunk.insert(thing);
        self.heap_bytes += (chunk.places.capacity() - before) * size_of::<Place<T>>();
        if chunk.used as usize == CHUNK {
            self.roomy.pop();
        }
        number * CHUNK as u32 + place
    }

    /// Gives a thing back; `None` when there is none of this number. O(1).
    pub fn remove(&mut self, number: u32) -> Option<T> {
        let (number, place) = (number / CHUNK as u32, number % CHUNK as u32);
        let chunk = self.chunks.get_mut(number as usize)?;
        let was_full = chunk.used as usize == CHUNK;
        let thing = chunk.remove(place)?;
        if was_full {
            self.roomy.push(number);
        }
        if chunk.used == 0 {
            self.heap_bytes -= chunk.places.capacity() * size_of::<Place<T>>();
            chunk.places = Vec::new();
            chunk.free = NONE;
        }
        Some(thing)
    }

    /// The thing of this number.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&T> {
        let chunk = self.chunks.get(number as usize / CHUNK)?;
        match chunk.places.get(number as usize % CHUNK)? {
            Place::Thing(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(number as usize / CHUNK)?;
        match chunk.places.get_mut(number as usize % CHUNK)? {
            Place::Thing(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// Gives away the things of one chunk; false when there was none. Only for boxes that take no more.
    pub fn drop_some(&mut self, mut dropped: impl FnMut(T)) -> bool {
        self.roomy.clear();
        let Some(chunk) = self.chunks.pop() else {
            return false;
        };
        self.heap_bytes -= chunk.places.capacity() * size_of::<Place<T>>();
        for place in chunk.places {
            if let Place::Thing(thing) = place {
                dropped(thing);
            }
        }
        true
    }

    /// Bytes of memory, those behind the things not counted. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes + self.chunks.capacity() * size_of::<Chunk<T>>()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.used as usize).sum()
    }
}

impl<T> Chunk<T> {
    fn insert(&mut self, thing: T) -> u32 {
        self.used += 1;
        match self.places.get_mut(self.free as usize) {
            Some(hole) => {
                let at = self.free;
                if let Place::Free(next) = *hole {
                    self.free = next;
                }
                *hole = Place::Thing(thing);
                at
            }
            None => {
                self.places.push(Place::Thing(thing));
                self.places.len() as u32 - 1
            }
        }
    }

    fn remove(&mut self, at: u32) -> Option<T> {
        let place = self.places.get_mut(at as usize)?;
        if matches!(place, Place::Free(_)) {
            return None;
        }
        match std::mem::replace(place, Place::Free(self.free)) {
            Place::Thing(thing) => {
                self.free = at;
                self.used -= 1;
                Some(thing)
            }
            Place::Free(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::keyspace::Rng;

    #[test]
    fn boxes_agree_with_a_map_and_give_memory_back() {
        let mut rng = Rng::seeded(7);
        let mut boxes = Boxes::default();
        let mut model: HashMap<u32, u64> = HashMap::new();
        for (inserts, steps) in [(70, 20_000), (50, 5000), (20, 40_000)] {
            for _ in 0..steps {
                if rng.below(100) < inserts {
                    let thing = rng.next_u64();
                    let number = boxes.insert(thing);
                    assert_eq!(model.insert(number, thing), None, "a number is given once");
                } else if let Some(&number) = model.keys().next() {
                    assert_eq!(boxes.get(number), model.get(&number));
                    assert_eq!(boxes.remove(number), model.remove(&number));
                    assert_eq!((boxes.remove(number), boxes.get(number)), (None, None));
                }
            }
            assert_eq!(boxes.len(), model.len());
            let capacity: usize = boxes
                .chunks
                .iter()
                .map(|chunk| chunk.places.capacity())
                .sum();
            assert_eq!(boxes.heap_bytes, capacity * size_of::<Place<u64>>());
        }
        for (number, thing) in model {
            assert_eq!(boxes.remove(number), Some(thing));
        }
        assert_eq!(boxes.heap_bytes, 0);
        assert_eq!(boxes.remove(u32::MAX), None);
    }
}
