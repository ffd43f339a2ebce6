//! What clients hear when the server dies of a signal.
//!
//! A bug in a library, a full stack, `kill -QUIT`: then no code of the server's
//! runs any more, and its clients would see a bare end. But a signal handler
//! runs first. It sends every client one line and FIN,
//!
//! ```text
//! ! server is going down: killed by SIGSEGV
//! ```
//!
//! and then lets the process die of the signal, core dump and all. Nobody can
//! do so for SIGKILL.
//!
//! A handler interrupts anything, also malloc, also the holder of a lock. So
//! it allocates nothing, takes no lock, and makes only calls that
//! signal-safety(7) allows: `send`, `recv`, `shutdown`, `poll`, `sigaction`,
//! `raise`. It finds the sockets in a table of atomics, by descriptor.
//!
//! A TLS client gets only FIN: to encrypt a line is more than a handler may do.
//! On Windows there is nothing of this.

/// How a client can be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// A line can be sent as it is.
    Plain,
    /// It would have to be encrypted.
    Tls,
}

/// Makes the handlers take over. Once is enough; a signal that is ignored
/// stays ignored.
///
/// # Errors
/// A system that refuses `sigaction(2)`.
pub fn arm() -> std::io::Result<()> {
    system::arm()
}

/// Tells all registered clients that the server goes down, and why, and ends
/// their connections: for a panic hook. It waits for nobody.
pub fn say(reason: &str) {
    let line = format!("! server is going down: {reason}\n");
    system::tell_all(line.as_bytes());
}

/// A client in the table, until dropped: which must be before its descriptor
/// is closed, for the next one opened has the same number.
#[cfg(unix)]
pub(super) use self::system::Registered;

#[cfg(unix)]
mod system {
    use std::ffi::{c_int, c_void};
    use std::io;
    use std::os::fd::RawFd;
    use std::ptr::null_mut;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::Speech;

    /// Every signal that kills unless handled, but for SIGKILL, and SIGINT,
    /// SIGTERM and SIGHUP, on which the server stops in order, and SIGPIPE,
    /// which Rust ignores.
    const DEADLY: [(Signal, &[u8]); 15] = [
        (Signal::SIGSEGV, b"! server is going down: killed by SIGSEGV\n"),
        (Signal::SIGBUS, b"! server is going down: killed by SIGBUS\n"),
        (Signal::SIGILL, b"! server is going down: killed by SIGILL\n"),
        (Signal::SIGFPE, b"! server is going down: killed by SIGFPE\n"),
        (Signal::SIGABRT, b"! server is going down: killed by SIGABRT\n"),
        (Signal::SIGQUIT, b"! server is going down: killed by SIGQUIT\n"),
        (Signal::SIGSYS, b"! server is going down: killed by SIGSYS\n"),
        (Signal::SIGTRAP, b"! server is going down: killed by SIGTRAP\n"),
        (Signal::SIGXCPU, b"! server is going down: killed by SIGXCPU\n"),
        (Signal::SIGXFSZ, b"! server is going down: killed by SIGXFSZ\n"),
        (Signal::SIGALRM, b"! server is going down: killed by SIGALRM\n"),
        (Signal::SIGVTALRM, b"! server is going down: killed by SIGVTALRM\n"),
        (Signal::SIGPROF, b"! server is going down: killed by SIGPROF\n"),
        (Signal::SIGUSR1, b"! server is going down: killed by SIGUSR1\n"),
        (Signal::SIGUSR2, b"! server is going down: killed by SIGUSR2\n"),
    ];

    /// What a descriptor's place in the table says.
    const NOBODY: u8 = 0;
    const PLAIN: u8 = 1;
    /// The last byte sent was no LF: the line has to begin with one.
    const PLAIN_WITHIN_A_LINE: u8 = 2;
    const TLS: u8 = 3;

    /// The table grows by so many places, and to 2^20: as many descriptors as
    /// Linux gives a process unless told otherwise (`fs.nr_open`).
    const PAGE: usize = 4096;
    type Page = [AtomicU8; PAGE];
    static TABLE: [AtomicPtr<Page>; 256] = [const { AtomicPtr::new(null_mut()) }; 256];

    /// Reads of 1 KiB: whoever floods is not waited for.
    const MOST_READS: usize = 64;

    static SPEAKING: AtomicBool = AtomicBool::new(false);
    static SPOKEN: AtomicBool = AtomicBool::new(false);
    /// The handlers of the Rust runtime, which know a full stack.
    static BEFORE: OnceLock<Vec<(Signal, SigAction)>> = OnceLock::new();

