//! Echo as tokio's own examples have it: `tokio-echo tcp|udp [--one-thread]`.
//!
//! TCP: a task for each connection, which reads into a buffer of its own and
//! writes what it read. UDP: one task, `recv_from` and `send_to`.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Builder;

/// A small buffer for each of ten thousand connections; a stream needs a larger one to be fast,
/// and this is what it gets: the least that was not slower than 64 KiB.
const BUFFER_BYTES: usize = 16 * 1024;

const MAX_DATAGRAM_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let has = |word: &str| env::args().skip(1).any(|arg| arg == word);
    let mut runtime = if has("--one-thread") { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    let runtime = runtime.enable_io().build()?;
    if has("udp") { runtime.block_on(echo_datagrams()) } else { runtime.block_on(echo_streams()) }
}

fn tell(proto: &str, addr: SocketAddr) -> io::Result<()> {
    println!("listening on {proto} {addr}");
    io::stdout().flush()
}

async fn echo_streams() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell("tcp", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            got => stream.write_all(&buffer[..got]).await?,
        }
    }
}

async fn echo_datagrams() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    tell("udp", socket.local_addr()?)?;
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        let (got, from) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..got], from).await?;
    }
}
