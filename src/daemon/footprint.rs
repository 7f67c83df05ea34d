//! The daemon's own memory: the code that only the start needs is not kept mapped.
//!
//! One of the few modules with `unsafe`; it must not know the server.
#![allow(unsafe_code)]

/// Takes the pages of code out of the process: what runs again is mapped again from the system's cache of the file, page by page.
///
/// Flags, settings and tables are read once, by code that is then a third of what an idle daemon has resident. Does nothing
/// where the system does not tell what is mapped.
pub fn release_start_code() {
    #[cfg(target_os = "linux")]
    for (start, end) in
        code_mappings(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
    {
        // SAFETY: the range is a mapping of a file that is executable and not writable, so its pages are the file's and
        // read anew when they are touched; the mapping itself stays.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// Where files are mapped to be executed and cannot be written to, out of the text of `/proc/self/maps`.
#[cfg(target_os = "linux")]
fn code_mappings(maps: &str) -> Vec<(usize, usize)> {
    maps.lines().filter_map(code_mapping).collect()
}

#[cfg(target_os = "linux")]
fn code_mapping(line: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    if !rest.starts_with("r-xp ") || !rest.contains(" /") {
        return None;
    }
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_released() {
        let maps = "\
5000-6000 r--p 00000000 fe:00 1 /usr/bin/pentad
6000-9000 r-xp 00001000 fe:00 1 /usr/bin/pentad
9000-a000 rw-p 00004000 fe:00 1 /usr/bin/pentad
b000-c000 rwxp 00000000 00:00 0
c000-d000 r-xp 00000000 00:00 0 [vdso]
not a mapping
";
        assert_eq!(code_mappings(maps), [(0x6000, 0x9000)]);
    }

    #[test]
    fn code_runs_on_after_its_release() {
        let before: u64 = (0..1000).sum();
        release_start_code();
        assert_eq!((0..1000).sum::<u64>(), before);
    }
}
