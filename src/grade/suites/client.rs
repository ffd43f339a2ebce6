//! Students' clients, driven on their terminal: what is typed has to come by
//! the network, what comes by the network has to be printed.
//!
//! That a client prints what it received, and not what it sent, is proved by
//! an answer that differs from what was sent. Some clients compare the two and
//! refuse that: then the true answer must make it print what the false one
//! did not.

use std::time::Duration;

use crate::grade::causes;
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, Patience, REPLY};
use crate::grade::program::Program;
use crate::grade::transcript::quoted;

use super::line::Line;
use super::stream::{contains, without_line_ends};

/// A client that sleeps this long waits for somebody.
const WAITING: Duration = Duration::from_millis(500);

/// For what a client does with nobody there.
const ALONE: Patience = Patience { idle: REPLY.idle, cpu: Duration::from_secs(5) };

/// Before an answer, so that what a client prints about its sending is out.
const BEFORE_ANSWER: Duration = Duration::from_millis(200);

/// What a client said first.
pub struct Said {
    /// The bytes that came.
    pub bytes: Vec<u8>,
    /// What had been typed, if the client did not speak of its own accord.
    pub typed: Option<String>,
}

/// Lets the client speak: of its own accord, or what is typed. A client may
/// ask for something else first (a name), so a second line is typed where the
/// first brings nothing.
pub fn first_words(
    exam: &Exam<'_>,
    program: &Program,
    line: &mut dyn Line,
    word: impl Fn() -> String,
) -> Result<Said, Finding> {
    let waits = Patience { idle: WAITING, ..REPLY };
    if let Some(bytes) = exam.until(waits, &[program], || line.heard()) {
        let bytes = whole(exam, program, line, bytes, None);
        return Ok(Said { bytes, typed: None });
    }
    for patience in [REPLY, Patience { idle: Duration::from_secs(2), ..REPLY }] {
        if program.is_over() {
            break;
        }
        let typed = word();
        program.terminal.type_line(&typed);
        if let Some(bytes) = exam.until(patience, &[program], || line.heard()) {
            let bytes = whole(exam, program, line, bytes, Some(&typed));
            return Ok(Said { bytes, typed: Some(typed) });
        }
    }
    Err(nothing_came(exam, program, line))
}

/// The rest of a message: it may come in pieces.
fn whole(exam: &Exam<'_>, program: &Program, line: &mut dyn Line, mut bytes: Vec<u8>, typed: Option<&str>) -> Vec<u8> {
    let moment = Patience { idle: BEFORE_ANSWER, ..REPLY };
    exam.until(moment, &[program], || {
        bytes = line.heard().unwrap_or_default();
        typed.is_some_and(|typed| contains(&bytes, typed.as_bytes()) && bytes.ends_with(b"\n")).then_some(())
    });
    bytes
}

fn nothing_came(exam: &Exam<'_>, program: &Program, line: &mut dyn Line) -> Finding {
    let said = exam.last_words(program);
    let fate = program.fate();
    let actual = match &fate {
        Some(fate) => format!("nothing came; the client {fate}{said}"),
        None if line.end().is_some() => format!("the client connected, and closed without a word{said}"),
        None => format!("nothing came, though lines were typed{said}"),
    };
    let hint = causes::hint(&program.terminal.text()).unwrap_or(match fate {
        Some(_) => "nothing reached the port that the command names: does the client send to another port or address, or end before it sends? Read what it prints when it is started by hand",
        None => "nothing is sent: is a buffered writer never flushed, is the line that is typed never read, is it sent to another port?",
    });
    Finding::fail("what is typed into the client reaches the server", actual).hint(hint)
}

/// What was typed has to come, whole and unchanged; a message of the client's
/// own has to be one.
pub fn sends(exam: &Exam<'_>, line: &mut dyn Line, word: impl Fn() -> String) -> Answer {
    let program = exam.client()?;
    is_a_message(&first_words(exam, &program, line, word)?)
}

