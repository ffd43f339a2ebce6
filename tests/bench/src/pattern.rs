//! Bytes that can be told again by whoever awaits them.

/// Bytes that look random and follow from `seed` (splitmix64).
pub fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_connection_and_by_sequence() {
        let text = |seed| {
            let mut bytes = [0; 64];
            fill(&mut bytes, seed);
            bytes
        };
        assert_ne!(text(1), text(2));
        assert_ne!(text(1), text(1 << 40 | 1));
    }
}
