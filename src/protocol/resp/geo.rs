//! The commands on places, which are members of sorted sets.

use super::{Args, CommandError, Reply};
use crate::keyspace::geo::{Area, Position, Shape, Unit, push_distance};
use crate::keyspace::{Found, Key, ZAddOptions, ZSet};
use crate::number::parse_f64;
use crate::protocol::Cx;

type Done = Result<(), CommandError>;

const NO_SUCH_MEMBER: CommandError =
    CommandError::text("ERR could not decode requested zset member");

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`: ZADD with places for scores.
/// All places are looked at before the key.
pub fn geoadd(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut options = ZAddOptions::default();
    let mut counts_changed = false;
    let mut at = 2;
    loop {
        let option = match () {
            () if args.is(at, "nx") => &mut options.if_absent,
            () if args.is(at, "xx") => &mut options.if_present,
            () if args.is(at, "ch") => &mut counts_changed,
            () => break,
        };
        *option = true;
        at += 1;
    }
    if !(args.len() - at).is_multiple_of(3) || options.if_absent && options.if_present {
        return Err(CommandError::Syntax);
    }
    let mut members = Vec::with_capacity((args.len() - at) / 3);
    for at in (at..args.len()).step_by(3) {
        members.push((place(args, at)?.score(), &args[at + 2]));
    }
    let key = cx.key(&args[1]);
    let done = cx.keyspace.zset_add(&key, &members, options)?;
    let changed = if counts_changed { done.changed } else { 0 };
    cx.reply().count(done.added + changed);
    Ok(())
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub fn geodist(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let unit = match args.len() {
        4 => Unit::default(),
        5 => unit(args, 4)?,
        _ => return Err(CommandError::Syntax),
    };
    let key = cx.key(&args[1]);
    cx.keyspace.read::<ZSet>(&key)?;
    let position = |member| cx.keyspace.geo_position(&key, member);
    let places = position(&args[2]).zip(position(&args[3]));
    let mut reply = cx.reply();
    match places {
        Some((from, to)) => reply.distance(from.distance_m(to) / unit.metres()),
        None => reply.null(),
    }
    Ok(())
}

/// `GEOHASH key [member ...]`
pub fn geohash(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    each_position(cx, args, |reply, position| match position {
        Some(position) => reply.bulk(&position.geohash()),
        None => reply.null(),
    })
}

/// `GEOPOS key [member ...]`
pub fn geopos(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    each_position(cx, args, |reply, position| match position {
        Some(position) => reply.position(position),
        None => reply.null_array(),
    })
}

/// Answers something of the place of each member.
fn each_position(
    cx: &mut Cx<'_>,
    args: Args<'_>,
    show: impl Fn(&mut Reply<'_>, Option<Position>),
) -> Done {
    let key = cx.key(&args[1]);
    let (keyspace, mut reply) = cx.split();
    let zset = keyspace.read::<ZSet>(&key)?;
    reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        let score = zset.and_then(|zset| zset.score(member));
        show(&mut reply, score.map(Position::from_score));
    }
    Ok(())
}

/// `GEORADIUS key longitude latitude radius M | KM | FT | MI` and [options](Search::options)
pub fn georadius(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    search_around_place(cx, args, Command::Radius)
}

pub fn georadius_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    search_around_place(cx, args, Command::RadiusReadOnly)
}

/// `GEORADIUSBYMEMBER key member radius M | KM | FT | MI` and [options](Search::options)
pub fn georadiusbymember(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    search_around_member(cx, args, Command::Radius)
}

pub fn georadiusbymember_ro(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    search_around_member(cx, args, Command::RadiusReadOnly)
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit` and
/// [options](Search::options)
pub fn geosearch(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    Search::new(cx, args, Command::Search, 1)?.run(cx, args, 2)
}

/// `GEOSEARCHSTORE destination source` and the rest as with GEOSEARCH
pub fn geosearchstore(cx: &mut Cx<'_>, args: Args<'_>) -> Done {
    let mut search = Search::new(cx, args, Command::SearchStore, 2)?;
    search.store = args.get(1);
    search.run(cx, args, 3)
}

fn search_around_place(cx: &mut Cx<'_>, args: Args<'_>, command: Command) -> Done {
    let mut search = Search::new(cx, args, command, 1)?;
    search.center = Some(place(args, 2)?);
    search.circle(args, 4)?;
    search.run(cx, args, 6)
}

fn search_around_member(cx: &mut Cx<'_>, args: Args<'_>, command: Command) -> Done {
    let mut search = Search::new(cx, args, command, 1)?;
    // Without a key only the options are looked at.
    if search.exists {
        search.center = Some(search.place_of(cx, &args[2])?);
        search.circle(args, 3)?;
    }
    search.run(cx, args, 5)
}