/// Whether what came is what was typed, or a message of the client's own.
pub fn is_a_message(said: &Said) -> Answer {
    let text = without_line_ends(&said.bytes);
    let Some(typed) = &said.typed else {
        return if text.is_empty() { Err(empty("")) } else { Ok(()) };
    };
    if contains(&text, typed.as_bytes()) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(empty(typed));
    }
    let lower = text.to_ascii_lowercase();
    let part = typed.to_lowercase();
    let resembles = lower.windows(4).any(|window| contains(part.as_bytes(), window))
        || (lower.len() < 4 && contains(part.as_bytes(), &lower));
    if !resembles {
        return Ok(()); // a message of its own
    }
    let hint = if contains(&lower, part.as_bytes()) {
        "the client itself changes what is typed (upper case) before it sends it: send what was typed, the server does the rest"
    } else {
        "a part of what is typed is cut off: send as many bytes as the text is long (strlen, not sizeof of a pointer), all of them"
    };
    Err(Finding::fail(format!("{typed:?} is typed, and comes"), format!("{} came", quoted(&said.bytes))).hint(hint))
}

fn empty(typed: &str) -> Finding {
    Finding::fail(format!("{typed:?} is typed, and comes"), "an empty message came")
        .hint("an empty message is sent: is it the variable into which the typed line was read?")
}

