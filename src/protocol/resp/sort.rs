//! SORT and SORT_RO: elements of a list, a set or a sorted set in an order of their own. What is compared stands in
//! `keyspace/sort.rs`.

use std::ops::Range;

use super::{Args, CommandError, Reply};
use crate::keyspace::sort::{Pattern, Weight, compare, limit, parse_weight};
use crate::keyspace::{Hash, Key, Keyspace, List, Set, Type, ZSet};
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`
pub fn sort(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let sorting = Sorting::parse(args, true)?;
    sorting.check_rights(args, cx)?;
    sorting.run(cx)
}

/// The same without STORE.
pub fn sort_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let sorting = Sorting::parse(args, false)?;
    sorting.check_rights(args, cx)?;
    sorting.run(cx)
}

/// What is sorted, and how.
struct Sorting<'a> {
    key: &'a [u8],
    by: By<'a>,
    /// Weights are texts, not numbers.
    alpha: bool,
    descending: bool,
    start: i64,
    count: i64,
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

/// What an element is weighed by.
#[derive(Clone, Copy, PartialEq)]
enum By<'a> {
    Itself,
    /// What is found at a key that has the element in its name.
    Pattern(Pattern<'a>),
    /// Elements stay in the order they have.
    Nothing,
}

/// An element and its weight: a number, or with ALPHA and BY a text.
struct Item {
    element: Vec<u8>,
    number: f64,
    text: Option<Vec<u8>>,
    /// Its place before sorting, by which equal ones are told apart.
    place: usize,
}

impl<'a> Sorting<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut sorting = Sorting {
            key: args.get(1).ok_or(CommandError::Syntax)?,
            by: By::Itself,
            alpha: false,
            descending: false,
            start: 0,
            count: -1,
            get: Vec::new(),
            store: None,
        };
        let mut at = 2;
        while at < args.len() {
            let operand = args.get(at + 1);
            match operand {
                _ if args.is(at, "asc") => sorting.descending = false,
                _ if args.is(at, "desc") => sorting.descending = true,
                _ if args.is(at, "alpha") => sorting.alpha = true,
                Some(_) if args.is(at, "limit") && at + 2 < args.len() => {
                    (sorting.start, sorting.count) = (args.integer(at + 1)?, args.integer(at + 2)?);
                    at += 2;
                }
                Some(key) if args.is(at, "store") && may_store => {
                    sorting.store = Some(key);
                    at += 1;
                }
                Some(pattern) if args.is(at, "by") => {
                    sorting.by = match Pattern::new(pattern) {
                        Pattern::Element | Pattern::Constant => By::Nothing,
                        // Once told not to sort it does not, whatever BY follows.
                        _ if sorting.by == By::Nothing => By::Nothing,
                        pattern => By::Pattern(pattern),
                    };
                    at += 1;
                }
                Some(pattern) if args.is(at, "get") => {
                    sorting.get.push(Pattern::new(pattern));
                    at += 1;
                }
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(sorting)
    }

    /// BY and GET look at keys that no argument names: only for those who may read all keys.
    fn check_rights(&self, args: Args<'_>, cx: &Cx<'_>) -> Done {
        let by = matches!(self.by, By::Pattern(_));
        // GET # looks at none, but is refused as in Redis.
        let get = !self.get.is_empty();
        if (by || get) && !super::permit::reads_all_keys(args, cx) {
            let option = if by { "BY" } else { "GET" };
            return Err(CommandError::err(format_args!(
                "{option} option of SORT denied due to insufficient ACL permissions."
            )));
        }
        Ok(())
    }

    fn run(mut self, cx: &mut Cx<'_>) -> Done {
        let elements = self.sorted(cx)?;
        let width = self.get.len().max(1);
        let Some(store) = self.store else {
            cx.reply().array(elements.len() * width);
            self.show(cx, &elements, |reply, found| match found {
                Some(found) => reply.bulk(found),
                None => reply.null(),
            });
            return Ok(());
        };
        let mut list = Vec::with_capacity(elements.len() * width);
        self.show(cx, &elements, |_, found| {
            list.push(found.unwrap_or_default().to_vec());
        });
        let key = cx.key(store);
        cx.keyspace.list_put(&key, &list, "sortstore");
        cx.reply().count(list.len());
        Ok(())
    }

    /// Shows, for each element, what GET finds, or else the element itself.
    fn show(
        &self,
        cx: &mut Cx<'_>,
        elements: &[Vec<u8>],
        mut show: impl FnMut(&mut Reply<'_>, Option<&[u8]>),
    ) {
        let db = cx.client.db;
        let (keyspace, mut reply) = cx.split();
        for element in elements {
            if self.get.is_empty() {
                show(&mut reply, Some(element));
            }
            for pattern in &self.get {
                let found = look_up(keyspace, db, *pattern, element);
                show(&mut reply, found.as_deref());
            }
        }
    }

    /// The elements that LIMIT leaves, in their order.
    fn sorted(&mut self, cx: &mut Cx<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
        let key = cx.key(self.key);
        let kind = cx.keyspace.type_of(&key);
        // The order of a set is chance, which must not be stored.
        if kind == Some(Type::Set) && self.by == By::Nothing && self.store.is_some() {
            (self.by, self.alpha) = (By::Itself, true);
        }
        if self.by == By::Nothing {
            return self.in_own_order(cx.keyspace, &key);
        }
        let elements = all_elements(cx.keyspace, &key)?;
        let range = limit(self.start, self.count, elements.len());
        let mut items = self.weigh(cx, elements)?;
        let order = |a: &Item, b: &Item| {
            let (weight_a, weight_b) = (self.weight(a), self.weight(b));
            let order = compare((weight_a, &a.element), (weight_b, &b.element));
            let order = if self.descending {
                order.reverse()
            } else {
                order
            };
            order.then(a.place.cmp(&b.place))
        };
        // Only what LIMIT leaves has to be in order.
        if range.end < items.len() {
            items.select_nth_unstable_by(range.end, order);
            items.truncate(range.end);
        }
        if range.start > 0 && range.start < items.len() {
            items.select_nth_unstable_by(range.start, order);
        }
        let mut items = items.split_off(range.start);
        items.sort_unstable_by(order);
        Ok(items.into_iter().map(|item| item.element).collect())
    }

    /// The same without sorting; lists and sorted sets may be read backwards.
    fn in_own_order(
        &self,
        keyspace: &mut Keyspace,
        key: &Key<'_>,
    ) -> Result<Vec<Vec<u8>>, CommandError> {
        let range = |len| -> Range<usize> {
            let range = limit(self.start, self.count, len);
            if self.descending {
                len - range.end..len - range.start
            } else {
                range
            }
        };
        let mut elements: Vec<Vec<u8>> = match keyspace.type_of(key) {
            Some(Type::List) => keyspace.read::<List>(key)?.map_or_else(Vec::new, |list| {
                let elements = list.range(range(list.len()));
                elements.map(|element| element.to_vec()).collect()
            }),
            Some(Type::SortedSet) => keyspace.read::<ZSet>(key)?.map_or_else(Vec::new, |zset| {
                let members = zset.range(range(zset.len()));
                members.map(|(member, _)| member.to_vec()).collect()
            }),
            _ => {
                let elements = all_elements(keyspace, key)?;
                let range = limit(self.start, self.count, elements.len());
                return Ok(elements[range].to_vec());
            }
        };
        if self.descending {
            elements.reverse();
        }
        Ok(elements)
    }

    /// Finds each element's weight.
    fn weigh(&self, cx: &mut Cx<'_>, elements: Vec<Vec<u8>>) -> Result<Vec<Item>, CommandError> {
        let db = cx.client.db;
        let mut items = Vec::with_capacity(elements.len());
        for (place, element) in elements.into_iter().enumerate() {
            let mut item = Item {
                element,
                number: 0.0,
                text: None,
                place,
            };
            let number = |text: &[u8]| parse_weight(text).map_err(CommandError::err);
            match self.by {
                By::Pattern(pattern) => {
                    let found = look_up(cx.keyspace, db, pattern, &item.element);
                    if self.alpha {
                        item.text = found;
                    } else if let Some(found) = found {
                        item.number = number(&found)?;
                    }
                }
                _ if self.alpha => {}
                _ => item.number = number(&item.element)?,
            }
            items.push(item);
        }
        Ok(items)
    }

    fn weight<'i>(&self, item: &'i Item) -> Weight<'i> {
        match self.by {
            _ if !self.alpha => Weight::Number(item.number),
            By::Pattern(_) => Weight::Text(item.text.as_deref()),
            _ => Weight::Text(Some(&item.element)),
        }
    }
}

/// All elements of a list, a set or a sorted set; none of a missing one.
fn all_elements(keyspace: &mut Keyspace, key: &Key<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
    Ok(match keyspace.type_of(key) {
        Some(Type::Set) => keyspace.read::<Set>(key)?.map_or_else(Vec::new, |set| {
            set.iter().map(|member| member.to_vec()).collect()
        }),
        Some(Type::SortedSet) => keyspace.read::<ZSet>(key)?.map_or_else(Vec::new, |zset| {
            zset.iter().map(|(member, _)| member.to_vec()).collect()
        }),
        _ => keyspace.read::<List>(key)?.map_or_else(Vec::new, |list| {
            list.iter().map(|element| element.to_vec()).collect()
        }),
    })
}

/// What a pattern finds for an element: a string, or a field of a hash.
fn look_up(
    keyspace: &mut Keyspace,
    db: u8,
    pattern: Pattern<'_>,
    element: &[u8],
) -> Option<Vec<u8>> {
    match pattern {
        Pattern::Element => Some(element.to_vec()),
        Pattern::Constant => None,
        Pattern::Key {
            prefix,
            suffix,
            field,
        } => {
            let name = [prefix, element, suffix].concat();
            let key = keyspace.key(db, &name);
            match field {
                None => Some(keyspace.string(&key).ok()??.to_vec()),
                Some(field) => Some(keyspace.read::<Hash>(&key).ok()??.get(field)?.to_vec()),
            }
        }
    }
}
