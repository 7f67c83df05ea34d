//! Places on Earth as sorted-set scores: GEOADD's encoding, GEODIST's distance, GEOSEARCH's areas.
//!
//! A place is cut down to a cell of a grid of 2^26 columns and rows. The bits of its column and row,
//! interleaved (longitude above latitude), make an integer of 52 bits, which a double holds exactly: the
//! score. Places near each other mostly have scores near each other, so that an area is covered by a few
//! ranges of scores. Earth is a sphere here, and the grid ends at 85.05112878 degrees, as a Mercator map
//! does. All formulas are Redis 7.2's, in its order of operations, for the same roundings.
//!
//! Nothing here knows of sorted sets.

use std::fmt;
use std::ops::Range;

/// A place on Earth that the grid covers, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    longitude: f64,
    latitude: f64,
}

impl Position {
    /// The place at `longitude` within ±180 and `latitude` within ±85.05112878 degrees.
    pub fn new(longitude: f64, latitude: f64) -> Result<Self, OutOfRange> {
        if LONGITUDES.contains(longitude) && LATITUDES.contains(latitude) {
            Ok(Self {
                longitude,
                latitude,
            })
        } else {
            Err(OutOfRange {
                longitude,
                latitude,
            })
        }
    }

    /// The middle of the cell that `score` names. A score that is no place's, such as ZADD may have set,
    /// gives some place.
    pub fn from_score(score: f64) -> Self {
        let cell = Cell {
            bits: bits_of(score),
            step: STEP_MAX,
        };
        let bounds = cell.bounds();
        Self {
            longitude: LONGITUDES.clamp((bounds.west + bounds.east) / 2.0),
            latitude: LATITUDES.clamp((bounds.south + bounds.north) / 2.0),
        }
    }

    /// The score of the cell the place lies in, an integer of 52 bits; of 53 or 54 bits on the very
    /// northern or eastern edge, where Redis counts one cell too far.
    pub fn score(self) -> f64 {
        Cell::around(self, LATITUDES, STEP_MAX).bits as f64
    }

    /// In degrees, east positive.
    pub fn longitude(self) -> f64 {
        self.longitude
    }

    /// In degrees, north positive.
    pub fn latitude(self) -> f64 {
        self.latitude
    }

    /// The standard geohash, 11 characters, of which the last is always `0`: 52 bits are all there are.
    pub fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let standard_latitudes = Limits {
            min: -90.0,
            max: 90.0,
        };
        let bits = Cell::around(self, standard_latitudes, STEP_MAX).bits;
        let mut hash = [b'0'; 11];
        for (index, character) in hash[..10].iter_mut().enumerate() {
            *character = ALPHABET[(bits >> (47 - 5 * index) & 31) as usize];
        }
        hash
    }

    /// The distance to `other` along the sphere, in metres.
    pub fn distance_m(self, other: Self) -> f64 {
        let (longitude, other_longitude) = (radians(self.longitude), radians(other.longitude));
        let v = ((other_longitude - longitude) / 2.0).sin();
        if v == 0.0 {
            return meridian_distance_m(self.latitude, other.latitude);
        }
        let (latitude, other_latitude) = (radians(self.latitude), radians(other.latitude));
        let u = ((other_latitude - latitude) / 2.0).sin();
        let a = u * u + latitude.cos() * other_latitude.cos() * v * v;
        // Rounding may take antipodes beyond 1, where there is no arcsine; Redis's distance is no number.
        2.0 * EARTH_RADIUS_M * a.sqrt().min(1.0).asin()
    }
}

/// A longitude and a latitude that the grid does not cover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfRange {
    longitude: f64,
    latitude: f64,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (longitude, latitude) = (self.longitude, self.latitude);
        write!(
            f,
            "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )
    }
}

impl std::error::Error for OutOfRange {}

/// A unit of length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Metres, where a command names none.
    #[default]
    Metre,
    /// Kilometres.
    Kilometre,
    /// Feet.
    Foot,
    /// Miles, of 1609.34 metres.
    Mile,
}

