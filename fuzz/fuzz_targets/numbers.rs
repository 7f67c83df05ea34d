//! Numbers out of text, and back: against the standard library's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::extended_float::ExtendedFloat;
use pentad::number::{format_i64, parse_f64, parse_i64, push_f64, push_f64_g17, text_len};

fuzz_target!(|data: &[u8]| {
    let text = std::str::from_utf8(data).ok();
    let expected = text
        .and_then(|text| text.parse().ok())
        .filter(|int: &i64| Some(&*int.to_string()) == text);
    assert_eq!(parse_i64(data), expected);
    if let Some(int) = expected {
        assert_eq!(format_i64(int, &mut [0; 20]), data);
        assert_eq!(text_len(int), data.len());
    }
    let is_plain = data.iter().all(|byte| b"0123456789.eE+-".contains(byte));
    if let (true, Some(float)) = (is_plain, parse_f64(data)) {
        let expected: f64 = text.and_then(|text| text.parse().ok()).expect("a number");
        assert_eq!(float.to_bits(), expected.to_bits(), "{text:?}");
    }
    if let Some(bits) = data.first_chunk() {
        let float = f64::from_bits(u64::from_le_bytes(*bits));
        for write in [push_f64, push_f64_g17] {
            let mut text = Vec::new();
            write(&mut text, float);
            let back = parse_f64(&text);
            assert!(
                float.is_nan() || back == Some(float),
                "{float:?} is written as {}, read as {back:?}",
                text.escape_ascii()
            );
        }
    }
    if let Some(float) = ExtendedFloat::parse(data) {
        let mut text = Vec::new();
        float.push(&mut text);
        if float.is_finite() {
            assert!(
                ExtendedFloat::parse(&text).is_some(),
                "{}",
                text.escape_ascii()
            );
        }
    }
});
