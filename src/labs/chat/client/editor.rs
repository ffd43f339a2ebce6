//! The line editor: keys in, lines out. It draws nothing; [`Editor::line`] is
//! what to show at the bottom of the screen.

use tui_input::{Input, InputRequest};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::super::MAX_LINE_BYTES;
use super::learnt::Candidates;
use super::secret;
use crate::framing::visible;
use crate::report::InputLine;
use crate::report::keyboard::{Happening, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Lines that can be called back.
const HISTORY_LINES: usize = 1000;

/// Pasted lines that wait to be sent. A thousand lines were not meant for a
/// chat.
const MAX_PASTED_LINES: usize = 1000;

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At most the line looks different.
    Edited,
    /// Enter: these lines are to be said.
    Say(Vec<String>),
    /// Tab: complete what is before the cursor.
    Complete,
    /// Ctrl-C on an empty line.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-Z.
    Suspend,
}

/// A line that is being typed, and those typed before.
#[derive(Default)]
pub struct Editor {
    input: Input,
    history: Vec<String>,
    /// Which line of the history is shown; the one being typed is `draft`.
    recalled: Option<usize>,
    draft: String,
    /// Lines of a paste that stand before this one.
    pasted: Vec<String>,
}

impl Editor {
    /// Takes what happened at the keyboard.
    pub fn take(&mut self, happening: Happening) -> Outcome {
        match happening {
            Happening::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Happening::Paste(text) => self.paste(&text),
            _ => Outcome::Edited,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Outcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL) && !key.modifiers.contains(KeyModifiers::ALT);
        let by_words = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => self.enter(),
            KeyCode::Tab => Outcome::Complete,
            KeyCode::Up => self.recall(-1),
            KeyCode::Down => self.recall(1),
            KeyCode::Left if by_words => self.edit(InputRequest::GoToPrevWord),
            KeyCode::Right if by_words => self.edit(InputRequest::GoToNextWord),
            KeyCode::Left => self.edit(InputRequest::GoToPrevChar),
            KeyCode::Right => self.edit(InputRequest::GoToNextChar),
            KeyCode::Home => self.edit(InputRequest::GoToStart),
            KeyCode::End => self.edit(InputRequest::GoToEnd),
            KeyCode::Backspace if by_words => self.edit(InputRequest::DeletePrevWord),
            KeyCode::Backspace => self.edit(InputRequest::DeletePrevChar),
            KeyCode::Delete => self.edit(InputRequest::DeleteNextChar),
            KeyCode::Char(key) if control => self.control(key),
            KeyCode::Char('b') if by_words => self.edit(InputRequest::GoToPrevWord),
            KeyCode::Char('f') if by_words => self.edit(InputRequest::GoToNextWord),
            KeyCode::Char('d') if by_words => self.edit(InputRequest::DeleteNextWord),
            KeyCode::Char(character) => self.insert(character),
            _ => Outcome::Edited,
        }
    }

    /// As in every shell.
    fn control(&mut self, key: char) -> Outcome {
        let is_empty = self.input.value().is_empty() && self.pasted.is_empty();
        match key.to_ascii_lowercase() {
            // Enter may arrive as a line feed, from programs that type.
            'j' | 'm' => self.enter(),
            'i' => Outcome::Complete,
            'c' if is_empty => Outcome::Interrupt,
            'c' => self.drop_all(),
            'd' if is_empty => Outcome::End,
            'd' => self.edit(InputRequest::DeleteNextChar),
            'z' => Outcome::Suspend,
            'p' => self.recall(-1),
            'n' => self.recall(1),
            'a' => self.edit(InputRequest::GoToStart),
            'e' => self.edit(InputRequest::GoToEnd),
            'b' => self.edit(InputRequest::GoToPrevChar),
            'f' => self.edit(InputRequest::GoToNextChar),
            'h' => self.edit(InputRequest::DeletePrevChar),
            'w' => self.edit(InputRequest::DeletePrevWord),
            'u' => self.edit(InputRequest::DeleteFromStart),
            'k' => self.edit(InputRequest::DeleteTillEnd),
            'y' => self.edit(InputRequest::Yank),
            _ => Outcome::Edited,
        }
    }

    fn edit(&mut self, request: InputRequest) -> Outcome {
        self.input.handle(request);
        Outcome::Edited
    }

    fn insert(&mut self, character: char) -> Outcome {
        if self.input.value().len() + character.len_utf8() <= MAX_LINE_BYTES {
            self.input.handle(InputRequest::InsertChar(character));
        }
        Outcome::Edited
    }

    fn drop_all(&mut self) -> Outcome {
        self.input.reset();
        self.pasted.clear();
        self.recalled = None;
        Outcome::Edited
    }

    fn enter(&mut self) -> Outcome {
        let mut lines = std::mem::take(&mut self.pasted);
        lines.push(self.input.value_and_reset());
        self.recalled = None;
        lines.retain(|line| !line.is_empty());
        for line in &lines {
            self.remember(line);
        }
        Outcome::Say(lines)
    }

    fn remember(&mut self, line: &str) {
        if self.history.last().is_some_and(|last| last == line) || secret::masked(line).is_some() {
            return;
        }
        self.history.push(line.to_owned());
        if self.history.len() > HISTORY_LINES {
            self.history.remove(0);
        }
    }

    /// One line up or down in the history; below its end is the draft.
    fn recall(&mut self, step: isize) -> Outcome {
        let now = self.recalled.unwrap_or(self.history.len());
        let Some(next) = now.checked_add_signed(step).filter(|next| *next <= self.history.len()) else {
            return Outcome::Edited;
        };
        if self.recalled.is_none() {
            self.draft = self.input.value().to_owned();
        }
        let line = self.history.get(next).unwrap_or(&self.draft).clone();
        self.recalled = (next < self.history.len()).then_some(next);
        self.input = std::mem::take(&mut self.input).with_value(line);
        Outcome::Edited
    }

    /// Pasted line ends send nothing: several lines wait for one Enter.
    fn paste(&mut self, text: &str) -> Outcome {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (before, after) = self.around_cursor();
        let (before, after) = (before.to_owned(), after.to_owned());
        let mut lines: Vec<String> = format!("{before}{text}").split('\n').map(|line| cut(line).to_owned()).collect();
        let last = lines.pop().unwrap_or_default();
        self.pasted.extend(lines);
        self.pasted.truncate(MAX_PASTED_LINES);
        let cursor = last.chars().count();
        let line = cut(&format!("{last}{after}")).to_owned();
        self.input = std::mem::take(&mut self.input).with_value(line).with_cursor(cursor);
        Outcome::Edited
    }

    fn around_cursor(&self) -> (&str, &str) {
        let line = self.input.value();
        let at = line.char_indices().nth(self.input.cursor()).map_or(line.len(), |(at, _)| at);
        line.split_at(at)
    }

    /// The line up to the cursor.
    pub fn before_cursor(&self) -> &str {
        self.around_cursor().0
    }

    /// Completes as far as all words agree. Gives them back where that is no
    /// further, for a look at them.
    pub fn complete(&mut self, candidates: Candidates) -> Vec<String> {
        let (before, after) = self.around_cursor();
        let begun = before[candidates.from..].chars().count();
        let Some(agreed) = agreed(&candidates.words).filter(|agreed| agreed.chars().count() >= begun) else {
            return candidates.words;
        };
        let further = agreed.chars().count() > begun || candidates.words.len() == 1;
        let line = format!("{}{agreed}{after}", &before[..candidates.from]);
        let cursor = before[..candidates.from].chars().count() + agreed.chars().count();
        self.input = std::mem::take(&mut self.input).with_value(line).with_cursor(cursor);
        if further { Vec::new() } else { candidates.words }
    }

    /// What to show in a window of so many columns: the part of the line where
    /// the cursor is.
    pub fn line(&self, prompt: &str, columns: usize) -> InputLine {
        let waiting = match self.pasted.len() {
            0 => String::new(),
            1 => "[1 line more; Enter sends both, Ctrl-C none] ".to_owned(),
            lines => format!("[{lines} lines more; Enter sends all, Ctrl-C none] "),
        };
        let prompt = format!("{waiting}{prompt}");
        let prompt = if prompt.width() + 10 < columns { prompt } else { "> ".to_owned() };
        let (before, after) = match secret::masked(self.input.value()) {
            Some(masked) => (masked, String::new()),
            None => {
                let (before, after) = self.around_cursor();
                (visible(before.as_bytes()), visible(after.as_bytes()))
            }
        };
        // One column stays free, so that the cursor is never on the next row.
        let (shown, column) = window(&before, &after, columns.saturating_sub(prompt.width() + 1));
        InputLine { column: prompt.width() + column, text: prompt + &shown }
    }
}