impl Unit {
    /// Parses `m`, `km`, `ft` or `mi`, in any case.
    pub fn parse(text: &[u8]) -> Result<Self, UnknownUnit> {
        [
            (&b"m"[..], Self::Metre),
            (b"km", Self::Kilometre),
            (b"ft", Self::Foot),
            (b"mi", Self::Mile),
        ]
        .into_iter()
        .find_map(|(name, unit)| text.eq_ignore_ascii_case(name).then_some(unit))
        .ok_or(UnknownUnit)
    }

    /// Its length. Multiply by it to get metres, divide metres by it to get this unit.
    pub fn metres(self) -> f64 {
        match self {
            Self::Metre => 1.0,
            Self::Kilometre => 1000.0,
            Self::Foot => 0.3048,
            Self::Mile => 1609.34,
        }
    }
}

/// A unit that is none of those known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownUnit;

impl fmt::Display for UnknownUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unsupported unit provided. please use M, KM, FT, MI")
    }
}

impl std::error::Error for UnknownUnit {}

/// Appends `distance`, which is not negative, with four decimals: how GEODIST and WITHDIST reply.
/// Halves of the last decimal go to the even one.
pub fn push_distance(out: &mut Vec<u8>, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    let text = format!("{}.{:04}", scaled / 10_000, scaled % 10_000);
    out.extend_from_slice(text.as_bytes());
}

/// An area to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its middle.
    pub center: Position,
    /// What it covers around that.
    pub shape: Shape,
}

/// The shape of an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All within a distance.
    Circle {
        /// In metres, not negative.
        radius_m: f64,
    },
    /// All that is no further north or south than half the height, nor further east or west (along the
    /// place's own parallel) than half the width.
    Rectangle {
        /// From west to east in metres, not negative.
        width_m: f64,
        /// From south to north in metres, not negative.
        height_m: f64,
    },
}

impl Area {
    /// How far `position` is from the middle in metres, if it lies within the area.
    pub fn distance_m(&self, position: Position) -> Option<f64> {
        let center = self.center;
        match self.shape {
            Shape::Circle { radius_m } => {
                let distance_m = center.distance_m(position);
                (distance_m <= radius_m).then_some(distance_m)
            }
            Shape::Rectangle { width_m, height_m } => {
                if meridian_distance_m(position.latitude, center.latitude) > height_m / 2.0 {
                    return None;
                }
                let beside = Position {
                    longitude: center.longitude,
                    latitude: position.latitude,
                };
                if position.distance_m(beside) > width_m / 2.0 {
                    return None;
                }
                Some(center.distance_m(position))
            }
        }
    }

    /// The ranges of scores, at most nine, that hold all places of the area, and others; in the order in
    /// which Redis searches them, which is that of an unsorted reply. None overlap.
    pub fn score_ranges(&self) -> impl Iterator<Item = Range<f64>> + use<> {
        let cells = self.cells();
        (0..cells.len()).filter_map(move |index| {
            let cell = cells[index]?;
            // Where the whole Earth is only a few cells wide, neighbours on either side are the same.
            let seen = cells[..index].contains(&Some(cell));
            (!seen).then(|| cell.scores())
        })
    }

