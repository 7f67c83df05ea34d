//! The rows of the geo commands: what each is, and which function runs it.

use crate::protocol::resp::command::access::{ACCESS, OW, RO, RW, UPDATE};
use crate::protocol::resp::command::{Command, Group, KeySpec, flag};
use crate::protocol::resp::geo;

/// The geo commands.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, RW | UPDATE)],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(log(N)) for each item added, where N is the number of elements in \
            the sorted set.",
        summary: "Add one or more geospatial items in the geospatial index represented \
            using a sorted set",
        history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
        arguments: "key@0 [condition(NX | XX) since=6.2.0] [CH=change:token since=6.2.0] \
            longitude_latitude_member{longitude:double latitude:double member}...",
        handler: geo::geoadd,
        ..Command::EMPTY
    },
    Command {
        name: "geodist",
        arity: -4,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(log(N))",
        summary: "Returns the distance between two members of a geospatial index",
        arguments: "key@0 member1 member2 [unit(M | KM | FT | MI)]",
        handler: geo::geodist,
        ..Command::EMPTY
    },
    Command {
        name: "geohash",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(log(N)) for each member requested, where N is the number of \
            elements in the sorted set.",
        summary: "Returns members of a geospatial index as standard geohash strings",
        arguments: "key@0 member...",
        handler: geo::geohash,
        ..Command::EMPTY
    },
    Command {
        name: "geopos",
        arity: -2,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(N) where N is the number of members requested.",
        summary: "Returns longitude and latitude of members of a geospatial index",
        arguments: "key@0 member...",
        handler: geo::geopos,
        ..Command::EMPTY
    },
    Command {
        name: "georadius",
        arity: -6,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RO | ACCESS),
            KeySpec::after("STORE", 6, OW | UPDATE),
            KeySpec::after("STOREDIST", 6, OW | UPDATE),
        ],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding \
            box of the circular area delimited by center and radius and M is the number of \
            items inside the index.",
        summary: "Query a sorted set representing a geospatial index to fetch members \
            matching a given maximum distance from a point",
        history: &[
            ("6.2.0", "Added the `ANY` option for `COUNT`."),
            ("7.0.0", "Added support for uppercase unit names."),
        ],
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        )),
        arguments: "key@0 longitude:double latitude:double radius:double unit(M | KM \
            | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT=count:integer [ANY \
            since=6.2.0]}] [order(ASC | DESC)] [STORE=key@1] [STOREDIST=key@2]",
        handler: geo::georadius,
        ..Command::EMPTY
    },
    Command {
        name: "georadius_ro",
        arity: -6,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "3.2.10",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding \
            box of the circular area delimited by center and radius and M is the number of \
            items inside the index.",
        summary: "A read-only variant for GEORADIUS",
        history: &[("6.2.0", "Added the `ANY` option for `COUNT`.")],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        arguments: "key@0 longitude:double latitude:double radius:double unit(M | KM \
            | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] [count{COUNT=count:integer [ANY \
            since=6.2.0]}] [order(ASC | DESC)]",
        handler: geo::georadius_ro,
        ..Command::EMPTY
    },
    Command {
        name: "georadiusbymember",
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::one(1, RO | ACCESS),
            KeySpec::after("STORE", 5, OW | UPDATE),
            KeySpec::after("STOREDIST", 5, OW | UPDATE),
        ],
        since: "3.2.0",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding \
            box of the circular area delimited by center and radius and M is the number of \
            items inside the index.",
        summary: "Query a sorted set representing a geospatial index to fetch members \
            matching a given maximum distance from a member",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and \
            `FROMMEMBER` arguments",
        )),
        arguments: "key@0 member radius:double unit(M | KM | FT | MI) [WITHCOORD] \
            [WITHDIST] [WITHHASH] [count{COUNT=count:integer [ANY]}] [order(ASC | DESC)] \
            [STORE=key@1] [STOREDIST=key@2]",
        handler: geo::georadiusbymember,
        ..Command::EMPTY
    },
    Command {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "3.2.10",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding \
            box of the circular area delimited by center and radius and M is the number of \
            items inside the index.",
        summary: "A read-only variant for GEORADIUSBYMEMBER",
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        arguments: "key@0 member radius:double unit(M | KM | FT | MI) [WITHCOORD] \
            [WITHDIST] [WITHHASH] [count{COUNT=count:integer [ANY]}] [order(ASC | DESC)]",
        handler: geo::georadiusbymember_ro,
        ..Command::EMPTY
    },
    Command {
        name: "geosearch",
        arity: -7,
        flags: flag::READONLY,
        keys: &[KeySpec::one(1, RO | ACCESS)],
        since: "6.2.0",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned \
            bounding box area around the shape provided as the filter and M is the number of \
            items inside the shape",
        summary: "Query a sorted set representing a geospatial index to fetch members \
            inside an area of a box or a circle.",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        arguments: "key@0 from(FROMMEMBER=member \
            | FROMLONLAT=longitude_latitude{longitude:double latitude:double}) \
            by(circle{BYRADIUS=radius:double unit(M | KM | FT | MI)} | box{BYBOX=width:double \
            height:double unit(M | KM | FT | MI)}) [order(ASC | DESC)] \
            [count{COUNT=count:integer [ANY]}] [WITHCOORD] [WITHDIST] [WITHHASH]",
        handler: geo::geosearch,
        ..Command::EMPTY
    },
    Command {
        name: "geosearchstore",
        arity: -8,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)],
        since: "6.2.0",
        group: Group::Geo,
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned \
            bounding box area around the shape provided as the filter and M is the number of \
            items inside the shape",
        summary: "Query a sorted set representing a geospatial index to fetch members \
            inside an area of a box or a circle, and store the result in another key.",
        history: &[("7.0.0", "Added support for uppercase unit names.")],
        arguments: "destination@0 source@1 from(FROMMEMBER=member \
            | FROMLONLAT=longitude_latitude{longitude:double latitude:double}) \
            by(circle{BYRADIUS=radius:double unit(M | KM | FT | MI)} | box{BYBOX=width:double \
            height:double unit(M | KM | FT | MI)}) [order(ASC | DESC)] \
            [count{COUNT=count:integer [ANY]}] [STOREDIST]",
        handler: geo::geosearchstore,
        ..Command::EMPTY
    },
];
