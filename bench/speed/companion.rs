//! A contestant in another process: a line with a number of repetitions goes in, a line with
//! seconds comes out.

use crate::measure::Contestant;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Companion {
    child: Child,
    into: ChildStdin,
    out: BufReader<ChildStdout>,
}

impl Companion {
    fn ask(&mut self, line: &str) -> std::io::Result<String> {
        writeln!(self.into, "{line}")?;
        let mut answer = String::new();
        self.out.read_line(&mut answer)?;
        Ok(answer.trim().to_string())
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `work` is what the companion is to work on, as its first line. It answers `ok`, with what it is
/// called, or why not.
///
/// # Errors
/// Why it cannot take part.
pub fn contestant(
    command: &mut Command,
    work: &str,
    units: usize,
) -> Result<Contestant<'static>, String> {
    let (name, mut companion) = start(command, work)?;
    let run = move |n: u64| -> f64 {
        let answer = companion.ask(&n.to_string()).expect("a companion that lives");
        answer.parse().unwrap_or_else(|_| panic!("expected seconds, got {answer:?}"))
    };
    Ok(Contestant::timed(&name, units, run))
}

/// The same, where the whole answer is in what follows `ok`.
///
/// # Errors
/// Why there is none.
pub fn answer(command: &mut Command, work: &str) -> Result<String, String> {
    start(command, work).map(|(answer, _)| answer)
}

fn start(command: &mut Command, work: &str) -> Result<(String, Companion), String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let (into, out) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let mut companion = Companion { child, into, out: BufReader::new(out) };
    let answer = companion.ask(work).map_err(|error| error.to_string())?;
    match answer.split_once(' ') {
        Some(("ok", name)) => Ok((name.into(), companion)),
        _ => Err(if answer.is_empty() { "it ended at once".into() } else { answer }),
    }
}
