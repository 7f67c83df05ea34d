//! The rows of the time series commands, after RedisTimeSeries.

use super::command::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use super::command::{Command, Group, KeySpec, flag};
use super::timeseries;

/// The time series commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "ts.add",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(log N) where N is the number of samples in the series; O(1) for a sample \
            that is later than all of them.",
        summary: "Adds a sample to a series, which is created if need be.",
        arguments: "key@0 timestamp value:double [RETENTION=retention-period:integer] \
            [ENCODING=encoding(COMPRESSED | UNCOMPRESSED)] [CHUNK_SIZE=size:integer] \
            [DUPLICATE_POLICY=policy(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [ON_DUPLICATE=policy-override(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [IGNORE=ignore{max-time-diff:integer max-value-diff:double}] \
            [LABELS=labels{label value}...]",
        handler: timeseries::ts_add,
        ..Command::EMPTY
    },
    Command {
        name: "ts.alter",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of labels.",
        summary: "Changes the retention, the duplicate policy or the labels of a series.",
        arguments: "key@0 [RETENTION=retention-period:integer] [CHUNK_SIZE=size:integer] \
            [DUPLICATE_POLICY=policy(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [IGNORE=ignore{max-time-diff:integer max-value-diff:double}] \
            [LABELS=labels{label value}...]",
        handler: timeseries::ts_alter,
        ..Command::EMPTY
    },
    Command {
        name: "ts.create",
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | INSERT)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of labels.",
        summary: "Creates an empty series.",
        arguments: "key@0 [RETENTION=retention-period:integer] \
            [ENCODING=encoding(COMPRESSED | UNCOMPRESSED)] [CHUNK_SIZE=size:integer] \
            [DUPLICATE_POLICY=policy(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [IGNORE=ignore{max-time-diff:integer max-value-diff:double}] \
            [LABELS=labels{label value}...]",
        handler: timeseries::ts_create,
        ..Command::EMPTY
    },
    Command {
        name: "ts.decrby",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(1)",
        summary: "Adds a sample that is smaller than the latest one by the given amount.",
        arguments: "key@0 subtrahend:double [TIMESTAMP=timestamp] \
            [RETENTION=retention-period:integer] [ENCODING=encoding(COMPRESSED | UNCOMPRESSED)] \
            [CHUNK_SIZE=size:integer] \
            [DUPLICATE_POLICY=policy(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [IGNORE=ignore{max-time-diff:integer max-value-diff:double}] \
            [LABELS=labels{label value}...]",
        handler: timeseries::ts_decrby,
        ..Command::EMPTY
    },
    Command {
        name: "ts.del",
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::one(1, RW | DELETE)],
        since: "1.6.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of samples behind the start of the range.",
        summary: "Removes the samples between two timestamps, both included.",
        arguments: "key@0 from-timestamp to-timestamp",
        handler: timeseries::ts_del,
        ..Command::EMPTY
    },
    Command {
        name: "ts.get",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(1)",
        summary: "Returns the latest sample of a series.",
        arguments: "key@0 [LATEST since=1.8.0]",
        handler: timeseries::ts_get,
        ..Command::EMPTY
    },
    Command {
        name: "ts.incrby",
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(1)",
        summary: "Adds a sample that is greater than the latest one by the given amount.",
        arguments: "key@0 addend:double [TIMESTAMP=timestamp] \
            [RETENTION=retention-period:integer] [ENCODING=encoding(COMPRESSED | UNCOMPRESSED)] \
            [CHUNK_SIZE=size:integer] \
            [DUPLICATE_POLICY=policy(BLOCK | FIRST | LAST | MIN | MAX | SUM)] \
            [IGNORE=ignore{max-time-diff:integer max-value-diff:double}] \
            [LABELS=labels{label value}...]",
        handler: timeseries::ts_incrby,
        ..Command::EMPTY
    },
    Command {
        name: "ts.info",
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::one(1, RO)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of labels.",
        summary: "Describes a series: its size, its span, its labels and its policies.",
        arguments: "key@0 [DEBUG]",
        handler: timeseries::ts_info,
        ..Command::EMPTY
    },
    Command {
        name: "ts.madd",
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::range(1, -1, 3, RW | INSERT)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of samples added, each at the end of its series.",
        summary: "Adds samples to one or more series that exist.",
        arguments: "sample{key@0 timestamp value:double}...",
        handler: timeseries::ts_madd,
        ..Command::EMPTY
    },
    Command {
        name: "ts.mget",
        arity: -3,
        flags: flag::READONLY,
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of series that match.",
        summary: "Returns the latest sample of every series whose labels match.",
        arguments: "[LATEST since=1.8.0] [labels(WITHLABELS | SELECTED_LABELS=label...)] \
            FILTER=filter-expr...",
        handler: timeseries::ts_mget,
        ..Command::EMPTY
    },
    Command {
        name: "ts.mrange",
        arity: -5,
        flags: flag::READONLY,
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N + M) where N is the number of series that match and M the number of \
            their samples in the range.",
        summary: "Returns the samples between two timestamps of every series whose labels match.",
        arguments: MRANGE_ARGUMENTS,
        handler: timeseries::ts_mrange,
        ..Command::EMPTY
    },
    Command {
        name: "ts.mrevrange",
        arity: -5,
        flags: flag::READONLY,
        since: "1.4.0",
        group: Group::TimeSeries,
        complexity: "O(N + M) where N is the number of series that match and M the number of \
            their samples in the range.",
        summary: "Like TS.MRANGE, the latest sample first.",
        arguments: MRANGE_ARGUMENTS,
        handler: timeseries::ts_mrevrange,
        ..Command::EMPTY
    },
    Command {
        name: "ts.queryindex",
        arity: -2,
        flags: flag::READONLY,
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(N) where N is the number of series that match.",
        summary: "Returns the keys of all series whose labels match.",
        arguments: "filter-expr...",
        handler: timeseries::ts_queryindex,
        ..Command::EMPTY
    },
    Command {
        name: "ts.range",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.0.0",
        group: Group::TimeSeries,
        complexity: "O(log N + M) where N is the number of samples and M how many are in range.",
        summary: "Returns the samples between two timestamps, both included.",
        arguments: RANGE_ARGUMENTS,
        handler: timeseries::ts_range,
        ..Command::EMPTY
    },
    Command {
        name: "ts.revrange",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "1.4.0",
        group: Group::TimeSeries,
        complexity: "O(log N + M) where N is the number of samples and M how many are in range.",
        summary: "Like TS.RANGE, the latest sample first.",
        arguments: RANGE_ARGUMENTS,
        handler: timeseries::ts_revrange,
        ..Command::EMPTY
    },
];