/// Which of the commands is being run: they do not take the same options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Radius,
    RadiusReadOnly,
    Search,
    SearchStore,
}

/// What is searched for, and what becomes of what is found.
struct Search<'a> {
    command: Command,
    key: Key<'a>,
    exists: bool,
    /// FROMMEMBER was there, maybe without a key to find it in.
    from_member: bool,
    center: Option<Position>,
    shape: Option<Shape>,
    unit: Unit,
    ascending: Option<bool>,
    /// 0 is no limit.
    count: i64,
    /// The first that are found will do, near or far.
    any: bool,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    store: Option<&'a [u8]>,
    store_distance: bool,
}

impl<'a> Search<'a> {
    /// A search in the key at `key_at`, which is looked at before anything else.
    fn new(
        cx: &mut Cx<'_>,
        args: Args<'a>,
        command: Command,
        key_at: usize,
    ) -> Result<Self, CommandError> {
        let key = cx.key(args.get(key_at).ok_or(CommandError::Syntax)?);
        let exists = cx.keyspace.read::<ZSet>(&key)?.is_some();
        Ok(Search {
            command,
            key,
            exists,
            from_member: false,
            center: None,
            shape: None,
            unit: Unit::default(),
            ascending: None,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_position: false,
            store: None,
            store_distance: false,
        })
    }

    /// Parses the options from `at` on, checks them, searches and answers.
    fn run(mut self, cx: &mut Cx<'_>, args: Args<'a>, at: usize) -> Done {
        self.options(cx, args, at)?;
        self.check(args)?;
        let found = match (self.center, self.shape) {
            (Some(center), Some(shape)) if self.exists => self.find(cx, &Area { center, shape })?,
            _ => Vec::new(),
        };
        match self.store {
            Some(to) => self.store(cx, to, found),
            None => self.show(cx, &found),
        }
        Ok(())
    }

    /// `[ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`; and for GEORADIUS `[STORE key |
    /// STOREDIST key]`, for GEOSEARCH where to search, and for GEOSEARCHSTORE `[STOREDIST]`. Each is parsed before the
    /// next is looked at.
    fn options(&mut self, cx: &Cx<'_>, args: Args<'a>, mut at: usize) -> Done {
        let is_search = matches!(self.command, Command::Search | Command::SearchStore);
        while at < args.len() {
            let operands = args.len() - at - 1;
            let is = |word, least_operands| args.is(at, word) && operands >= least_operands;
            let is_of_search = |word, least_operands| is_search && is(word, least_operands);
            let is_of_radius = |word| self.command == Command::Radius && is(word, 1);
            at += match () {
                () if is("withdist", 0) => {
                    self.with_distance = true;
                    1
                }
                () if is("withhash", 0) => {
                    self.with_hash = true;
                    1
                }
                () if is("withcoord", 0) => {
                    self.with_position = true;
                    1
                }
                () if is("any", 0) => {
                    self.any = true;
                    1
                }
                () if is("asc", 0) => {
                    self.ascending = Some(true);
                    1
                }
                () if is("desc", 0) => {
                    self.ascending = Some(false);
                    1
                }
                () if is("count", 1) => {
                    self.count = args.integer(at + 1)?;
                    if self.count <= 0 {
                        return Err(CommandError::text("ERR COUNT must be > 0"));
                    }
                    2
                }
                () if is_of_radius("store") || is_of_radius("storedist") => {
                    self.store_distance = args.is(at, "storedist");
                    self.store = args.get(at + 1);
                    2
                }
                () if is_of_search("frommember", 1)
                    && (self.from_member || self.center.is_none()) =>
                {
                    if self.exists {
                        self.center = Some(self.place_of(cx, &args[at + 1])?);
                    }
                    self.from_member = true;
                    2
                }
                () if is_of_search("fromlonlat", 2) && !self.from_member => {
                    self.center = Some(place(args, at + 1)?);
                    3
                }
                () if is_of_search("byradius", 2)
                    && !matches!(self.shape, Some(Shape::Rectangle { .. })) =>
                {
                    self.circle(args, at + 1)?;
                    3
                }
                () if is_of_search("bybox", 3)
                    && !matches!(self.shape, Some(Shape::Circle { .. })) =>
                {
                    self.rectangle(args, at + 1)?;
                    4
                }
                () if self.command == Command::SearchStore && is("storedist", 0) => {
                    self.store_distance = true;
                    1
                }
                () => return Err(CommandError::Syntax),
            };
        }
        Ok(())
    }

