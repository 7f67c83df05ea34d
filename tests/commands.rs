//! README's account of the commands is what the code says: which there are, which differ on purpose, and which of Redis
//! 7.2's are not there. `PENTAD_BLESS=1 cargo test --test commands` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use pentad::protocol::resp::COMMANDS;
use pentad::protocol::resp::command::Command;

const BEGIN: &str = "<!-- written by tests/commands.rs: from here -->\n";
const END: &str = "<!-- to here -->";

#[test]
fn readme_shows_the_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("where the commands begin");
    let (shown, after) = rest.split_once(END).expect("where the commands end");
    let written = commands_in_markdown();
    if std::env::var("PENTAD_BLESS").is_ok_and(|value| value == "1") {
        let readme = format!("{before}{BEGIN}{written}{END}{after}");
        std::fs::write(&path, readme).expect("README.md");
    } else {
        let mut lines = written.lines().zip(shown.lines());
        let other = lines.find(|(written, shown)| written != shown);
        assert!(
            shown == written,
            "PENTAD_BLESS=1 cargo test --test commands brings README.md up to date; the first line that is not: {other:?}"
        );
    }
}

fn commands_in_markdown() -> String {
    let reference = Reference::read();
    let differences = differences();
    let mut text = String::from("\n| family | commands |\n|---|---|\n");
    for (group, commands) in by_group() {
        let names: Vec<String> = commands
            .iter()
            .map(|command| in_table(command, &differences))
            .collect();
        // A text cannot fail to be written to.
        let _ = writeln!(text, "| {group} | {} |", names.join(", "));
    }

    text.push_str("\n**Different on purpose** (marked with `*` above):\n\n");
    for (reason, names) in by_reason(&differences) {
        let _ = writeln!(text, "- {}: {reason}.", shown(&names));
    }

    text.push_str("\n**Not there**, of the commands of Redis 7.2:\n\n");
    for (reason, names) in by_reason(&reference.absent()) {
        let _ = writeln!(text, "- {}: {reason}.", shown(&names));
    }

    let beyond: Vec<&str> = every_command()
        .map(|command| command.name)
        .filter(|name| !name.contains('.') && !reference.names.contains(*name))
        .collect();
    let _ = writeln!(
        text,
        "\n**Beyond Redis 7.2**: {}, and those of time series and JSON, which are modules there.",
        shown(&beyond)
    );
    text
}

/// A command with its subcommands, if it has some, as the table has it.
fn in_table(command: &Command, differences: &[(&'static str, &'static str)]) -> String {
    let mark = |name: &str| {
        let differs = differences.iter().any(|(known, _)| *known == name);
        if differs { "\\*" } else { "" }
    };
    let mut text = format!("{}{}", command.name.to_uppercase(), mark(command.name));
    let subcommands: Vec<String> = command
        .subcommands
        .iter()
        .map(|sub| format!("{}{}", sub.own_name().to_uppercase(), mark(sub.name)))
        .collect();
    if !subcommands.is_empty() {
        let _ = write!(text, " ({})", subcommands.join(" "));
    }
    text
}

/// Names of commands as people write them.
fn shown(names: &[&str]) -> String {
    let shown: Vec<String> = names
        .iter()
        .map(|name| match *name {
            "*" => "all".to_owned(),
            name => name.to_uppercase().replace('|', " "),
        })
        .collect();
    shown.join(", ")
}

/// Reasons, in the order in which they come, with the names that have each.
fn by_reason<'a>(rows: &[(&'a str, &'a str)]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in rows {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    reasons
}

fn by_group() -> BTreeMap<&'static str, Vec<&'static Command>> {
    let mut groups: BTreeMap<&str, Vec<&Command>> = BTreeMap::new();
    for command in COMMANDS.iter().filter(|command| !command.is_subcommand()) {
        groups
            .entry(command.group.name())
            .or_default()
            .push(command);
    }
    for commands in groups.values_mut() {
        commands.sort_by_key(|command| command.name);
    }
    groups
}

/// All commands and subcommands, but the containers of these.
fn every_command() -> impl Iterator<Item = &'static Command> {
    let all = COMMANDS.iter();
    all.filter(|command| command.subcommands.is_empty())
}

/// What differs on purpose: the lines of differences.txt that are for people, as names and reasons.
fn differences() -> Vec<(&'static str, &'static str)> {
    include_str!("oracle/differences.txt")
        .lines()
        .filter_map(|line| {
            let (told, reason) = line.strip_prefix("told | ")?.split_once(" | ")?;
            Some((told, reason))
        })
        .collect()
}

/// What commands/redis_7_2.txt says.
struct Reference {
    names: BTreeSet<&'static str>,
    /// Patterns of names, and why such commands are not there.
    reasons: Vec<(&'static str, &'static str)>,
}

impl Reference {
    fn read() -> Self {
        let (mut names, mut reasons) = (BTreeSet::new(), Vec::new());
        let lines = include_str!("commands/redis_7_2.txt").lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split(" | ").collect::<Vec<_>>()[..] {
                ["absent", pattern, reason] => reasons.push((pattern, reason)),
                [_, name] => {
                    names.insert(name);
                }
                _ => panic!("what does this line of redis_7_2.txt say? {line}"),
            }
        }
        Reference { names, reasons }
    }

    /// The commands that pentad lacks, and why; of a container that it lacks, only that.
    fn absent(&self) -> Vec<(&'static str, &'static str)> {
        let ours: BTreeSet<&str> = COMMANDS.iter().map(|command| command.name).collect();
        let is_there = |name: &str| ours.contains(name);
        let mut absent = Vec::new();
        for (pattern, reason) in &self.reasons {
            let fits = |name: &str| match pattern.strip_suffix('*') {
                Some(begin) => name.starts_with(begin),
                None => name == *pattern,
            };
            let known_before = absent.len();
            for name in self.names.iter().copied() {
                let container = name.split('|').next().unwrap_or_default();
                let is_told = container != name && !is_there(container);
                let is_known = absent.iter().any(|(known, _)| *known == name);
                if fits(name) && !is_there(name) && !is_told && !is_known {
                    absent.push((name, *reason));
                }
            }
            assert!(
                absent.len() > known_before,
                "redis_7_2.txt says that {pattern} is not there, and it is"
            );
        }
        for name in &self.names {
            let container = name.split('|').next().unwrap_or_default();
            let is_explained = absent
                .iter()
                .any(|(known, _)| known == name || *known == container);
            assert!(
                is_there(name) || is_explained,
                "redis_7_2.txt does not say why there is no {name}"
            );
        }
        absent
    }
}
