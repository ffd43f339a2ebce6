//! The users file: who may come in, and what proves it.
//!
//! ```text
//! # the class of 2026
//! alice:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$...
//! ```
//!
//! A password is not kept, only a hash of it that takes 19 MiB and a good part
//! of a tenth of a second to compute: for a login that is nothing, for who has
//! stolen the file and tries every word of a dictionary it is a lot. Each hash
//! has a salt of its own, so the same password twice looks like two.
//!
//! Hashing stalls whoever does it: never on the loop that serves.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use tempfile::NamedTempFile;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::names::{Name, folded};
pub use super::passwords::Password;
use super::passwords::{MAX_PASSWORD_BYTES, ask_password, first_line, password_of_file};
use crate::error::{Attempt, Error, Result, Status};
use crate::net::host::Host;

/// The memory that a hash may ask for: what RFC 9106 (section 4) recommends to
/// those who have most, 2 GiB. A server that is asked for more than there is
/// would end, and with a login of anybody.
pub const MAX_MEMORY_KIB: u32 = 2 * 1024 * 1024;

/// The memory times the rounds: some ten seconds of work.
const MAX_WORK_KIB: u64 = 8 * 1024 * 1024;

/// Who may come in. Cheap to ask who is there, slow to ask who proves it.
pub struct Users {
    known: HashMap<String, User>,
    /// What unknown names are verified against, so that the time taken does
    /// not tell who is known.
    nobody: PasswordHash,
}

struct User {
    name: Name,
    hash: PasswordHash,
    line: usize,
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// Exit status 2: a file that cannot be read, or a line of it.
    pub fn read(file: &Path) -> Result<Users> {
        let text = fs::read(file).map_err(|cause| unreadable(file, &cause))?;
        Users::parse(&text, &file.display().to_string())
    }

    /// Reads what is in a file called `file`.
    ///
    /// # Errors
    /// Exit status 2: a line of it.
    pub fn parse(text: &[u8], file: &str) -> Result<Users> {
        let text = std::str::from_utf8(text)
            .map_err(|error| wrong_line(file, line_at(text, error.valid_up_to()), "it is no UTF-8"))?;
        let mut known: HashMap<String, User> = HashMap::new();
        let mut taken: HashMap<String, (Name, usize)> = HashMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let Some(user) = parse_line(line, text).map_err(|cause| wrong_line(file, line, &cause))? else { continue };
            for key in user.name.keys().iter() {
                if let Some((other, at)) = taken.insert(key.to_owned(), (user.name.clone(), line)) {
                    let cause = format!("{} is the name {other} of line {at}, or looks like it", user.name);
                    return Err(wrong_line(file, line, &cause));
                }
            }
            known.insert(folded(user.name.as_str()), user);
        }
        let nobody = hash_of_nobody(known.values().filter_map(|user| Params::try_from(&user.hash).ok()))
            .map_err(|cause| Error::other(Attempt::Read, file, cause.to_string()).unasked())?;
        Ok(Users { known, nobody })
    }

    /// The memory that a login takes, at most.
    pub fn most_memory_kib(&self) -> u32 {
        let hashes = self.known.values().map(|user| &user.hash).chain([&self.nobody]);
        hashes.filter_map(|hash| Params::try_from(hash).ok()).map(|params| params.m_cost()).max().unwrap_or_default()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Whether `name` is a user's, in capitals or not.
    pub fn has(&self, name: &str) -> bool {
        self.known.contains_key(&folded(name))
    }

    /// The name as the file has it, if the password is the right one. It takes
    /// as long for a name that is not there.
    pub fn verify(&self, name: &str, password: &str) -> Option<Name> {
        let user = self.known.get(&folded(name));
        let hash = user.map_or(&self.nobody, |user| &user.hash);
        let proven = Argon2::default().verify_password(normal(password).as_bytes(), hash).is_ok();
        user.filter(|_| proven).map(|user| user.name.clone())
    }
}

