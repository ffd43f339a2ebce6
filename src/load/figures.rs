//! What was measured.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::report::{Bar, LoadSummary, Spread};

/// Counters, and a histogram of waits in microseconds.
pub struct Figures {
    started: Instant,
    /// Messages sent.
    pub sent: u64,
    /// Messages given up.
    pub lost: u64,
    /// Answers that differ from what was sent.
    pub wrong: u64,
    /// Datagrams that answered nothing: doubled, or too late.
    pub unasked: u64,
    /// Times a host said that nobody listens.
    pub refused: u64,
    /// Clients whose connection failed.
    pub failed: u64,
    received: u64,
    waits: Histogram<u64>,
}

impl Figures {
    /// None yet.
    pub fn begin() -> Figures {
        // Three digits, to an hour: never refused, for both are in its range.
        let waits = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("bounds that are in range");
        let started = Instant::now();
        Figures { started, sent: 0, lost: 0, wrong: 0, unasked: 0, refused: 0, failed: 0, received: 0, waits }
    }

    /// A message came back, `wait` after it was due.
    pub fn answered(&mut self, wait: Duration) {
        self.received += 1;
        self.waits.saturating_record(wait.as_micros() as u64);
    }

    /// Lines that tell how it goes.
    pub fn live(&self, started: Instant) -> Vec<String> {
        let seconds = started.elapsed().as_secs_f64();
        let Spread { p50, p99, max, .. } = self.spread();
        let us = |figure: Option<u64>| figure.map_or("-".to_owned(), |us| format!("{:.2} ms", us as f64 / 1e3));
        vec![format!(
            "{seconds:>5.0} s  {:>9} answered  {:>9.0}/s  median {}  p99 {}  max {}",
            self.received,
            self.received as f64 / seconds,
            us(p50),
            us(p99),
            us(max)
        )]
    }

    fn spread(&self) -> Spread {
        let at = |quantile| (!self.waits.is_empty()).then(|| self.waits.value_at_quantile(quantile));
        Spread { min: at(0.0), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }

    /// The summary; `unanswered` are the messages still awaited.
    pub fn summary(&self, clients: usize, unanswered: u64) -> LoadSummary {
        let elapsed = self.started.elapsed();
        LoadSummary {
            clients,
            sent: self.sent,
            received: self.received,
            lost: self.lost + unanswered,
            wrong: self.wrong,
            unasked: self.unasked,
            refused: self.refused,
            failed: self.failed,
            elapsed,
            rate: self.received as f64 / elapsed.as_secs_f64(),
            rtt_us: self.spread(),
            histogram: self.bars(),
        }
    }

    /// One bar for each doubling of the wait.
    fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        for step in self.waits.iter_log(1, 2.0) {
            let count = step.count_since_last_iteration();
            if count > 0 || !bars.is_empty() {
                bars.push(Bar { upto_us: step.value_iterated_to(), count });
            }
        }
        bars
    }
}
