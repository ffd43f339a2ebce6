//! Sending by the clock: message `n` is due at `n - 1` intervals, whatever has
//! become of those before it.

use std::time::{Duration, Instant};

use crate::compare::workload::Workload;
use crate::net::stop::Stop;

/// `sleep(3)` may come back some 50 µs late; the rest of a wait is spun.
const SPUN: Duration = Duration::from_micros(200);

/// Calls `send` with each number when it is due. Ends early where `send` fails
/// or somebody asks to stop.
pub fn pace<E>(workload: &Workload, stop: &Stop, mut send: impl FnMut(u32) -> Result<(), E>) -> Result<(), E> {
    let started = Instant::now();
    for number in 1..=workload.count {
        let due = started + workload.due(number);
        let left = due.saturating_duration_since(Instant::now());
        if left > SPUN {
            stop.wait(left - SPUN);
        }
        if stop.is_asked() {
            break;
        }
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        send(number)?;
    }
    Ok(())
}