    /// The cell around the middle and those of its neighbours that the area reaches.
    fn cells(&self) -> [Option<Cell>; 9] {
        let reach = self.bounds();
        let mut step = self.estimate_step();
        let mut cell = Cell::around(self.center, LATITUDES, step);
        let too_small = cell.moved(0, 1).bounds().north < reach.north
            || cell.moved(0, -1).bounds().south > reach.south
            || cell.moved(1, 0).bounds().east < reach.east
            || cell.moved(-1, 0).bounds().west > reach.west;
        if too_small && step > 1 {
            step -= 1;
            cell = Cell::around(self.center, LATITUDES, step);
        }
        let own = cell.bounds();
        // At the coarsest step a neighbour may lie on the other side, too.
        let all = step == 1;
        let north = all || own.north <= reach.north;
        let south = all || own.south >= reach.south;
        let east = all || own.east <= reach.east;
        let west = all || own.west >= reach.west;
        let neighbour = |reached: bool, x, y| reached.then(|| cell.moved(x, y));
        [
            Some(cell),
            neighbour(north, 0, 1),
            neighbour(south, 0, -1),
            neighbour(east, 1, 0),
            neighbour(west, -1, 0),
            neighbour(north && east, 1, 1),
            neighbour(north && west, -1, 1),
            neighbour(south && east, 1, -1),
            neighbour(south && west, -1, -1),
        ]
    }

