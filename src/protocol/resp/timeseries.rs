//! The commands on time series, in the words of RedisTimeSeries.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use super::{Args, CommandError, Reply};
use crate::keyspace::series::{
    AddError, Aggregate, Aggregator, BucketTimestamp, DuplicatePolicy, LabelFilter, LabelPair,
    Query, Reducer, Sample, SampleFilter, Series, push_ts_value, reduce,
};
use crate::keyspace::{SeriesError, SeriesOptions};
use crate::number::parse_i64;
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

const NO_KEY: CommandError = CommandError::text("ERR TSDB: the key does not exist");
const WRONG_TYPE: CommandError = CommandError::text("ERR TSDB: the key is not a TSDB key");

/// `TS.CREATE key [RETENTION ms] [ENCODING enc] [CHUNK_SIZE bytes] [DUPLICATE_POLICY policy] [LABELS name value ...]`
pub fn ts_create(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let options = CreateOptions::parse(args, 2)?;
    let key = cx.key(&args[1]);
    if !cx.keyspace.series_create(&key, options.series) {
        return Err(CommandError::text("ERR TSDB: key already exists"));
    }
    cx.reply().ok();
    Ok(())
}

/// `TS.ALTER key [RETENTION ms] [CHUNK_SIZE bytes] [DUPLICATE_POLICY policy] [LABELS name value ...]`
pub fn ts_alter(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let options = CreateOptions::parse(args, 2)?;
    let key = cx.key(&args[1]);
    if !cx.keyspace.series_alter(&key, options.series)? {
        return Err(NO_KEY);
    }
    cx.reply().ok();
    Ok(())
}

/// `TS.ADD key timestamp value [ON_DUPLICATE policy]`, and the options of TS.CREATE for a series that is new.
pub fn ts_add(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let value = parse_value(&args[3])?;
    let timestamp = parse_timestamp(cx, &args[2])?;
    let options = CreateOptions::parse(args, 4)?;
    create_if_missing(cx, &args[1], options.series);
    add(cx, &args[1], timestamp, value, options.on_duplicate)?;
    cx.reply().integer(timestamp);
    Ok(())
}

fn create_if_missing(cx: &mut Cx<'_>, key: &[u8], options: SeriesOptions) {
    // Without options the series is made by adding to it.
    if options != SeriesOptions::default() {
        let key = cx.key(key);
        cx.keyspace.series_create(&key, options);
    }
}

pub fn ts_incrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    increase(cx, args, 1.0)
}

pub fn ts_decrby(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    increase(cx, args, -1.0)
}

/// `TS.INCRBY key addend [TIMESTAMP timestamp]`, and the options of TS.CREATE: adds to the newest value, at a timestamp
/// that is no older.
fn increase(cx: &mut Cx<'_>, args: Args<'_>, sign: f64) -> Done {
    const INVALID: CommandError = CommandError::text("ERR TSDB: invalid increase/decrease value");
    let by = crate::number::parse_f64(&args[2]).ok_or(INVALID)?;
    let mut options = CreateOptions::parse(args, 3)?;
    let timestamp = match options.timestamp.take() {
        Some(text) => parse_timestamp(cx, text)?,
        None => cx.keyspace.now_ms(),
    };
    let key = cx.key(&args[1]);
    let last = cx.keyspace.series(&key)?.and_then(Series::last);
    if last.is_some_and(|last| timestamp < last.timestamp) {
        return Err(CommandError::text(
            "TSDB: timestamp must be equal to or higher than the maximum existing timestamp",
        ));
    }
    let value = last.map_or(0.0, |last| last.value) + sign * by;
    // Only finite values can be written as a command, which is what a journal needs.
    if !value.is_finite() {
        return Err(INVALID);
    }
    create_if_missing(cx, &args[1], options.series);
    add(cx, &args[1], timestamp, value, Some(DuplicatePolicy::Last))?;
    cx.reply().integer(timestamp);
    Ok(())
}

/// The options of the commands that may create a series.
#[derive(Default)]
struct CreateOptions<'a> {
    series: SeriesOptions,
    on_duplicate: Option<DuplicatePolicy>,
    timestamp: Option<&'a [u8]>,
}

