//! Named workloads. Each is a list of operations with weights and the settings it is known for; everything
//! set by the user goes before what is set here.

/// A named workload.
pub struct Mix {
    pub name: &'static str,
    pub about: &'static str,
    /// Operations for RESP, or for every protocol where `resp_only` is not set.
    pub ops: &'static [(&'static str, f64)],
    pub resp_only: bool,
    pub distribution: &'static str,
    pub value_size: &'static str,
    /// 0 leaves the number of keys as it is.
    pub keys: u64,
}

/// All of them, in the order `--help` shows them.
pub const MIXES: &[Mix] = &[
    ycsb(
        "ycsb-a",
        "half reads, half updates",
        &[("read", 50.0), ("write", 50.0)],
        "zipf:0.99",
    ),
    ycsb(
        "ycsb-b",
        "95 % reads, 5 % updates",
        &[("read", 95.0), ("write", 5.0)],
        "zipf:0.99",
    ),
    ycsb("ycsb-c", "reads only", &[("read", 100.0)], "zipf:0.99"),
    ycsb(
        "ycsb-d",
        "95 % reads of what was inserted last, 5 % inserts",
        &[("read", 95.0), ("insert", 5.0)],
        "latest:0.99",
    ),
    Mix {
        name: "ycsb-e",
        about: "95 % short scans of an index, 5 % inserts into it (resp)",
        ops: &[
            (
                "ZRANGEBYSCORE ycsb:index __rand__ +inf LIMIT 0 __rand:100__",
                95.0,
            ),
            ("ZADD ycsb:index __rand__ __key__", 5.0),
        ],
        resp_only: true,
        distribution: "zipf:0.99",
        value_size: "1000",
        keys: 0,
    },
    ycsb(
        "ycsb-f",
        "half reads, half read-modify-write",
        &[("read", 50.0), ("rmw", 50.0)],
        "zipf:0.99",
    ),
    Mix {
        name: "cache",
        about: "cache aside: reads, a miss is filled with a TTL, now and then an invalidation",
        ops: &[("read-through", 95.0), ("write", 4.0), ("delete", 1.0)],
        resp_only: false,
        distribution: "zipf:1.0",
        value_size: "64:50,256-1k:40,4k:10",
        keys: 0,
    },
    Mix {
        name: "session",
        about: "session store: hash reads and writes, each session's TTL renewed (resp)",
        ops: &[
            ("HGET __key__ data", 70.0),
            ("HSET __key__ data __value__", 20.0),
            ("EXPIRE __key__ 1800", 10.0),
        ],
        resp_only: true,
        distribution: "hot:0.1:0.8",
        value_size: "200-800",
        keys: 0,
    },
    Mix {
        name: "queue",
        about: "16 job queues: LPUSH and RPOP in equal parts (resp)",
        ops: &[("LPUSH __key__ __value__", 50.0), ("RPOP __key__", 50.0)],
        resp_only: true,
        distribution: "uniform",
        value_size: "100-300",
        keys: 16,
    },
    Mix {
        name: "metrics",
        about: "ingest of time series: 95 % samples in, 5 % series out (metrics, or resp with TS.*)",
        ops: &[("put", 95.0), ("get", 5.0)],
        resp_only: false,
        distribution: "uniform",
        value_size: "32",
        keys: 1000,
    },
];

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static Mix> {
    MIXES.iter().find(|mix| mix.name.eq_ignore_ascii_case(name))
}

/// All names, for messages.
pub fn names() -> String {
    MIXES
        .iter()
        .map(|mix| mix.name)
        .collect::<Vec<_>>()
        .join(", ")
}

const fn ycsb(
    name: &'static str,
    about: &'static str,
    ops: &'static [(&'static str, f64)],
    distribution: &'static str,
) -> Mix {
    Mix {
        name,
        about,
        ops,
        resp_only: false,
        distribution,
        value_size: "1000",
        keys: 0,
    }
}