    /// The area's outermost longitudes and latitudes, which may lie beyond those there are.
    fn bounds(&self) -> Bounds {
        let (half_width_m, half_height_m) = match self.shape {
            Shape::Circle { radius_m } => (radius_m, radius_m),
            Shape::Rectangle { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let Position {
            longitude,
            latitude,
        } = self.center;
        let delta_latitude = degrees(half_height_m / EARTH_RADIUS_M);
        // The shortest parallel is on the side of the pole, and spans the most degrees.
        let towards_pole = if latitude < 0.0 {
            latitude - delta_latitude
        } else {
            latitude + delta_latitude
        };
        let delta_longitude = degrees(half_width_m / EARTH_RADIUS_M / radians(towards_pole).cos());
        Bounds {
            west: longitude - delta_longitude,
            east: longitude + delta_longitude,
            south: latitude - delta_latitude,
            north: latitude + delta_latitude,
        }
    }

    /// The step at which a cell and its neighbours likely cover the area.
    fn estimate_step(&self) -> u32 {
        const MERCATOR_MAX_M: f64 = 20_037_726.37;
        let mut radius_m = match self.shape {
            Shape::Circle { radius_m } => radius_m,
            Shape::Rectangle { width_m, height_m } => {
                let (x, y) = (width_m / 2.0, height_m / 2.0);
                (x * x + y * y).sqrt()
            }
        };
        if radius_m == 0.0 {
            return STEP_MAX;
        }
        let mut step = -1;
        while radius_m < MERCATOR_MAX_M {
            radius_m *= 2.0;
            step += 1;
        }
        // Cells are narrower towards the poles.
        let latitude = self.center.latitude.abs();
        if latitude > 66.0 {
            step -= 1;
        }
        if latitude > 80.0 {
            step -= 1;
        }
        step.clamp(1, STEP_MAX as i32) as u32
    }
}

const EARTH_RADIUS_M: f64 = 6_372_797.560856;

/// The step of a score: 2^26 columns and rows.
const STEP_MAX: u32 = 26;

const LONGITUDES: Limits = Limits {
    min: -180.0,
    max: 180.0,
};
const LATITUDES: Limits = Limits {
    min: -85.05112878,
    max: 85.05112878,
};

/// In degrees.
#[derive(Clone, Copy)]
struct Limits {
    min: f64,
    max: f64,
}

impl Limits {
    fn contains(self, degrees: f64) -> bool {
        (self.min..=self.max).contains(&degrees)
    }

    fn clamp(self, degrees: f64) -> f64 {
        degrees.clamp(self.min, self.max)
    }

    /// The row or column of 2^`step` that `degrees` is in.
    fn index(self, degrees: f64, step: u32) -> u32 {
        let share = (degrees - self.min) / (self.max - self.min);
        (share * (1u64 << step) as f64) as u32
    }

    /// The lower edge of row or column `index` of 2^`step`.
    fn edge(self, index: u32, step: u32) -> f64 {
        self.min + f64::from(index) / (1u64 << step) as f64 * (self.max - self.min)
    }
}

/// In degrees.
struct Bounds {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// A cell of the grid of 2^`step` columns and rows: the column's bits at odd places, the row's at even
/// ones, from the least significant on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u32,
}

impl Cell {
    fn around(position: Position, latitudes: Limits, step: u32) -> Self {
        let column = LONGITUDES.index(position.longitude, step);
        let row = latitudes.index(position.latitude, step);
        Self {
            bits: spread(column) << 1 | spread(row),
            step,
        }
    }

    fn bounds(self) -> Bounds {
        let (column, row) = (gather(self.bits >> 1), gather(self.bits));
        let edge = |limits: Limits, index| limits.edge(index, self.step);
        Bounds {
            west: edge(LONGITUDES, column),
            east: edge(LONGITUDES, column.wrapping_add(1)),
            south: edge(LATITUDES, row),
            north: edge(LATITUDES, row.wrapping_add(1)),
        }
    }

    /// The cell `x` columns further east and `y` rows further north, each -1, 0 or 1, around the Earth.
    fn moved(self, x: i32, y: i32) -> Self {
        let turn = |index: u32, by: i32| match by {
            0 => index,
            by => index.wrapping_add_signed(by) & ((1 << self.step) - 1),
        };
        let column = turn(gather(self.bits >> 1), x);
        let row = turn(gather(self.bits), y);
        Self {
            bits: spread(column) << 1 | spread(row),
            step: self.step,
        }
    }

    /// The scores of all places in the cell.
    fn scores(self) -> Range<f64> {
        let align = |bits: u64| (bits << (2 * (STEP_MAX - self.step))) as f64;
        align(self.bits)..align(self.bits + 1)
    }
}

/// What a processor makes of a score when it is told to take it for 64 bits, as Redis does: where there is no such
/// integer, nothing or the topmost bit.
fn bits_of(score: f64) -> u64 {
    const TWO_TO_63: f64 = (1u64 << 63) as f64;
    if score >= 2.0 * TWO_TO_63 {
        0
    } else if score >= 0.0 {
        score as u64
    } else if score >= -TWO_TO_63 {
        score as i64 as u64
    } else {
        1 << 63
    }
}

/// The bits of `index`, with a zero above each.
fn spread(index: u32) -> u64 {
    let mut bits = u64::from(index);
    for (shift, mask) in SPREADS {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Every other bit of `bits`, from the lowest on: the reverse of [`spread`].
fn gather(bits: u64) -> u32 {
    let mut bits = bits & SPREADS[4].1;
    for (shift, mask) in GATHERS {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

const SPREADS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

const GATHERS: [(u32, u64); 5] = [
    (1, SPREADS[3].1),
    (2, SPREADS[2].1),
    (4, SPREADS[1].1),
    (8, SPREADS[0].1),
    (16, 0x0000_0000_ffff_ffff),
];

/// The distance between two places on one meridian.
fn meridian_distance_m(latitude: f64, other_latitude: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other_latitude) - radians(latitude)).abs()
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

// Not f64::to_degrees, which multiplies by a constant of its own.
fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64, so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }

        fn between(&mut self, min: f64, max: f64) -> f64 {
            min + (max - min) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    fn place(longitude: f64, latitude: f64) -> Position {
        Position::new(longitude, latitude).unwrap()
    }

    fn palermo() -> Position {
        Position::from_score(3_479_099_956_230_698.0)
    }

    fn catania() -> Position {
        Position::from_score(3_479_447_370_796_909.0)
    }

    fn printed(distance: f64) -> String {
        let mut out = Vec::new();
        push_distance(&mut out, distance);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scores_places_and_geohashes_as_in_redis_7_0_15() {
        for (longitude, latitude, score, cell, geohash) in [
            (
                13.361389,
                38.115556,
                3_479_099_956_230_698.0,
                (13.361389338970184, 38.1155563954963),
                b"sqc8b49rny0",
            ),
            (
                -175.2,
                -21.13,
                352_543_137_489_921.0,
                (-175.2000018954277, -21.12999955970745),
                b"2h5rv1rkb40",
            ),
            (
                15.6,
                78.2,
                3_757_806_250_084_189.0,
                (15.599998533725739, 78.19999927440826),
                b"umghfgzs420",
            ),
            (
                -180.0,
                -85.05112878,
                0.0,
                (-179.99999731779099, -85.05112751263943),
                b"00bh0hbj200",
            ),
            // On the edges, one cell too far.
            (
                180.0,
                10.0,
                10_138_940_401_276_180.0,
                (180.0, 9.999998393511568),
                b"81b0bh2n0n0",
            ),
            (
                20.0,
                85.05112878,
                6_766_947_132_407_976.0,
                (20.00000149011612, 85.05112878),
                b"urn5z55d9z0",
            ),
            (
                180.0,
                85.05112878,
                13_510_798_882_111_488.0,
                (180.0, 85.05112878),
                b"bp05b5048p0",
            ),
        ] {
            assert_eq!(place(longitude, latitude).score(), score);
            let middle = Position::from_score(score);
            assert_eq!((middle.longitude(), middle.latitude()), cell);
            assert_eq!(
                middle.geohash(),
                *geohash,
                "{:?}",
                str::from_utf8(&middle.geohash())
            );
        }
    }

    #[test]
    fn any_score_is_some_place() {
        for score in [f64::NEG_INFINITY, -1.0, 0.5, 1e17, 1e300, f64::INFINITY] {
            let place = Position::from_score(score);
            assert!(Position::new(place.longitude, place.latitude).is_ok());
            place.geohash();
            let shape = Shape::Circle { radius_m: 1e5 };
            let area = Area {
                center: place,
                shape,
            };
            assert!(area.score_ranges().count() >= 1);
        }
    }

    #[test]
    fn places_out_of_range() {
        for (longitude, latitude, text) in [
            (180.1, 10.0, "180.100000,10.000000"),
            (-181.0, -90.0, "-181.000000,-90.000000"),
            (0.0, 85.05112879, "0.000000,85.051129"),
            (f64::INFINITY, 1e20, "inf,100000000000000000000.000000"),
        ] {
            let error = Position::new(longitude, latitude).unwrap_err();
            let expected = format!("invalid longitude,latitude pair {text}");
            assert_eq!(error.to_string(), expected);
        }
        assert!(Position::new(f64::NAN, 0.0).is_err());
    }

    #[test]
    fn distances_as_in_redis_7_0_15() {
        let distance_m = palermo().distance_m(catania());
        for (unit, text) in [
            ("m", "166274.1516"),
            ("KM", "166.2742"),
            ("ft", "545518.8700"),
            ("Mi", "103.3182"),
        ] {
            let unit = Unit::parse(unit.as_bytes()).unwrap();
            assert_eq!(printed(distance_m / unit.metres()), text);
        }
        assert_eq!(Unit::parse(b"yd"), Err(UnknownUnit));
        let corners = place(180.0, 85.05112878).distance_m(Position::from_score(0.0));
        assert_eq!(printed(corners), "18919844.5891");
        // On one meridian.
        let [south, north] =
            [-10.0, 10.0].map(|latitude| Position::from_score(place(15.0, latitude).score()));
        assert_eq!(printed(south.distance_m(north)), "2224526.2065");
        assert_eq!(printed(south.distance_m(south)), "0.0000");
    }

    #[test]
    fn distances_are_printed_with_four_decimals() {
        for (distance, text) in [
            (0.0, "0.0000"),
            (0.000_04, "0.0000"),
            (0.000_06, "0.0001"),
            (0.031_25, "0.0312"),
            (0.093_75, "0.0938"),
            (9.999_96, "10.0000"),
            (20_015_086.796, "20015086.7960"),
        ] {
            assert_eq!(printed(distance), text);
        }
    }

    #[test]
    fn searches_as_in_redis_7_0_15() {
        let places = [
            ("palermo", palermo()),
            ("catania", catania()),
            ("tonga", place(-175.2, -21.13)),
            ("fiji", place(178.44, -18.14)),
            ("svalbard", place(15.6, 78.2)),
            ("zero", place(0.0, 0.0)),
        ];
        let circle = |radius_m| Shape::Circle { radius_m };
        let rectangle = |width_m, height_m| Shape::Rectangle { width_m, height_m };
        for ((longitude, latitude), shape, expected) in [
            (
                (15.0, 37.0),
                circle(200e3),
                "palermo 190.4424, catania 56.4413",
            ),
            (
                (15.0, 37.0),
                rectangle(400e3, 400e3),
                "palermo 190.4424, catania 56.4413",
            ),
            ((15.0, 37.0), rectangle(300e3, 100e3), ""),
            (
                (-175.2, -21.13),
                circle(1000e3),
                "tonga 0.0002, fiji 744.5268",
            ),
            ((180.0, -18.0), rectangle(2000e3, 2000e3), "fiji 165.6881"),
            ((15.0, 80.0), circle(3000e3), "svalbard 200.6021"),
            ((0.0, 0.0), circle(0.0), ""),
            ((0.0, 0.0), rectangle(f64::INFINITY, 1.0), "zero 0.0003"),
            (
                (0.0, 0.0),
                circle(20_000e3),
                "zero 0.0003, palermo 4454.7332, catania 4449.6961, svalbard 8746.9011, \
                 fiji 17995.8919, tonga 17613.3531",
            ),
        ] {
            let area = Area {
                center: place(longitude, latitude),
                shape,
            };
            let mut found = Vec::new();
            for range in area.score_ranges() {
                let mut within: Vec<_> = places
                    .iter()
                    .map(|(name, place)| (place.score(), name))
                    .filter(|(score, _)| range.contains(score))
                    .collect();
                within.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (score, name) in within {
                    if let Some(distance_m) = area.distance_m(Position::from_score(score)) {
                        found.push(format!("{name} {}", printed(distance_m / 1000.0)));
                    }
                }
            }
            assert_eq!(found.join(", "), expected, "{area:?}");
        }
    }

    #[test]
    fn ranges_hold_all_places_of_the_area_and_do_not_overlap() {
        let mut random = Random(1);
        let mut inside = 0;
        for _ in 0..3_000 {
            // Nearer to the poles even Redis misses some.
            let center = place(
                random.between(-180.0, 179.9999),
                random.between(-60.0, 60.0),
            );
            let mut size = || 10f64.powf(random.between(0.0, 6.0));
            let (a, b) = (size(), size());
            for shape in [
                Shape::Circle { radius_m: a },
                Shape::Rectangle {
                    width_m: a,
                    height_m: b,
                },
            ] {
                let area = Area { center, shape };
                let mut ranges: Vec<_> = area.score_ranges().collect();
                let reach = degrees(a.max(b) / EARTH_RADIUS_M) * 1.2;
                for _ in 0..20 {
                    let turned = center.longitude + random.between(-reach, reach);
                    let longitude = (turned + 540.0).rem_euclid(360.0) - 180.0;
                    let latitude = center.latitude + random.between(-reach, reach);
                    let place = place(longitude, latitude.clamp(-85.0, 85.0));
                    let score = place.score();
                    if area.distance_m(Position::from_score(score)).is_some() {
                        inside += 1;
                        let covered = ranges.iter().any(|range| range.contains(&score));
                        assert!(covered, "{area:?} {place:?}");
                    }
                }
                ranges.sort_by(|a, b| a.start.total_cmp(&b.start));
                assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
            }
        }
        assert!(inside > 10_000, "{inside}");
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        assert_eq!(spread(0b1011), 0b1_00_01_01);
        let mut random = Random(2);
        for _ in 0..1_000 {
            let (low, high) = (random.next() as u32, random.next() as u32);
            let bits = spread(high) << 1 | spread(low);
            assert_eq!((gather(bits), gather(bits >> 1)), (low, high));
        }
    }
}
