//! A fixed number of threads, all waiting in accept on one listener; the
//! system wakes one of them for each client. No thread is made while clients
//! wait, and a flood cannot use up the host's memory. But when all threads are
//! busy, the next client waits in the backlog, as under `iterative`.

use std::sync::Arc;
use std::thread;

use super::blocking::Service;
use super::books::Books;
use super::session::Reception;
use crate::net::socket::Socket;

/// Serves until told to stop.
pub fn serve<R: Reception>(books: Arc<Books>, listener: Socket, reception: R, workers: u16) {
    let service = Service::new(books, listener, reception);
    let mut started = 0;
    for number in 1..=workers {
        let (service, present) = (service.clone(), service.enter());
        let spawned = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            work(&service);
            drop(service);
            drop(present);
        });
        started += usize::from(spawned.is_ok());
    }
    if started == 0 {
        work(&service); // no thread to be had: one client after the other
    }
    service.wait_for_all();
}

fn work<R: Reception>(service: &Service<R>) {
    while let Some((socket, client)) = service.accept() {
        service.serve(&socket, client);
    }
}
