//! Names that mean it ill: to a server, and from one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use crate::support::peer::Peer;
use crate::support::run_command;
use crate::users::{chat_in, new_home, sha256};

/// Ways up, as one writes them for programs that decode, fold or cut them.
const UPWARDS: [&str; 16] = [
    "../",
    "..\\",
    "..//",
    "..\\/",
    ".././",
    "./../",
    "folder/../../",
    "/../",
    "....//",
    "..%2f",
    "%2e%2e/",
    "%252e%252e%252f",
    "..%c0%af",
    "\u{ff0e}\u{ff0e}\u{ff0f}",
    "\u{2025}\u{2215}",
    "..\u{2044}",
];

/// Names of what must not be reached, and of what is not shared.
const TARGETS: [&str; 9] = [
    "secret.txt",
    "secret.txt ",
    "secret.txt.",
    "secret.txt\0",
    "secret.txt\0.png",
    "SECRET.TXT",
    "secret.txt::$DATA",
    "secret.txt/",
    "secret.txt\r",
];

/// Names alone: absolute, devices, links, other systems' ways of saying so.
const ALONE: [&str; 44] = [
    "",
    " ",
    ".",
    "..",
    "...",
    "/",
    "//",
    "\\",
    "~",
    "~/secret.txt",
    "~root/.profile",
    "/etc/passwd",
    "/etc//passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/proc/self/cwd/secret.txt",
    "/dev/zero",
    "/dev/stdin",
    "/dev/tcp/127.0.0.1/80",
    "C:\\secret.txt",
    "C:secret.txt",
    "\\\\host\\share",
    "\\\\?\\C:\\secret.txt",
    "link",
    "./link",
    "folder",
    "folder/",
    "folder/secret.txt",
    "./folder/secret.txt",
    ".secret.txt",
    "./.secret.txt",
    "./fine.txt",
    "folder/../fine.txt",
    "fine.txt/",
    "fine.txt/.",
    "FINE.TXT",
    "f\u{131}ne.txt",
    "\u{fb01}ne.txt",
    "fine.txt\0",
    "fine\u{200b}.txt",
    "$(cat secret.txt)",
    "`cat secret.txt`",
];

fn crossed() -> Vec<String> {
    UPWARDS.iter().flat_map(|up| TARGETS.iter().map(move |target| format!("{up}{target}"))).collect()
}

/// Of files, as one asks a server for them. `home` is the folder above the shared one.
pub fn file_names(home: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> =
        crossed().into_iter().chain(ALONE.map(str::to_owned)).map(String::into_bytes).collect();
    names.extend((1..12).map(|depth| format!("{}etc/passwd", "../".repeat(depth)).into_bytes()));
    for target in ["secret.txt", "shared/../secret.txt", "shared/fine.txt", "shared/link"] {
        names.push(home.join(target).into_os_string().into_encoded_bytes());
        names.push(format!("\"{}\" 0", home.join(target).display()).into_bytes());
    }
    names.extend([
        b"\xff\xfe".to_vec(),
        b"..\xc0\xafsecret.txt".to_vec(),
        b"../\xe2\x80".to_vec(),
        b"\"../secret.txt\" 0".to_vec(),
    ]);
    names.push(b"x".repeat(255));
    names.push(b"x".repeat(256));
    names.push("../".repeat(1000).into_bytes());
    names.push("a/".repeat(1000).into_bytes());
    names
}

