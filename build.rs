//! One option for the linker: relative relocations packed into a bitmap.
//!
//! The binary is position independent, so at its start the loader corrects
//! some twenty thousand addresses in it. A table of them takes half a
//! megabyte, all of which is read; packed (DT_RELR) it takes five kilobytes.
//! glibc can read that from 2.36 on, so it is asked which one this is.

use std::env;
use std::process::Command;

/// The first glibc whose loader reads DT_RELR.
const READS_RELR: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_native = env::var_os("TARGET") == env::var_os("HOST");
    let is_gnu_linux = env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu"));
    if is_native && is_gnu_linux && glibc().is_some_and(|version| version >= READS_RELR) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this system's glibc, as `getconf` tells it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let told = String::from_utf8(told).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