/// Not longer than a line may be.
fn cut(line: &str) -> &str {
    let end = (0..=MAX_LINE_BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
    &line[..end.unwrap_or(0)]
}

/// What all words begin with, their case aside: in the first one's spelling.
fn agreed(words: &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    let agreed = first.char_indices().take_while(|(at, character)| {
        let end = at + character.len_utf8();
        rest.iter().all(|word| word.get(..end).is_some_and(|start| start.to_lowercase() == first[..end].to_lowercase()))
    });
    Some(agreed.map(|(_, character)| character).collect())
}

/// The part of a line around the cursor that fits, and the cursor's column.
fn window(before: &str, after: &str, columns: usize) -> (String, usize) {
    let mut left = before;
    // A jump of half a window, so that the text does not crawl at every key.
    while left.width() >= columns {
        let mut dropped = 0;
        let skip = left.graphemes(true).take_while(|grapheme| {
            dropped += grapheme.width();
            dropped <= columns / 2
        });
        let bytes: usize = skip.map(str::len).sum();
        left = &left[bytes.max(left.graphemes(true).next().map_or(1, str::len))..];
    }
    let mut room = columns - left.width();
    let fits = |grapheme: &&str| {
        let width = grapheme.width();
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    let right: String = after.graphemes(true).take_while(fits).collect();
    (format!("{left}{right}"), left.width())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(code: KeyCode) -> Happening {
        Happening::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn control(character: char) -> Happening {
        Happening::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL))
    }

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::default();
        type_in(&mut editor, text);
        editor
    }

    fn type_in(editor: &mut Editor, text: &str) {
        for character in text.chars() {
            assert_eq!(editor.take(key(KeyCode::Char(character))), Outcome::Edited);
        }
    }

    fn said(line: &str) -> Outcome {
        Outcome::Say(vec![line.to_owned()])
    }

    fn shown(editor: &Editor) -> String {
        let InputLine { text, column } = editor.line("> ", 80);
        let at = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
        format!("{}|{}", &text[..at], &text[at..])
    }

    #[test]
    fn a_line_is_typed_mended_and_said() {
        let mut editor = typed("helo");
        editor.take(key(KeyCode::Left));
        type_in(&mut editor, "l");
        assert_eq!(shown(&editor), "> hell|o");
        assert_eq!(editor.take(key(KeyCode::Enter)), said("hello"));
        assert_eq!(shown(&editor), "> |");
        assert_eq!(editor.take(key(KeyCode::Enter)), Outcome::Say(vec![]), "an empty line is nothing");
    }

    #[test]
    fn enter_may_come_as_a_line_feed() {
        assert_eq!(typed("x").take(control('j')), said("x"));
    }

    #[test]
    fn lines_are_called_back_and_the_draft_is_not_lost() {
        let mut editor = typed("one");
        editor.take(key(KeyCode::Enter));
        type_in(&mut editor, "two");
        editor.take(key(KeyCode::Enter));
        type_in(&mut editor, "draft");
        for (press, expected) in [
            (KeyCode::Up, "two"),
            (KeyCode::Up, "one"),
            (KeyCode::Up, "one"),
            (KeyCode::Down, "two"),
            (KeyCode::Down, "draft"),
        ] {
            editor.take(key(press));
            assert_eq!(shown(&editor), format!("> {expected}|"));
        }
    }

    #[test]
    fn a_password_is_neither_shown_nor_called_back() {
        let mut editor = typed("/login alice hunter2");
        assert_eq!(shown(&editor), "> /login alice ***|");
        assert_eq!(editor.take(key(KeyCode::Enter)), said("/login alice hunter2"));
        editor.take(key(KeyCode::Up));
        assert_eq!(shown(&editor), "> |");
    }

    #[test]
    fn control_c_drops_the_line_first() {
        let mut editor = typed("x");
        assert_eq!(editor.take(control('c')), Outcome::Edited);
        assert_eq!(editor.take(control('c')), Outcome::Interrupt);
        assert_eq!(editor.take(control('d')), Outcome::End);
        assert_eq!(typed("x").take(control('d')), Outcome::Edited);
    }

    #[test]
    fn pasted_lines_wait_for_enter() {
        let mut editor = typed("ab");
        editor.take(key(KeyCode::Left));
        assert_eq!(editor.take(Happening::Paste("1\r\n2\r3".into())), Outcome::Edited);
        assert_eq!(shown(&editor), "[2 lines more; Enter sends all, Ctrl-C none] > 3|b");
        assert_eq!(editor.take(key(KeyCode::Enter)), Outcome::Say(["a1", "2", "3b"].map(String::from).to_vec()));
        editor.take(Happening::Paste("1\n2".into()));
        assert_eq!(editor.take(control('c')), Outcome::Edited);
        assert_eq!(editor.take(key(KeyCode::Enter)), Outcome::Say(vec![]));
    }

    #[test]
    fn a_paste_of_a_megabyte_is_cut_to_what_a_line_may_be() {
        let mut editor = Editor::default();
        editor.take(Happening::Paste("é".repeat(1 << 20)));
        assert_eq!(editor.input.value().len(), MAX_LINE_BYTES);
        type_in(&mut editor, "x");
        assert_eq!(editor.input.value().len(), MAX_LINE_BYTES);
        editor.take(Happening::Paste("x\n".repeat(5000)));
        assert_eq!(editor.pasted.len(), MAX_PASTED_LINES);
    }

    #[test]
    fn what_is_pasted_with_it_cannot_move_the_cursor() {
        let mut editor = Editor::default();
        editor.take(Happening::Paste("\x1b[2J\u{202e}".into()));
        assert_eq!(editor.line("> ", 80).text, r"> \x1b[2J\u{202e}");
    }

    #[test]
    fn tab_completes_as_far_as_all_agree_and_then_shows_them() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut editor = typed("/to al");
        assert_eq!(editor.complete(Candidates { from: 4, words: words(&["Alice", "alicia"]) }), words(&[]));
        assert_eq!(shown(&editor), "> /to Alic|");
        assert_eq!(
            editor.complete(Candidates { from: 4, words: words(&["Alice", "alicia"]) }),
            words(&["Alice", "alicia"])
        );
        assert_eq!(editor.complete(Candidates { from: 4, words: words(&["Alice"]) }), words(&[]));
        assert_eq!(shown(&editor), "> /to Alice|");
        assert_eq!(editor.complete(Candidates { from: 4, words: vec![] }), words(&[]));
        assert_eq!(shown(&editor), "> /to Alice|");
    }

    #[test]
    fn a_long_line_is_shown_where_the_cursor_is() {
        let mut editor = typed(&"0123456789".repeat(30));
        let InputLine { text, column } = editor.line("> ", 40);
        assert!(text.width() < 40 && column == text.width() && text.ends_with("6789"), "{text:?} {column}");
        editor.take(key(KeyCode::Home));
        let InputLine { text, column } = editor.line("> ", 40);
        assert!(text.width() < 40 && column == 2 && text.starts_with("> 0123"), "{text:?} {column}");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_fits_the_window(text in "\\PC{0,60}", back in 0usize..60, columns in 20usize..90) {
            let mut editor = typed(&text);
            for _ in 0..back {
                editor.take(key(KeyCode::Left));
            }
            let InputLine { text, column } = editor.line("> ", columns);
            prop_assert!(text.width() < columns && column < columns, "{text:?} {column}");
        }
    }
}
