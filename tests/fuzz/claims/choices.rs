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

    /// A stream, and how it is cut into the pieces in which it comes: their
    /// lengths are drawn first, a few bytes or, from F0 on, some thousand. Three
    /// bytes of the stream, F5 N B, stand for N of the byte B; where N is from FC
    /// on, for N times 257, but of line ends. So little input makes long lines,
    /// and not every line is long.
    pub fn stream_in_pieces(mut self) -> Stream {
        let lengths: Vec<usize> = (0..self.below(12)).map(|_| self.length()).collect();
        let mut bytes = Vec::new();
        while !self.is_over() && bytes.len() < MOST_STREAM_BYTES {
            match self.byte() {
                0xf5 => {
                    let count = usize::from(self.byte());
                    let byte = self.byte();
                    // Each line end is a step of its own, and many take long.
                    let is_long = count >= 0xfc && byte != b'\n';
                    bytes.extend(std::iter::repeat_n(byte, if is_long { 257 * count } else { count }));
                }
                byte => bytes.push(byte),
            }
        }
        Stream { bytes, lengths }
    }

    fn length(&mut self) -> usize {
        match self.byte() {
            many @ 0xf0.. => 4096 * usize::from(many - 0xef),
            few => 1 + usize::from(few) % 40,
        }
    }
}

/// A little more than the longest message: what comes after it does not matter.
const MOST_STREAM_BYTES: usize = 66_000;

/// The rest of a stream comes in one piece, or a long one would take all the
/// time that there is.
const MOST_PIECES: usize = 200;

/// Bytes, and the lengths of the pieces in which they come, over and over.
pub struct Stream {
    pub bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Stream {
    pub fn pieces(&self) -> Vec<&[u8]> {
        let (mut pieces, mut rest) = (Vec::new(), &self.bytes[..]);
        for length in self.lengths.iter().cycle().take(MOST_PIECES) {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        pieces.push(rest);
        pieces
    }
}
