//! Markdown as a terminal shows it: headings stand out, text is as wide as the
//! window, transcripts stay as they are.

use std::mem;

use anstyle::{AnsiColor, Style};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::report::keyboard;

const HEADING: Style = AnsiColor::Green.on_default().bold();
const COMMAND: Style = AnsiColor::Cyan.on_default();
const STRONG: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Wider lines of text are tiring to read.
const MAX_COLUMNS: usize = 96;

/// Before each line of a transcript.
const CODE_INDENT: &str = "    ";

/// Before the rest of a line of output that is wider than the window.
const CONTINUED: &str = "     ";

/// The width to lay a page out for.
pub fn columns() -> usize {
    keyboard::columns().min(MAX_COLUMNS)
}

/// `markdown` laid out in `columns`, with styles as escape sequences.
pub fn laid_out(markdown: &str, columns: usize) -> String {
    let mut page = Page { columns, ..Page::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        page.take(event);
    }
    page.out
}

/// A row of a table: its cells.
type Row = Vec<Vec<Word>>;

/// A word as it is shown, and how many columns it takes.
type Word = (String, usize);

#[derive(Default)]
struct Page {
    columns: usize,
    out: String,
    /// The words of the paragraph, item or cell that is open.
    words: Vec<Word>,
    /// Whether the next text goes on with the last word, without a blank.
    joined: bool,
    /// How text looks now.
    style: Style,
    in_code: bool,
    /// The open code is a transcript, whose output may be wide.
    in_transcript: bool,
    /// Open lists: the next number, none where there are bullets.
    lists: Vec<Option<u64>>,
    /// What stands before the first line of the open item.
    bullet: String,
    /// The open table.
    rows: Vec<Row>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) if self.in_code => self.code(&text),
            Event::Text(text) => self.text(&text, self.style),
            Event::Code(text) => self.text(&text, COMMAND),
            Event::SoftBreak | Event::HardBreak => self.joined = false,
            Event::Rule => self.out += "\n",
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.style = HEADING,
            Tag::Strong | Tag::Emphasis => self.style = STRONG,
            Tag::CodeBlock(kind) => {
                let info = if let CodeBlockKind::Fenced(info) = kind { info } else { "" };
                (self.in_code, self.in_transcript) = (true, info.starts_with("console"));
                if info == "console server" {
                    self.out += &format!("{DIM}{CODE_INDENT}in another window:{DIM:#}\n");
                }
            }
            Tag::List(first) => {
                self.paragraph(); // the text of the item that this list is in
                self.lists.push(*first);
            }
            Tag::Item => self.bullet = self.next_bullet(),
            Tag::TableRow | Tag::TableHead => self.rows.push(Vec::new()),
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.style = Style::new();
                self.paragraph();
                self.out += "\n";
            }
            TagEnd::Strong | TagEnd::Emphasis => self.style = Style::new(),
            TagEnd::Paragraph => {
                self.paragraph();
                self.out += "\n";
            }
            TagEnd::Item => self.paragraph(),
            TagEnd::List(_) => {
                self.lists.pop();
                self.out += if self.lists.is_empty() && !self.out.ends_with("\n\n") { "\n" } else { "" };
            }
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.out += "\n";
            }
            TagEnd::TableCell => {
                let cell = mem::take(&mut self.words);
                self.joined = false;
                self.rows.last_mut().into_iter().for_each(|row| row.push(cell.clone()));
            }
            TagEnd::Table => self.table(),
            _ => {}
        }
    }

    fn next_bullet(&mut self) -> String {
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{indent}{}. ", *number - 1)
            }
            _ => format!("{indent}- "),
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        let (begins, ends) = (text.starts_with(char::is_whitespace), text.ends_with(char::is_whitespace));
        self.joined &= !begins;
        for word in text.split_whitespace() {
            let shown = if style == Style::new() { word.to_owned() } else { format!("{style}{word}{style:#}") };
            let width = word.chars().count();
            match self.words.last_mut() {
                Some((last, wide)) if self.joined => {
                    *last += &shown;
                    *wide += width;
                }
                _ => self.words.push((shown, width)),
            }
            self.joined = false;
        }
        self.joined = !ends && !self.words.is_empty();
    }

    /// Commands stay on one line, to be copied; output may go on below.
    fn code(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                self.out += &format!("{CODE_INDENT}{DIM}${DIM:#} {STRONG}{command}{STRONG:#}\n");
                continue;
            }
            let mut start = CODE_INDENT.to_owned();
            let room = if self.in_transcript { self.columns.saturating_sub(CODE_INDENT.len()) } else { usize::MAX };
            for part in folded(line, room) {
                self.out += format!("{start}{part}").trim_end();
                self.out += "\n";
                start = format!("{CODE_INDENT}{CONTINUED}");
            }
        }
    }

    /// Writes the words that have been gathered, under the item's bullet.
    fn paragraph(&mut self) {
        let words = mem::take(&mut self.words);
        self.joined = false;
        if words.is_empty() {
            return;
        }
        let hanging = match (self.lists.is_empty(), self.bullet.len()) {
            (true, _) => 0,
            (false, 0) => 2 * self.lists.len(),
            (false, bullet) => bullet,
        };
        let mut start = mem::take(&mut self.bullet);
        start += &" ".repeat(hanging - start.len());
        for line in wrapped(&words, self.columns.saturating_sub(hanging)) {
            self.out += &format!("{start}{line}\n");
            start = " ".repeat(hanging);
        }
    }

    /// Columns as wide as their widest cell; the last one has the rest.
    fn table(&mut self) {
        let rows = mem::take(&mut self.rows);
        let count = rows.iter().map(Vec::len).max().unwrap_or_default();
        let widest =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count.saturating_sub(1)).map(widest).collect();
        let before: usize = widths.iter().map(|width| width + 2).sum();
        for row in &rows {
            let Some((last, first)) = row.split_last() else { continue };
            let mut start: String = first.iter().zip(&widths).map(|(cell, width)| padded(cell, width + 2)).collect();
            for line in wrapped(last, self.columns.saturating_sub(before)) {
                self.out += &format!("{start}{line}\n");
                start = " ".repeat(before);
            }
        }
        self.out += "\n";
    }
}

