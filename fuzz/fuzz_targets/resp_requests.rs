//! The parser of RESP requests: what it finds does not depend on how the input is cut, and what it has found it finds
//! again when it is written down anew.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::fuzzing::resp_requests;
use pentad_fuzz::common::resp::encode_into;

fuzz_target!(|data: &[u8]| {
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    let (pieces, input) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let (requests, error) = resp_requests(input, &[]);
    let mut cuts: Vec<usize> = Vec::new();
    for piece in pieces {
        cuts.push(cuts.last().unwrap_or(&0) + 1 + usize::from(*piece));
    }
    cuts.retain(|cut| *cut < input.len());
    assert_eq!(
        (&requests, &error),
        (
            &resp_requests(input, &cuts).0,
            &resp_requests(input, &cuts).1
        )
    );
    let mut again = Vec::new();
    requests
        .iter()
        .for_each(|request| encode_into(&mut again, request));
    assert_eq!(resp_requests(&again, &[]), (requests, None));
});
