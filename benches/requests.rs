//! What a request costs without sockets: bytes in, a batch run, bytes out. Prints nanoseconds per request.
//!
//! `cargo bench --bench requests [-- FILTER]`; the counts of instructions that do not depend on the machine's mood are in
//! `benches/instructions.rs`.

#[path = "common/workload.rs"]
mod workload;

use std::time::Instant;

use workload::{Driver, WORKLOADS, Workload};

const ROUNDS: usize = 9;

fn main() {
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    println!("{:24} {:>9} {:>12}", "workload", "ns", "requests/s");
    for workload in WORKLOADS {
        if filter
            .as_ref()
            .is_none_or(|filter| workload.name.starts_with(filter.as_str()))
        {
            measure(workload);
        }
    }
}

fn measure(workload: &Workload) {
    let mut driver = Driver::new(workload);
    let requests = workload.requests;
    driver.run(requests / 10);
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            driver.run(requests);
            start.elapsed().as_secs_f64() / requests as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    // The least is what the code takes; all above it is what else the machine did.
    println!(
        "{:24} {:9.1} {:12.0}",
        workload.name,
        times[0] * 1e9,
        1.0 / times[0]
    );
}
