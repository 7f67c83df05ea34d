//! Who may do what: users, their passwords, and the rules that say which commands, keys and channels they may use.
//!
//! The rule language is Redis's. This module must not know connections, sockets, replies, or how a command runs.
//!
//! | file | idea |
//! |---|---|
//! | `user.rs` | one user: flags, passwords, selectors |
//! | `selector.rs` | one set of permissions: commands, key patterns, channel patterns |
//! | `password.rs` | hashes, and comparing them |
//! | `file.rs` | the file that users are kept in |
//! | `log.rs` | what was refused lately |

mod file;
mod log;
mod password;
mod selector;
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use log::{Context, Entry, Log};
pub use password::Hash;
pub use selector::{Denied, Form, Request, RuleError, Selector};
pub use user::User;

use crate::protocol::resp::Table;

/// The user of every connection that has not said who it is.
pub const DEFAULT_USER: &str = "default";

/// What a server is told of its users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Users, each as `name rule ...`.
    pub users: Vec<String>,
    /// The file that ACL LOAD and ACL SAVE mean; it is loaded at the start. Not together with `users`.
    pub file: Option<PathBuf>,
    /// A password of the default user.
    pub password: Option<String>,
    /// Serves clients of other hosts although the default user needs no password.
    pub unprotected: bool,
}

/// All users.
#[derive(Debug)]
pub struct Acl {
    users: BTreeMap<Box<[u8]>, Arc<User>>,
    /// Where ACL LOAD and ACL SAVE go.
    pub file: Option<PathBuf>,
    /// The last password that was given in the clear for the default user: what CONFIG GET requirepass answers.
    pub password: Vec<u8>,
    /// New users and selectors may use all channels (`acl-pubsub-default allchannels`).
    pub all_channels_by_default: bool,
    /// What was refused lately.
    pub log: Log,
}

/// Why users could not be set up.
#[derive(Debug)]
pub enum AccessError {
    /// A user's rules make no sense: the user, and why.
    Rule(String, String),
    /// Users are named both in the settings and in a file.
    UsersAndFile,
    /// The file cannot be used; all that is wrong with it.
    File(String),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessError::Rule(user, why) => write!(f, "user {user}: {why}"),
            AccessError::UsersAndFile => {
                f.write_str("users can be named in the settings or in an aclfile, not in both")
            }
            AccessError::File(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for AccessError {}

impl Acl {
    /// The default user alone, who may do everything without a password.
    pub fn new(table: &Table) -> Self {
        let mut acl = Acl {
            users: BTreeMap::new(),
            file: None,
            password: Vec::new(),
            all_channels_by_default: false,
            log: Log::default(),
        };
        acl.put(User::all_powerful(DEFAULT_USER.as_bytes(), table));
        acl
    }

    /// Sets up the users that the settings name.
    pub fn configure(&mut self, access: &Access, table: &Table) -> Result<(), AccessError> {
        if access.file.is_some() && !access.users.is_empty() {
            return Err(AccessError::UsersAndFile);
        }
        let mut seen = Vec::new();
        for line in &access.users {
            let words: Vec<&[u8]> = line.split_ascii_whitespace().map(str::as_bytes).collect();
            let Some((name, rules)) = words.split_first() else {
                return Err(AccessError::Rule(String::new(), "it has no name".into()));
            };
            let refuse =
                |why: String| AccessError::Rule(String::from_utf8_lossy(name).into_owned(), why);
            if seen.contains(name) {
                return Err(refuse(
                    "Duplicate user found. A user can only be defined once in config files".into(),
                ));
            }
            seen.push(name);
            let fresh = self.new_user(name, table);
            let user = fresh.with_rules(rules, table).map_err(refuse)?;
            self.put(user);
        }
        if let Some(password) = &access.password {
            self.set_password(password.as_bytes(), table);
        }
        self.file.clone_from(&access.file);
        if self.file.is_some() {
            let users = self.read_file(table).map_err(AccessError::File)?;
            self.replace_all(users, table);
        }
        Ok(())
    }

    /// A user as it is before any rule: off, with no permissions.
    pub fn new_user(&self, name: &[u8], table: &Table) -> User {
        User::new(name, self.all_channels_by_default, table)
    }

    /// The user called `name`.
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// The user of connections that have not said who they are.
    pub fn default_user(&self) -> &Arc<User> {
        &self.users[DEFAULT_USER.as_bytes()]
    }

    /// All users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Adds a user, or puts it in the place of the one of that name. The connections that have it must be told.
    pub fn put(&mut self, user: User) {
        self.users.insert(user.name().into(), Arc::new(user));
    }

    /// Removes a user. False when there is none of that name, or it is the default user, which stays.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        name != DEFAULT_USER.as_bytes() && self.users.remove(name).is_some()
    }

    /// Gives the default user this password and no other; none at all when it is empty.
    pub fn set_password(&mut self, password: &[u8], table: &Table) {
        let mut user = User::clone(self.default_user());
        // These rules are always in order.
        let _ = user.apply(b"resetpass", table);
        let _ = match password {
            [] => user.apply(b"nopass", table),
            password => user.apply(&[b">", password].concat(), table),
        };
        self.put(user);
        self.password = password.to_vec();
    }

    /// The user whom a name and a password let in, in the time that depends on neither's content.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        match self.user(name) {
            Some(user) if user.admits(password) => Some(Arc::clone(user)),
            Some(_) => None,
            None => {
                // As long as it takes with a user that there is.
                std::hint::black_box(Hash::of(password));
                None
            }
        }
    }

    /// Reads the users that the file holds; an error tells all that is wrong with it.
    pub fn read_file(&self, table: &Table) -> Result<Vec<User>, String> {
        let path = self.file.as_deref().unwrap_or(std::path::Path::new(""));
        file::read(path, table, |name| self.new_user(name, table))
    }

    /// Writes all users to the file, at once or not at all.
    pub fn write_file(&self) -> std::io::Result<()> {
        let path = self.file.as_deref().unwrap_or(std::path::Path::new(""));
        file::write(path, self.users.values().map(|user| &**user))
    }

    /// Says that the table has a command more. The connections must be told of their new users.
    pub fn command_added(&mut self, table: &Table) {
        for user in self.users.values_mut() {
            Arc::make_mut(user).command_added(table);
        }
    }

    /// Puts these users in the place of all; a default user that is not among them is what it is at the start.
    pub fn replace_all(&mut self, users: Vec<User>, table: &Table) {
        self.users.clear();
        self.put(User::all_powerful(DEFAULT_USER.as_bytes(), table));
        for user in users {
            self.put(user);
        }
    }
}

/// Whether a name or pattern has a character that would make the rules ambiguous when they are written down.
pub fn has_blank(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}
