//! The one place that writes to standard output and standard error.
//!
//! Data goes to standard output, everything else to standard error. A reader that went away is not an error.

use super::page::Layout;
use super::service::{Annotation, Service};
use super::text::Paint;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The form in which a command answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    #[default]
    Human,
    /// For a program; versioned.
    Json,
    /// For a pull request or a job summary.
    Markdown,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// What a person waits for.
    Normal,
    /// Every call.
    Verbose,
}

/// Writes output; knows format, colour, width and verbosity.
#[derive(Debug)]
pub struct Printer {
    /// The form of the answer.
    pub format: Format,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Colour on standard output.
    pub out: Paint,
    /// Colour on standard error.
    pub err: Paint,
    /// Columns of standard output; 0 if it is no terminal: nothing is wrapped then.
    pub width: usize,
    /// The service whose pipeline runs this; its log understands commands.
    pub service: Option<Service>,
    reader_gone: AtomicBool,
}

impl Printer {
    /// Returns a printer for this process's streams. `no_color` is whether the environment asks for no colour.
    pub fn new(format: Format, color: ColorChoice, verbosity: Verbosity, no_color: bool) -> Printer {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let paint = |terminal: bool| Paint {
            colour: match color {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => terminal && !no_color,
            },
        };
        let size = if out {
            terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
        } else {
            None
        };
        Printer {
            format,
            verbosity,
            out: paint(out),
            err: paint(err),
            width: if out { size.unwrap_or(80).max(20) } else { 0 },
            service: None,
            reader_gone: AtomicBool::new(false),
        }
    }

    /// Returns how a page is laid out on standard output.
    pub fn layout(&self) -> Layout {
        Layout {
            paint: self.out,
            width: self.width,
        }
    }

    /// Writes data to standard output, with a line feed at its end.
    pub fn data(&self, text: &str) {
        self.write(&mut std::io::stdout().lock(), text);
    }

    /// Says something on standard error, unless quiet.
    pub fn note(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.write(&mut std::io::stderr().lock(), text);
        }
    }

    /// Says something on standard error if verbose.
    pub fn detail(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.write(&mut std::io::stderr().lock(), text);
        }
    }

    /// Says an error on standard error.
    pub fn error(&self, text: &str) {
        self.write(&mut std::io::stderr().lock(), text);
    }

    /// Shows an annotation on standard error, where a service is there to show it.
    pub fn annotate(&self, annotation: &Annotation<'_>) {
        if let Some(service) = self.service {
            self.error(&service.annotation(annotation));
        }
    }

    /// Begins a part of standard error that a pipeline's log can fold; it ends when what is returned is dropped.
    pub fn group(&self, title: &str) -> Group<'_> {
        let service = self.service.filter(|_| self.verbosity >= Verbosity::Normal);
        let end = service.map(|service| {
            let (begin, end) = service.group(title);
            self.error(&begin);
            end
        });
        Group { printer: self, end }
    }

    fn write(&self, stream: &mut dyn Write, text: &str) {
        let end = if text.ends_with('\n') || text.is_empty() {
            ""
        } else {
            "\n"
        };
        let written = stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.write_all(end.as_bytes()));
        if let Err(error) = written.and_then(|()| stream.flush())
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.reader_gone.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether output was lost for another reason than a reader that went away, such as a full disk.
    pub fn lost_output(&self) -> bool {
        self.reader_gone.load(Ordering::Relaxed)
    }

    /// Returns whether a person can be asked: standard input and standard error are a terminal.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a question on standard error; returns the answer without its line feed, none at the end of input.
    pub fn ask(&self, question: &str) -> Option<String> {
        self.error(question);
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim().to_owned()),
        }
    }

    /// Starts to show progress over `total` objects: a bar on a terminal, plain lines elsewhere.
    pub fn progress(&self, total: usize) -> Progress<'_> {
        let shown = self.verbosity >= Verbosity::Normal && std::io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { printer: self, bar }
    }
}

/// A part of standard error that a pipeline's log can fold.
#[derive(Debug)]
pub struct Group<'a> {
    printer: &'a Printer,
    end: Option<&'static str>,
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            self.printer.error(end);
        }
    }
}

/// Progress over a number of objects.
#[derive(Debug)]
pub struct Progress<'a> {
    printer: &'a Printer,
    bar: Option<ProgressBar>,
}

impl Progress<'_> {
    /// Says what is being done; on a terminal only, beside the bar.
    pub fn doing(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Says that an object is finished.
    pub fn finished(&self, line: &str) {
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.suspend(|| self.printer.note(line));
            }
            None => self.printer.note(line),
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