    pub struct Registered {
        place: &'static AtomicU8,
    }

    impl Registered {
        /// `None` where the table has no place for such a high number.
        pub fn new(fd: RawFd, speech: Speech) -> Option<Registered> {
            let place = place(usize::try_from(fd).ok()?)?;
            place.store(if speech == Speech::Plain { PLAIN } else { TLS }, Ordering::Release);
            Some(Registered { place })
        }

        /// Remembers whether the client is within a line.
        pub fn sent(&self, bytes: &[u8]) {
            let Some(last) = bytes.last() else { return };
            if self.place.load(Ordering::Relaxed) != TLS {
                self.place.store(if *last == b'\n' { PLAIN } else { PLAIN_WITHIN_A_LINE }, Ordering::Release);
            }
        }
    }

    impl Drop for Registered {
        fn drop(&mut self) {
            self.place.store(NOBODY, Ordering::Release);
        }
    }

    fn place(fd: usize) -> Option<&'static AtomicU8> {
        let slot = TABLE.get(fd / PAGE)?;
        let page = match page(slot) {
            Some(page) => page,
            None => {
                let fresh = Box::into_raw(Box::new([const { AtomicU8::new(NOBODY) }; PAGE]));
                if slot.compare_exchange(null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
                    free(fresh); // another thread was first
                }
                page(slot)?
            }
        };
        page.get(fd % PAGE)
    }

    #[allow(unsafe_code)]
    fn free(page: *mut Page) {
        // SAFETY: it came from Box::into_raw, and nobody else has seen it.
        drop(unsafe { Box::from_raw(page) });
    }

    #[allow(unsafe_code)]
    fn page(slot: &AtomicPtr<Page>) -> Option<&'static Page> {
        // SAFETY: null, or from Box::into_raw in `place`, and never freed once
        // it is in the table; its content is atomics.
        unsafe { slot.load(Ordering::Acquire).as_ref() }
    }

    #[allow(unsafe_code)]
    pub(super) fn arm() -> io::Result<()> {
        static ARMED: AtomicBool = AtomicBool::new(false);
        if ARMED.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // On the other stack, for this one may be what is full; and no second
        // signal on top of the first.
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
        let ours = SigAction::new(SigHandler::SigAction(on_deadly_signal), flags, SigSet::all());
        let mut before = Vec::new();
        for (signal, _) in DEADLY {
            // SAFETY: the handler makes async-signal-safe calls only, see the
            // module's documentation.
            let other = unsafe { sigaction(signal, &ours) }?;
            if matches!(other.handler(), SigHandler::SigIgn) {
                // SAFETY: as it was.
                unsafe { sigaction(signal, &other) }?;
            }
            before.push((signal, other));
        }
        let _ = BEFORE.set(before); // set once, as ARMED is
        Ok(())
    }

    #[allow(unsafe_code)]
    extern "C" fn on_deadly_signal(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
        let line = DEADLY.iter().find(|(deadly, _)| *deadly as c_int == signal).map(|(_, line)| *line);
        tell_all(line.unwrap_or(b"! server is going down: killed by a signal\n"));
        // SAFETY: the kernel gives a siginfo_t to a handler with SA_SIGINFO.
        // A positive code: raised by the instruction itself, which will be
        // tried again and fail again. Otherwise somebody sent it.
        let is_fault = unsafe { info.as_ref() }.is_some_and(|info| info.si_code > 0);
        let runtimes = before(signal).filter(|_| is_fault);
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        if let Ok(signal) = Signal::try_from(signal) {
            // SAFETY: the default action, or the handler that was there.
            let _ = unsafe { sigaction(signal, runtimes.unwrap_or(&default)) };
        }
        if runtimes.is_none() {
            // SAFETY: it takes a number. The signal is blocked until we return,
            // then it kills.
            unsafe { libc::raise(signal) };
        }
    }

    /// The runtime's own handler, which says so when the stack is full.
    fn before(signal: c_int) -> Option<&'static SigAction> {
        let (_, action) = BEFORE.get()?.iter().find(|(known, _)| *known as c_int == signal)?;
        matches!(action.handler(), SigHandler::SigAction(_)).then_some(action)
    }

    /// Async-signal-safe, and safe to call from anywhere else.
    pub(super) fn tell_all(line: &[u8]) {
        if SPEAKING.swap(true, Ordering::AcqRel) {
            return wait_until_spoken();
        }
        for (number, slot) in TABLE.iter().enumerate() {
            let Some(page) = page(slot) else { continue };
            for (at, place) in page.iter().enumerate() {
                tell((number * PAGE + at) as RawFd, place.load(Ordering::Acquire), line);
            }
        }
        SPOKEN.store(true, Ordering::Release);
    }

    /// Two threads may die at once; the first to be dead would end the other's
    /// speech. At most two seconds.
    #[allow(unsafe_code)]
    fn wait_until_spoken() {
        for _ in 0..200 {
            if SPOKEN.load(Ordering::Acquire) {
                return;
            }
            // SAFETY: no descriptors, so the pointer is not read. It sleeps.
            unsafe { libc::poll(null_mut(), 0, 10) };
        }
    }

    #[allow(unsafe_code)]
    fn tell(fd: RawFd, speech: u8, line: &[u8]) {
        if speech == NOBODY {
            return;
        }
        if speech == PLAIN_WITHIN_A_LINE {
            send(fd, b"\n");
        }
        if speech != TLS {
            send(fd, line);
        }
        // SAFETY: it takes numbers. Whose socket it is the table says, and a
        // wrong number is answered by EBADF or ENOTSOCK.
        unsafe { libc::shutdown(fd, libc::SHUT_WR) };
        // What the client has said meanwhile is thrown away: a socket that is
        // closed with bytes unread answers RST, and that may overtake the line.
        let mut waste = [0_u8; 1024];
        for _ in 0..MOST_READS {
            // SAFETY: the kernel writes at most `waste.len()` bytes there.
            let got = unsafe { libc::recv(fd, waste.as_mut_ptr().cast(), waste.len(), libc::MSG_DONTWAIT) };
            if got <= 0 {
                break;
            }
        }
    }

    #[allow(unsafe_code)]
    fn send(fd: RawFd, bytes: &[u8]) {
        // Rust ignores SIGPIPE, so where there is no MSG_NOSIGNAL none is
        // needed.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        const FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        const FLAGS: c_int = libc::MSG_DONTWAIT;
        // SAFETY: the kernel reads `bytes.len()` bytes there. Who does not read
        // has a full buffer, and only FIN to come.
        unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), FLAGS) };
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn arm() -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn tell_all(_: &[u8]) {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::env;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use mio::{Events, Interest, Poll, Token};

    use super::*;
    use crate::net::host::Host;
    use crate::net::polled::{PolledListener, PolledStream};
    use crate::net::stop::Stop;
    use crate::net::tcp;
    use crate::net::trace::Trace;
    use crate::report::recorder::Recorder;

    const DEADLINE: Duration = Duration::from_secs(60);

    /// The test below that is started anew as a process of its own, with the
    /// way of its death and where to report in these variables.
    const MORTAL: &str = "net::last_words::tests::a_process_with_three_clients_that_dies_when_it_is_told";
    const DEATH: &str = "NETLAB_TEST_DEATH";
    const PARENT: &str = "NETLAB_TEST_PARENT";

    #[test]
    fn a_process_with_three_clients_that_dies_when_it_is_told() {
        let (Ok(death), Ok(parent)) = (env::var(DEATH), env::var(PARENT)) else { return };
        let mut parent = TcpStream::connect(parent).unwrap();
        let host = Host { lab: "chat", report: Arc::new(Recorder::default()), trace: Trace::off(), stop: Stop::new() };
        let (listener, addr) = tcp::listen(&host, &"127.0.0.1:0".parse().unwrap(), 0, 8).unwrap();
        writeln!(parent, "{addr}").unwrap();
        let clients = accept_three(PolledListener::new(listener).unwrap());
        no_core_and_no_inheritance();
        arm().unwrap();
        parent.write_all(b".").unwrap();
        let _ = parent.read(&mut [0]);
        die(&death);
        drop(clients);
    }

    /// No core file where the test was started; and a shell that runs it in
    /// the background has SIGQUIT ignored.
    #[allow(unsafe_code)]
    fn no_core_and_no_inheritance() {
        use nix::sys::signal::{SigHandler, Signal, signal};
        rlimit::setrlimit(rlimit::Resource::CORE, 0, 0).unwrap();
        // SAFETY: the default action is no handler.
        unsafe { signal(Signal::SIGQUIT, SigHandler::SigDfl) }.unwrap();
    }

    /// One in plain text, one within a line, one by TLS.
    fn accept_three(mut listener: PolledListener) -> Vec<PolledStream> {
        let (mut poll, mut events, mut clients) = (Poll::new().unwrap(), Events::with_capacity(8), Vec::new());
        poll.registry().register(&mut listener, Token(0), Interest::READABLE).unwrap();
        while clients.len() < 3 {
            match listener.accept() {
                Ok((stream, _)) => clients.push(stream),
                Err(_) => poll.poll(&mut events, Some(DEADLINE)).unwrap(),
            }
        }
        for (client, speech) in clients.iter_mut().zip([Speech::Plain, Speech::Plain, Speech::Tls]) {
            client.has_last_words(speech);
        }
        clients[0].send(b"* welcome\n").unwrap();
        clients[1].send(b"* wel").unwrap();
        clients
    }

    #[allow(unsafe_code, unconditional_recursion)]
    fn die(death: &str) {
        fn endless(depth: &[u8; 4096]) -> usize {
            let deeper = [depth[0].wrapping_add(1); 4096];
            endless(std::hint::black_box(&deeper)) + usize::from(deeper[7])
        }
        match death {
            // SAFETY: it is not; that is the test.
            "fault" => drop(unsafe { std::ptr::read_volatile(std::hint::black_box(16) as *const u8) }),
            "stack" => drop(endless(&[0; 4096])),
            "abort" => std::process::abort(),
            "panic" => say("it crashed"),
            _ => thread::sleep(DEADLINE), // for the signal that the parent sends
        }
    }

    /// Starts the process, kills it that way, and returns it with what its
    /// clients heard.
    fn death_of(death: &str, kill: impl Fn(&Child)) -> (std::process::Output, Vec<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", MORTAL, "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env(DEATH, death).env(PARENT, listener.local_addr().unwrap().to_string());
        let child = command.spawn().unwrap();
        let (mut control, _) = listener.accept().unwrap();
        let addr = until(&mut control, b'\n');
        let mut clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(addr.trim()).unwrap()).collect();
        for client in &mut clients {
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            client.write_all(b"said, and never read by the server").unwrap();
        }
        until(&mut control, b'.');
        control.write_all(b"!").unwrap();
        kill(&child);
        let heard = clients.iter_mut().map(|client| {
            let mut heard = String::new();
            client.read_to_string(&mut heard).expect("FIN, and no reset");
            heard
        });
        let heard = heard.collect();
        (child.wait_with_output().unwrap(), heard)
    }

    fn until(stream: &mut TcpStream, end: u8) -> String {
        let (mut text, mut byte) = (String::new(), [0]);
        while byte[0] != end {
            stream.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        text
    }

    fn expected(reason: &str) -> Vec<String> {
        let line = format!("! server is going down: {reason}\n");
        vec![format!("* welcome\n{line}"), format!("* wel\n{line}"), String::new()]
    }

    #[test]
    fn every_deadly_signal_is_named_and_still_kills() {
        use nix::sys::signal::Signal::{self, *};
        use nix::unistd::Pid;
        let table: [Signal; 12] =
            [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ, SIGUSR1, SIGALRM];
        for signal in table {
            let kill = |child: &Child| nix::sys::signal::kill(Pid::from_raw(child.id() as i32), signal).unwrap();
            let (output, heard) = death_of("wait", kill);
            assert_eq!(heard, expected(&format!("killed by {signal}")));
            assert_eq!(output.status.signal(), Some(signal as i32));
        }
    }

    #[test]
    fn a_wrong_pointer_is_named_and_kills() {
        let (output, heard) = death_of("fault", |_| ());
        assert_eq!(heard, expected("killed by SIGSEGV"));
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    }

    #[test]
    fn a_full_stack_is_named_to_clients_and_explained_on_the_terminal() {
        let (output, heard) = death_of("stack", |_| ());
        assert_eq!(heard, expected("killed by SIGSEGV"));
        assert_eq!(output.status.signal(), Some(libc::SIGABRT)); // by which the runtime ends it
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("has overflowed its stack"), "{told}");
    }

    #[test]
    fn an_abort_is_named_and_a_panic_says_its_own_reason() {
        let (output, heard) = death_of("abort", |_| ());
        assert_eq!(heard, expected("killed by SIGABRT"));
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let (output, heard) = death_of("panic", |_| ());
        assert_eq!(heard, expected("it crashed"));
        assert!(output.status.success());
    }
}
