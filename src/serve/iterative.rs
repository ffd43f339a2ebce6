//! One client after the other: the plainest server there is, and why it is
//! not enough. While one client is served, the next ones' connections are
//! completed by the system and wait in the backlog, unanswered.

use std::sync::Arc;

use super::blocking::Service;
use super::books::Books;
use super::session::Reception;
use crate::net::socket::Socket;

/// Serves until told to stop.
pub fn serve<R: Reception>(books: Arc<Books>, listener: Socket, reception: R) {
    let service = Service::new(books, listener, reception);
    while let Some((socket, client)) = service.accept() {
        service.serve(&socket, client);
    } // here the socket is dropped: close(2)
}