/// The same é whichever keyboard it came from (RFC 8265, section 4.2).
fn normal(password: &str) -> Password {
    let mut normal = Zeroizing::new(String::with_capacity(2 * password.len()));
    normal.extend(password.nfc());
    normal
}

/// As much work to verify as the costliest of the users' hashes, and of no
/// password: all its bits are zero.
fn hash_of_nobody(users: impl Iterator<Item = Params>) -> argon2::password_hash::phc::Result<PasswordHash> {
    let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let params = users.max_by_key(work).unwrap_or_default();
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    PasswordHash::new(&format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}"))
}

/// One line; `None` for an empty one or a comment.
fn parse_line(line: usize, text: &str) -> std::result::Result<Option<User>, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (name, hash) = text.split_once(':').ok_or("a line is NAME:HASH")?;
    let name = name.parse()?;
    let hash = PasswordHash::new(hash).map_err(|_| "what follows the colon is no password hash")?;
    let is_argon2id = hash.algorithm.as_str() == "argon2id" && hash.hash.is_some();
    let params = Params::try_from(&hash).ok().filter(|_| is_argon2id).ok_or("the hash is none of argon2id")?;
    if params.m_cost() > MAX_MEMORY_KIB || u64::from(params.m_cost()) * u64::from(params.t_cost()) > MAX_WORK_KIB {
        return Err("the hash asks for more memory or time than a login may take".into());
    }
    Ok(Some(User { name, hash, line }))
}

fn line_at(text: &[u8], at: usize) -> usize {
    1 + text[..at].iter().filter(|byte| **byte == b'\n').count()
}

fn wrong_line(file: &str, line: usize, cause: &str) -> Error {
    Error::other(Attempt::Read, format!("{file}, line {line}"), cause)
        .because("each line of a users file is NAME:HASH, a comment that begins with #, or empty")
        .next(format!("netlab chat adduser {file} NAME"))
        .unasked()
}

fn unreadable(file: &Path, cause: &io::Error) -> Error {
    let next = format!("netlab chat adduser {} NAME makes it", file.display());
    Error::new(Attempt::Read, file.display().to_string(), cause).next(next).unasked()
}

/// What [`add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The name was not there.
    New,
    /// The name was there, and has another password now.
    Changed,
}

/// Gives `name` a password in the users file, which is made if there is none.
/// All other lines stay as they are, and at every moment the file is there as
/// a whole: the old one, or the new one. Where it is a link, the file that it
/// leads to is replaced.
///
/// # Errors
/// Exit status 2: a file that cannot be read, understood or written; an empty
/// password; another name in the file that looks like this one.
pub fn add(file: &Path, name: &Name, password: &str) -> Result<Added> {
    check(name, password)?;
    let cannot_write = |cause: io::Error| Error::new(Attempt::Write, file.display().to_string(), &cause).unasked();
    let real = behind_links(file).map_err(cannot_write)?;
    let dir = real.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let _alone = lock(&dir).map_err(cannot_write)?;
    let before = match fs::read(&real) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|cause| unreadable(file, &cause))?,
    };
    let users = Users::parse(&before, &file.display().to_string())?;
    let (after, added) = with_user(&users, &before, name, password, file)?;
    replace(&dir, &real, &after).map_err(cannot_write)?;
    Ok(added)
}

/// Whether this can be a password.
///
/// # Errors
/// Exit status 2: it is empty, too long, or has control characters.
pub fn check(name: &Name, password: &str) -> Result<()> {
    let cause = match password.len() {
        0 => "a password has at least one character".to_owned(),
        length if length > MAX_PASSWORD_BYTES => format!("a password has at most {MAX_PASSWORD_BYTES} bytes"),
        _ if password.contains(char::is_control) => "a control character is in it".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::other(Attempt::Read, format!("the password of {name}"), cause)
        .because("it is typed in one line: /login NAME PASSWORD")
        .next("another password; a few words are easier to remember than a few signs")
        .unasked())
}

