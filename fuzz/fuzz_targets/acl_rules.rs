//! Rules of users, a line each: those that are understood make a user whose description makes the same user again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad::fuzzing::acl_user;

fuzz_target!(|data: &[u8]| {
    let rules: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let Ok((description, allowed)) = acl_user(&rules) else {
        return;
    };
    let words: Vec<&[u8]> = description.split(|byte| *byte == b' ').skip(2).collect();
    let (again, still_allowed) =
        acl_user(&words).unwrap_or_else(|error| panic!("{}: {error}", description.escape_ascii()));
    assert_eq!(
        again.escape_ascii().to_string(),
        description.escape_ascii().to_string()
    );
    assert_eq!(still_allowed, allowed, "{}", description.escape_ascii());
});
