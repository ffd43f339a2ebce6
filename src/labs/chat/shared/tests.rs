//! What leads out of the folder, and what a change does.

use super::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

struct Planted {
    dir: tempfile::TempDir,
    shared: SharedDir,
}

fn plant(files: &[(&str, &[u8])]) -> Planted {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("SharedFiles");
    fs::create_dir(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    Planted { shared: SharedDir::open(&folder).unwrap(), dir }
}

impl Planted {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("SharedFiles").join(name)
    }

    fn listed(&self) -> Vec<String> {
        self.shared.list().unwrap().into_iter().map(|(name, _)| name).collect()
    }

    fn is_refused(&self, name: &str) -> bool {
        matches!(self.shared.file(name), Err(Refusal::NoSuchFile))
    }
}

/// All that is sent, and the hash.
fn fetch(mut file: SharedFile, room: usize) -> std::result::Result<(Vec<u8>, [u8; 32]), Refusal> {
    let (mut sent, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        match file.next(&mut buffer)? {
            Step::Skipped => {}
            Step::Chunk(length) => sent.extend(&buffer[..length]),
            Step::End(hash) => return Ok((sent, hash)),
        }
    }
}

/// The same where parts are named, and then read.
#[cfg(target_os = "linux")]
fn fetch_parts(mut file: SharedFile, most: usize, longest: usize) -> std::result::Result<(Vec<u8>, [u8; 32]), Refusal> {
    use std::os::unix::fs::FileExt;
    let (mut sent, mut buffer) = (Vec::new(), vec![0; MAX_CHUNK_BYTES]);
    loop {
        if let Some(parts) = file.next_parts(most, longest, &mut buffer)? {
            assert!(parts.len() <= most && parts.iter().all(|part| (1..=longest).contains(&part.length())));
            let mut bytes = Vec::new();
            for part in parts {
                let from = bytes.len();
                bytes.resize(from + part.length(), 0);
                file.file.read_exact_at(&mut bytes[from..], part.offset()).unwrap();
            }
            sent.extend(bytes);
        } else if let Step::End(hash) = file.next(&mut buffer)? {
            assert!(file.is_at_end());
            return Ok((sent, hash));
        }
    }
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 253) as u8).collect()
}

#[test]
fn files_are_listed_by_name_with_their_sizes() {
    let planted = plant(&[("b.txt", b"bb"), ("a b.txt", b""), ("Ä.png", b"x"), ("Z", b"zzz"), ("é 2.ogg", b"1")]);
    fs::create_dir(planted.path("folder")).unwrap();
    fs::write(planted.path("folder").join("inner"), "x").unwrap();
    let expected = [("Z", 3), ("a b.txt", 0), ("b.txt", 2), ("Ä.png", 1), ("é 2.ogg", 1)];
    let expected: Vec<(String, u64)> = expected.map(|(name, size)| (name.to_owned(), size)).into();
    assert_eq!(planted.shared.list().unwrap(), expected);
    assert_eq!(planted.shared.list().unwrap(), expected);
}

#[test]
fn a_file_arrives_whole_with_its_hash_at_every_size() {
    for size in [0, 1, 9, 10, 11, MAX_CHUNK_BYTES - 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 300_000] {
        let bytes = pattern(size);
        let planted = plant(&[("file", &bytes)]);
        for room in [10, MAX_CHUNK_BYTES, 1 << 20] {
            let file = planted.shared.file("file").unwrap();
            assert_eq!((file.name(), file.size()), ("file", size as u64));
            let (sent, hash) = fetch(file, room).unwrap();
            assert!(sent == bytes, "{size} by {room}");
            assert_eq!(hash[..], Sha256::digest(&bytes)[..]);
        }
    }
}

#[test]
fn a_resumed_file_has_the_rest_and_the_whole_files_hash() {
    let bytes = pattern(200_000);
    let planted = plant(&[("file", &bytes)]);
    let hash = Sha256::digest(&bytes);
    for offset in [0, 1, 65_535, 65_536, 65_537, 199_999, 200_000] {
        let file = planted.shared.file("file").unwrap().resume_at(offset as u64).unwrap();
        assert_eq!(file.size(), 200_000);
        let (sent, whole) = fetch(file, MAX_CHUNK_BYTES).unwrap();
        assert!(sent == bytes[offset..], "{offset}");
        assert_eq!(whole[..], hash[..]);
    }
    let file = planted.shared.file("file").unwrap();
    assert!(matches!(file.resume_at(200_001), Err(Refusal::Beyond(200_000))));
}

