//! `java Server.java` compiles the program at each start (JEP 330), which takes
//! ten times as long as all else that a start does, and a check starts several
//! programs. So a source file is compiled once for all checks of a submission,
//! and what is started is `java -cp CLASSES Server`: the same classes, made by
//! the same compiler with the options that `java Server.java` gives it, and no
//! others on the class path.
//!
//! What could tell the two apart keeps the command as it was written:
//! - an option between `java` and the file, or one in the environment;
//! - any word of the compiler about the file, which each start would print, and
//!   a first class without a `main` of its own;
//! - a `java` without a compiler, or one that is no `java` at all.
//!
//! A program can still see it in what it is told of itself: the class loader's
//! name, `java.class.path`, its command line. Both ways leave the JVM's own
//! compilers as they are. `-XX:TieredStopAtLevel=1`, which would halve the time
//! too, does not: a thread that waits in a loop for a field which is not
//! volatile then sees it change, and a wrong program passes.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exam::Exam;
use super::judge::Job;
use super::patience::Patience;
use super::submission::words;

/// The compiler's caller, itself a source file.
const COMPILE: &str = include_str!("java/Compile.java");

/// With fewer checks, compiling costs what it saves.
const WORTH_IT: usize = 3;

/// How long it may take: sleeping, working.
const COMPILING: Patience = Patience { idle: Duration::from_secs(5), cpu: Duration::from_secs(60) };

/// Variables by which options reach Java unseen.
const VARIABLES: [&str; 3] = ["CLASSPATH", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS"];

/// What has been compiled.
#[derive(Debug, Default)]
pub struct Compiled {
    /// By `java` and the file's name, as they stand in the command.
    found: HashMap<(String, String), Classes>,
}

#[derive(Debug)]
struct Classes {
    dir: PathBuf,
    main: String,
}

/// `java` and a source file, if that is how a command begins.
fn source(words: &[String]) -> Option<(&str, &str)> {
    let [java, file, ..] = words else { return None };
    let is_source = file.ends_with(".java") && !file.starts_with(['-', '@']) && !file.contains('{');
    (is_source && Path::new(java).file_name()? == "java").then_some((java, file))
}

impl Compiled {
    /// Compiles what a submission's commands start from source.
    ///
    /// # Errors
    /// The scratch folder cannot be written to.
    pub fn of(job: &Job) -> io::Result<Compiled> {
        let mut compiled = Compiled::default();
        if job.checks().len() < WORTH_IT || VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(compiled);
        }
        let commands = [&job.submission.server, &job.submission.client];
        let commands: Vec<Vec<String>> = commands.into_iter().flatten().filter_map(|command| words(command)).collect();
        let mut sources: Vec<(&str, &str)> = commands.iter().filter_map(|words| source(words)).collect();
        sources.dedup();
        let compilers = sources.iter().map(|(java, _)| *java).collect::<BTreeSet<_>>();
        for (at, java) in compilers.into_iter().enumerate() {
            let files: Vec<&str> = sources.iter().filter(|(by, _)| *by == java).map(|(_, file)| *file).collect();
            compiled.compile(job, &job.scratch.join("java").join(at.to_string()), java, &files)?;
        }
        Ok(compiled)
    }

    /// In the submission's own world, as everything of it.
    fn compile(&mut self, job: &Job, room: &Path, java: &str, files: &[&str]) -> io::Result<()> {
        fs::create_dir_all(room)?;
        let compile = room.join("Compile.java");
        fs::write(&compile, COMPILE)?;
        let mut words = vec![java.to_owned(), compile.display().to_string(), room.display().to_string()];
        words.extend(files.iter().map(|file| (*file).to_owned()));
        let exam = Exam::new(job, "java", room.to_owned(), 0);
        let Ok(program) = exam.start_in("java", &words, &job.master(), &[]) else { return Ok(()) };
        let ended = exam.until(COMPILING, &[&program], || program.exited());
        if !ended.is_some_and(|status| status.success()) {
            return Ok(());
        }
        for (at, file) in files.iter().enumerate() {
            if let Ok(main) = fs::read_to_string(room.join(format!("{at}.main"))) {
                let classes = Classes { dir: room.join(at.to_string()), main };
                self.found.insert((java.to_owned(), (*file).to_owned()), classes);
            }
        }
        Ok(())
    }

    /// What is started for a command: the same, if it is not one of these.
    pub fn started(&self, words: &[String]) -> Vec<String> {
        let known = source(words).and_then(|(java, file)| self.found.get(&(java.to_owned(), file.to_owned())));
        let Some(classes) = known else { return words.to_vec() };
        let mut started = vec![words[0].clone(), "-cp".to_owned(), classes.dir.display().to_string()];
        started.push(classes.main.clone());
        started.extend_from_slice(&words[2..]);
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_source_file_right_after_java_is_compiled_beforehand() {
        for (command, is_one) in [
            ("java Server.java {port}", true),
            ("/usr/bin/java src/Server.java", true),
            ("java -Xmx64m Server.java", false),
            ("java Server {port}", false),
            ("java @options.java", false),
            ("java {user}.java", false),
            ("javac Server.java", false),
            ("java", false),
        ] {
            assert_eq!(source(&words(command).unwrap()).is_some(), is_one, "{command}");
        }
    }

    #[test]
    fn the_arguments_stay_as_they_are() {
        let classes = Classes { dir: "/scratch/java/0/0".into(), main: "lab.Server".into() };
        let found = [(("java".to_owned(), "Server.java".to_owned()), classes)].into();
        let started = Compiled { found }.started(&words("java Server.java 'a b' --x").unwrap());
        assert_eq!(started, ["java", "-cp", "/scratch/java/0/0", "lab.Server", "a b", "--x"]);
    }
}