impl<'a> CreateOptions<'a> {
    fn parse(args: Args<'a>, from: usize) -> Result<Self, CommandError> {
        let mut options = CreateOptions::default();
        let mut at = from;
        while at < args.len() {
            let value = args.get(at + 1);
            match () {
                () if args.is(at, "labels") => {
                    let words: Vec<&[u8]> = args.iter_from(at + 1).collect();
                    let pairs = words
                        .chunks_exact(2)
                        .map(|pair| LabelPair::new(pair[0], pair[1]));
                    let labels = pairs.collect::<Result<_, _>>();
                    options.series.labels = Some(
                        labels
                            .map_err(|_| CommandError::text("ERR TSDB: Couldn't parse LABELS"))?,
                    );
                    break;
                }
                () if args.is(at, "retention") => {
                    let retention_ms = value
                        .and_then(parse_i64)
                        .and_then(|ms| u64::try_from(ms).ok());
                    options.series.retention_ms = Some(
                        retention_ms
                            .ok_or(CommandError::text("ERR TSDB: Couldn't parse RETENTION"))?,
                    );
                }
                () if args.is(at, "chunk_size") => {
                    let bytes = value
                        .and_then(parse_i64)
                        .ok_or(CommandError::text("ERR TSDB: Couldn't parse CHUNK_SIZE"))?;
                    if bytes % 8 != 0 || !(48..=1_048_576).contains(&bytes) {
                        return Err(CommandError::text(
                            "ERR TSDB: CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]",
                        ));
                    }
                    options.series.chunk_size_bytes = u32::try_from(bytes).ok();
                }
                () if args.is(at, "encoding") || args.is(at, "uncompressed") => {
                    // Both encodings are kept alike.
                    if args.is(at, "uncompressed") {
                        at += 1;
                        continue;
                    }
                    if !args.is(at + 1, "compressed") && !args.is(at + 1, "uncompressed") {
                        return Err(CommandError::text("ERR TSDB: unknown ENCODING parameter"));
                    }
                }
                () if args.is(at, "duplicate_policy") => {
                    options.series.duplicate_policy = Some(policy(value)?)
                }
                () if args.is(at, "on_duplicate") => options.on_duplicate = Some(policy(value)?),
                () if args.is(at, "timestamp") && value.is_some() => options.timestamp = value,
                () => return Err(CommandError::Syntax),
            }
            at += 2;
        }
        Ok(options)
    }
}

fn policy(name: Option<&[u8]>) -> Result<DuplicatePolicy, CommandError> {
    let name = name.ok_or(CommandError::text(
        "ERR TSDB: Couldn't parse DUPLICATE_POLICY",
    ))?;
    DuplicatePolicy::parse(name).ok_or(CommandError::text("ERR TSDB: Unknown DUPLICATE_POLICY"))
}

/// `TS.MADD {key timestamp value}...`: each sample succeeds or fails for itself.
pub fn ts_madd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if !(args.len() - 1).is_multiple_of(3) {
        return Err(CommandError::Arity("ts.madd".into()));
    }
    cx.reply().array((args.len() - 1) / 3);
    for at in (1..args.len()).step_by(3) {
        let mut one = || {
            let value = parse_value(&args[at + 2])?;
            let timestamp = parse_timestamp(cx, &args[at + 1])?;
            let key = cx.key(&args[at]);
            // Unlike TS.ADD it creates nothing.
            if !matches!(cx.keyspace.series(&key), Ok(Some(_))) {
                return Err(WRONG_TYPE);
            }
            add(cx, &args[at], timestamp, value, None)?;
            Ok(timestamp)
        };
        match one() {
            Ok(timestamp) => cx.reply().integer(timestamp),
            Err(error) => cx.reply().error(&error.to_string()),
        }
    }
    Ok(())
}