// Not on Windows: sendfile is Linux.
#[test]
#[cfg(target_os = "linux")]
fn named_parts_are_the_file_whether_its_hash_is_known_or_not() {
    for size in [0, 1, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES + 1, 300_000] {
        let bytes = pattern(size);
        let planted = plant(&[("file", &bytes)]);
        // The first time the hash is not known yet.
        let long = 8 * MAX_CHUNK_BYTES;
        for (offset, most, longest) in
            [(0, 4, 100_000), (0, 1, MAX_CHUNK_BYTES), (0, 3, MAX_CHUNK_BYTES), (size / 2, 4, long), (size, 1, 1)]
        {
            let file = planted.shared.file("file").unwrap().resume_at(offset as u64).unwrap();
            let (sent, hash) = fetch_parts(file, most, longest).unwrap();
            assert!(sent == bytes[offset..], "{size} from {offset}");
            assert_eq!(hash[..], Sha256::digest(&bytes)[..]);
        }
        let (sent, hash) =
            fetch(planted.shared.file("file").unwrap().resume_at(size as u64 / 3).unwrap(), 5000).unwrap();
        assert!(sent == bytes[size / 3..] && hash[..] == Sha256::digest(&bytes)[..], "{size}, copied");
    }
}

#[test]
fn the_hash_of_what_was_replaced_is_not_the_new_files() {
    let planted = plant(&[("file", b"one")]);
    for text in ["one", "two", "one"] {
        fs::write(planted.path("file"), text).unwrap();
        let (_, hash) = fetch(planted.shared.file("file").unwrap(), 100).unwrap();
        assert_eq!(hash[..], Sha256::digest(text)[..], "{text}");
    }
}

#[test]
fn a_chunk_that_is_copied_stays_short() {
    let planted = plant(&[("file", &pattern(200_000))]);
    let mut file = planted.shared.file("file").unwrap();
    let mut buffer = vec![0; 1 << 20];
    assert_eq!(file.next(&mut buffer).unwrap(), Step::Chunk(MAX_CHUNK_BYTES));
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let planted = plant(&[("file", b"x"), (".hidden", b"secret"), ("FILE2", b"x")]);
    fs::write(planted.dir.path().join("outside"), "secret").unwrap();
    fs::create_dir(planted.path("folder")).unwrap();
    let absolute = planted.path("file").to_str().unwrap().to_owned();
    let table = [
        "",
        ".",
        "..",
        "/",
        "../outside",
        "..\\outside",
        "./file",
        "folder",
        "folder/../file",
        "/etc/passwd",
        "file/",
        "/file",
        "//file",
        "file\0",
        "file\0.txt",
        "\0",
        ".hidden",
        "FILE",
        "File",
        "file ",
        " file",
        "file.",
        "ｆile",
        "fil\u{435}",
        "\u{ff0e}\u{ff0e}/outside",
        "%2e%2e/outside",
        "..%2foutside",
        "\u{2025}/outside",
        "..\u{2215}outside",
        "..\u{ff0f}outside",
        "~/outside",
        "file2",
        "con",
        "nul",
        "C:",
        "file:stream",
        "file::$DATA",
        "\u{202e}elif",
        "file\n",
        "file\r",
        &absolute,
        &"../".repeat(50),
        &"a".repeat(5000),
    ];
    for name in table {
        assert!(planted.is_refused(name), "{name:?}");
    }
    assert!(planted.shared.file("file").is_ok());
}

