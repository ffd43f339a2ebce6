//! chat's shared files: what is listed, fetched, saved. The files are planted,
//! with names and contents that nobody can have guessed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::room::{Planted, Room, User};
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, Patience, REPLY};
use crate::grade::suites::info::says_number;
use crate::grade::transcript::quoted;

/// More than all buffers between server and client hold.
const LARGE: usize = 12 << 20;

/// How much of it may pass while the server has not sent it all: at most 4 MiB
/// lie in the server's send buffer (tcp_wmem), and the relay's window beside.
const AHEAD: usize = 7 << 20;

/// How much of it passes at a time.
const PIECE: usize = 1 << 20;

fn bytes(exam: &Exam<'_>, count: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(|| exam.random().to_le_bytes()).take(count / 8 + 1).flatten().collect();
    bytes.truncate(count);
    bytes
}

fn named(exam: &Exam<'_>, extension: &str, count: usize) -> Planted {
    Planted { name: format!("{}.{extension}", exam.token()), content: bytes(exam, count) }
}

/// Six to nine small files of different kinds. Their number is one digit,
/// which no size and no time of day shows by chance.
pub fn few(exam: &Exam<'_>) -> Vec<Planted> {
    const KINDS: [&str; 9] = ["txt", "png", "wav", "bin", "pdf", "txt", "mp3", "dat", "csv"];
    let count = 6 + (exam.random() % 4) as usize;
    KINDS.iter().take(count).enumerate().map(|(at, kind)| named(exam, kind, 310 + 37 * at)).collect()
}

fn listed<'a>(exam: &'a Exam<'a>) -> Result<(Room<'a>, User, usize), Finding> {
    let room = Room::open(exam, few(exam))?;
    let user = room.enter(&room.new_name())?;
    let mark = user.mark();
    room.types(&user, "files", &[]);
    Ok((room, user, mark))
}

pub fn lists(exam: &Exam<'_>) -> Answer {
    let (room, user, mark) = listed(exam)?;
    let missing =
        || room.files.iter().find(|file| !user.since(mark).contains(&file.name)).map(|file| file.name.clone());
    if room.sees(&user, || missing().is_none()) {
        return Ok(());
    }
    let expected = format!("the {} shared files are listed, {} too", room.files.len(), missing().unwrap_or_default());
    Err(room.not_told(&user, mark, expected, "the list is not that of the shared folder: read the folder SharedFiles (or the one that SERVER_SHARED_FILES names) when asked, with files of every kind, not a fixed list or another folder"))
}

pub fn counts(exam: &Exam<'_>) -> Answer {
    let (room, user, mark) = listed(exam)?;
    let count = room.files.len().to_string();
    if room.sees(&user, || says_number(&user.since(mark), &count)) {
        return Ok(());
    }
    let expected = format!("the number of files, {count}, is shown");
    Err(room.not_told(&user, mark, expected, "the number of shared files is missing or wrong: count the files themselves (not `.` and `..`, none left out), and show the count"))
}

/// A download under way.
struct Fetched<'a> {
    room: Room<'a>,
    user: User,
    mark: usize,
    down: usize,
    before: Vec<PathBuf>,
}

