//! How long a line of the chat waits while somebody downloads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::FILE;
use super::receiver::Receiver;
use crate::daemon::Daemons;
use crate::stats::percentile;
use crate::wire::tls_config;

/// Between two lines: as fast as a lively room talks.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Deserialize, Serialize)]
pub struct Chat {
    pub name: String,
    pub lines: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub most_ms: f64,
}

/// All turns together: what matters is the line that waits longest.
pub fn measure(daemons: &Daemons, tls: bool, turns: u64, period: Duration) -> Result<Chat> {
    let mut waits = Vec::new();
    for _ in 0..turns {
        waits.extend(turn(daemons, tls, period)?);
    }
    waits.sort_unstable();
    let ms = |share| f64::from(percentile(&waits, share)) / 1e6;
    let name = if tls { "netlab-tls" } else { "netlab" }.to_owned();
    Ok(Chat { name, lines: waits.len(), p50_ms: ms(0.5), p99_ms: ms(0.99), most_ms: ms(1.0) })
}

fn turn(daemons: &Daemons, tls: bool, period: Duration) -> Result<Vec<u32>> {
    let server = daemons.netlab(if tls { "--tls" } else { "" })?;
    let config = tls.then(tls_config).transpose()?;
    let enter = |name| {
        let mut client = Receiver::connect(server.addr, config.as_ref())?;
        client.enter(name)?;
        Ok::<_, anyhow::Error>(client)
    };
    let mut taker = enter("taker")?;
    let (mut speaker, mut listener) = (enter("speaker")?, enter("listener")?);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let download = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                taker.chat_file(FILE)?;
            }
            Ok::<_, anyhow::Error>(())
        });
        let waits = speak(&mut speaker, &mut listener, period);
        is_over.store(true, Ordering::Relaxed);
        match download.join() {
            Ok(result) => result.and(waits),
            Err(_) => bail!("the download's thread panicked"),
        }
    })
}

/// Nanoseconds from each line's send until it is heard.
fn speak(speaker: &mut Receiver, listener: &mut Receiver, period: Duration) -> Result<Vec<u32>> {
    let (until, mut waits) = (Instant::now() + period, Vec::new());
    while waits.is_empty() || Instant::now() < until {
        let (line, began) = (format!("line {}", waits.len()), Instant::now());
        speaker.say(format!("{line}\n").as_bytes())?;
        let heard = loop {
            let heard = listener.line()?;
            if heard.starts_with('<') {
                break heard;
            }
        };
        if heard != format!("<speaker> {line}") {
            bail!("{heard:?} was heard, and {line:?} said");
        }
        waits.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
        thread::sleep(PAUSE);
    }
    Ok(waits)
}
