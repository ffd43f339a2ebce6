//! Names of files, as a server gives them: it may be anybody, and a name can
//! be a way out of the folder, a device, or a command to the terminal.

use std::path::{Path, PathBuf};

use crate::framing::visible;

/// The longest name: most file systems take 255 bytes, and ` (999).part` is to
/// fit behind it.
const MAX_NAME_BYTES: usize = 240;

/// What Windows takes for devices, whatever follows the first dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Whether a file may have this name here; if not, why.
///
/// What leads out of the folder on any system, or is a device there, is
/// refused on all of them: a folder may be shared, or carried along on a stick.
///
/// # Errors
/// What is wrong with the name.
pub fn check(name: &str) -> Result<(), &'static str> {
    let bytes = name.as_bytes();
    if name.is_empty() {
        return Err("it is empty");
    }
    if bytes.len() > MAX_NAME_BYTES {
        return Err("it is longer than a file's name can be");
    }
    if name.contains(['/', '\\']) {
        return Err("it leads to another folder");
    }
    if name.starts_with('.') {
        return Err("it begins with a dot, as hidden files and the folder above do");
    }
    if visible(bytes) != name {
        return Err("it contains control characters");
    }
    if matches!(bytes, [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        return Err("it begins with a drive");
    }
    if cfg!(windows) && (name.contains(['<', '>', ':', '"', '|', '?', '*']) || name.ends_with(['.', ' '])) {
        return Err("Windows has no such names");
    }
    if is_device(name) {
        return Err("it is a device's name on Windows");
    }
    Ok(())
}

/// `NUL`, `com1.txt`, `LPT³`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |port: &str| {
        let rest = stem.strip_prefix(port).unwrap_or_default();
        rest.chars().count() == 1 && rest.contains(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '¹', '²', '³'])
    };
    DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt")
}

/// The folder named after a user, who may be called `con` or `a.`.
pub fn folder_of(user: &str) -> PathBuf {
    if is_device(user) || user.ends_with('.') { format!("{user}_").into() } else { user.into() }
}

/// `song.ogg`, then `song (2).ogg` and so on.
pub fn numbered(dir: &Path, name: &str, number: usize) -> PathBuf {
    if number < 2 {
        return dir.join(name);
    }
    match name.rsplit_once('.') {
        Some((stem, ending)) => dir.join(format!("{stem} ({number}).{ending}")),
        None => dir.join(format!("{name} ({number})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn ordinary_names_are_fine() {
        for name in
            ["song.ogg", "a b.txt", "übung 1.pdf", "x", "file (2).tar.gz", "console.txt", "com.txt", "com10", "日本"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check("ab: c?").is_ok(), cfg!(unix), "such names are no names on Windows");
    }

    #[test]
    fn names_that_lead_elsewhere_or_are_none_are_refused() {
        let hostile = [
            "",
            ".",
            "..",
            "../x",
            "../../etc/passwd",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "..\\x",
            "C:x",
            "C:\\x",
            "c:/x",
            ".bashrc",
            ".ssh",
            "...",
            "a\0b",
            "\0",
            "a\nb",
            "a\rb",
            "\x1b[2J",
            "a\u{9b}b",
            "a\u{202e}txt.exe",
            "\u{2028}",
            "con",
            "CON",
            "Con.txt",
            "nul",
            "NUL.tar.gz",
            "aux",
            "prn.",
            "com1",
            "COM9.txt",
            "lpt0",
            "LPT\u{b9}",
            "con .txt",
            "conin$",
            "CONOUT$",
            "//server/share",
            "\\\\?\\C:\\x",
            "~/../x",
            "%2e%2e/x",
            "x/..",
            "x/",
        ];
        for name in hostile {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check(&"x".repeat(241)).is_err() && check(&"x".repeat(240)).is_ok());
    }

    #[test]
    fn a_second_file_of_a_name_gets_a_number() {
        let dir = Path::new("d");
        assert_eq!(numbered(dir, "a.tar.gz", 1), Path::new("d/a.tar.gz"));
        assert_eq!(numbered(dir, "a.tar.gz", 2), Path::new("d/a.tar (2).gz"));
        assert_eq!(numbered(dir, "a", 3), Path::new("d/a (3)"));
    }

    #[test]
    fn a_users_folder_is_an_ordinary_one() {
        assert_eq!(folder_of("alice"), Path::new("alice"));
        assert_eq!(folder_of("nul"), Path::new("nul_"));
        assert_eq!(folder_of("a."), Path::new("a._"));
    }

    proptest! {
        #[test]
        fn a_name_that_passes_is_one_ordinary_component(name: String) {
            if check(&name).is_ok() {
                let path = Path::new("folder").join(&name);
                let parts: Vec<Component> = path.components().collect();
                prop_assert_eq!(parts.len(), 2);
                prop_assert_eq!(parts[1], Component::Normal(name.as_ref()));
            }
        }
    }
}
