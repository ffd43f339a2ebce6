//! Names of users and rooms: which there can be, and which look alike.
//!
//! A name stands in front of what somebody says, so it must not be possible
//! to pass for another: `аlice` with a Cyrillic а, `bob` beside `b0b`, `l` for
//! `I`. Unicode knows which characters people mistake for each other
//! (Technical Standard 39, its "skeletons"); to that comes that capitals do
//! not count.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// Short enough for a terminal's line to have room for the message.
pub const MAX_NAME_CHARS: usize = 32;

/// Marks above one another that a letter may carry; some scripts need two,
/// nobody needs a tower.
const MAX_MARKS: usize = 2;

/// What the server's console speaks as.
const RESERVED: &str = "server";

/// A name of a user or a room: 1 to 32 letters, digits, `_ . -`, beginning
/// with a letter or digit, of one script, in normal form C.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// A name's keys: two names are look-alikes if and only if they share one.
///
/// One key would not do. `I` is both a capital `i` and a double of `l` and
/// `1`, though `i` and `l` are not alike; so of each name several readings
/// are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<String>);

impl Name {
    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is known by.
    pub fn keys(&self) -> Keys {
        keys(&self.0)
    }

    /// Whether people could take one name for the other.
    pub fn looks_like(&self, other: &Name) -> bool {
        self.keys().shares(&other.keys())
    }
}

impl Keys {
    /// Each key, to find a name by.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is a common one.
    pub fn shares(&self, other: &Keys) -> bool {
        self.0.iter().any(|key| other.0.contains(key))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    /// Why it can be no name: a sentence without a full stop.
    type Err = String;

    fn from_str(text: &str) -> Result<Name, String> {
        // Nobody sees whether an é is one character or two.
        let name: String = text.nfc().take(4 * MAX_NAME_CHARS).collect();
        let Some(first) = name.chars().next() else { return Err("a name has at least one letter or digit".into()) };
        if name.chars().count() > MAX_NAME_CHARS {
            return Err(format!("a name has at most {MAX_NAME_CHARS} characters, this one {}", text.nfc().count()));
        }
        if let Some(wrong) = name.chars().find(|c| !is_allowed(*c)) {
            return Err(format!("a name has only letters, digits and _ . -, not {}", called(wrong)));
        }
        if !first.is_alphanumeric() {
            return Err(format!("a name begins with a letter or digit, not with {}", called(first)));
        }
        if has_tower(&name) {
            return Err("a letter has too many marks on it".into());
        }
        if !name.as_str().is_single_script() {
            return Err("a name has letters of one script only, for many look alike in two".into());
        }
        if keys(&name).shares(&keys(RESERVED)) {
            return Err(format!("the name {RESERVED}, and what looks like it, is the server's own"));
        }
        Ok(Name(name))
    }
}

fn is_allowed(c: char) -> bool {
    match c {
        '_' | '.' | '-' | '0'..='9' => true,
        // The profile leaves out what is invisible, decorated or archaic.
        // Marks of no script of their own (U+0300 and on) stand on a letter
        // only in normal form C, as a part of it.
        _ => c.identifier_allowed() && (c.is_alphabetic() || is_combining_mark(c)) && c.script() != Script::Inherited,
    }
}

fn has_tower(name: &str) -> bool {
    let mut marks = 0;
    name.chars().any(|c| {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        marks > MAX_MARKS
    })
}

/// A character as it can be spoken of without being shown.
fn called(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        '!'..='~' => c.to_string(),
        _ => format!("U+{:04X}", u32::from(c)),
    }
}

fn keys(name: &str) -> Keys {
    let double = |text: &str| -> String { skeleton(text).collect() };
    let mut keys = vec![
        // alice, ALICE, a1ice
        lower(&double(&lower(name))),
        // aIice
        lower(&double(name)),
        // al1ce: in capitals it reads ALICE. Not in lower case again, for L and
        // I are not alike.
        format!("^{}", double(&upper(name))),
    ];
    keys.dedup();
    Keys(keys)
}

/// What is the same for `ALICE` and `alice`: no look-alike, the same name.
pub fn folded(text: &str) -> String {
    lower(&text.nfc().collect::<String>())
}

fn upper(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).collect()
}