fn add(
    cx: &mut Cx<'_>,
    key: &[u8],
    timestamp: i64,
    value: f64,
    policy: Option<DuplicatePolicy>,
) -> Done {
    let key = cx.key(key);
    match cx.keyspace.series_add(&key, timestamp, value, policy) {
        Ok(_) => Ok(()),
        Err(SeriesError::WrongType(_)) => Err(WRONG_TYPE),
        Err(SeriesError::Add(AddError::OlderThanRetention)) => Err(CommandError::text(
            "ERR TSDB: Timestamp is older than retention",
        )),
        Err(SeriesError::Add(AddError::Duplicate)) => Err(CommandError::text(
            "ERR TSDB: Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK mode",
        )),
    }
}

/// `TS.GET key [LATEST]`: the newest sample.
pub fn ts_get(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    if args.len() > 3 || args.len() == 3 && !args.is(2, "latest") {
        return Err(CommandError::text("ERR TSDB: wrong 3rd argument"));
    }
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    push_latest(&mut reply, keyspace.series(&key)?.ok_or(NO_KEY)?);
    Ok(())
}

fn push_latest(reply: &mut Reply<'_>, series: &Series) {
    match series.last() {
        Some(sample) => push_sample(reply, sample),
        None => reply.array(0),
    }
}

pub fn ts_range(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, false)
}

pub fn ts_revrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    range(cx, args, true)
}