/// The file with the user's line changed, or with one more.
fn with_user(users: &Users, before: &[u8], name: &Name, password: &str, file: &Path) -> Result<(Vec<u8>, Added)> {
    let hash = Argon2::default().hash_password(normal(password).as_bytes());
    let hash = hash.map_err(|cause| Error::other(Attempt::Write, file.display().to_string(), cause.to_string()))?;
    let line = format!("{name}:{hash}\n");
    let mut lines: Vec<Vec<u8>> = before.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match users.known.values().find(|user| user.name.looks_like(name)) {
        None => {
            if let Some(last) = lines.last_mut().filter(|last| last.last() != Some(&b'\n')) {
                last.push(b'\n');
            }
            lines.push(line.into_bytes());
            Ok((lines.concat(), Added::New))
        }
        Some(user) if folded(user.name.as_str()) == folded(name.as_str()) => {
            lines[user.line - 1] = line.into_bytes();
            Ok((lines.concat(), Added::Changed))
        }
        Some(user) => Err(Error::other(Attempt::Write, file.display().to_string(), "the name looks like another one")
            .because(format!("{} is there, and people could take {name} for it", user.name))
            .next("another name")
            .unasked()),
    }
}

fn behind_links(file: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(file) {
        // A link that leads nowhere stays an error: where to write is unknown.
        Err(cause) if cause.kind() == ErrorKind::NotFound && fs::symlink_metadata(file).is_err() => Ok(file.to_owned()),
        found => found,
    }
}

/// Keeps a second `adduser` out until dropped, else the later one would undo
/// what the earlier one did. The folder is locked, for the file is replaced.
#[cfg(unix)]
fn lock(dir: &Path) -> io::Result<File> {
    let dir = File::open(dir)?;
    dir.lock()?;
    Ok(dir)
}

/// Windows locks no folder. There it is a file that one alone can have open,
/// and that is gone once it is closed.
#[cfg(windows)]
fn lock(dir: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    use std::thread;
    use std::time::{Duration, Instant};

    const LOOK_EVERY: Duration = Duration::from_millis(10);
    const GONE_WITHIN: Duration = Duration::from_secs(5);
    const DELETE_AND_WRITE: u32 = 0x4001_0000; // DELETE, GENERIC_WRITE
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = File::options();
    options.write(true).create(true).access_mode(DELETE_AND_WRITE).share_mode(0);
    options.custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    let began = Instant::now();
    loop {
        match options.open(dir.join(".netlab-adduser.lock")) {
            // Nobody tells when it is free.
            Err(cause) if cause.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => thread::sleep(LOOK_EVERY),
            // It is so also while the one before is on its way out.
            Err(cause) if cause.kind() == ErrorKind::PermissionDenied && began.elapsed() < GONE_WITHIN => {
                thread::sleep(LOOK_EVERY);
            }
            opened => return opened,
        }
    }
}

/// The new file gets the old one's name when it is complete and on the disk.
fn replace(dir: &Path, file: &Path, text: &[u8]) -> io::Result<()> {
    let mut draft = NamedTempFile::new_in(dir)?; // mode 0600, a name nobody can guess
    draft.write_all(text)?;
    draft.as_file().sync_all()?;
    draft.persist(file)?;
    #[cfg(unix)]
    File::open(dir)?.sync_all()?; // else the name could be lost in a power cut
    Ok(())
}