// Not on Windows: few users may make links there.
#[test]
#[cfg(unix)]
fn links_devices_fifos_and_unspeakable_names_are_neither_listed_nor_sent() {
    use nix::sys::stat::Mode;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    let planted = plant(&[("file", b"x"), ("two\nlines", b"x"), ("esc\u{1b}[2J", b"x"), ("back\\slash", b"x")]);
    fs::write(planted.path("bidi\u{202e}gpj.exe"), "x").unwrap();
    fs::write(planted.path("x").with_file_name(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    fs::write(planted.dir.path().join("outside"), "secret").unwrap();
    symlink("../outside", planted.path("link")).unwrap();
    symlink("file", planted.path("inner-link")).unwrap();
    symlink("/dev/zero", planted.path("zero")).unwrap();
    symlink("..", planted.path("up")).unwrap();
    nix::unistd::mkfifo(&planted.path("fifo"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(planted.path("socket")).unwrap();
    assert_eq!(planted.listed(), ["file"]);
    for name in ["link", "inner-link", "zero", "up", "up/outside", "fifo", "socket", "two\nlines", "back\\slash"] {
        assert!(planted.is_refused(name), "{name:?}");
    }
}

#[test]
#[cfg(windows)]
fn a_file_is_had_by_the_name_on_the_list_and_no_other_that_windows_takes_for_it() {
    let planted = plant(&[("file", b"x")]);
    fs::write(planted.dir.path().join("outside"), "secret").unwrap();
    assert_eq!(planted.listed(), ["file"]);
    for name in ["FILE", "file.", "file ", "file::$DATA", "..\\outside", "C:\\file", "NUL", "CON", "COM1"] {
        assert!(planted.is_refused(name), "{name:?}");
    }
}

// Not on Windows: a folder that is open keeps its name there.
#[test]
#[cfg(unix)]
fn what_stands_elsewhere_under_the_folders_name_is_not_served() {
    let planted = plant(&[("file", b"ours")]);
    let folder = planted.dir.path().join("SharedFiles");
    fs::rename(&folder, planted.dir.path().join("moved")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "theirs").unwrap();
    fs::write(folder.join("other"), "theirs").unwrap();
    assert_eq!(planted.listed(), ["file"]);
    assert_eq!(fetch(planted.shared.file("file").unwrap(), 100).unwrap().0, b"ours");
}

/// What `change` does to a file half sent, and how the transfer then ends.
fn changed_half_way(change: impl Fn(&Path)) -> std::result::Result<Vec<u8>, Refusal> {
    let planted = plant(&[("file", &pattern(200_000))]);
    fetch(planted.shared.file("file").unwrap(), MAX_CHUNK_BYTES).unwrap(); // now its hash is known
    let mut file = planted.shared.file("file").unwrap();
    let mut buffer = vec![0; MAX_CHUNK_BYTES];
    assert!(matches!(file.next(&mut buffer), Ok(Step::Chunk(_))));
    change(&planted.path("file"));
    fetch(file, MAX_CHUNK_BYTES).map(|(sent, _)| sent)
}

#[test]
fn a_file_that_changes_while_it_is_sent_ends_in_an_error() {
    let append = |path: &Path| fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
    let shrink = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100_000).unwrap();
    let empty = |path: &Path| fs::write(path, "").unwrap();
    let same_size = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().write_all(b"new").unwrap();
    let changes: [&dyn Fn(&Path); 4] = [&append, &shrink, &empty, &same_size];
    for (number, change) in changes.iter().enumerate() {
        assert!(matches!(changed_half_way(change), Err(Refusal::Changed)), "{number}");
    }
    assert_eq!(changed_half_way(|_| ()).unwrap().len(), 200_000 - MAX_CHUNK_BYTES);
}

#[test]
fn a_change_right_after_a_change_is_seen() {
    for round in 0..20 {
        let planted = plant(&[("file", &pattern(1000))]); // written this very moment
        let mut file = planted.shared.file("file").unwrap();
        let mut buffer = [0; 500];
        file.next(&mut buffer).unwrap();
        let mut other = fs::OpenOptions::new().write(true).open(planted.path("file")).unwrap();
        other.write_all(b"new").unwrap();
        assert!(matches!(fetch(file, 500), Err(Refusal::Changed)), "{round}");
    }
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for name in ["file", "absent"] {
        let error = SharedDir::open(&dir.path().join(name)).err().unwrap();
        assert_eq!(error.status(), crate::error::Status::CannotAsk);
    }
}

#[test]
fn a_hash_is_64_small_digits() {
    assert_eq!(hex(&[0xab; 32]), "ab".repeat(32));
    assert_eq!(hex(&[0; 32]), "0".repeat(64));
}