/// The arguments of `TS.RANGE` and `TS.REVRANGE`.
const RANGE_ARGUMENTS: &str = "key@0 from-timestamp to-timestamp [LATEST since=1.8.0] \
    [FILTER_BY_TS=timestamp...] [FILTER_BY_VALUE=value{min:double max:double}] \
    [COUNT=count:integer] \
    [aggregation{[ALIGN=value] AGGREGATION=aggregator(AVG | FIRST | LAST | MIN | MAX | SUM \
    | RANGE | COUNT | 'STD.P'=std-p:token | 'STD.S'=std-s:token | 'VAR.P'=var-p:token \
    | 'VAR.S'=var-s:token | TWA) bucket-duration:integer \
    [BUCKETTIMESTAMP=bucket-timestamp] [EMPTY]}]";

/// The arguments of `TS.MRANGE` and `TS.MREVRANGE`.
const MRANGE_ARGUMENTS: &str = "from-timestamp to-timestamp [LATEST since=1.8.0] \
    [FILTER_BY_TS=timestamp...] [FILTER_BY_VALUE=value{min:double max:double}] \
    [labels(WITHLABELS | SELECTED_LABELS=label...)] [COUNT=count:integer] \
    [aggregation{[ALIGN=value] AGGREGATION=aggregator(AVG | FIRST | LAST | MIN | MAX | SUM \
    | RANGE | COUNT | 'STD.P'=std-p:token | 'STD.S'=std-s:token | 'VAR.P'=var-p:token \
    | 'VAR.S'=var-s:token | TWA) bucket-duration:integer \
    [BUCKETTIMESTAMP=bucket-timestamp] [EMPTY]}] FILTER=filter-expr... \
    [groupby{GROUPBY=label REDUCE=reducer(AVG | MIN | MAX | SUM | RANGE | COUNT \
    | 'STD.P'=std-p:token | 'STD.S'=std-s:token | 'VAR.P'=var-p:token \
    | 'VAR.S'=var-s:token)}]";