    /// What options must not be together, or missing.
    fn check(&self, args: Args<'_>) -> Done {
        let is_search = matches!(self.command, Command::Search | Command::SearchStore);
        let shows_more = self.with_distance || self.with_hash || self.with_position;
        let name = String::from_utf8_lossy(&args[0]);
        if self.store.is_some() && shows_more {
            let what = match self.command {
                Command::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(CommandError::err(format_args!(
                "{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if is_search && self.center.is_none() && !self.from_member {
            return Err(CommandError::err(format_args!(
                "exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if is_search && self.shape.is_none() {
            return Err(CommandError::err(format_args!(
                "exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count == 0 {
            return Err(CommandError::text(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        Ok(())
    }

    fn place_of(&self, cx: &Cx<'_>, member: &[u8]) -> Result<Position, CommandError> {
        let position = cx.keyspace.geo_position(&self.key, member);
        position.ok_or(NO_SUCH_MEMBER)
    }

    /// Takes radius and unit from `at` on.
    fn circle(&mut self, args: Args<'_>, at: usize) -> Done {
        let radius = length(args, at, "radius")?;
        if radius < 0.0 {
            return Err(CommandError::text("ERR radius cannot be negative"));
        }
        self.unit = unit(args, at + 1)?;
        self.shape = Some(Shape::Circle {
            radius_m: radius * self.unit.metres(),
        });
        Ok(())
    }

    /// Takes width, height and unit from `at` on.
    fn rectangle(&mut self, args: Args<'_>, at: usize) -> Done {
        let (width, height) = (length(args, at, "width")?, length(args, at + 1, "height")?);
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::text("ERR height or width cannot be negative"));
        }
        self.unit = unit(args, at + 2)?;
        self.shape = Some(Shape::Rectangle {
            width_m: width * self.unit.metres(),
            height_m: height * self.unit.metres(),
        });
        Ok(())
    }

    /// What is found, in order and no more than COUNT.
    fn find(&self, cx: &mut Cx<'_>, area: &Area) -> Result<Vec<Found>, CommandError> {
        let count = match self.count {
            0 => usize::MAX,
            count => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let stop_at = if self.any { count } else { usize::MAX };
        let mut found = cx.keyspace.geo_search(&self.key, area, stop_at)?;
        // To choose some, one has to know which are the nearest.
        let is_choice = self.count > 0 && !self.any;
        match self.ascending.or(is_choice.then_some(true)) {
            Some(true) => found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m)),
            Some(false) => found.sort_by(|a, b| b.distance_m.total_cmp(&a.distance_m)),
            None => {}
        }
        found.truncate(count);
        Ok(found)
    }

    fn store(&self, cx: &mut Cx<'_>, to: &[u8], found: Vec<Found>) {
        let event = match self.command {
            Command::SearchStore => "geosearchstore",
            _ => "georadiusstore",
        };
        let members: Vec<(f64, Vec<u8>)> = found
            .into_iter()
            .map(|found| {
                let score = if self.store_distance {
                    found.distance_m / self.unit.metres()
                } else {
                    found.score
                };
                (score, found.member)
            })
            .collect();
        let to = cx.key(to);
        cx.keyspace.geo_store(&to, &members, event);
        cx.reply().count(members.len());
    }

    fn show(&self, cx: &mut Cx<'_>, found: &[Found]) {
        let with = [self.with_distance, self.with_hash, self.with_position];
        let more = with.iter().filter(|with| **with).count();
        let mut reply = cx.reply();
        reply.array(found.len());
        for found in found {
            if more > 0 {
                reply.array(1 + more);
            }
            reply.bulk(&found.member);
            if self.with_distance {
                reply.distance(found.distance_m / self.unit.metres());
            }
            if self.with_hash {
                reply.integer(found.score as i64);
            }
            if self.with_position {
                reply.position(found.position);
            }
        }
    }
}

impl Reply<'_> {
    /// A distance, with four decimals.
    fn distance(&mut self, distance: f64) {
        let mut text = Vec::new();
        push_distance(&mut text, distance);
        self.bulk(&text);
    }

    /// Longitude and latitude.
    fn position(&mut self, position: Position) {
        self.array(2);
        self.exact_double(position.longitude());
        self.exact_double(position.latitude());
    }
}

/// The place whose longitude and latitude are at `at`.
fn place(args: Args<'_>, at: usize) -> Result<Position, CommandError> {
    let degrees = |at| parse_f64(&args[at]).ok_or(CommandError::NotFloat);
    Position::new(degrees(at)?, degrees(at + 1)?).map_err(CommandError::err)
}

fn length(args: Args<'_>, at: usize, what: &str) -> Result<f64, CommandError> {
    let length = parse_f64(&args[at]);
    length.ok_or_else(|| CommandError::err(format_args!("need numeric {what}")))
}

fn unit(args: Args<'_>, at: usize) -> Result<Unit, CommandError> {
    Unit::parse(&args[at]).map_err(CommandError::err)
}