/// `TS.RANGE key from to` and the options of [`RangeOptions`].
fn range(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Done {
    let key = cx.key(&args[1]);
    if cx.keyspace.series(&key)?.is_none() {
        return Err(NO_KEY);
    }
    let options = RangeOptions::parse(args, 2, reverse)?;
    if options.filters.is_some() || options.labels != Labels::None {
        return Err(CommandError::Syntax);
    }
    let mut room = Room::of(cx);
    let (keyspace, mut reply) = cx.split();
    let samples = room.collect(keyspace.series(&key)?.ok_or(NO_KEY)?.query(&options.query))?;
    push_samples(&mut reply, &samples);
    Ok(())
}

/// How many more samples a request may ask for: empty buckets could be any number.
struct Room {
    samples: usize,
}

impl Room {
    /// As many as its client could get, and not too many for those who wait meanwhile.
    fn of(cx: &Cx<'_>) -> Self {
        const SAMPLES_MAX: usize = 10_000_000;
        let shortest_bytes = b"*2\r\n:0\r\n+0\r\n".len();
        Room {
            samples: SAMPLES_MAX.min(cx.hub.limits.output_bytes_max / shortest_bytes),
        }
    }

    fn collect(
        &mut self,
        samples: impl Iterator<Item = Sample>,
    ) -> Result<Vec<Sample>, CommandError> {
        let collected: Vec<Sample> = samples.take(self.samples + 1).collect();
        match self.samples.checked_sub(collected.len()) {
            Some(left) => {
                self.samples = left;
                Ok(collected)
            }
            None => Err(CommandError::text(
                "ERR TSDB: the requested range holds too many buckets",
            )),
        }
    }
}

fn push_samples(reply: &mut Reply<'_>, samples: &[Sample]) {
    reply.array(samples.len());
    for sample in samples {
        push_sample(reply, *sample);
    }
}

/// Which labels of a series are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Labels<'a> {
    None,
    All,
    Selected(Vec<&'a [u8]>),
}

/// What follows the name (and the key) of a range command:
/// `from to [LATEST] [FILTER_BY_TS ts ...] [FILTER_BY_VALUE min max] [WITHLABELS | SELECTED_LABELS label ...] [COUNT count]
/// [ALIGN align] [AGGREGATION aggregator bucket-ms [BUCKETTIMESTAMP bt] [EMPTY]] [FILTER filter ...]
/// [GROUPBY label REDUCE reducer]`
struct RangeOptions<'a> {
    query: Query,
    labels: Labels<'a>,
    filters: Option<Vec<LabelFilter>>,
    group: Option<(&'a [u8], Reducer)>,
}

impl<'a> RangeOptions<'a> {
    fn parse(args: Args<'a>, bounds_at: usize, reverse: bool) -> Result<Self, CommandError> {
        let (from, to) = parse_bounds(args, bounds_at)?;
        let mut options = RangeOptions {
            query: Query {
                reverse,
                ..Query::new(from, to)
            },
            labels: Labels::None,
            filters: None,
            group: None,
        };
        let mut filter = SampleFilter::default();
        let mut align = None;
        let mut at = bounds_at + 2;
        while at < args.len() {
            let value = args.get(at + 1);
            match () {
                () if args.is(at, "latest") => at += 1,
                () if args.is(at, "withlabels") => {
                    options.show(Labels::All)?;
                    at += 1;
                }
                () if args.is(at, "selected_labels") => {
                    let names = words_until_option(args, at + 1);
                    if names.is_empty() {
                        return Err(CommandError::text(
                            "ERR TSDB: SELECT_LABELS should have at least 1 parameter",
                        ));
                    }
                    at += 1 + names.len();
                    options.show(Labels::Selected(names))?;
                }
                () if args.is(at, "filter_by_ts") => {
                    const TIMESTAMPS_MAX: usize = 128;
                    let words = words_until_option(args, at + 1);
                    let timestamps: Vec<i64> = words
                        .iter()
                        .map_while(|word| parse_i64(word))
                        .take(TIMESTAMPS_MAX)
                        .collect();
                    if timestamps.is_empty() {
                        return Err(CommandError::text(
                            "ERR TSDB: FILTER_BY_TS one or more arguments are missing",
                        ));
                    }
                    at += 1 + timestamps.len();
                    filter = filter.by_timestamps(timestamps);
                }
                () if args.is(at, "filter_by_value") => {
                    let (Some(min), Some(max)) = (value, args.get(at + 2)) else {
                        return Err(CommandError::text(
                            "ERR TSDB: FILTER_BY_VALUE one or more arguments are missing",
                        ));
                    };
                    let number = |text, wrong| {
                        crate::number::parse_f64(text).ok_or(CommandError::text(wrong))
                    };
                    let min = number(min, "ERR TSDB: Couldn't parse MIN")?;
                    filter = filter.by_value(min, number(max, "ERR TSDB: Couldn't parse MAX")?);
                    at += 3;
                }
                () if args.is(at, "count") => {
                    let text =
                        value.ok_or(CommandError::text("ERR TSDB: COUNT argument is missing"))?;
                    let count = parse_i64(text).and_then(|count| u64::try_from(count).ok());
                    options.query.count =
                        Some(count.ok_or(CommandError::text("ERR TSDB: Couldn't parse COUNT"))?);
                    at += 2;
                }
                () if args.is(at, "align") => {
                    align = Some(value.ok_or(CommandError::Syntax)?);
                    at += 2;
                }
                () if args.is(at, "aggregation") => at = options.parse_aggregation(args, at)?,
                () if args.is(at, "filter") => {
                    let words = words_until_option(args, at + 1);
                    at += 1 + words.len();
                    options.filters = Some(parse_filters(&words)?);
                }
                () if args.is(at, "groupby") => {
                    if options.filters.is_none() {
                        return Err(CommandError::text(
                            "ERR TSDB: GROUPBY should always come after filter",
                        ));
                    }
                    let (Some(label), true, Some(reducer)) =
                        (value, args.is(at + 2, "reduce"), args.get(at + 3))
                    else {
                        return Err(CommandError::Syntax);
                    };
                    let reducer = Reducer::parse(reducer)
                        .ok_or(CommandError::text("ERR TSDB: Invalid reducer type"))?;
                    options.group = Some((label, reducer));
                    at += 4;
                }
                () => return Err(CommandError::Syntax),
            }
        }
        options.query.filter = filter;
        options.align(align, args, bounds_at)?;
        Ok(options)
    }

    fn show(&mut self, labels: Labels<'a>) -> Done {
        if self.labels != Labels::None {
            return Err(CommandError::text(
                "ERR TSDB: cannot accept WITHLABELS and SELECT_LABELS together",
            ));
        }
        self.labels = labels;
        Ok(())
    }

    /// `AGGREGATION aggregator bucket-ms [BUCKETTIMESTAMP bt] [EMPTY]`; gives the place behind it.
    fn parse_aggregation(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        let (Some(name), Some(bucket)) = (args.get(at + 1), args.get(at + 2)) else {
            return Err(CommandError::text("ERR TSDB: Couldn't parse AGGREGATION"));
        };
        let aggregator = Aggregator::parse(name)
            .ok_or(CommandError::text("ERR TSDB: Unknown aggregation type"))?;
        let bucket =
            parse_i64(bucket).ok_or(CommandError::text("ERR TSDB: Couldn't parse AGGREGATION"))?;
        let bucket_ms =
            u64::try_from(bucket)
                .ok()
                .and_then(NonZeroU64::new)
                .ok_or(CommandError::text(
                    "ERR TSDB: bucketDuration must be greater than zero",
                ))?;
        let mut aggregate = Aggregate {
            aggregator,
            bucket_ms,
            align: 0,
            bucket_timestamp: BucketTimestamp::default(),
            empty: false,
        };
        let mut at = at + 3;
        loop {
            if args.is(at, "empty") {
                aggregate.empty = true;
                at += 1;
            } else if args.is(at, "buckettimestamp") {
                aggregate.bucket_timestamp = match () {
                    () if args.is(at + 1, "start") || args.is(at + 1, "-") => {
                        BucketTimestamp::Start
                    }
                    () if args.is(at + 1, "mid") || args.is(at + 1, "~") => BucketTimestamp::Mid,
                    () if args.is(at + 1, "end") || args.is(at + 1, "+") => BucketTimestamp::End,
                    () => {
                        return Err(CommandError::text(
                            "ERR TSDB: unknown BUCKETTIMESTAMP parameter",
                        ));
                    }
                };
                at += 2;
            } else {
                break;
            }
        }
        self.query.aggregate = Some(aggregate);
        Ok(at)
    }

    fn align(&mut self, align: Option<&[u8]>, args: Args<'_>, bounds_at: usize) -> Done {
        let Some(align) = align else { return Ok(()) };
        let (from, to) = (self.query.from, self.query.to);
        let Some(aggregate) = &mut self.query.aggregate else {
            return Err(CommandError::text(
                "ERR TSDB: ALIGN parameter can only be used with AGGREGATION",
            ));
        };
        let is = |word: &str| align.eq_ignore_ascii_case(word.as_bytes());
        aggregate.align = if is("start") || is("-") {
            if &args[bounds_at] == b"-" {
                return Err(CommandError::text(
                    "ERR TSDB: start alignment can only be used with explicit start timestamp",
                ));
            }
            from
        } else if is("end") || is("+") {
            if &args[bounds_at + 1] == b"+" {
                return Err(CommandError::text(
                    "ERR TSDB: end alignment can only be used with explicit end timestamp",
                ));
            }
            to
        } else {
            parse_i64(align).ok_or(CommandError::text("ERR TSDB: unknown ALIGN parameter"))?
        };
        Ok(())
    }
}

/// The words from `at` on, up to the next option of a range command.
fn words_until_option(args: Args<'_>, at: usize) -> Vec<&[u8]> {
    const OPTIONS: [&str; 11] = [
        "latest",
        "filter_by_ts",
        "filter_by_value",
        "withlabels",
        "selected_labels",
        "count",
        "align",
        "aggregation",
        "filter",
        "groupby",
        "reduce",
    ];
    let is_option = |word: &&[u8]| {
        OPTIONS
            .iter()
            .any(|option| word.eq_ignore_ascii_case(option.as_bytes()))
    };
    args.iter_from(at)
        .take_while(|word| !is_option(word))
        .collect()
}

fn parse_filters(words: &[&[u8]]) -> Result<Vec<LabelFilter>, CommandError> {
    if words.is_empty() {
        return Err(CommandError::text(
            "ERR TSDB: missing labels for filter argument",
        ));
    }
    let filters = words
        .iter()
        .map(|word| LabelFilter::parse(word))
        .collect::<Result<Vec<_>, _>>();
    let filters = filters.map_err(|_| CommandError::text("ERR TSDB: failed parsing labels"))?;
    if !filters.iter().any(LabelFilter::is_matcher) {
        return Err(CommandError::text(
            "ERR TSDB: please provide at least one matcher",
        ));
    }
    Ok(filters)
}

/// The keys of the series that all filters match, in the order of their bytes.
fn matching(cx: &mut Cx<'_>, filters: &[LabelFilter]) -> Vec<Vec<u8>> {
    let mut keys = cx.keyspace.series_keys(cx.client.db);
    keys.retain(|name| {
        let key = cx.key(name);
        matches!(cx.keyspace.series(&key), Ok(Some(series)) if filters.iter().all(|f| f.matches(series.labels())))
    });
    keys.sort_unstable();
    keys
}

/// `TS.QUERYINDEX filter [filter ...]`
pub fn ts_queryindex(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let words: Vec<&[u8]> = args.iter_from(1).collect();
    let filters = parse_filters(&words)?;
    let keys = matching(cx, &filters);
    let mut reply = cx.reply();
    reply.set(keys.len());
    for key in keys {
        reply.bulk(&key);
    }
    Ok(())
}

/// `TS.MGET [LATEST] [WITHLABELS | SELECTED_LABELS label ...] FILTER filter ...`
pub fn ts_mget(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut labels = Labels::None;
    let mut filters = None;
    let mut at = 1;
    while at < args.len() {
        match () {
            () if args.is(at, "latest") => at += 1,
            () if args.is(at, "withlabels") && labels == Labels::None => {
                labels = Labels::All;
                at += 1;
            }
            () if args.is(at, "selected_labels") && labels == Labels::None => {
                let names = words_until_option(args, at + 1);
                at += 1 + names.len();
                labels = Labels::Selected(names);
            }
            () if args.is(at, "filter") => {
                let words: Vec<&[u8]> = args.iter_from(at + 1).collect();
                at = args.len();
                filters = Some(parse_filters(&words)?);
            }
            () => return Err(CommandError::Syntax),
        }
    }
    let filters = filters.ok_or(CommandError::Arity("ts.mget".into()))?;
    let keys = matching(cx, &filters);
    cx.reply().map_of_rows(keys.len());
    for name in keys {
        let key = cx.key(&name);
        let (keyspace, mut reply) = cx.split();
        let Ok(Some(series)) = keyspace.series(&key) else {
            continue;
        };
        reply.row(&name, 2);
        push_labels(&mut reply, series.labels(), &labels);
        push_latest(&mut reply, series);
    }
    Ok(())
}

pub fn ts_mrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    ranges(cx, args, false)
}