impl Fetched<'_> {
    fn file(&self) -> &Planted {
        &self.room.files[0]
    }

    /// The new files under the client's folder.
    fn new_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.user.program.dir, &mut found);
        found.retain(|path| !self.before.contains(path));
        found
    }

    fn saved(&self) -> Option<PathBuf> {
        let new = self.new_files();
        let same_name =
            |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&self.file().name));
        let same_bytes = |path: &&PathBuf| fs::read(path).is_ok_and(|bytes| bytes == self.file().content);
        new.iter().find(same_name).or_else(|| new.iter().find(same_bytes)).cloned()
    }

    fn is_exact(&self) -> bool {
        self.new_files().iter().any(|path| {
            fs::metadata(path).is_ok_and(|about| about.len() == self.file().content.len() as u64)
                && fs::read(path).is_ok_and(|bytes| bytes == self.file().content)
        })
    }

    /// Waits until it is saved, whole; or as far as it will ever be.
    fn wait(&self) -> bool {
        self.room.sees(&self.user, || self.is_exact())
    }

    fn not_saved(&self) -> Finding {
        let expected = format!("{} is saved under the client's folder", self.file().name);
        self.room.not_told(&self.user, self.mark, expected, "nothing was saved: the server sends the file's length and its bytes, the client reads as many and writes them into a file")
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

fn fetch<'a>(exam: &'a Exam<'a>, extension: &str, size: usize) -> Result<Fetched<'a>, Finding> {
    let mut files = vec![named(exam, extension, size)];
    files.extend(few(exam));
    let room = Room::open(exam, files)?;
    let user = room.enter(&room.new_name())?;
    let mut before = Vec::new();
    walk(&user.program.dir, &mut before);
    let (mark, down) = (user.mark(), user.relay.down_total());
    room.types(&user, "get", &[("file", room.files[0].name.clone())]);
    Ok(Fetched { room, user, mark, down, before })
}

pub fn downloads_exact(exam: &Exam<'_>) -> Answer {
    for (extension, size) in [("bin", 1025), ("png", 1), ("wav", 200_003)] {
        let fetched = fetch(exam, extension, size)?;
        if fetched.wait() {
            continue;
        }
        let Some(path) = fetched.saved() else { return Err(fetched.not_saved()) };
        let (got, wanted) = (fs::read(&path).unwrap_or_default(), &fetched.file().content);
        let same = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        let around = |bytes: &[u8]| quoted(&bytes[same.min(bytes.len())..bytes.len().min(same + 12)]);
        let actual = format!(
            "{} of {} bytes were saved; the first difference is at byte {same}: {} where {} was shared",
            got.len(),
            wanted.len(),
            around(&got),
            around(wanted)
        );
        let hint = if same == got.len() {
            "the end of the file is missing: the last block is shorter than a whole one; send and read until the announced length is reached"
        } else {
            "the bytes are changed on the way: a file is binary and no text; open it in binary mode (\"rb\", \"wb\"), and never make a string of its bytes (decode, UTF-8, new String)"
        };
        return Err(Finding::fail(format!("a file of {size} bytes is saved byte for byte"), actual).hint(hint));
    }
    Ok(())
}

pub fn saves_in_user_folder(exam: &Exam<'_>) -> Answer {
    let fetched = fetch(exam, "txt", 2000)?;
    fetched.room.sees(&fetched.user, || fetched.saved().is_some());
    let Some(path) = fetched.saved() else { return Err(fetched.not_saved()) };
    let dir = &fetched.user.program.dir;
    let inside = path.strip_prefix(dir).unwrap_or(&path);
    let in_own = inside
        .parent()
        .is_some_and(|folder| folder.components().any(|part| part.as_os_str().to_string_lossy() == fetched.user.name));
    if in_own {
        return Ok(());
    }
    let expected = format!("the file is saved in a folder named {}", fetched.user.name);
    Err(Finding::fail(expected, format!("it is saved as {}", inside.display()))
        .hint("make a folder with the user's name (mkdir, if it is not there) and save the file in this directory"))
}

/// A number with or without marks between its thousands.
fn says_size(text: &str, size: usize) -> bool {
    let plain = size.to_string();
    if says_number(text, &plain) {
        return true;
    }
    let (head, tail) = plain.split_at(plain.len() - 3);
    [",", ".", " ", "_", "'", "\u{202f}", "\u{a0}"].iter().any(|mark| says_number(text, &format!("{head}{mark}{tail}")))
}

pub fn reports_size(exam: &Exam<'_>) -> Answer {
    let size = 40_001 + (exam.random() % 9_000) as usize * 2;
    let fetched = fetch(exam, "dat", size)?;
    if fetched.room.sees(&fetched.user, || says_size(&fetched.user.since(fetched.mark), size)) {
        return Ok(());
    }
    let Some(path) = fetched.saved() else { return Err(fetched.not_saved()) };
    let saved = fs::metadata(path).map_or(0, |about| about.len());
    let expected = format!("the size of the download is reported: {size} bytes");
    let hint = match saved == size as u64 {
        true => "say how many bytes were received and saved: the size in bytes, not in kilobytes, and not the number of pieces".to_owned(),
        false => format!("{saved} bytes were saved, which is not the file's size: mend the download first, then report how many bytes it has"),
    };
    Err(fetched.room.not_told(&fetched.user, fetched.mark, expected, &hint))
}

pub fn crosses_network(exam: &Exam<'_>) -> Answer {
    // Random bytes: nothing makes them shorter.
    let fetched = fetch(exam, "bin", 60_000)?;
    fetched.room.sees(&fetched.user, || fetched.saved().is_some());
    fetched.room.settle(&[&fetched.user]);
    let passed = fetched.user.relay.down_total() - fetched.down;
    if passed >= 60_000 * 97 / 100 {
        return Ok(());
    }
    let saved = if fetched.saved().is_some() { "it is saved all the same" } else { "nothing is saved" };
    let actual = format!("{passed} bytes came over the connection, and {saved}");
    // A path, or a word that says yes, is shorter.
    let hint = match passed > 1000 {
        true => {
            "a part of the file's bytes is lost before it reaches the socket: read the file in binary mode, and send all that was read"
        }
        false => {
            "the file is not sent over the network, the socket: the server has to send its bytes; copying from the server's disk, or sending its path, works on one machine only"
        }
    };
    Err(Finding::fail("the 60000 bytes of the file come over the connection", actual).hint(hint))
}

/// Costs nothing: one thread may serve one client after the other.
///
/// The download creeps on, a piece whenever all programs sleep: what bob says
/// has to get through before the server can have sent it all. He says two
/// things: who waits at alice with the first may have told carol before, as the
/// order of a table would have it, but does not come back for the second.
pub fn chats_while_downloading(exam: &Exam<'_>) -> Answer {
    let room = Room::open(exam, vec![named(exam, "bin", LARGE)])?;
    let users = room.enter_all(3)?;
    let [alice, bob, carol] = users.as_slice() else { return Ok(()) };
    alice.relay.hold();
    room.types(alice, "get", &[("file", room.files[0].name.clone())]);
    room.settle(&[alice]);
    let (texts, mark) = ([exam.token(), exam.token()], carol.mark());
    texts.iter().for_each(|text| room.says(bob, text));
    let heard = (0..AHEAD / PIECE).any(|_| {
        let moment = Patience { idle: Duration::from_millis(150), ..REPLY };
        let programs = [&room.server.program, &alice.program, &carol.program];
        let heard = exam.holds(moment, &programs, || {
            let shown = carol.since(mark);
            texts.iter().all(|text| shown.contains(text))
        });
        alice.relay.let_through(PIECE);
        heard
    });
    alice.relay.release();
    if heard {
        return Ok(());
    }
    Err(Finding::note(
        "while one user downloads, what another says does not arrive: the server sends the whole file to the one before it sends anything to the others",
    ))
}