/// Of users, as one asks to be called; alice is in already.
pub fn user_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> =
        crossed().into_iter().chain(ALONE.map(str::to_owned)).map(String::into_bytes).collect();
    // Some of the lists are names that a person may have.
    let is_name = |name: &[u8]| {
        // A CR before LF is the line's end.
        let name = std::str::from_utf8(name.strip_suffix(b"\r").unwrap_or(name)).unwrap_or("\0");
        let plain = |c: char| c.is_alphanumeric() || "_.-".contains(c);
        name.starts_with(char::is_alphanumeric) && name.chars().all(plain)
    };
    for around in [
        "<alice>",
        "* alice",
        "alice>",
        "alice -> bob",
        "! alice",
        "alice\u{200b}",
        "\u{202e}ecila",
        "al\u{456}ce",
        "\u{430}lice",
        "ALICE",
        "Alice",
        "server",
        "SERVER",
        "Server",
        "alice\x1b[2J",
        "\x1b]0;alice\x07",
        "\u{ff41}lice",
        "ali\u{ad}ce",
        "alice\n* bob has left",
        "alice bob",
        "alice\tbob",
        "alice\u{a0}",
        "-rf",
        "_",
        ".",
    ] {
        names.push(around.as_bytes().split(|byte| *byte == b'\n').next().unwrap().to_vec());
    }
    names.extend([b"\xff".to_vec(), b"alice\xff".to_vec(), b"x".repeat(33), b"x".repeat(4000)]);
    names.retain(|name| !is_name(name) || name.len() > 32);
    // Those would be names, if nobody were called so or nearly so.
    for look_alike in
        ["ALICE", "Alice", "al\u{456}ce", "\u{430}lice", "\u{ff41}lice", "server", "SERVER", "Server", "s\u{435}rver"]
    {
        names.push(look_alike.as_bytes().to_vec());
    }
    names
}

fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything_below(&entry.path()));
        }
    }
    found
}

/// netlab's client is told to fetch files of these names, and the server it
/// asks gives one of whatever name is asked for.
pub fn server_of_hostile_names() {
    let home = new_home();
    let inside = home.path().join("a/b/c");
    fs::create_dir_all(&inside).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let server = thread::spawn(move || give_all(Peer::accept(&listener)));
    let names = file_names(home.path()).into_iter().filter_map(|name| String::from_utf8(name).ok());
    let typed: String = names.map(|name| format!("/get {name}\n")).collect();
    let run = run_command(chat_in(&inside, &["client", "alice", "127.0.0.1", &port]), typed.as_bytes());
    let given = server.join().unwrap();
    assert!(given > 0, "nothing was asked for: {run:#?}");
    assert!(!run.stdout.contains(['\x1b', '\x07', '\0']), "{run:#?}");
    let outside: Vec<PathBuf> = everything_below(home.path())
        .into_iter()
        .filter(|path| {
            path.is_file() && !path.starts_with(inside.join("alice")) && !path.starts_with(inside.join("state"))
        })
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    for saved in everything_below(&inside.join("alice")) {
        let name = saved.file_name().unwrap().to_str().unwrap_or_else(|| panic!("{saved:?}"));
        assert!(!name.contains(|c: char| c.is_control() || "/\\".contains(c)), "{name:?}");
    }
}

/// How many files were given, all of them `hello`.
fn give_all(mut peer: Peer) -> usize {
    peer.send(b"* netlab chat 1: welcome\n");
    assert_eq!(peer.read_line(), "/name alice\n");
    peer.send(b"* alice has joined\n");
    let (mut to, from) = (peer.0.try_clone().unwrap(), BufReader::new(peer.0));
    let mut given = 0;
    for line in from.split(b'\n').map_while(Result::ok) {
        if let Some(asked) = line.strip_prefix(b"/get ") {
            given += 1;
            let name =
                asked.strip_prefix(b"\"").map_or(asked, |quoted| quoted.split(|byte| *byte == b'"').next().unwrap());
            let head = [format!("# {given} 6 ").as_bytes(), name, b"\n"].concat();
            let rest = format!("+ {given} 6\nhello\n. {given} {}\n", sha256(b"hello\n"));
            let _ = to.write_all(&[&head[..], rest.as_bytes()].concat());
        }
        if line == b"/quit" {
            let _ = to.write_all(b"* goodbye\n");
            break;
        }
    }
    given
}
