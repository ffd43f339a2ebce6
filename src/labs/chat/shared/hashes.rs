//! The hashes of files that were sent whole, as long as the files stay as they
//! are: a class that fetches one film has it hashed once.
//!
//! A client compares the hash with what it got. So a hash that is out of date
//! costs a download, and never passes off a wrong file as right.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Stamp;

/// A program that writes through mapped memory may leave no new time on the
/// file, so no hash is believed for longer.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// More files than this are hashed again.
const MOST: usize = 4096;

/// What is known of files by their stamps.
#[derive(Default)]
pub struct Hashes(Mutex<HashMap<Stamp, (Instant, [u8; 32])>>);

impl Hashes {
    fn known(&self) -> MutexGuard<'_, HashMap<Stamp, (Instant, [u8; 32])>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of the file in this state.
    pub fn of(&self, stamp: &Stamp) -> Option<[u8; 32]> {
        self.known().get(stamp).filter(|known| is_believed(known)).map(|(_, hash)| *hash)
    }

    /// A file in this state was hashed, or its hash was used: then the time
    /// since it was hashed goes on.
    pub fn learn(&self, stamp: Stamp, hash: [u8; 32]) {
        let mut known = self.known();
        if known.get(&stamp).is_some_and(is_believed) {
            return;
        }
        if known.len() >= MOST {
            known.retain(|_, known| is_believed(known));
        }
        if known.len() < MOST {
            known.insert(stamp, (Instant::now(), hash));
        }
    }
}

fn is_believed((learnt, _): &(Instant, [u8; 32])) -> bool {
    learnt.elapsed() < BELIEVED_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp { size, content: [1, 2, 3], changed: 4, links: 1 }
    }

    #[test]
    fn a_hash_is_known_for_the_same_state_alone() {
        let hashes = Hashes::default();
        hashes.learn(stamp(5), [7; 32]);
        assert_eq!(hashes.of(&stamp(5)), Some([7; 32]));
        assert_eq!(hashes.of(&stamp(6)), None);
        assert_eq!(hashes.of(&Stamp { changed: 5, ..stamp(5) }), None);
    }

    #[test]
    fn no_more_than_a_large_folder_is_remembered() {
        let hashes = Hashes::default();
        (0..MOST as u64 + 9).for_each(|size| hashes.learn(stamp(size), [0; 32]));
        assert_eq!(hashes.known().len(), MOST);
    }
}
