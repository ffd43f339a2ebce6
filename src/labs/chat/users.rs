//! Users.
use std::net::IpAddr; use std::path::Path; use std::time::{Duration, Instant};
use crate::error::Result;
pub struct Users;
impl Users { pub fn load(_: &Path) -> Result<Users> { Ok(Users) } pub fn verify(&self, _: &str, p: &str) -> bool { p == "pw" } }
#[derive(Default)] pub struct Lockouts;
impl Lockouts { pub fn locked(&self, _: IpAddr, _: &str, _: Instant) -> Option<Duration> { None } pub fn failed(&mut self, _: IpAddr, _: &str, _: Instant) -> Option<Duration> { None } pub fn forget(&mut self, _: IpAddr, _: &str) {} }
