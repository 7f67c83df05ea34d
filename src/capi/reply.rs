//! A reply as a tree that C can walk.

use std::ffi::c_char;

use crate::protocol::resp::ReplyRef;

/// What a reply is: the types of RESP3.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyType {
    /// Nothing, where there could be a value.
    Null,
    /// An error: `text` is its code and why.
    Error,
    /// A short text, such as OK.
    Simple,
    /// A byte string.
    Bulk,
    /// Text for people.
    Verbatim,
    /// An integer of any size: `text` is its decimal.
    BigNumber,
    /// An integer.
    Integer,
    /// A truth value: `integer` is 1 or 0.
    Boolean,
    /// A floating-point number.
    Double,
    /// Values in order.
    Array,
    /// Values whose order means nothing.
    Set,
    /// Pairs: key, value, key, value ...
    Map,
    /// A message that is no reply.
    Push,
}

/// A reply. What does not belong to its type is 0 and null.
#[repr(C)]
#[derive(Debug)]
pub struct Reply {
    /// What it is.
    pub kind: ReplyType,
    /// The integer, or the truth value.
    pub integer: i64,
    /// The floating-point number.
    pub number: f64,
    /// The bytes of a text; behind them is a zero byte that does not count.
    pub text: *const c_char,
    /// How many bytes the text has.
    pub len: usize,
    /// The values in it; of a map, key and value in turn.
    pub items: *const Reply,
    /// How many there are: twice the pairs of a map.
    pub count: usize,
}

impl Reply {
    /// A copy of a reply that owns all it points to.
    pub(super) fn new(reply: ReplyRef<'_>) -> Self {
        match reply {
            ReplyRef::Null => Reply::of(ReplyType::Null),
            ReplyRef::Error(text) => Reply::text(ReplyType::Error, text),
            ReplyRef::Simple(text) => Reply::text(ReplyType::Simple, text),
            ReplyRef::Bulk(bytes) => Reply::text(ReplyType::Bulk, bytes),
            ReplyRef::Verbatim(text) => Reply::text(ReplyType::Verbatim, text),
            ReplyRef::BigNumber(text) => Reply::text(ReplyType::BigNumber, text),
            ReplyRef::Integer(integer) => Reply::integer(ReplyType::Integer, integer),
            ReplyRef::Boolean(value) => Reply::integer(ReplyType::Boolean, i64::from(value)),
            ReplyRef::Double(number) => {
                let mut reply = Reply::of(ReplyType::Double);
                reply.number = number;
                reply
            }
            ReplyRef::Array(items) => Reply::items(ReplyType::Array, items),
            ReplyRef::Set(items) => Reply::items(ReplyType::Set, items),
            ReplyRef::Map(items) => Reply::items(ReplyType::Map, items),
            ReplyRef::Push(items) => Reply::items(ReplyType::Push, items),
        }
    }

    fn of(kind: ReplyType) -> Self {
        Reply {
            kind,
            integer: 0,
            number: 0.0,
            text: std::ptr::null(),
            len: 0,
            items: std::ptr::null(),
            count: 0,
        }
    }

    fn integer(kind: ReplyType, integer: i64) -> Self {
        let mut reply = Reply::of(kind);
        reply.integer = integer;
        reply
    }

    fn text(kind: ReplyType, text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text);
        bytes.push(0);
        let mut reply = Reply::of(kind);
        reply.len = text.len();
        reply.text = Box::into_raw(bytes.into_boxed_slice()).cast();
        reply
    }

    fn items<'r>(kind: ReplyType, items: impl Iterator<Item = ReplyRef<'r>>) -> Self {
        let items: Box<[Reply]> = items.map(Reply::new).collect();
        let mut reply = Reply::of(kind);
        reply.count = items.len();
        reply.items = Box::into_raw(items).cast();
        reply
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.text.is_null() {
            let bytes =
                std::ptr::slice_from_raw_parts_mut(self.text.cast_mut().cast::<u8>(), self.len + 1);
            // SAFETY: `text` made it of a boxed slice with one byte more than `len`; C only reads.
            drop(unsafe { Box::from_raw(bytes) });
        }
        if !self.items.is_null() {
            let items = std::ptr::slice_from_raw_parts_mut(self.items.cast_mut(), self.count);
            // SAFETY: `items` made it of a boxed slice of this length (or of none, dangling); C only reads.
            drop(unsafe { Box::from_raw(items) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice<T>(first: *const T, count: usize) -> &'static [T] {
        if count == 0 {
            return &[];
        }
        // SAFETY: as the reply says, which the test keeps for longer than what it looks at.
        unsafe { std::slice::from_raw_parts(first, count) }
    }

    #[test]
    fn a_tree_says_what_the_reply_said_and_is_freed_whole() {
        let bytes =
            b"*6\r\n$3\r\na\0b\r\n:7\r\n,1.5\r\n#t\r\n*0\r\n%1\r\n+k\r\n~2\r\n$0\r\n\r\n_\r\n";
        let (reply, _) = ReplyRef::read(bytes).expect("a reply");
        let root = Reply::new(reply);
        let items = slice(root.items, root.count);
        let kinds: Vec<ReplyType> = items.iter().map(|item| item.kind).collect();
        assert_eq!(
            kinds,
            [
                ReplyType::Bulk,
                ReplyType::Integer,
                ReplyType::Double,
                ReplyType::Boolean,
                ReplyType::Array,
                ReplyType::Map
            ]
        );
        assert_eq!(
            slice(items[0].text, 4)
                .iter()
                .map(|byte| *byte as u8)
                .collect::<Vec<u8>>(),
            b"a\0b\0"
        );
        assert_eq!(
            (items[1].integer, items[2].number, items[3].integer),
            (7, 1.5, 1)
        );
        assert!(items[1].text.is_null() && items[1].items.is_null());
        assert_eq!(items[4].count, 0);
        let pair = slice(items[5].items, items[5].count);
        assert_eq!(
            (pair[0].kind, pair[1].kind, pair[1].count),
            (ReplyType::Simple, ReplyType::Set, 2)
        );
        assert_eq!(slice(pair[1].items, 2)[0].len, 0);
        drop(root);
    }
}
