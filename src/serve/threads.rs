//! A thread for each client: accept, spawn, and in the new thread recv, send
//! and close, as in `blocking`. Simple to write and to read, since each thread
//! holds one conversation from its beginning to its end. A thread costs some
//! 10 KiB and the system's time to switch to it, so thousands are too many.

use std::sync::Arc;
use std::thread;

use super::blocking::Service;
use super::books::Books;
use super::session::Reception;
use crate::error::no_thread;
use crate::net::socket::Socket;

/// Serves until told to stop.
pub fn serve<R: Reception>(books: Arc<Books>, listener: Socket, reception: R) {
    let service = Service::new(books, listener, reception);
    while let Some((socket, client)) = service.accept() {
        let present = service.enter();
        let name = format!("thread-{}", client.number);
        let spawned = thread::Builder::new().name(name).spawn({
            let service = service.clone();
            move || {
                service.serve(&socket, client);
                drop(socket); // close(2), before the client counts as gone
                drop(service);
                drop(present);
            }
        });
        // No thread to be had: this client is closed, the others stay.
        if let Err(error) = spawned {
            service.books.client_failed(&client, &no_thread(error));
        }
    }
    service.wait_for_all();
}
