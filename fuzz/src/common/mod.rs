//! What the tests have in `tests/common`.
#![allow(dead_code, unused_imports)]

#[path = "../../../tests/common/drive.rs"]
pub mod drive;
#[path = "../../../tests/common/resp.rs"]
pub mod resp;
#[path = "../../../tests/common/rng.rs"]
pub mod rng;

pub use drive::Driven;
pub use rng::Rng;