/// `netlab chat adduser`: a user's name and password for a server's users file
#[derive(Clone, Debug, clap::Args)]
pub struct AddUserArgs {
    /// The users file; made if there is none
    pub file: PathBuf,
    /// Who is to come in
    pub name: Name,
    /// Take the password from the first line of this file, instead of asking
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Asks for the password, and adds the user.
///
/// # Errors
/// See [`add`]; and a password that could not be read, or was not the same
/// when typed again.
pub fn add_user(host: &Host, args: &AddUserArgs) -> Result<Status> {
    let AddUserArgs { file, name, password_file } = args;
    let password = match password_file {
        Some(from) => password_of_file(from)?,
        None if io::stdin().is_terminal() => ask_twice(host, name)?,
        None => first_line(io::stdin().lock(), "the password from standard input")?,
    };
    let file_name = file.display();
    host.notice(match add(file, name, &password)? {
        Added::New => format!("{name} is now in {file_name}, and may /login"),
        Added::Changed => format!("{name} was in {file_name} already, and has the new password now"),
    });
    Ok(Status::Done)
}

fn ask_twice(host: &Host, name: &Name) -> Result<Password> {
    let first = ask_password(host, &format!("password for {name}: "))?;
    check(name, &first)?;
    if *ask_password(host, "the same again: ")? == *first {
        return Ok(first);
    }
    Err(Error::other(Attempt::Read, format!("the password of {name}"), "the two were not the same")
        .because("what is typed is not shown, so it is asked for twice")
        .next("the same command again; nothing was changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        (dir, file)
    }

    #[test]
    fn who_was_added_is_known_by_the_password_and_by_no_other() {
        let (_dir, file) = fresh();
        assert_eq!(add(&file, &name("alice"), "open sésame").unwrap(), Added::New);
        assert_eq!(add(&file, &name("bob"), "b").unwrap(), Added::New);
        let users = Users::read(&file).unwrap();
        assert_eq!(users.count(), 2);
        assert!(users.has("ALICE") && !users.has("carol"));
        assert_eq!(users.verify("alice", "open sésame"), Some(name("alice")));
        assert_eq!(users.verify("Alice", "open se\u{301}same"), Some(name("alice")));
        for (user, password) in [("alice", "b"), ("alice", ""), ("bob", "open sésame"), ("carol", "b"), ("", "")] {
            assert_eq!(users.verify(user, password), None, "{user} {password}");
        }
    }

    #[test]
    fn the_file_says_no_password_and_how_each_hash_was_made() {
        let (_dir, file) = fresh();
        add(&file, &name("alice"), "hunter2").unwrap();
        add(&file, &name("bob"), "hunter2").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let hashes: Vec<&str> = text.lines().map(|line| line.split_once(':').unwrap().1).collect();
        assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{text}");
        assert_ne!(hashes[0], hashes[1]);
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn a_new_password_changes_one_line_and_leaves_all_others() {
        let (_dir, file) = fresh();
        for user in ["alice", "bob"] {
            add(&file, &name(user), "old").unwrap();
        }
        let hashes = fs::read_to_string(&file).unwrap();
        let (alice, bob) = hashes.split_once('\n').unwrap();
        fs::write(&file, format!("# a comment\r\n\n{alice}\n  # bob:x\n{}", bob.trim_end())).unwrap();
        assert_eq!(add(&file, &name("Alice"), "new").unwrap(), Added::Changed);
        assert_eq!(add(&file, &name("carol"), "c").unwrap(), Added::New);
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!((lines[0], lines[1], lines[3], lines[4]), ("# a comment\r", "", "  # bob:x", bob.trim_end()));
        assert_eq!(lines.len(), 7, "{text}");
        let users = Users::read(&file).unwrap();
        assert_eq!(users.verify("alice", "new"), Some(name("Alice")));
        assert_eq!(users.verify("alice", "old"), None);
        assert_eq!(users.verify("bob", "old"), Some(name("bob")));
        assert_eq!(users.verify("carol", "c"), Some(name("carol")));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let good = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let table: &[(&[u8], &str)] = &[
            (b"alice", "users, line 1: a line is NAME:HASH"),
            (b"# x\n\nalice:secret", "users, line 3: what follows the colon is no password hash"),
            (b"al ice:x", "users, line 1: a name has only letters"),
            (b"server:x", "users, line 1: the name server"),
            (b"\n\xff\n", "users, line 2: it is no UTF-8"),
            (b"alice:$argon2i$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "none of argon2id"),
            (b"alice:$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA", "none of argon2id"),
            (&format!("alice:{}", good.replace("19456", "2097153")).into_bytes(), "more memory or time"),
            (&format!("alice:{}", good.replace("t=2", "t=4294967295")).into_bytes(), "more memory or time"),
            (&format!("alice:{good}\na1ice:{good}").into_bytes(), "line 2: a1ice is the name alice of line 1, or looks"),
        ];
        for (text, reason) in table {
            let error = Users::parse(text, "users").err().unwrap();
            assert!(error.message().contains(reason), "{error}");
            assert!(!error.message().contains("secret"), "{error}");
            assert_eq!(error.status(), Status::CannotAsk);
        }
        assert_eq!(Users::parse(format!("alice:{good}").as_bytes(), "users").unwrap().count(), 1);
        assert_eq!(Users::parse(b"", "users").unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_is_not_there_costs_as_much_work() {
        let hash = |m: u32| format!("$argon2id$v=19$m={m},t=3,p=1${}${}", "A".repeat(22), "A".repeat(43));
        let text = format!("alice:{}\nbob:{}", hash(64), hash(128));
        let users = Users::parse(text.as_bytes(), "users").unwrap();
        let params = Params::try_from(&users.nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost()), (128, 3));
        let params = Params::try_from(&Users::parse(b"", "users").unwrap().nobody).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    /// What this thread's work alone has taken of a processor.
    #[cfg(target_os = "linux")]
    fn work_of(work: impl FnOnce()) -> std::time::Duration {
        use nix::time::{ClockId, clock_gettime};
        let spent = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(std::time::Duration::from).unwrap();
        let before = spent();
        work();
        spent() - before
    }

    // Not on Windows: the clock of one thread is one of Unix.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_name_that_is_not_there_is_worked_on_as_one_that_is() {
        let (_dir, file) = fresh();
        add(&file, &name("alice"), "secret").unwrap();
        let users = Users::read(&file).unwrap();
        let known = work_of(|| assert_eq!(users.verify("alice", "wrong"), None));
        let unknown = work_of(|| assert_eq!(users.verify("nobody", "wrong"), None));
        // Without the work it would be a thousandth.
        assert!(unknown > known / 5, "{unknown:?} for nobody, {known:?} for alice");
    }

    #[test]
    fn bad_passwords_and_look_alike_names_change_nothing() {
        let (_dir, file) = fresh();
        for password in ["", "a\nb", "a\tb", &"x".repeat(1025)] {
            assert_eq!(add(&file, &name("alice"), password).unwrap_err().status(), Status::CannotAsk);
        }
        assert!(!file.exists());
        add(&file, &name("alice"), "a").unwrap();
        let before = fs::read(&file).unwrap();
        assert!(add(&file, &name("a1ice"), "b").unwrap_err().why().contains("alice is there"));
        assert_eq!(fs::read(&file).unwrap(), before);
        fs::write(&file, "broken").unwrap();
        add(&file, &name("bob"), "b").unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), b"broken");
    }

    // Not on Windows: a file's permissions are no three digits there.
    #[test]
    #[cfg(unix)]
    fn the_file_is_nobody_elses_and_a_link_to_it_stays_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (dir, file) = fresh();
        fs::write(&file, "# open to all\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let link = dir.path().join("link");
        symlink(&file, &link).unwrap();
        add(&link, &name("alice"), "a").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Users::read(&file).unwrap().has("alice"));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["link", "users"]);
        let nowhere = dir.path().join("nowhere");
        symlink(dir.path().join("gone"), &nowhere).unwrap();
        add(&nowhere, &name("bob"), "b").unwrap_err();
        assert!(fs::symlink_metadata(&nowhere).unwrap().is_symlink());
    }

    #[test]
    fn eight_at_once_lose_nobody() {
        let (_dir, file) = fresh();
        std::thread::scope(|scope| {
            for number in 2..10 {
                let file = &file;
                scope.spawn(move || add(file, &name(&format!("user{number}")), "x").unwrap());
            }
        });
        assert_eq!(Users::read(&file).unwrap().count(), 8);
    }
}