pub fn ts_mrevrange(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    ranges(cx, args, true)
}

/// `TS.MRANGE from to` and the options of [`RangeOptions`].
fn ranges(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Done {
    let options = RangeOptions::parse(args, 1, reverse)?;
    let Some(filters) = &options.filters else {
        return Err(CommandError::text("ERR TSDB: missing FILTER argument"));
    };
    let keys = matching(cx, filters);
    if let Some((label, reducer)) = options.group {
        return grouped_ranges(cx, keys, &options, label, reducer);
    }
    let mut room = Room::of(cx);
    let mut rows = Vec::with_capacity(keys.len());
    for name in keys {
        let key = cx.key(&name);
        let Ok(Some(series)) = cx.keyspace.series(&key) else {
            continue;
        };
        let samples = room.collect(series.query(&options.query))?;
        rows.push((name, series.labels().to_vec(), samples));
    }
    let aggregator = options
        .query
        .aggregate
        .as_ref()
        .map(|aggregate| aggregate.aggregator.name());
    let mut reply = cx.reply();
    reply.map_of_rows(rows.len());
    for (name, labels, samples) in rows {
        let resp3 = reply.resp3;
        reply.row(&name, if resp3 { 3 } else { 2 });
        push_labels(&mut reply, &labels, &options.labels);
        if resp3 {
            reply.map(1);
            reply.bulk(b"aggregators");
            reply.array(aggregator.iter().len());
            if let Some(aggregator) = aggregator {
                reply.bulk(aggregator.as_bytes());
            }
        }
        push_samples(&mut reply, &samples);
    }
    Ok(())
}

/// The series that have the same value of a label.
#[derive(Default)]
struct Group {
    sources: Vec<Vec<u8>>,
    samples: Vec<Vec<Sample>>,
}

/// One row for each value of a label, its series reduced to one.
fn grouped_ranges(
    cx: &mut Cx<'_>,
    keys: Vec<Vec<u8>>,
    options: &RangeOptions<'_>,
    label: &[u8],
    reducer: Reducer,
) -> Done {
    let each = Query {
        reverse: false,
        count: None,
        ..options.query.clone()
    };
    let mut room = Room::of(cx);
    let mut groups: BTreeMap<Vec<u8>, Group> = BTreeMap::new();
    for name in keys {
        let key = cx.key(&name);
        let Ok(Some(series)) = cx.keyspace.series(&key) else {
            continue;
        };
        let Some(value) = series.label(label).map(<[u8]>::to_vec) else {
            continue;
        };
        let samples = room.collect(series.query(&each))?;
        let group = groups.entry(value).or_default();
        group.sources.push(name);
        group.samples.push(samples);
    }
    let mut reply = cx.reply();
    reply.map_of_rows(groups.len());
    for (value, Group { sources, samples }) in groups {
        let mut samples = reduce(samples, reducer);
        if options.query.reverse {
            samples.reverse();
        }
        samples.truncate(options.query.count.map_or(usize::MAX, |count| {
            usize::try_from(count).unwrap_or(usize::MAX)
        }));
        let name = [label, b"=", &value].concat();
        if reply.resp3 {
            reply.row(&name, 4);
            reply.map(1);
            reply.bulk(label);
            reply.bulk(&value);
            reply.map(1);
            reply.bulk(b"reducers");
            reply.array(1);
            reply.bulk(reducer.name().as_bytes());
            reply.map(1);
            reply.bulk(b"sources");
            reply.array(sources.len());
            for source in &sources {
                reply.bulk(source);
            }
        } else {
            reply.row(&name, 2);
            if options.labels == Labels::None {
                reply.array(0);
            } else {
                let sources = sources.join(&b","[..]);
                let rows: [(&[u8], &[u8]); 3] = [
                    (label, &value),
                    (b"__reducer__", reducer.name().as_bytes()),
                    (b"__source__", &sources),
                ];
                reply.array(rows.len());
                for (name, value) in rows {
                    reply.array(2);
                    reply.bulk(name);
                    reply.bulk(value);
                }
            }
        }
        push_samples(&mut reply, &samples);
    }
    Ok(())
}

/// The labels that are asked for: an array of pairs, or a map in RESP3. One that is selected and not there has no value.
fn push_labels(reply: &mut Reply<'_>, labels: &[LabelPair], shown: &Labels<'_>) {
    let rows: Vec<(&[u8], Option<&[u8]>)> = match shown {
        Labels::None => Vec::new(),
        Labels::All => labels
            .iter()
            .map(|label| (label.name(), Some(label.value())))
            .collect(),
        Labels::Selected(names) => names
            .iter()
            .map(|name| {
                match labels
                    .iter()
                    .find(|label| label.name().eq_ignore_ascii_case(name))
                {
                    Some(label) => (label.name(), Some(label.value())),
                    None => (*name, None),
                }
            })
            .collect(),
    };
    if reply.resp3 {
        reply.map(rows.len());
    } else {
        reply.array(rows.len());
    }
    for (name, value) in rows {
        if !reply.resp3 {
            reply.array(2);
        }
        reply.bulk(name);
        match value {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        }
    }
}

impl Reply<'_> {
    /// The beginning of rows that have names: a map in RESP3, an array of arrays in RESP2.
    fn map_of_rows(&mut self, len: usize) {
        if self.resp3 {
            self.map(len)
        } else {
            self.array(len)
        }
    }

    /// The beginning of a row with a name and `len` other things.
    fn row(&mut self, name: &[u8], len: usize) {
        if self.resp3 {
            self.bulk(name);
            self.array(len);
        } else {
            self.array(len + 1);
            self.bulk(name);
        }
    }
}

