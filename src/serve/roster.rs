//! Who is being served, by which thread and since when: shared by the threads
//! that serve, and drawn as a live table on a terminal.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::session::Client;
use crate::net::host::Host;

/// How often the live table is drawn anew.
const TABLE_EVERY: Duration = Duration::from_millis(250);

/// Rows of the live table: more would push all else off the screen.
const TABLE_ROWS: usize = 12;

/// The clients that are here now.
#[derive(Default)]
pub struct Roster {
    rows: Mutex<BTreeMap<u64, Row>>,
}

struct Row {
    peer: SocketAddr,
    thread: String,
    since: Instant,
    messages: u64,
}

/// A client's place on the roster, until it is dropped.
pub struct Entry {
    number: u64,
    roster: Arc<Roster>,
}

impl Roster {
    /// Puts a client on the roster, served by the thread that calls this.
    pub fn enter(self: &Arc<Roster>, client: &Client) -> Entry {
        let thread = thread::current().name().unwrap_or("main").to_owned();
        let row = Row { peer: client.peer, thread, since: Instant::now(), messages: 0 };
        self.rows().insert(client.number, row);
        Entry { number: client.number, roster: self.clone() }
    }

    /// How many are here.
    pub fn count(&self) -> usize {
        self.rows().len()
    }

    /// Keeps the table below what the server tells, until it stops; does
    /// nothing where there is no terminal to show it.
    pub fn show(self: &Arc<Roster>, host: &Host) {
        if !host.report.shows_tables() {
            return;
        }
        let (host, roster) = (host.clone(), self.clone());
        let draw = move || {
            while !host.stop.wait(TABLE_EVERY) {
                let lines = table(&roster.rows());
                host.report.table(lines);
            }
            host.report.table(Vec::new());
        };
        // Without this thread there is no table, and the server serves all the same.
        let _ = thread::Builder::new().name("table".into()).spawn(draw);
    }

    /// The lock makes threads take turns. Without it, what one writes another
    /// may overwrite.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<u64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// One more message of this client.
    pub fn count_message(&self) {
        if let Some(row) = self.roster.rows().get_mut(&self.number) {
            row.messages += 1;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.rows().remove(&self.number);
    }
}

fn table(rows: &BTreeMap<u64, Row>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines =
        vec![format!("{:>7}  {:<22} {:<12} {:>9} {:>9}", "client", "address", "thread", "messages", "since")];
    for (number, row) in rows.iter().take(TABLE_ROWS) {
        let (peer, since) = (row.peer.to_string(), row.since.elapsed().as_secs());
        lines.push(format!("{number:>7}  {peer:<22} {:<12} {:>9} {since:>7} s", row.thread, row.messages));
    }
    if rows.len() > TABLE_ROWS {
        lines.push(format!("         and {} more", rows.len() - TABLE_ROWS));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u64) -> Client {
        let addr = ([127, 0, 0, 1], 5009).into();
        Client { number, peer: addr, local: addr }
    }

    #[test]
    fn who_has_left_is_not_on_the_roster() {
        let roster = Arc::new(Roster::default());
        let (first, second) = (roster.enter(&client(1)), roster.enter(&client(2)));
        assert_eq!(roster.count(), 2);
        drop(second);
        assert_eq!(roster.count(), 1);
        drop(first);
        assert!(table(&roster.rows()).is_empty());
    }

    #[test]
    fn the_table_has_a_row_for_each_and_says_how_many_do_not_fit() {
        let roster = Arc::new(Roster::default());
        let entries: Vec<Entry> = (1..=15).map(|number| roster.enter(&client(number))).collect();
        entries[0].count_message();
        let lines = table(&roster.rows());
        assert_eq!(lines.len(), 1 + TABLE_ROWS + 1);
        assert!(lines[1].contains("127.0.0.1:5009") && lines[1].contains("1"), "{}", lines[1]);
        assert!(lines.last().unwrap().contains("and 3 more"));
    }
}