fn width(words: &[Word]) -> usize {
    words.iter().map(|(_, width)| width + 1).sum::<usize>().saturating_sub(1)
}

fn padded(cell: &[Word], columns: usize) -> String {
    let text: Vec<&str> = cell.iter().map(|(text, _)| &**text).collect();
    text.join(" ") + &" ".repeat(columns.saturating_sub(width(cell)))
}

/// Lines of at most `columns`, where no word is longer.
fn wrapped(words: &[Word], columns: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for (word, width) in words {
        if used > 0 && used + 1 + width > columns {
            lines.push(mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line += " ";
            used += 1;
        }
        line += word;
        used += width;
    }
    lines.push(line);
    lines
}

/// A line as it is where it fits, or in several at its blanks.
fn folded(line: &str, columns: usize) -> Vec<String> {
    if line.chars().count() <= columns {
        return vec![line.to_owned()];
    }
    let words: Vec<Word> = line.split(' ').map(|word| (word.to_owned(), word.chars().count())).collect();
    wrapped(&words, columns.saturating_sub(CONTINUED.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markdown: &str, columns: usize) -> String {
        anstream::adapter::strip_str(&laid_out(markdown, columns)).to_string()
    }

    #[test]
    fn text_and_output_are_as_wide_as_the_window_and_commands_are_left_alone() {
        let page = "# Echo\n\nOne two\nthree `four five`.\n\n```console server\n$ netlab tcp-echo server, a long line\nlistening on\n```\n";
        let expected = "Echo\n\nOne two\nthree four\nfive.\n\n    in another window:\n    $ netlab tcp-echo server, a long line\n    listening\n         on\n\n";
        assert_eq!(plain(page, 12), expected);
    }

    #[test]
    fn items_hang_under_their_bullets() {
        assert_eq!(plain("1. one two three\n2. four\n   - five\n", 10), "1. one two\n   three\n2. four\n  - five\n\n");
        assert_eq!(plain("- **one** two\n- three\n\nfour\n", 80), "- one two\n- three\n\nfour\n\n");
    }

    #[test]
    fn the_last_column_of_a_table_has_the_rest_of_the_width() {
        let page = "| a | b |\n|---|---|\n| `long` | one two three |\n";
        assert_eq!(plain(page, 14), "a     b\nlong  one two\n      three\n\n");
    }
}