/// By way of the capitals, where more letters fall together: ß and ss, σ
/// and ς.
fn lower(text: &str) -> String {
    upper(text).chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap_or_else(|reason| panic!("{text}: {reason}"))
    }

    #[test]
    fn names_of_many_languages_are_names() {
        let longest = "x".repeat(MAX_NAME_CHARS);
        let table = [
            "a",
            "7",
            "alice",
            "Bob_2",
            "c.d-e",
            "0x",
            "Jürgen",
            "Łukasz",
            "Nguyễn",
            "İpek",
            "Иван",
            "Ελένη",
            "דוד",
            "محمد",
            "田中",
            "ゆき田",
            "김민수",
            "प्रिया",
            "สมชาย",
            "ស៊ីម",
            &longest,
            "observer",
            "serve",
            "servers",
        ];
        for text in table {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let table = [
            ("", "at least one letter"),
            (&"x".repeat(33), "at most 32 characters, this one 33"),
            (&"é".repeat(5000), "this one 5000"),
            ("_alice", "begins with a letter or digit, not with _"),
            (".alice", "begins with"),
            ("-alice", "begins with"),
            ("al ice", "not a space"),
            ("al\tice", "not U+0009"),
            ("alice\n", "not U+000A"),
            ("\u{1b}[2J", "not U+001B"),
            ("a>b", "not >"),
            ("<alice>", "not <"),
            ("a/b", "not /"),
            ("a\\b", "not \\"),
            ("a\u{202e}b", "not U+202E"),
            ("a\u{2066}b", "not U+2066"),
            ("a\u{200d}b", "not U+200D"),
            ("a\u{200b}b", "not U+200B"),
            ("a\u{ad}b", "not U+00AD"),
            ("\u{3164}", "not U+3164"),
            ("\u{feff}bob", "not U+FEFF"),
            ("a\u{2028}b", "not U+2028"),
            ("bob\0", "not U+0000"),
            ("👋", "not U+1F44B"),
            ("ａｌｉｃｅ", "not U+FF41"),
            ("𝐚lice", "not U+1D41A"),
            ("b²", "not U+00B2"),
            ("١٢", "not U+0661"),
            ("a\u{323}\u{323}", "not U+0323"),
            ("\u{301}a", "not U+0301"),
            ("ก\u{e34}\u{e48}\u{e48}", "too many marks"),
            ("\u{94d}क", "begins with"),
            ("аlice", "one script only"), // the а is Cyrillic
            ("раypal", "one script only"),
            ("bοb", "one script only"), // the ο is Greek
            ("田中bob", "one script only"),
            ("server", "the server's own"),
            ("SERVER", "the server's own"),
            ("ѕеrver", "one script only"),
        ];
        for (text, reason) in table {
            let refused = text.parse::<Name>().expect_err(text);
            assert!(refused.contains(reason), "{text:?}: {refused}");
            assert!(!refused.chars().any(char::is_control), "{refused:?}");
        }
    }

    #[test]
    fn one_name_has_one_spelling() {
        assert_eq!(name("Jose\u{301}"), name("Jos\u{e9}"));
        assert_eq!(name("Jose\u{301}").as_str(), "Jos\u{e9}");
    }

    #[test]
    fn what_people_mistake_for_each_other_shares_a_key() {
        let alike = [
            ("alice", "ALICE"),
            ("alice", "aLiCe"),
            ("alice", "a1ice"),
            ("alice", "aIice"),
            ("ALICE", "a1ice"),
            ("alice", "al1ce"),
            ("bob", "b0b"),
            ("BOB", "b0b"),
            ("Ivan", "lvan"),
            ("Ivan", "1van"),
            ("ivan", "IVAN"),
            ("mary", "rnary"),
            ("MARY", "mary"),
            ("ace", "асе"), // all Cyrillic
            ("ACE", "асе"),
            ("strasse", "straße"),
            ("STRASSE", "straße"),
            ("ΝΙΚΟΣ", "νικος"),
            ("Jürgen", "JÜRGEN"),
            ("o", "0"),
            ("l", "1"),
            ("I", "1"),
        ];
        for (one, other) in alike {
            assert!(name(one).looks_like(&name(other)) && name(other).looks_like(&name(one)), "{one} {other}");
        }
    }

    #[test]
    fn what_is_different_shares_no_key() {
        let different = [
            ("alice", "alicia"),
            ("alice", "bob"),
            ("ann", "anna"),
            ("user1", "user2"),
            ("user10", "user100"),
            ("a.b", "a-b"),
            ("a.b", "a_b"),
            ("ab", "a_b"),
            ("Eli", "Ell"),
            ("ivan", "lvan"),
            ("Jurgen", "Jürgen"),
            ("mila", "milla"),
            ("иван", "ivan"),
        ];
        for (one, other) in different {
            assert!(!name(one).looks_like(&name(other)), "{one} {other}: {:?}", name(one).keys());
        }
    }

    #[test]
    fn ten_thousand_numbered_users_are_all_different() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..10_000 {
            let keys = name(&format!("user{number}")).keys();
            assert!(keys.iter().all(|key| seen.insert(key.to_owned())), "{number}");
        }
    }

    proptest! {
        #[test]
        fn capitals_never_make_a_new_name(text in "[A-Za-z0-9][A-Za-z0-9_.-]{0,31}") {
            if let Ok(given) = text.parse::<Name>() {
                for other in [text.to_uppercase(), text.to_lowercase()] {
                    prop_assert!(given.looks_like(&name(&other)));
                }
            }
        }

        #[test]
        fn no_text_makes_a_name_that_could_forge_a_line(text: String) {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(!name.as_str().contains(|c: char| c.is_control() || c.is_whitespace() || "<>*!=#+".contains(c)));
            }
        }
    }
}