/// `TS.DEL key from to`
pub fn ts_del(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let (from, to) = parse_bounds(args, 2)?;
    let key = cx.key(&args[1]);
    let deleted = cx
        .keyspace
        .series_delete_range(&key, from, to)?
        .ok_or(NO_KEY)?;
    cx.reply()
        .integer(i64::try_from(deleted).unwrap_or(i64::MAX));
    Ok(())
}

/// `TS.INFO key`
pub fn ts_info(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let key = cx.key(&args[1]);
    let memory = cx.keyspace.memory_usage_bytes(&key).unwrap_or(0);
    let (keyspace, mut reply) = cx.split();
    let series = keyspace.series(&key)?.ok_or(NO_KEY)?;
    let timestamp = |sample: Option<Sample>| sample.map_or(0, |sample| sample.timestamp);
    let numbers = [
        ("totalSamples", series.len() as i64),
        ("memoryUsage", memory as i64),
        ("firstTimestamp", timestamp(series.first())),
        ("lastTimestamp", timestamp(series.last())),
        ("retentionTime", series.retention_ms() as i64),
        ("chunkCount", series.chunk_count() as i64),
        ("chunkSize", i64::from(series.chunk_size_bytes())),
    ];
    reply.map(numbers.len() + 5);
    for (name, number) in numbers {
        reply.simple(name);
        reply.integer(number);
    }
    reply.simple("chunkType");
    reply.simple("uncompressed");
    reply.simple("duplicatePolicy");
    match series.duplicate_policy() {
        Some(policy) => reply.simple(&policy.name().to_ascii_lowercase()),
        None => reply.null(),
    }
    reply.simple("labels");
    push_labels(&mut reply, series.labels(), &Labels::All);
    reply.simple("sourceKey");
    reply.null();
    reply.simple("rules");
    reply.map(0);
    Ok(())
}

