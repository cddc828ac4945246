//! A page of text for a terminal in the making: headings, labelled lines and wrapped text.

use crate::model::Timestamp;
use crate::view::text::{Paint, columns, plain, wrap};
use std::fmt::Write as _;

/// How a page is shown to a person.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Colour or none.
    pub paint: Paint,
    /// Columns; 0 wraps nothing and lists a built-in a line.
    pub width: usize,
}

/// Text in the making; all that is put into it is shown as it is.
pub(super) struct Page {
    pub out: String,
    pub layout: Layout,
}

impl Page {
    /// Returns an empty page.
    pub fn new(layout: Layout) -> Page {
        Page {
            out: String::new(),
            layout,
        }
    }

    /// Writes a text that begins at column `indent`; what does not fit goes on below, at column `hang`.
    pub fn put(&mut self, indent: usize, hang: usize, text: &str) {
        let room = match self.layout.width {
            0 => 0,
            width => width.saturating_sub(indent).max(16),
        };
        for line in lines(text, room, hang.saturating_sub(indent)) {
            let _ = writeln!(self.out, "{:indent$}{line}", "");
        }
    }

    /// Writes a text as [`Page::put`] does, each line painted.
    pub fn painted(&mut self, indent: usize, hang: usize, text: &str, paint: &dyn Fn(&str) -> String) {
        let room = match self.layout.width {
            0 => 0,
            width => width.saturating_sub(indent).max(16),
        };
        for line in lines(text, room, hang.saturating_sub(indent)) {
            let text = line.trim_start();
            let margin = indent + columns(&line) - columns(text);
            let _ = writeln!(self.out, "{:margin$}{}", "", paint(text));
        }
    }

    /// Writes a heading.
    pub fn heading(&mut self, text: &str) {
        let paint = self.layout.paint;
        for line in lines(text, self.layout.width, 2) {
            let _ = writeln!(self.out, "{}", paint.bold(&line));
        }
    }

    /// Begins the part of an environment: a heading, its scope, and what was asked and when; or why it could not be read.
    pub fn environment<'r, T>(
        &mut self,
        heading: &str,
        scope: &str,
        read: &'r Result<T, String>,
        asked: impl Fn(&'r T) -> (&'r str, Timestamp),
    ) -> Option<&'r T> {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.heading(heading);
        self.put(2, 4, &format!("scope {scope}"));
        match read {
            Err(why) => {
                let paint = self.layout.paint;
                self.painted(2, 4, &format!("not read: {why}"), &|line| paint.bad(line));
                None
            }
            Ok(read) => {
                let (endpoint, time) = asked(read);
                self.put(2, 4, &format!("at {endpoint}, {time}"));
                Some(read)
            }
        }
    }

    /// Writes a line of a table with a label; nothing if there is nothing to say.
    pub fn field(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            self.put(2, 13, &format!("{label:<10} {text}"));
        }
    }
}

/// Breaks a text into lines, none of which is a command to a pipeline's log.
fn lines(text: &str, width: usize, indent: usize) -> Vec<String> {
    let broken = wrap(&plain(text), width, indent);
    broken.iter().map(|line| plain(line)).collect()
}
