//! The chat, in parts.

pub mod lockouts;
pub mod names;
pub mod shared;
pub mod users;
