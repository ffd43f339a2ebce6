//! From what is seen to what is wrong: the hints. Each names the kind of
//! fault, and the call to look at.

/// It ended before it listened.
pub const DIED: &str = "the program ends at its start: run the same command in the folder and read what it prints";
/// TCP for UDP, or the other way round.
pub const OTHER_PROTOCOL: &str =
    "SOCK_STREAM makes a TCP socket, SOCK_DGRAM a UDP socket: this one is of the other kind";
/// Bound, and not listening.
pub const NO_LISTEN: &str = "a TCP server calls bind, then listen, then accept: without listen nobody can connect";
/// No socket at all.
pub const NO_SOCKET: &str =
    "it waits for something else before it opens its port: input from the keyboard, or an argument";
/// The backlog is full, or nobody listens any more.
pub const NOT_ACCEPTING: &str =
    "the listening socket must stay open as long as the server runs: accept in a loop, close only the client's socket";
/// It ended.
pub const ENDED: &str =
    "the server ended: one client's end or failure must end that client's handling only, never the program";
/// It closed.
pub const CLOSED_EARLY: &str =
    "the server closes the connection after one message or at an error: recv in a loop until it returns 0 bytes";
/// A client's reset ended more than that client.
pub const VANISHED: &str = "a client that vanishes (reset, RST) makes recv or send fail (ECONNRESET, EPIPE, ConnectionResetError, IOException), and send raise SIGPIPE: handle that for this client alone, close its socket and go on, without exit and without an uncaught exception";
/// The second client finds nobody.
pub const NO_NEXT: &str = "the next client, the second, finds nobody: accept belongs into a loop, the listening socket stays open as long as the server runs, and only the client's own socket is closed after it";
/// 100 % CPU.
pub const SPINS: &str =
    "the program runs in circles: when recv returns 0 bytes the client has finished, so leave the loop and close";
/// Bytes lie in the kernel.
pub const NOT_READ: &str =
    "nobody calls recv for this client: is the server still busy with another one, or waiting elsewhere?";
/// Read, and no answer.
pub const READ_AND_SILENT: &str = "the server has received the bytes and sends nothing back: does it wait for more than came, such as a full buffer or another line end, or forget to send or to flush?";
/// A UDP server ended.
pub const UDP_ENDED: &str = "the server ended: recvfrom and sendto belong into a loop that closes nothing, and one datagram's failure must not end it (exit, died)";
/// Taken from the socket, and no more.
pub const UDP_SILENT: &str = "the datagram was received and nothing follows: print it, or send it back with sendto to the address that recvfrom gave";
/// Left in the socket.
pub const UDP_UNREAD: &str =
    "nobody calls recvfrom: is the program busy elsewhere, or is the socket connected to somebody else?";
/// No socket any more.
pub const UDP_CLOSED: &str =
    "the socket is closed while the program runs: close it only at the very end, after the loop";
/// A UDP socket without a port.
pub const NO_BIND: &str =
    "a UDP server calls bind with its port before recvfrom: without bind the system chooses a port, or none";
/// No ntohs.
pub const BYTE_ORDER: &str =
    "the two bytes of the port are swapped: htons on the way into the address, ntohs on the way out";
/// The argument is not used.
pub const PORT_IGNORED: &str = "the port is given as an argument: bind to it. For a port that is written into the program give --port, or port in netlab.toml";

/// The build line failed.
pub const BUILD: &str =
    "the program is not built: run the same line in the folder, and mend what the compiler names first";

/// A closed socket.
const USED_AFTER_CLOSE: &str =
    "a socket is used after it was closed: close it at the very end, after the loop, not in each turn of it";

