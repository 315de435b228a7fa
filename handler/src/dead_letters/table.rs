//! Rows of text in columns.

/// A table with a heading; the last column is as long as it likes.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading = heading.map(str::to_owned);
    let lines = std::iter::once(&heading).chain(rows).map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        cells.join("  ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// Text as a cell: on one line, nothing a terminal could obey, at most `longest` characters.
pub(super) fn cell(text: &str, longest: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.char_indices().nth(longest) {
        None => plain,
        Some(_) => plain.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows =
            [["a".to_owned(), "sensor-1".to_owned(), "x".to_owned()], ["ü".to_owned(), String::new(), String::new()]];
        assert_eq!(table(["id", "device", "reason"], &rows), "id  device    reason\na   sensor-1  x\nü\n");
    }

    #[test]
    fn a_cell_is_one_short_line_and_no_command_to_the_terminal() {
        assert_eq!(cell("two\nlines \u{1b}[31mred", 40), "two lines  [31mred");
        assert_eq!(cell("exactly", 7), "exactly");
        assert_eq!(cell("üüüüüüüü", 7), "üüüüüü…");
    }

    proptest! {
        #[test]
        fn no_cell_is_longer_than_it_may_be(text in ".{0,40}", longest in 0_usize..20) {
            prop_assert!(cell(&text, longest).chars().count() <= longest.max(1));
        }
    }
}
