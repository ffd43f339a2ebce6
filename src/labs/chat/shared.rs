//! Shared files.
use crate::error::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
pub const CHUNK_BYTES: usize = 65536;
pub struct SharedDir(PathBuf);
pub struct SharedFile {
    file: File,
    name: String,
    size: u64,
    hash: Sha256,
}
impl SharedDir {
    pub fn open(dir: &Path) -> Result<SharedDir> {
        Ok(SharedDir(dir.to_owned()))
    }
    pub fn empty() -> SharedDir {
        SharedDir(PathBuf::new())
    }
    pub fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut v = vec![];
        for e in std::fs::read_dir(&self.0)? {
            let e = e?;
            v.push((e.file_name().to_string_lossy().into_owned(), e.metadata()?.len()));
        }
        v.sort();
        Ok(v)
    }
    pub fn open_file(&self, name: &str, _offset: u64) -> std::result::Result<SharedFile, String> {
        let file = File::open(self.0.join(name)).map_err(|e| e.to_string())?;
        let size = file.metadata().map_err(|e| e.to_string())?.len();
        Ok(SharedFile { file, name: name.into(), size, hash: Sha256::new() })
    }
}
impl SharedFile {
    pub fn size(&self) -> u64 {
        self.size
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn read(&mut self, b: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(b)?;
        self.hash.update(&b[..n]);
        Ok(n)
    }
    pub fn finish(self) -> std::result::Result<String, String> {
        Ok(self.hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}
