//! The grader's end of a conversation with a student's client: a server for
//! one, over TCP or UDP.

use crate::grade::check::Finding;
use crate::grade::exam::{Exam, unable};
use crate::grade::peer::{Datagrams, End, Listener, Stream};

/// The grader's end of a conversation with a client.
pub trait Line {
    /// Bytes that came since the last answer, if any did: for datagrams, an
    /// empty one too.
    fn heard(&mut self) -> Option<Vec<u8>>;
    /// Answers what came.
    fn answer(&mut self, bytes: &[u8]);
    /// How the client ended it.
    fn end(&self) -> Option<End>;
}

/// A TCP server for one client.
pub struct Tcp<'a> {
    exam: &'a Exam<'a>,
    listener: Listener,
    streams: Vec<Stream>,
    heard: Vec<u8>,
    finished: bool,
}

impl<'a> Tcp<'a> {
    /// Listens on the port that the client will be given.
    pub fn open(exam: &'a Exam<'a>) -> Result<Tcp<'a>, Finding> {
        let listener = Listener::open(exam.port, &exam.transcript).map_err(|cause| unable("listen", &cause))?;
        Ok(Tcp { exam, listener, streams: Vec::new(), heard: Vec::new(), finished: false })
    }

    fn accept(&mut self) {
        while let Some(stream) = self.listener.accepted() {
            if let Ok(stream) = Stream::over(stream, "grader", "client", false, &self.exam.transcript) {
                self.streams.push(stream);
            }
        }
    }

    /// FIN on every connection.
    pub fn finish(&self) {
        self.streams.iter().for_each(Stream::finish);
    }
}

impl Line for Tcp<'_> {
    fn heard(&mut self) -> Option<Vec<u8>> {
        self.accept();
        for stream in &self.streams {
            self.heard.extend(stream.take());
        }
        // When the client has finished, and has its answer, so does a server.
        if self.heard.is_empty() && self.end().is_some() && !self.finished {
            self.finished = true;
            self.finish();
        }
        (!self.heard.is_empty()).then(|| self.heard.clone())
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.heard.clear();
        if let Some(stream) = self.streams.last() {
            stream.send(bytes);
        }
    }

    fn end(&self) -> Option<End> {
        self.streams.last().and_then(Stream::end)
    }
}

/// A UDP server for one client.
pub struct Udp {
    socket: Datagrams,
    seen: usize,
}

impl Udp {
    /// A socket on the port that the client will be given.
    pub fn open(exam: &Exam<'_>) -> Result<Udp, Finding> {
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], exam.port));
        let socket =
            Datagrams::open("grader", addr, &exam.transcript).map_err(|cause| unable("open a socket", &cause))?;
        exam.transcript.word("grader", format!("is open on udp {addr}"));
        Ok(Udp { socket, seen: 0 })
    }

    /// How many datagrams have come in all.
    pub fn count(&self) -> usize {
        self.socket.came().len()
    }
}

impl Line for Udp {
    fn heard(&mut self) -> Option<Vec<u8>> {
        self.socket.came().get(self.seen).map(|datagram| datagram.bytes.clone())
    }

    fn answer(&mut self, bytes: &[u8]) {
        let came = self.socket.came();
        if let Some(datagram) = came.get(self.seen) {
            self.seen += 1;
            let _ = self.socket.send(bytes, datagram.from);
        }
    }

    fn end(&self) -> Option<End> {
        None
    }
}
