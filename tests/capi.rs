//! The server from C: `tests/capi/api.c` and `examples/c/epoll.c`, compiled with the system's compiler against what
//! `tools/install_c.sh` installs, linked with the library in both ways, and run.
//!
//! `cargo test --test capi -- --ignored`: it builds the library once more. Without a C compiler it says so, and passes. With `PENTAD_VALGRIND` set, the
//! programs run under valgrind, which must find nothing.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAMS: [&str; 2] = ["tests/capi/api.c", "examples/c/epoll.c"];

#[test]
#[ignore = "builds the library once more; the gate runs it"]
fn programs_in_c_work_with_the_library_linked_either_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no C compiler (cc)");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("capi");
    let prefix = folder.join("prefix");
    let mut install = Command::new(root.join("tools/install_c.sh"));
    install
        .arg(&prefix)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        // As tests are built: soon, and with all checks.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    succeed(&mut install);

    for source in PROGRAMS {
        // Epoll is Linux's.
        if source.contains("epoll") && !cfg!(target_os = "linux") {
            continue;
        }
        for linked in ["dynamically", "statically"] {
            let program = folder.join(linked);
            let library = prefix.join("lib");
            let mut cc = Command::new("cc");
            cc.current_dir(root)
                .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-pthread"])
                .arg(source)
                .arg("-o")
                .arg(&program)
                .arg("-I")
                .arg(prefix.join("include"));
            if linked == "statically" {
                cc.arg(library.join("libpentad.a")).args(["-ldl", "-lm"]);
            } else {
                cc.arg("-L").arg(&library).arg("-lpentad");
                cc.arg(format!("-Wl,-rpath,{}", library.display()));
            }
            succeed(&mut cc);
            let output = succeed(&mut run(&program));
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.ends_with("ok\n"), "{source} said: {text}");
        }
    }
}

/// The program, under valgrind if that was asked for.
fn run(program: &Path) -> Command {
    if std::env::var_os("PENTAD_VALGRIND").is_none() {
        return Command::new(program);
    }
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
        .args(["--show-leak-kinds=all", "--errors-for-leak-kinds=all"])
        .arg(program);
    valgrind
}

fn succeed(command: &mut Command) -> Output {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?}: {error}"),
    };
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
