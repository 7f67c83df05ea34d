//! What only the daemon needs, and the library must not do: flags, signals, limits of the process.

pub mod data;
pub mod footprint;
pub mod limits;
mod load;
pub mod logger;
pub mod notify;
pub mod settings;
pub mod signals;
pub mod transfer;
pub mod usage;