/// What comes back to a client that talks to an echo server.
pub fn unchanged(_: &Exam<'_>, bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// How an answer is made from what came.
pub type Reply = fn(&Exam<'_>, &[u8]) -> Vec<u8>;

/// The same length and line end, and another text.
pub fn altered(exam: &Exam<'_>, bytes: &[u8]) -> Vec<u8> {
    let text = bytes.len() - bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    let mut word: Vec<u8> = exam.token().into_bytes();
    while word.len() < text {
        word.extend(exam.token().bytes());
    }
    word.truncate(text.max(4));
    word.extend(&bytes[text..]);
    word
}

/// What a client printed after an answer.
struct Printed {
    after: String,
    sent: Vec<u8>,
    answer: Vec<u8>,
    said: String,
}

impl Printed {
    fn shows(&self, bytes: &[u8]) -> bool {
        let text = without_line_ends(bytes);
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        !text.is_empty() && self.after.replace('\n', "").contains(&text)
    }

    fn shows_answer(&self) -> bool {
        self.shows(&self.answer)
    }
}

/// One conversation: first words, an answer, and what is printed then.
fn converse(exam: &Exam<'_>, line: &mut dyn Line, word: &dyn Fn() -> String, reply: Reply) -> Result<Printed, Finding> {
    let program = exam.client()?;
    let said = first_words(exam, &program, line, word)?;
    exam.settles(&program, BEFORE_ANSWER);
    let mark = program.terminal.mark();
    let answer = reply(exam, &said.bytes);
    line.answer(&answer);
    let mut printed = || {
        line.heard(); // closes after a client that has finished
        Printed {
            after: program.terminal.since(mark),
            sent: said.bytes.clone(),
            answer: answer.clone(),
            said: exam.last_words(&program),
        }
    };
    exam.holds(Patience { idle: Duration::from_millis(2500), ..REPLY }, &[&program], || printed().shows_answer());
    Ok(printed())
}

/// What comes has to be printed.
pub fn prints<'e>(
    exam: &'e Exam<'e>,
    mut open: impl FnMut() -> Result<Box<dyn Line + 'e>, Finding>,
    word: &dyn Fn() -> String,
    truth: Reply,
    lie: Reply,
) -> Answer {
    let lied = converse(exam, &mut *open()?, word, lie)?;
    if lied.shows_answer() {
        return Ok(());
    }
    let true_one = converse(exam, &mut *open()?, word, truth)?;
    let own = truth(exam, &lied.sent);
    if true_one.shows_answer() && !lied.shows(&own) {
        return Ok(()); // it compares, and shows what is right
    }
    let expected = format!("the client prints what the server answered, {}", quoted(&without_line_ends(&lied.answer)));
    let (actual, hint) = if lied.shows(&own) || lied.shows(&lied.sent) {
        let actual = format!("it prints {} instead{}", quoted(&without_line_ends(&own)), lied.said);
        (actual, "the client prints its own text, the one it sent: print what recv returned, as it was received")
    } else if lied.after.trim().is_empty() {
        (
            "it prints nothing after the answer".to_owned() + &lied.said,
            "the reply is not shown: after sending call recv and print the text, the data that it returned",
        )
    } else {
        (
            format!("it prints {} after the answer", quoted(lied.after.trim().as_bytes())),
            "a part of the answer is missing, or something else is printed: recv the whole reply (in a loop, with a large enough buffer), and print the received text itself",
        )
    };
    Err(Finding::fail(expected, actual).hint(hint))
}

/// With nobody there to talk to, a client has to say so.
pub fn reports_refused(exam: &Exam<'_>, good: &str) -> Answer {
    let program = exam.client()?;
    // One that tries for ever works for ever: so much is a slow start, or one
    // more try, and more is neither.
    let (start, try_) = (Patience { idle: WAITING * 2, ..ALONE }, ALONE);
    exam.holds(start, &[&program], || program.is_over() || says_failure(&program.terminal.text(), good));
    if !program.is_over() {
        program.terminal.type_line(&exam.token());
    }
    let told = exam.holds(try_, &[&program], || says_failure(&program.terminal.text(), good));
    if told {
        return Ok(());
    }
    let actual = match program.fate() {
        Some(fate) => format!("the client {fate}{}", exam.last_words(&program)),
        None => format!("the client goes on{}", exam.last_words(&program)),
    };
    Err(Finding::fail("without a server the client says that it cannot connect", actual).hint(
        "connect fails when the server does not listen (connection refused): look at its result, or catch the exception, print a message that says so, and end; retry only a few times",
    ))
}

/// Signs of a failure in many languages; and else any line that does not stand
/// there when all is well.
pub fn says_failure(text: &str, good: &str) -> bool {
    const SIGNS: [&str; 16] = [
        "refus",
        "error",
        "fail",
        "cannot",
        "can't",
        "could not",
        "couldn't",
        "unable",
        "no server",
        "not running",
        "unavailable",
        "unreachable",
        "traceback",
        "exception",
        "rechaz",
        "verbindung",
    ];
    let lower = text.to_lowercase();
    if SIGNS.iter().any(|sign| lower.contains(sign)) {
        return true;
    }
    let shape = |line: &str| line.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let known: Vec<String> = good.lines().map(shape).collect();
    text.lines().map(shape).filter(|line| line.chars().count() > 3).any(|line| {
        !known.iter().any(|known| known.contains(&line) || line.contains(known.as_str()) && known.len() > 3)
    })
}

/// What a person tries to end a program.
const FAREWELLS: [&str; 4] = ["quit", "exit", "", "bye"];

/// When its input ends, or it is told to, a client ends.
pub fn ends(exam: &Exam<'_>, line: &mut dyn Line, program: &Program) -> bool {
    let brief = Patience { idle: Duration::from_millis(1200), cpu: Duration::from_secs(3) };
    let mut over = |patience: Patience| {
        exam.holds(patience, &[program], || {
            if let Some(bytes) = line.heard() {
                line.answer(&bytes);
            }
            program.is_over()
        })
    };
    if over(brief) {
        return true;
    }
    program.terminal.type_end();
    if over(brief.idle(Duration::from_millis(2500))) {
        return true;
    }
    if program.activity().busy && program.activity().busy {
        return false; // in circles: nobody reads the keyboard any more
    }
    FAREWELLS.iter().any(|farewell| {
        program.terminal.type_line(farewell);
        over(brief)
    })
}
