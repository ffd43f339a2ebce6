//! Files that others write: a submission's netlab.toml, a chat's users.

#[cfg(target_os = "linux")]
use std::path::Path;

#[cfg(target_os = "linux")]
use netlab::grade::submission::{self, Submission};
use netlab::labs::chat::users::Users;

#[cfg(target_os = "linux")]
pub fn a_submission_is_read_or_refused(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Submission::parse(text, Path::new("folder"), "netlab.toml") {
        Ok(submission) => {
            assert!(submission.server.is_some() || submission.client.is_some());
            let commands = [&submission.server, &submission.client, &submission.build];
            for command in commands.into_iter().flatten() {
                let words = submission::words(command).expect("it was examined");
                let values = [("port", "1 2 \"$(rm)\"".to_owned()), ("text", "{port}".to_owned())];
                assert!(!words.is_empty() && submission::filled(&words, &values).len() == words.len());
            }
            submission.commands.values().for_each(|lines| drop(lines.each()));
        }
        Err(error) => assert!(error.message().starts_with("cannot read netlab.toml: ")),
    }
}

pub fn a_users_file_is_read_or_refused(bytes: &[u8]) {
    match Users::parse(bytes, "users") {
        Ok(users) => {
            assert!(users.count() <= bytes.len());
            assert!(!users.has("nobody here has this name"));
            // What any file can ask for, a server must be able to do.
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| line.contains(&b':'));
            assert!(lines.count() >= users.count());
            let work = users.most_memory_kib();
            assert!(work <= netlab::labs::chat::users::MAX_MEMORY_KIB, "{work} KiB");
        }
        Err(error) => assert!(error.message().starts_with("cannot read users")),
    }
}
