//! The file that users are kept in: a line `user name rule ...` for each. There are no comments, since the file is written
//! anew by ACL SAVE.

use std::io::{self, Write};
use std::path::Path;

use super::selector::{Form, RuleError};
use super::user::{User, merge_parentheses};
use crate::protocol::resp::Table;
use crate::system_error::in_c;

/// Reads all users. An error tells all that is wrong, and none of them is to be used then.
pub fn read(
    path: &Path,
    table: &Table,
    new_user: impl Fn(&[u8]) -> User,
) -> Result<Vec<User>, String> {
    let name = path.display();
    let text = std::fs::read(path).map_err(|error| {
        format!(
            "Error loading ACLs, opening file '{name}': {}",
            in_c(&error)
        )
    })?;
    let mut users: Vec<User> = Vec::new();
    let mut errors = String::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        match words[..] {
            [] => {}
            [b"user", user, ref rules @ ..] => {
                if users.iter().any(|known| known.name() == user) {
                    let user = String::from_utf8_lossy(user);
                    errors.push_str(&format!(
                        "WARNING: Duplicate user '{user}' found on line {number}. "
                    ));
                    continue;
                }
                let mut user = new_user(user);
                apply_all(
                    &mut user,
                    rules,
                    table,
                    &format!("{name}:{number}"),
                    &mut errors,
                );
                users.push(user);
            }
            _ => errors.push_str(&format!(
                "{name}:{number} should start with user keyword followed by the username. "
            )),
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors.push_str(
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
    Err(errors)
}

fn apply_all(user: &mut User, rules: &[&[u8]], table: &Table, at: &str, errors: &mut String) {
    let Ok(rules) = merge_parentheses(rules) else {
        errors.push_str(&format!(
            "{at}: Unmatched parenthesis in selector definition."
        ));
        return;
    };
    let mut told = false;
    for rule in rules {
        match user.apply(&rule, table) {
            Ok(()) => {}
            // A command's name is no secret, a password is.
            Err(error @ RuleError::UnknownCommand) => {
                let rule = String::from_utf8_lossy(&rule);
                errors.push_str(&format!(
                    "{at}: Error in applying operation '{rule}': {error}. "
                ));
            }
            Err(error) if !told => {
                told = true;
                errors.push_str(&format!("{at}: {error}. "));
            }
            Err(_) => {}
        }
    }
}

/// Writes all users: to another file first, which then takes the place of the old one. Only its owner can read it.
pub fn write<'a>(path: &Path, users: impl Iterator<Item = &'a User>) -> io::Result<()> {
    let mut text = Vec::new();
    for user in users {
        text.extend_from_slice(&user.describe(Form::Readable));
        text.push(b'\n');
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".tmp-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = create_private(beside).and_then(|mut file| {
        file.write_all(&text)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(beside, path))
        .inspect_err(|_| {
            // What is left of it helps nobody.
            let _ = std::fs::remove_file(beside);
        })
}

fn create_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::super::Acl;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let table = Table::default();
        let path = std::env::temp_dir().join(format!("pentad-acl-{}", std::process::id()));
        let mut acl = Acl::new(&table);
        acl.file = Some(path.clone());
        let rules: [&[u8]; 5] = [
            b"on",
            b">secret",
            b"+@read",
            b"~a*",
            b"(+set %W~b %RW~* ~c)",
        ];
        let user = acl.new_user(b"alice", &table).with_rules(&rules, &table);
        acl.put(user.unwrap());
        let lines = |acl: &Acl| {
            acl.users()
                .map(|user| user.describe(Form::Shown))
                .collect::<Vec<_>>()
        };
        let before = lines(&acl);
        acl.write_file().unwrap();
        let users = acl.read_file(&table).unwrap();
        acl.replace_all(users, &table);
        assert_eq!(lines(&acl), before);
        assert!(acl.authenticate(b"alice", b"secret").is_some());
        assert!(acl.authenticate(b"alice", b"wrong").is_none());
        assert!(acl.authenticate(b"bob", b"secret").is_none());

        std::fs::write(&path, "user a on +nosuch\nfoo\nuser b #zz\nuser a on\n").unwrap();
        let errors = acl.read_file(&table).unwrap_err();
        let at = path.display();
        assert_eq!(
            errors,
            format!(
                "{at}:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. \
                 {at}:2 should start with user keyword followed by the username. \
                 {at}:3: The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
                 characters. WARNING: Duplicate user 'a' found on line 4. WARNING: ACL errors detected, no change to \
                 the previously active ACL rules was performed"
            )
        );
        std::fs::remove_file(&path).unwrap();
    }
}
