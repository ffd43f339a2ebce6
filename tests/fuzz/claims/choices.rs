//! Decisions drawn from the bytes that a fuzzer, or a property test, comes up
//! with. When they are used up, every further decision is the first one.

/// What is left to draw from.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub fn of(bytes: &'a [u8]) -> Choices<'a> {
        Choices(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// A number from 0 to `end`, which it never is.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    pub fn number(&mut self) -> u64 {
        self.bytes(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// A number from 0 to `end`, which it never is, of two bytes.
    pub fn number_below(&mut self, end: u64) -> u64 {
        (u64::from(self.byte()) << 8 | u64::from(self.byte())) % end
    }

    /// So many bytes, or as many as there are.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        first
    }

    /// A stream, and the pieces in which it comes: their lengths are drawn
    /// first. Three bytes of it, F5 N B, stand for N times 257 of the byte B,
    /// so that little input makes long lines.
    pub fn stream_in_pieces(mut self) -> (Vec<u8>, Vec<Vec<u8>>) {
        let lengths: Vec<usize> = (0..self.below(12)).map(|_| 1 + self.below(40)).collect();
        let mut stream = Vec::new();
        while !self.is_over() && stream.len() < 100_000 {
            match self.byte() {
                0xf5 => {
                    let count = 257 * usize::from(self.byte());
                    stream.extend(std::iter::repeat_n(self.byte(), count));
                }
                byte => stream.push(byte),
            }
        }
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for length in lengths.iter().cycle() {
            if rest.is_empty() || pieces.len() > 1000 {
                break;
            }
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces.push(rest.to_vec());
        (stream, pieces)
    }
}