fn push_sample(reply: &mut Reply<'_>, sample: Sample) {
    reply.array(2);
    reply.integer(sample.timestamp);
    if reply.resp3 {
        reply.double(sample.value);
    } else {
        let mut text = Vec::with_capacity(24);
        push_ts_value(sample.value, &mut text);
        reply.simple(&String::from_utf8_lossy(&text));
    }
}

/// A sample's value: plain decimals only, with an exponent if need be, and finite.
fn parse_value(text: &[u8]) -> Result<f64, CommandError> {
    const INVALID: CommandError = CommandError::text("ERR TSDB: invalid value");
    let starts = match text {
        [b'-', rest @ ..] => rest.first(),
        _ => text.first(),
    };
    let plain = starts.is_some_and(u8::is_ascii_digit)
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value = std::str::from_utf8(text)
        .ok()
        .filter(|_| plain)
        .and_then(|text| text.parse::<f64>().ok());
    value.filter(|value| value.is_finite()).ok_or(INVALID)
}

/// `*` is now. Unlike RedisTimeSeries it lets times before 1970 be: the metrics protocol has them, and its samples are told
/// (see `change.rs`) and read by these commands.
fn parse_timestamp(cx: &Cx<'_>, text: &[u8]) -> Result<i64, CommandError> {
    if text == b"*" {
        return Ok(cx.keyspace.now_ms());
    }
    parse_i64(text).ok_or(CommandError::text("ERR TSDB: invalid timestamp"))
}

/// The range that two arguments name; `-` and `+` are its ends.
fn parse_bounds(args: Args<'_>, at: usize) -> Result<(i64, i64), CommandError> {
    let from = match &args[at] {
        b"-" => Some(i64::MIN),
        text => parse_i64(text),
    };
    let to = match &args[at + 1] {
        b"+" => Some(i64::MAX),
        text => parse_i64(text),
    };
    Ok((
        from.ok_or(CommandError::text("ERR TSDB: wrong fromTimestamp"))?,
        to.ok_or(CommandError::text("ERR TSDB: wrong toTimestamp"))?,
    ))
}
