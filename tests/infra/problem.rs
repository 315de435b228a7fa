//! What a check finds.

use std::fmt;

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct At {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// One thing that is wrong, where, and what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    pub(crate) file: String,
    pub(crate) at: At,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(file: &str, at: At, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), at, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.at.line, self.at.column, self.message)
    }
}

/// Problems as lines, in the order of the files.
pub(crate) fn listed(mut problems: Vec<Problem>) -> String {
    problems.sort();
    problems.dedup();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// The known name that is most like a wrong one, if any is like it.
pub(crate) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|name| (distance(wrong, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 1 + wrong.len() / 4 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

/// How many characters to insert, delete or replace, case aside.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, in_a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, in_b) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(in_a != in_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}
