//! The program itself: its size, how soon it starts, what its servers take while they do nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::measure;
use crate::server::Peer;
use crate::stats::Spread;

/// Starts a turn: one takes so little that a single one would say nothing.
const STARTS: usize = 20;

pub struct Program {
    pub binary_mb: f64,
    pub version_ms: Spread,
    /// Of a server that has served nobody, at its peak: the server's name, and MiB.
    pub idle_mib: Vec<(String, Spread)>,
}

impl Program {
    /// `servers` are those of its commands that serve.
    pub fn measure(path: &str, servers: &[&Peer], turns: usize) -> Result<Self> {
        let binary_mb = fs::metadata(path)?.len() as f64 / 1e6;
        let starts = (0..turns * STARTS).map(|_| start(path)).collect::<Result<Vec<f64>>>()?;
        let mut idle_mib = Vec::new();
        for server in servers {
            let turns = (0..turns).map(|_| measure::idle(server)).collect::<Result<Vec<f64>>>()?;
            idle_mib.extend(Spread::of(turns).map(|spread| (server.command_line(), spread)));
        }
        let version_ms = Spread::of(starts).unwrap_or(Spread { least: 0.0, median: 0.0, most: 0.0 });
        Ok(Self { binary_mb, version_ms, idle_mib })
    }

    pub fn table(&self) -> String {
        let mut text = format!(
            "\n## The program\n\n\
             | figure | value |\n|---|--:|\n\
             | size of the binary, MB | {:.2} |\n\
             | `--version`, from start to end, ms | {:.2} |\n",
            self.binary_mb, self.version_ms
        );
        for (command, memory) in &self.idle_mib {
            text += &format!("| `{command}` idle, peak memory, MiB | {memory:.2} |\n");
        }
        text
    }

    pub fn json(&self) -> Value {
        let idle = self.idle_mib.iter().map(|(command, memory)| json!({ "command": command, "mib": memory.median }));
        json!({
            "binary_mb": self.binary_mb,
            "version_ms": self.version_ms.median,
            "idle": idle.collect::<Vec<_>>(),
        })
    }
}

/// Milliseconds of one start of `--version`.
fn start(path: &str) -> Result<f64> {
    let began = Instant::now();
    let status = Command::new(path).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{path} --version failed");
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
