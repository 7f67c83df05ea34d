//! How operations get at a value behind a pointer: typed, created when missing, removed when empty.
//!
//! This module must not know what the operations do.

use super::collections::{Hash, List, Set, Settings, ZSet};
use super::stream::Stream;
use super::table::NewData;
use super::{Data, Key, Keyspace, Rng, Type, Value, WrongType};
use crate::change::Class;

/// A type that a key can hold behind a pointer.
pub trait Collection: Sized {
    /// The type's name.
    const TYPE: Type;

    /// The value as this type, if it is of it.
    fn of(value: &Value) -> Option<&Self>;

    /// The same, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    /// A value of this type.
    fn into_value(self) -> Value;

    /// Whether nothing is in it and its key is to be removed: not so a stream's.
    fn is_empty(&self) -> bool;
}

macro_rules! collections {
    ($($type:ident as $variant:ident, empty if $is_empty:expr;)+) => {
        $(impl Collection for $type {
            const TYPE: Type = Type::$variant;

            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(it) = value { Some(it) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(it) = value { Some(it) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$variant(Box::new(self))
            }

            fn is_empty(&self) -> bool {
                $is_empty(self)
            }
        })+
    };
}

collections! {
    List as List, empty if List::is_empty;
    Set as Set, empty if Set::is_empty;
    ZSet as SortedSet, empty if ZSet::is_empty;
    Hash as Hash, empty if Hash::is_empty;
    Stream as Stream, empty if |_| false;
}

/// A value to be changed, and what changing it takes.
pub struct Open<'a, T> {
    /// The value.
    pub value: &'a mut T,
    /// When it changes its form.
    pub settings: &'a Settings,
    /// For random choices.
    pub rng: &'a mut Rng,
}

impl Keyspace {
    /// The value of type `T` at the key, to be read. Counts as a read. O(1).
    pub fn read<T: Collection>(&mut self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        let Some(at) = self.find_for_read(key) else {
            return Ok(None);
        };
        match self.table.record(at).data {
            Data::Value(value) => T::of(value).map(Some).ok_or(WrongType {
                found: value.type_of(),
            }),
            _ => Err(WrongType {
                found: Type::String,
            }),
        }
    }

    /// The live value of type `T` at the key, which has been read before: nothing is counted, and another type is
    /// nothing. O(1).
    pub fn peek<T: Collection>(&self, key: &Key<'_>) -> Option<&T> {
        let record = self.table.record(self.table.find(key)?);
        match record.data {
            Data::Value(value) if record.expires_ms.is_none_or(|ms| ms > self.expired_by_ms) => {
                T::of(value)
            }
            _ => None,
        }
    }

    /// As [`Keyspace::read`], together with the source of random choices.
    pub fn read_at_random<T: Collection>(
        &mut self,
        key: &Key<'_>,
    ) -> Result<Option<(&T, &mut Rng)>, WrongType> {
        let Some(at) = self.find_for_read(key) else {
            return Ok(None);
        };
        match self.table.record(at).data {
            Data::Value(value) => match T::of(value) {
                Some(it) => Ok(Some((it, &mut self.rng))),
                None => Err(WrongType {
                    found: value.type_of(),
                }),
            },
            _ => Err(WrongType {
                found: Type::String,
            }),
        }
    }

    /// The value of type `T` at the key, to be changed. Afterwards the change has to be told, and then
    /// [`Keyspace::remove_if_empty`] be called if something may have been taken out. O(1).
    pub fn open<T: Collection>(&mut self, key: &Key<'_>) -> Result<Option<Open<'_, T>>, WrongType> {
        match self.find(key) {
            Some(at) => self.open_at(at).map(Some),
            None => Ok(None),
        }
    }

    /// The same, and a new value if there is none.
    pub fn open_or_create<T: Collection>(
        &mut self,
        key: &Key<'_>,
        create: impl FnOnce(&Settings) -> T,
    ) -> Result<Open<'_, T>, WrongType> {
        let at = match self.find(key) {
            Some(at) => at,
            None => {
                let value = create(&self.settings).into_value();
                self.insert(key, NewData::Value(value), None)
            }
        };
        self.open_at(at)
    }

    fn open_at<T: Collection>(&mut self, at: super::Position) -> Result<Open<'_, T>, WrongType> {
        let found = self.type_at(at);
        self.mark_used(at);
        self.before_change(at);
        match self.table.boxed_mut(at).and_then(T::of_mut) {
            Some(value) => Ok(Open {
                value,
                settings: &self.settings,
                rng: &mut self.rng,
            }),
            None => Err(WrongType { found }),
        }
    }

    /// Removes the key if nothing is left in its value of type `T`. The change that took the last element says it
    /// already: this one only carries the event.
    pub fn remove_if_empty<T: Collection>(&mut self, key: &Key<'_>) -> bool {
        let Some(at) = self.table.find(key) else {
            return false;
        };
        let is_empty = match self.table.record(at).data {
            Data::Value(value) => T::of(value).is_some_and(T::is_empty),
            _ => false,
        };
        if is_empty {
            self.remove_at(key, at);
            self.changed(key, Class::Generic, "del", &[]);
        }
        is_empty
    }

    /// Puts a whole collection under a key, in place of whatever it holds, without an expiry; an empty one removes the
    /// key. Gives whether the key was there. The change is told by the caller.
    pub fn put_collection<T: Collection>(&mut self, key: &Key<'_>, collection: T) -> bool {
        let found = self.find(key);
        if collection.is_empty() {
            if let Some(at) = found {
                self.remove_at(key, at);
            }
        } else {
            let data = NewData::Value(collection.into_value());
            self.store(key, found, data, super::Expiry::Clear);
        }
        found.is_some()
    }
}
