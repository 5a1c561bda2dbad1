//! Tables for people.

use std::fmt::Write as _;

/// Of a column: longer text is not waited for by the other rows.
const WIDEST: usize = 120;

/// A line of headings, and one for each row, in columns of one width but for the last.
#[must_use]
pub fn aligned(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<_> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let rows: Vec<_> = std::iter::once(&headings).chain(rows).collect();
    let widths: Vec<_> = (0..headings.len())
        .map(|column| width(&rows, column))
        .collect();
    let mut text = String::new();
    for row in rows {
        text.push_str(&line(row, &widths));
        text.push('\n');
    }
    text
}

fn width(rows: &[&Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    let widths = cells.map(|cell| cell.chars().count());
    widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
}

fn line(row: &[String], widths: &[usize]) -> String {
    let Some((last, others)) = row.split_last() else {
        return String::new();
    };
    let mut text = String::new();
    for (cell, width) in others.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{cell:width$}  ");
    }
    text + last
}