/// What runtimes print when they fail, and what it means here. Looked for in
/// order; the words are those of the languages, not of a system's language.
const SIGNS: &[(&str, &str)] = &[
    (
        "Address already in use",
        "bind found the port taken: SO_REUSEADDR before bind lets a server restart, and a second receiver needs it too",
    ),
    (
        "EADDRINUSE",
        "bind found the port taken: SO_REUSEADDR before bind lets a server restart, and a second receiver needs it too",
    ),
    ("BindException", "bind found the port taken, or an address that this host does not have"),
    (
        "Cannot assign requested address",
        "bind asks for an address that this host does not have: 127.0.0.1, or 0.0.0.0 for all",
    ),
    ("EADDRNOTAVAIL", "bind asks for an address that this host does not have: 127.0.0.1, or 0.0.0.0 for all"),
    ("cannot start", "the command itself is not found: is it built, is it in the folder, is it spelt right?"),
    ("can't open file", "there is no such file in the folder: check the name in the command"),
    ("Could not find or load main class", "Java finds no such class: is it compiled (build), and named right?"),
    ("Cannot find module", "Node.js finds no such file or module: check the name in the command"),
    ("SyntaxError", "the program has a syntax error: it never began to run"),
    ("IndentationError", "the program has a syntax error: it never began to run"),
    ("ModuleNotFoundError", "an import is not installed here: the labs need the standard library only"),
    (
        "UnicodeDecodeError",
        "bytes from a socket need not be UTF-8 text, and a read may end in the middle of a character: pass bytes on as bytes",
    ),
    ("UnicodeEncodeError", "the text holds characters that this encoding has not: pass bytes on as bytes"),
    ("MalformedInputException", "bytes from a socket need not be text: pass bytes on as bytes"),
    (
        "ConnectionResetError",
        "recv raises ConnectionResetError when a client vanishes (reset, RST): catch it (try, except) for that client alone, close its socket, and go on with the others",
    ),
    (
        "BrokenPipeError",
        "send raises an error when a client has gone: catch it for that client, and go on with the others",
    ),
    (
        "Connection reset",
        "recv or read reports an error (ECONNRESET, an exception) when a client vanishes (reset, RST): end that client's handling alone, without exit, and go on with the others",
    ),
    ("ECONNRESET", "an 'error' event nobody listens to ends a Node.js program: socket.on('error', …) for each client"),
    ("EPIPE", "send reports an error when a client has gone: catch it for that client, and go on with the others"),
    (
        "Broken pipe",
        "send reports an error when a client has gone: catch it for that client, and go on with the others",
    ),
    (
        "ConnectionRefusedError",
        "nobody listens where this program connects or sends to: catch the error, say it, and go on or end",
    ),
    ("Permission denied", "the system refused: a broadcast address needs the option SO_BROADCAST first"),
    ("PermissionError", "the system refused: a broadcast address needs the option SO_BROADCAST first"),
    ("EACCES", "the system refused: a broadcast address needs the option SO_BROADCAST first"),
    ("Bad file descriptor", USED_AFTER_CLOSE),
    ("EBADF", USED_AFTER_CLOSE),
    ("ERR_SOCKET_DGRAM_NOT_RUNNING", USED_AFTER_CLOSE),
    ("Socket is closed", USED_AFTER_CLOSE),
    ("IndexError", "an index that is not there: an empty message or a missing argument must not end the program"),
    ("OutOfMemoryError", "the program keeps more and more: what is handled must be let go"),
    ("Traceback", "an exception ended this: its last line says which, the line above it where"),
    ("Exception in thread", "an exception ended this thread: its first line says which, the next where"),
    (
        "Segmentation fault",
        "the program read or wrote memory that is not its own: check buffer lengths and what recv returned",
    ),
    (
        "stack smashing",
        "more was written into a buffer than it holds: pass recv the buffer's size, and mind the final 0",
    ),
];

/// The hint for what stands on a terminal.
pub fn hint(terminal: &str) -> Option<&'static str> {
    SIGNS.iter().find(|(sign, _)| terminal.contains(sign)).map(|(_, hint)| *hint)
}
