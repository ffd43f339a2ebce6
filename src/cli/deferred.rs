//! A command's options, described only when they are asked for.
//!
//! clap describes every option of every command before it looks at the first
//! word of a command line. What is touched for that stays in memory as long as
//! a server runs, and takes a third of the time of `netlab --version`.

use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The options `T` of a command.
#[derive(Debug)]
pub(super) struct Deferred<T>(pub(super) T);

impl<T: Args> Deferred<T> {
    fn describe(command: Command) -> Command {
        let (about, long) = (command.get_about().cloned(), command.get_long_about().cloned());
        // What stands over the structure tells of the structure; what the help
        // says of the command was there before.
        T::augment_args(command).about(Resettable::from(about)).long_about(Resettable::from(long))
    }
}

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(Self::describe)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
