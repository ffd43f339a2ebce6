//! Servers that mean ill by netlab's client.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::client::{Client, everything_below, lost, own_server};
use crate::support::peer::Peer;
use crate::users::{new_home, sha256};

/// Lets alice in, and waits for her line that begins so.
fn welcome(peer: &mut Peer, until: &str) -> String {
    peer.send(b"* netlab chat 1: welcome\n");
    assert_eq!(peer.read_line(), "/name alice\n");
    peer.send(b"* alice has joined\n");
    loop {
        let line = peer.read_line();
        if line.starts_with(until) {
            return line;
        }
    }
}

/// A transfer of `hello\n` under any name, hash and announced size.
fn transfer(peer: &mut Peer, name: &str, size: usize, hash: &str) {
    peer.send(format!("# 1 {size} {name}\n+ 1 6\nhello\n. 1 {hash}\n").as_bytes());
}

#[test]
fn a_name_from_the_server_never_leaves_the_download_folder() {
    let names = [
        "../evil",
        "../../evil",
        "/tmp/netlab-evil",
        "alice/../../evil",
        "..",
        ".",
        ".bashrc",
        "a/b",
        "a\\b",
        "..\\evil",
        "C:\\evil",
        "evil\x1b[2J",
        "evil\r",
        "",
        " ",
        "con",
        "nul",
        "~/evil",
        "photo\u{202e}gnp.exe",
        "another.txt",
    ];
    let server = |name: &'static str| {
        own_server(move |mut peer| {
            welcome(&mut peer, "/get");
            transfer(&mut peer, name, 6, &sha256(b"hello\n"));
            peer.send(b"<bob> that was all\n");
            let _ = peer.read_to_any_end();
        })
    };
    for name in names {
        let home = new_home();
        let inside = home.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        let (addr, served) = server(name);
        let mut client = Client::start(&inside, "alice", addr, &[]);
        client.types("/get wanted.txt");
        client.shows("that was all");
        drop(client);
        served.join().unwrap();
        let found = everything_below(home.path());
        let outside: Vec<&PathBuf> = found
            .iter()
            .filter(|path| !path.starts_with(inside.join("alice")) && !path.starts_with(inside.join("state")))
            .collect();
        assert!(outside.is_empty(), "{name:?} made {outside:?}");
        assert!(!Path::new("/tmp/netlab-evil").exists());
        let odd = found.iter().find(|path| {
            path.starts_with(inside.join("alice"))
                && path.file_name().unwrap().to_str().is_none_or(|name| {
                    name.starts_with('.') && !name.contains("part") || name.contains(char::is_control)
                })
        });
        assert!(odd.is_none(), "{name:?} made {odd:?}");
    }
}

#[test]
fn a_file_that_is_not_what_was_announced_is_not_saved() {
    for (size, hash) in
        [(6, sha256(b"other\n")), (7, sha256(b"hello\n")), (5, sha256(b"hello\n")), (6, "no hash".to_owned())]
    {
        let (addr, served) = own_server(move |mut peer| {
            welcome(&mut peer, "/get");
            transfer(&mut peer, "wanted.txt", size, &hash);
            peer.send(b"<bob> that was all\n");
            let _ = peer.read_to_any_end();
        });
        let home = new_home();
        let mut client = Client::start(home.path(), "alice", addr, &[]);
        client.types("/get wanted.txt");
        client.shows("that was all");
        let run = {
            client.end_of_input();
            client.running.wait()
        };
        served.join().unwrap();
        assert!(!home.path().join("alice/wanted.txt").exists(), "{run:#?}");
        assert!(!run.stdout.contains("saved"), "{run:#?}");
    }
}

#[test]
fn what_a_server_sends_never_reaches_the_terminal_as_a_command() {
    let (addr, _served) = own_server(|mut peer| {
        welcome(&mut peer, "go");
        peer.send(
            b"<bob> \x1b[2Jcleared\n* \x1b]0;title\x07\n! \xff\xfe\n<bob> photo\xe2\x80\xaegnp.exe\nnothing known\n",
        );
        peer.send(b"= 5 \x1b[31mred.txt\n! server is going down: \x1b[5mblink\n");
    });
    let home = new_home();
    let mut client = Client::start(home.path(), "alice", addr, &[]);
    client.types("go");
    let run = client.running.wait().ended(1);
    for output in [&run.stdout, &run.stderr] {
        assert!(!output.contains(['\x1b', '\x07', '\u{202e}']), "{run:#?}");
    }
    assert!(run.stdout.contains("cleared") && run.stdout.contains("gnp.exe"), "{run:#?}");
}

#[test]
fn a_line_without_end_from_a_server_is_an_error_and_not_all_memory() {
    let (addr, served) = own_server(|mut peer| {
        welcome(&mut peer, "go");
        let _ = (0..1000).try_for_each(|_| peer.0.write_all(&[b'x'; 100_000]));
    });
    let home = new_home();
    let mut client = Client::start(home.path(), "alice", addr, &[]);
    client.types("go");
    lost(&client.running.wait());
    served.join().unwrap();
}
