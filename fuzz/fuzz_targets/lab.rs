//! The lab protocol in its three framings: what is answered does not depend on how the input is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::Scheme;

fuzz_target!(|data: &[u8]| {
    if let Some((first, rest)) = data.split_first() {
        let schemes = [Scheme::Lab, Scheme::LabByte, Scheme::LabDigit];
        pentad_fuzz::check_cuts(schemes[usize::from(*first) % 3], rest);
    }
});
