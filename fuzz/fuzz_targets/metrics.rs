//! The metrics protocol: what is answered does not depend on how the input is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::Scheme;

fuzz_target!(|data: &[u8]| pentad_fuzz::check_cuts(Scheme::Metrics, data));
