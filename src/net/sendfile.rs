//! Parts of files, sent without a detour through this process.
//!
//! `send(2)` takes bytes that `read(2)` has copied from the system's memory
//! into ours, and copies them back. `sendfile(2)` names the file instead: the
//! system sends the pages that it has. So it is for plain connections only;
//! what TLS encrypts has to come to us.
//!
//! What is sent is the file as it is at that moment, not as somebody saw it
//! before. It may even have become shorter: then nothing is sent.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::socket;
use super::trace::{Call, Fd, Trace};

pub use self::system::{FilePart, prepare};

impl FilePart {
    /// Sends from the front, once, as much as the system takes.
    pub(super) fn send(&self, socket: &socket2::Socket, trace: &Trace) -> io::Result<usize> {
        socket::retry(|| {
            let span = trace.begin("sendfile");
            let result = self.send_file(socket);
            let call = || Call::SendFile {
                fd: socket::fd_of(socket),
                file: self.file_fd(),
                offset: self.offset(),
                count: self.length(),
            };
            trace.end(span, call, result.as_ref().map(|count| *count as i64));
            result
        })
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::AsRawFd;
    use std::sync::OnceLock;

    use nix::errno::Errno;
    use nix::sys::sendfile::sendfile64;

    use super::{Arc, Fd, File, io};

    /// Bytes of a file that are to be sent.
    #[derive(Clone, Debug)]
    pub struct FilePart {
        file: Arc<File>,
        offset: u64,
        length: usize,
    }

    impl FilePart {
        /// `length` bytes from `offset` on; `None` where the system cannot
        /// send files.
        pub fn new(file: &Arc<File>, offset: u64, length: usize) -> Option<FilePart> {
            Some(FilePart { file: file.clone(), offset, length })
        }

        /// The offset of its first byte.
        pub fn offset(&self) -> u64 {
            self.offset
        }

        /// How many bytes it has.
        pub fn length(&self) -> usize {
            self.length
        }

        pub(super) fn file_fd(&self) -> Fd {
            self.file.as_raw_fd().into()
        }

        /// Forgets the first `count` bytes.
        pub fn advance(&mut self, count: usize) {
            self.offset += count as u64;
            self.length -= count;
        }

        pub(super) fn send_file(&self, socket: &socket2::Socket) -> io::Result<usize> {
            // At an offset of our own: others may send the same file.
            let mut offset = self.offset as i64;
            Ok(sendfile64(socket, &self.file, Some(&mut offset), self.length)?)
        }

        /// Waits until the system has it in memory, so that sending it waits
        /// for no disk.
        ///
        /// # Errors
        /// The disk's.
        pub fn fetch(&self) -> io::Result<()> {
            let (mut part, nowhere) = (self.clone(), nowhere()?);
            // The file is read a page at a time and thrown away as it is: no
            // byte of it is copied.
            while part.length > 0 {
                let mut offset = part.offset as i64;
                match sendfile64(nowhere, &part.file, Some(&mut offset), part.length) {
                    Ok(0) => break,
                    Ok(count) => part.advance(count),
                    Err(Errno::EINTR) => {}
                    Err(cause) => return Err(cause.into()),
                }
            }
            Ok(())
        }
    }

    /// Opens what [`FilePart::fetch`] needs: later there may be no descriptor
    /// left.
    ///
    /// # Errors
    /// The system's. Then it is tried again when it is needed.
    pub fn prepare() -> io::Result<()> {
        nowhere().map(|_| ())
    }

    /// `/dev/null`, opened once.
    fn nowhere() -> io::Result<&'static File> {
        static NOWHERE: OnceLock<File> = OnceLock::new();
        if let Some(nowhere) = NOWHERE.get() {
            return Ok(nowhere);
        }
        let opened = File::options().write(true).open("/dev/null")?;
        Ok(NOWHERE.get_or_init(|| opened))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::convert::Infallible;

    use super::{Arc, Fd, File, io};

    /// There are none: other systems have this call in other forms, or not.
    #[derive(Clone, Debug)]
    pub struct FilePart(Infallible);

    /// Nothing is needed where nothing is sent.
    ///
    /// # Errors
    /// None.
    pub fn prepare() -> io::Result<()> {
        Ok(())
    }

    impl FilePart {
        /// `None`: this system's way to send files is not known here.
        pub fn new(_file: &Arc<File>, _offset: u64, _length: usize) -> Option<FilePart> {
            None
        }

        /// The offset of its first byte.
        pub fn offset(&self) -> u64 {
            match self.0 {}
        }

        /// How many bytes it has.
        pub fn length(&self) -> usize {
            match self.0 {}
        }

        pub(super) fn file_fd(&self) -> Fd {
            match self.0 {}
        }

        /// Forgets the first `count` bytes.
        pub fn advance(&mut self, _count: usize) {
            match self.0 {}
        }

        pub(super) fn send_file(&self, _socket: &socket2::Socket) -> io::Result<usize> {
            match self.0 {}
        }

        /// Waits until the system has it in memory.
        ///
        /// # Errors
        /// The disk's.
        pub fn fetch(&self) -> io::Result<()> {
            match self.0 {}
        }
    }
}
