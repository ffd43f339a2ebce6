//! The shared directory, and what becomes of a transfer when a file changes.

use std::fs;
use std::io::Write;
use std::process::Command;

use crate::support::{Server, wine_lacks};
#[cfg(unix)]
use crate::support::{command, run_command};
use crate::users::{ChatServer, Item, User, chat_in, new_home, noise, sha256};

/// A user who reads so little at once that a transfer stays in its middle.
pub fn stalled_in_a_download(server: &ChatServer) -> User {
    fs::write(server.shared().join("film.avi"), noise("film.avi", 40_000_000)).unwrap();
    let mut alice = server.user("alice");
    alice.say("/get film.avi");
    alice.expect("# 1 40000000 film.avi");
    alice
}

/// The one file that is listed.
fn listed(server: &ChatServer) -> String {
    let mut alice = server.user("alice");
    alice.say("/files");
    alice.expect("* 1 file… in SharedFiles");
    alice.line()
}

#[test]
fn the_shared_directory_is_the_options_or_the_environments_or_the_one_here() {
    let started = |change: &dyn Fn(&mut Command)| {
        let home = new_home();
        for name in ["option", "first", "second", "SharedFiles"] {
            fs::create_dir(home.path().join(name)).unwrap();
            fs::write(home.path().join(name).join(format!("{name}.txt")), "x").unwrap();
        }
        let mut command = chat_in(home.path(), &["server", "127.0.0.1:0", "--json"]);
        change(&mut command);
        listed(&ChatServer { server: Server::of(command), home })
    };
    assert_eq!(started(&|_| {}), "= 1 SharedFiles.txt");
    let one = |command: &mut Command| _ = command.env("SERVERSHAREDFILES", "second");
    assert_eq!(started(&one), "= 1 second.txt");
    let both = |command: &mut Command| {
        command.env("SERVERSHAREDFILES", "second").env("SERVER_SHARED_FILES", "first");
    };
    assert_eq!(started(&both), "= 1 first.txt");
    let all = |command: &mut Command| {
        both(command);
        command.args(["--shared", "option"]);
    };
    assert_eq!(started(&all), "= 1 option.txt");
}

#[test]
fn a_file_put_there_later_is_listed_and_given() {
    let server = ChatServer::start(&[]);
    let mut alice = server.user("alice");
    alice.say("/files");
    alice.expect("* 0 files in SharedFiles");
    fs::write(server.shared().join("late.txt"), "late\n").unwrap();
    alice.say("/files");
    alice.expect("* 1 file… in SharedFiles");
    alice.expect("= 5 late.txt");
    alice.say("/get late.txt");
    assert_eq!(alice.download().bytes, b"late\n");
}

/// How the transfer ended: its last line.
fn end_of_transfer(user: &mut User) -> String {
    loop {
        match user.next() {
            Item::Line(line) => return line,
            Item::Chunk { .. } => {}
            end => panic!("{end:?} in the middle of a transfer"),
        }
    }
}

#[test]
fn a_file_cut_short_while_it_is_sent_ends_in_an_error() {
    let server = ChatServer::start(&[]);
    let mut alice = stalled_in_a_download(&server);
    fs::File::options().write(true).open(server.shared().join("film.avi")).unwrap().set_len(1000).unwrap();
    let end = end_of_transfer(&mut alice);
    assert!(end.starts_with("! 1 "), "{end}");
    alice.expect_nothing();
}

#[test]
fn a_file_overwritten_while_it_is_sent_ends_in_an_error() {
    let server = ChatServer::start(&[]);
    let mut alice = stalled_in_a_download(&server);
    let mut file = fs::File::options().write(true).open(server.shared().join("film.avi")).unwrap();
    file.write_all(&noise("another film", 1_000_000)).unwrap();
    drop(file);
    let end = end_of_transfer(&mut alice);
    assert!(end.starts_with("! 1 "), "{end}");
    alice.expect_nothing();
}

#[test]
fn a_file_replaced_while_it_is_sent_arrives_as_it_was_or_not_at_all() {
    // Windows 10 does it by FileRenameInfoEx, of which Wine 8 says that it knows no such thing.
    if wine_lacks("renames over files that are open") {
        return;
    }
    let server = ChatServer::start(&[]);
    let path = server.shared().join("film.avi");
    let mut alice = stalled_in_a_download(&server);
    fs::write(server.shared().join("new"), "new").unwrap();
    fs::rename(server.shared().join("new"), &path).unwrap();
    let end = end_of_transfer(&mut alice);
    let whole = format!(". 1 {}", sha256(&noise("film.avi", 40_000_000)));
    assert!(end == whole || end.starts_with("! 1 "), "{end}");
    alice.say("/get film.avi");
    assert_eq!(alice.download().bytes, b"new");
    fs::remove_file(path).unwrap();
    alice.say("/get film.avi");
    alice.expect("! …");
}

// Not on Windows: a file's permissions are no three digits there.
#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    if run_command(command("id", &["-u"]), b"").stdout.trim() == "0" {
        return; // root may read every file: nothing to refuse
    }
    let server = ChatServer::start(&[]);
    let path = server.shared().join("locked.txt");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let mut alice = server.user("alice");
    alice.say("/get locked.txt");
    alice.expect("! …");
}
