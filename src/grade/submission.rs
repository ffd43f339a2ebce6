//! What is graded: which programs, for which lab, from which folder. Said on
//! the command line or in the folder's `netlab.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Attempt, Error, Result};

/// The file in a folder that says how it is graded.
pub const FILE: &str = "netlab.toml";

/// One line to type, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Lines {
    /// One.
    One(String),
    /// Typed one after the other.
    Many(Vec<String>),
}

impl Lines {
    /// Each line.
    pub fn each(&self) -> Vec<String> {
        match self {
            Lines::One(line) => vec![line.clone()],
            Lines::Many(lines) => lines.clone(),
        }
    }
}

/// A path on its way to another process: a folder's name may be any bytes but
/// zero and `/`, and JSON knows text alone.
pub mod bytes_of_path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// As a list of its bytes, where it is no text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => text.serialize(serializer),
            None => path.as_os_str().as_bytes().serialize(serializer),
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sent {
        Text(String),
        Bytes(Vec<u8>),
    }

    /// From either.
    ///
    /// # Errors
    /// It is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match Sent::deserialize(deserializer)? {
            Sent::Text(text) => text.into(),
            Sent::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

/// What is graded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submission {
    /// The folder's name, or the lab's.
    pub name: String,
    /// The folder.
    #[serde(with = "bytes_of_path")]
    pub dir: PathBuf,
    /// The lab.
    pub lab: String,
    /// How the server is started; the receiver, where a lab has one.
    pub server: Option<String>,
    /// How the client is started; the sender, where a lab has one.
    pub client: Option<String>,
    /// What is run first, once.
    pub build: Option<String>,
    /// The port that is written into the programs.
    pub port: Option<u16>,
    /// What a person types in this client.
    pub commands: BTreeMap<String, Lines>,
    /// Whether it is said in the folder's own file.
    pub from_file: bool,
}

/// What `netlab.toml` may hold: other keys are mistakes worth telling.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    lab: String,
    server: Option<String>,
    client: Option<String>,
    build: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    commands: BTreeMap<String, Lines>,
}

impl Submission {
    /// Reads a folder's file.
    ///
    /// # Errors
    /// A file that cannot be read, or does not say what is needed.
    pub fn read(dir: &Path) -> Result<Submission> {
        let path = dir.join(FILE);
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path)
            .map_err(|cause| Error::new(Attempt::Read, &shown, &cause).next("netlab grade --help").unasked())?;
        Submission::parse(&text, dir, &shown)
    }

    /// Reads what a folder's file, called `shown`, says.
    ///
    /// # Errors
    /// It does not say what is needed.
    pub fn parse(text: &str, dir: &Path, shown: &str) -> Result<Submission> {
        let toml: Toml = toml::from_str(text).map_err(|cause| wrong(shown, &misread(text, &cause)))?;
        let name = dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
        let submission = Submission {
            name: name.unwrap_or_else(|| dir.display().to_string()),
            dir: dir.to_owned(),
            lab: toml.lab,
            server: toml.server,
            client: toml.client,
            build: toml.build,
            port: toml.port,
            commands: toml.commands,
            from_file: true,
        };
        submission.examined(shown)
    }

    /// Whether it can be graded at all.
    ///
    /// # Errors
    /// No program, or a command line with an open quote.
    pub fn examined(self, said_in: &str) -> Result<Submission> {
        if self.server.is_none() && self.client.is_none() {
            return Err(wrong(said_in, "neither a server nor a client is given"));
        }
        for command in [&self.server, &self.client, &self.build].into_iter().flatten() {
            if words(command).is_none_or(|words| words.is_empty()) {
                return Err(wrong(said_in, &format!("`{command}` is no command: a quote is open, or it is empty")));
            }
        }
        Ok(self)
    }
}

/// On one line: which, and what is wrong with it.
fn misread(text: &str, cause: &toml::de::Error) -> String {
    let message = cause.message().lines().next().unwrap_or_default();
    match cause.span() {
        Some(span) => {
            let line = text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {message}")
        }
        None => message.to_owned(),
    }
}

fn wrong(said_in: &str, cause: &str) -> Error {
    Error::other(Attempt::Read, said_in, cause)
        .because("a submission names its lab and how its programs are started")
        .next("lab = \"tcp-echo\" and server = \"python3 server.py {port}\"")
        .unasked()
}

/// Splits a command as a shell splits words.
pub fn words(command: &str) -> Option<Vec<String>> {
    shlex::split(command)
}

/// Fills in `{port}`, `{host}` and so on, each word apart: what is filled in
/// is never split.
pub fn filled(words: &[String], values: &[(&str, String)]) -> Vec<String> {
    words
        .iter()
        .map(|word| values.iter().fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_before_it_is_filled() {
        let split = words("java -cp 'my classes' Server {port}").unwrap();
        let filled = filled(&split, &[("port", "5 0".into())]);
        assert_eq!(filled, ["java", "-cp", "my classes", "Server", "5 0"]);
        assert_eq!(words("python3 'server.py"), None);
    }

    #[test]
    fn a_folders_file_is_read_and_a_misspelt_key_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join(FILE),
            "lab = \"chat\"\nserver = \"./s {port}\"\n[commands]\nunicast = [\"/to {user}\", \"{text}\"]\n",
        )
        .unwrap();
        let submission = Submission::read(dir.path()).unwrap();
        assert_eq!(submission.commands["unicast"].each().len(), 2);
        fs::write(dir.path().join(FILE), "lab = \"chat\"\nsever = \"./s {port}\"\n").unwrap();
        let error = Submission::read(dir.path()).unwrap_err();
        assert!(error.message().contains("sever"), "{}", error.message());
    }
}
