//! Coming in: the welcome, then the name, then the server's word for it.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use super::super::names::Name;
use super::super::protocol::{Line, Meaning};
use super::super::users::{self, Password};
use super::ClientArgs;
use super::ending::Ending;
use super::link::{Heard, Reader};
use super::talk::{NO_SECRETS, Talk};
use crate::error::{Attempt, Error};
use crate::framing::visible;
use crate::net::stop::Interrupt;
use crate::report::keyboard::Unechoed;

impl Talk {
    /// Waits for the welcome, gives the name, waits until it is taken. The
    /// reader goes on after that.
    pub fn enter(
        self: &Arc<Talk>,
        args: &ClientArgs,
        password: Option<Password>,
    ) -> std::result::Result<Reader, Ending> {
        let mut reader = Reader::new(self.link.clone());
        let welcome = self.welcome(&mut reader, args)?;
        let password = match password {
            None if welcome.contains("/login") => Some(self.asked_password(&args.user)?),
            password => password,
        };
        let line = match password {
            Some(password) => format!("/login {} {}", args.user, *password),
            None => format!("/name {}", args.user),
        };
        if line.starts_with("/login") && !self.may_tell_secrets() {
            let error =
                Error::other(Attempt::Join, format!("tcp {} as {}", self.peer, args.user), "it is no secret there");
            return Err(Ending::wrong(error.because(NO_SECRETS).next("the same with --tls")));
        }
        self.say_now(&line).map_err(|error| self.gone(Err(error)))?;
        self.taken(&mut reader, args)?;
        self.link.wait_at_most(None).map_err(|error| self.gone(Err(error)))?;
        Ok(reader)
    }

    /// The server speaks first.
    fn welcome(&self, reader: &mut Reader, args: &ClientArgs) -> std::result::Result<String, Ending> {
        let deadline = Instant::now() + args.timeout;
        let line = self.line_before(reader, deadline, |error| match error {
            Some(_) => error_of_stranger(self, "nothing came"),
            None => error_of_stranger(self, "it closed without a word"),
        })?;
        match line.meaning() {
            Meaning::Notice(text) => Ok(text.to_owned()),
            Meaning::Error { text, .. } => {
                let error = self.error(visible(text.as_bytes())).because("the server said so in place of a welcome");
                Err(Ending::wrong(error.next("what it says, or another server")))
            }
            _ => {
                let said = crate::framing::quoted(&line.bytes, 60);
                Err(Ending::wrong(error_of_stranger(self, &format!("the first line was {said}"))))
            }
        }
    }

    /// The server's word for the name: `* alice has joined`.
    fn taken(&self, reader: &mut Reader, args: &ClientArgs) -> std::result::Result<(), Ending> {
        let deadline = Instant::now() + args.timeout;
        loop {
            let timed_out = "no word came whether the name is taken";
            let line = self.line_before(reader, deadline, |_| error_of_stranger(self, timed_out))?;
            match line.meaning() {
                Meaning::Notice(text) if names(text, args.user.as_str()) => return Ok(()),
                Meaning::Error { text, .. } if !self.is_going_down() => {
                    let subject = format!("tcp {} as {}", self.peer, args.user);
                    let error = Error::other(Attempt::Join, subject, visible(text.as_bytes()));
                    let error = error.because("the server lets nobody in under that name so");
                    return Err(Ending::wrong(error.next("another name, or what the server says")));
                }
                _ => {}
            }
        }
    }

    /// The next line, shown; what ends the wait is explained, a silence by
    /// `silent`.
    fn line_before(
        &self,
        reader: &mut Reader,
        deadline: Instant,
        silent: impl Fn(Option<&io::Error>) -> Error,
    ) -> std::result::Result<Line, Ending> {
        loop {
            match reader.next_before(deadline) {
                Ok(Heard::Line(line)) => {
                    self.hear(&line);
                    return Ok(line);
                }
                Ok(Heard::Bytes(..)) => {}
                Ok(Heard::End) => return Err(self.gone(Ok(()))),
                Err(error) if crate::net::socket::is_timeout(&error) => {
                    return Err(Ending::wrong(silent(Some(&error))).timed_out());
                }
                Err(error) => return Err(self.gone(Err(error))),
            }
        }
    }

    /// A password from the terminal. Asked for in a thread of its own, so that
    /// Ctrl-C is heard meanwhile.
    fn asked_password(&self, user: &Name) -> std::result::Result<Password, Ending> {
        let wrong = |cause: &str| {
            let error = Error::other(Attempt::Join, format!("tcp {} as {user}", self.peer), cause);
            Ending::wrong(error.because("the server lets in only users with a password"))
        };
        if !io::stdin().is_terminal() {
            return Err(wrong("no password is given").next("--password-file FILE, whose first line it is"));
        }
        let unechoed = Unechoed::now();
        let (sender, answer) = channel();
        let wake = Arc::new(Wake(sender.clone()));
        self.host.stop.wakes(&wake);
        let prompt = format!("password for {user}: ");
        let ask = move || drop(sender.send(rpassword::prompt_password(prompt).ok().map(Password::new)));
        let asked = thread::Builder::new().name("password".into()).spawn(ask);
        let password = asked.ok().and_then(|_| answer.recv().ok()).flatten();
        drop(unechoed);
        match password {
            _ if self.host.stop.is_asked() => Err(self.gone(Ok(()))),
            Some(password) => users::check(user, &password).map(|()| password).map_err(Ending::wrong),
            None => Err(wrong("no password is given").next("the same again, and a password")),
        }
    }
}

/// Ends the wait for a password.
struct Wake(std::sync::mpsc::Sender<Option<Password>>);

impl Interrupt for Wake {
    fn interrupt(&self) {
        let _ = self.0.send(None);
    }
}

/// Whether a notice names this user, and not as one who left: somebody of that
/// name may have been here before.
fn names(text: &str, user: &str) -> bool {
    let user = user.to_lowercase();
    !text.ends_with(" left") && text.split([' ', ',', ':', '"', '\'']).any(|word| word.to_lowercase() == user)
}

fn error_of_stranger(talk: &Talk, cause: &str) -> Error {
    talk.error(cause.to_owned())
        .because("a netlab chat server welcomes a client at once, by a line `* netlab chat 1 ...`")
        .next("another port, or --tls where the server speaks TLS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_whom_it_names() {
        assert!(names("alice has joined", "alice") && names("bob, Alice have joined", "alice"));
        assert!(
            !names("alice has left", "alice")
                && !names("alice2 has joined", "alice")
                && !names("bob has joined", "alice")
        );
    }
}
