//! What the errors of typed operations say to programs. What protocols say to clients is the protocols' affair.

use std::error::Error;
use std::fmt;

use super::series::AddError;
use super::{
    CopyError, HllOpError, IncrError, ListSetError, RenameError, SeriesError, StreamError,
    StringError, ZAddError,
};

macro_rules! errors {
    ($($error:ident: $value:ident, $f:ident => $show:expr;)+) => {
        $(
            impl fmt::Display for $error {
                fn fmt(&self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    let $value = self;
                    $show
                }
            }

            impl Error for $error {}
        )+
    };
}

errors! {
    StringError: error, f => match error {
        StringError::WrongType(error) => error.fmt(f),
        StringError::TooLong => f.write_str("the string would be longer than the limit"),
    };
    IncrError: error, f => match error {
        IncrError::WrongType(error) => error.fmt(f),
        IncrError::NotANumber => f.write_str("the value is no number in range"),
        IncrError::Overflow => f.write_str("the sum does not fit 64 bits"),
        IncrError::NotFinite => f.write_str("the sum is not finite"),
    };
    ListSetError: error, f => match error {
        ListSetError::WrongType(error) => error.fmt(f),
        ListSetError::NoSuchKey => f.write_str("there is no such key"),
        ListSetError::OutOfRange => f.write_str("there is no element at this index"),
    };
    ZAddError: error, f => match error {
        ZAddError::WrongType(error) => error.fmt(f),
        ZAddError::NotANumber => f.write_str("the score is not a number"),
    };
    SeriesError: error, f => match error {
        SeriesError::WrongType(error) => error.fmt(f),
        SeriesError::Add(error) => error.fmt(f),
    };
    AddError: error, f => f.write_str(match error {
        AddError::OlderThanRetention => "the sample is older than the series keeps them",
        AddError::Duplicate => "there is a sample with this timestamp",
    });
    StreamError: error, f => match error {
        StreamError::WrongType(error) => error.fmt(f),
        StreamError::NoSuchKey => f.write_str("there is no such key"),
        StreamError::NoSuchGroup => f.write_str("there is no such group"),
        StreamError::GroupExists(_) => f.write_str("there is a group of this name"),
        StreamError::Append(error) => error.fmt(f),
        StreamError::SetId(error) => error.fmt(f),
    };
    RenameError: error, f => match error {
        RenameError::NoSuchKey => f.write_str("there is no such key"),
    };
    CopyError: error, f => match error {
        CopyError::SameKey => f.write_str("source and destination are the same key"),
    };
    HllOpError: error, f => match error {
        HllOpError::WrongType(error) => error.fmt(f),
        HllOpError::Hll(error) => error.fmt(f),
    };
}
