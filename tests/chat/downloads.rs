//! Downloads by netlab's client: exact, saved where they belong, resumed.

use std::fs;

use crate::client::{Client, Person, files_in, way_to};
use crate::users::{ChatServer, is_heavy, noise};

#[test]
fn a_download_is_saved_byte_for_byte_in_a_folder_named_after_the_user() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let files = [("film.avi", noise("film.avi", 700_001)), ("read me.txt", b"hello\n".to_vec()), ("empty", Vec::new())];
    let mut alice = Client::start(home, "alice", server.addr(), &[]);
    for (name, bytes) in &files {
        fs::write(server.shared().join(name), bytes).unwrap();
        alice.types(&format!("/get {name}"));
        alice.shows(&format!("saved alice/{name}, {} bytes", bytes.len()));
        assert!(fs::read(home.join("alice").join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(files_in(&home.join("alice")), ["empty", "film.avi", "read me.txt"], "and nothing unfinished");
    alice.types("/quit");
    assert_eq!(alice.running.wait().code(), 0);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_download_at_a_terminal_is_saved_too() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let film = noise("film.avi", 3_000_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let Some(mut alice) = Person::at(home, "alice", server.addr(), &[]) else { return };
    alice.sees("alice has joined");
    alice.types("/files");
    alice.sees("3000000");
    alice.types("/get film.avi");
    alice.sees("saved alice/film.avi, 3000000 bytes");
    assert!(fs::read(home.join("alice/film.avi")).unwrap() == film);
}

#[test]
fn a_second_download_does_not_overwrite_the_first() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("notes.txt"), "the server's\n").unwrap();
    fs::create_dir(home.join("alice")).unwrap();
    fs::write(home.join("alice/notes.txt"), "my own\n").unwrap();
    let mut alice = Client::start(home, "alice", server.addr(), &[]);
    alice.types("/get notes.txt");
    alice.shows("saved alice/");
    assert_eq!(fs::read(home.join("alice/notes.txt")).unwrap(), b"my own\n");
    let others: Vec<String> = files_in(&home.join("alice")).into_iter().filter(|name| name != "notes.txt").collect();
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(fs::read(home.join("alice").join(&others[0])).unwrap(), b"the server's\n");
}

#[test]
fn a_download_directory_of_ones_own_choice() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("a.txt"), "abc\n").unwrap();
    let mut alice = Client::start(home, "alice", server.addr(), &["--download-dir", "else/where"]);
    alice.types("/get a.txt");
    alice.shows("saved else/where/a.txt, 4 bytes");
    assert_eq!(fs::read(home.join("else/where/a.txt")).unwrap(), b"abc\n");
    assert!(!home.join("alice").exists());
}

#[test]
fn twenty_clients_download_at_once_byte_for_byte() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let film = noise("film.avi", if is_heavy() { 30_000_000 } else { 1_000_000 });
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let names: Vec<String> = (1..=20).map(|n| format!("user{n}")).collect();
    let mut clients: Vec<Client> =
        names.iter().map(|name| Client::start(home, name, server.addr(), &["--quiet"])).collect();
    clients.iter_mut().for_each(|client| client.types("/get film.avi"));
    for (mut client, name) in clients.into_iter().zip(&names) {
        client.end_of_input();
        let run = client.running.wait().succeeded();
        let saved =
            fs::read(home.join(name).join("film.avi")).unwrap_or_else(|error| panic!("{name}: {error} {run:#?}"));
        assert!(saved == film, "{name}'s differs");
    }
}

#[test]
fn a_download_killed_anywhere_is_resumed_and_whole() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let home = server.home.path();
    let film = noise("film.avi", 1_500_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let rounds = if is_heavy() { 100 } else { 4 };
    let mut resumed = 0;
    for round in 0..rounds {
        let at = u64::from_le_bytes(noise(&format!("kill {round}"), 8).try_into().unwrap()) % 1_500_000;
        let folder = format!("round{round}");
        let way = way_to(server.addr(), at);
        let mut first = Client::start(home, &format!("first{round}"), way.addr, &["-q", "--download-dir", &folder]);
        first.types("/get film.avi");
        way.stopped.recv().unwrap();
        // SIGKILL, at whatever it is doing with what it has.
        drop(first);
        assert!(!home.join(&folder).join("film.avi").exists(), "killed at {at}: what is not whole has another name");

        let way = way_to(server.addr(), u64::MAX);
        let mut second = Client::start(home, &format!("second{round}"), way.addr, &["-q", "--download-dir", &folder]);
        second.types("/get film.avi");
        second.end_of_input();
        let run = second.running.wait().succeeded();
        assert!(fs::read(home.join(&folder).join("film.avi")).unwrap() == film, "killed at {at}: {run:#?}");
        assert_eq!(files_in(&home.join(&folder)), ["film.avi"], "killed at {at}");
        let asked = way.asked.try_iter().find(|line| line.starts_with("/get ")).unwrap();
        resumed += usize::from(asked.rsplit(' ').next().unwrap().parse::<u64>().is_ok_and(|offset| offset > 0));
    }
    if is_heavy() {
        crate::support::say(&format!("{resumed} of {rounds} killed downloads went on where they had been"));
        assert!(resumed * 2 > rounds, "only {resumed} of {rounds} went on where they had been");
    }
}

#[test]
fn a_file_that_changed_since_is_fetched_anew() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("film.avi"), noise("the first film", 1_000_000)).unwrap();
    let way = way_to(server.addr(), 500_000);
    let mut first = Client::start(home, "first", way.addr, &["-q", "--download-dir", "here"]);
    first.types("/get film.avi");
    way.stopped.recv().unwrap();
    drop(first);
    let film = noise("another film", 1_000_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let mut second = Client::start(home, "second", server.addr(), &["-q", "--download-dir", "here"]);
    second.types("/get film.avi");
    second.end_of_input();
    let run = second.running.wait();
    let saved: Vec<Vec<u8>> =
        files_in(&home.join("here")).iter().map(|name| fs::read(home.join("here").join(name)).unwrap()).collect();
    // Half of one and half of the other is the one thing it may not be.
    assert!(run.code() == 1 || saved.contains(&film), "{run:#?}");
    assert!(fs::read(home.join("here/film.avi")).map_or(true, |bytes| bytes == film), "{run:#?}");
}
