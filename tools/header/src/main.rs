//! Makes `include/pentad.h` of `src/capi.rs`, or (`--check`) says whether it is what would be made.
//!
//! `cargo run --manifest-path tools/header/Cargo.toml [-- --check]`, in any folder.

use std::path::Path;
use std::process::ExitCode;

use cbindgen::{Builder, Config, EnumConfig, ExportConfig, Language, RenameRule, Style};

const HEAD: &str = "\
/*
 * pentad: a server with one keyspace and five protocols (RESP, which is Redis's, among them), linked into a program.
 *
 * Made of src/capi.rs by tools/header: change that.
 *
 *     const char *listen[] = {\"resp://127.0.0.1:0\"};
 *     pentad_options options = {.listen = listen, .listen_count = 1};
 *     pentad_server *server = pentad_open(&options);
 *     if (!server) { fprintf(stderr, \"%s\\n\", pentad_last_error()); exit(1); }
 *     printf(\"port %d\\n\", pentad_port(server, 0));
 *     pentad_run(server, 5000);            // until pentad_stop; or pentad_turn in a loop of the program's own
 *     pentad_close(server);
 *
 * A server belongs to no thread, but only one may use it at a time: another gets an error. pentad_stop and pentad_wake
 * are for all threads and for signal handlers.
 */";

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let header = root.join("include/pentad.h");
    let config = Config {
        language: Language::C,
        header: Some(HEAD.to_owned()),
        include_guard: Some("PENTAD_H".to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        usize_is_size_t: true,
        cpp_compat: true,
        style: Style::Both,
        line_length: 120,
        export: ExportConfig {
            rename: [
                ("CServer", "pentad_server"),
                ("Options", "pentad_options"),
                ("Reply", "pentad_reply"),
                ("ReplyType", "pentad_type"),
            ]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into(),
            ..ExportConfig::default()
        },
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..EnumConfig::default()
        },
        ..Config::default()
    };
    let made = Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi.rs"))
        .with_src(root.join("src/capi/reply.rs"))
        .generate();
    let mut text = Vec::new();
    match made {
        Ok(bindings) => bindings.write(&mut text),
        Err(error) => {
            eprintln!("src/capi.rs: {error}");
            return ExitCode::FAILURE;
        }
    }
    // What Rust calls so is what the caller has to see to in C.
    let text =
        String::from_utf8_lossy(&text).replace("* # Safety\n", "* The caller sees to this:\n");
    if !std::env::args().any(|arg| arg == "--check") {
        return match std::fs::write(&header, text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {error}", header.display());
                ExitCode::FAILURE
            }
        };
    }
    if std::fs::read(&header).is_ok_and(|there| there == text.as_bytes()) {
        ExitCode::SUCCESS
    } else {
        eprintln!("include/pentad.h is not what src/capi.rs says: run tools/header");
        ExitCode::FAILURE
    }
}
