//! Where the lines of a chart run: numbers in, coordinates out.
//!
//! Coordinates are whole numbers in a box of [`WIDTH`] by [`HEIGHT`]; y grows downwards, as in SVG. A day without a number breaks its line.

/// The width of the box.
pub const WIDTH: u64 = 720;
/// The height of the box.
pub const HEIGHT: u64 = 220;
/// Where the plot begins and ends within the box: left, right, top and bottom.
pub const PLOT: (u64, u64, u64, u64) = (44, 704, 16, 190);
/// How many steps an axis has at most.
const MOST_STEPS: u64 = 4;
/// How many days have their date below the axis at most.
const MOST_DATES: usize = 5;

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The lines across, each with its y and its number: the lowest first.
    pub steps: Vec<(u64, u64)>,
    /// The places below the axis that have a date: x, and the number of the day.
    pub dates: Vec<(u64, usize)>,
    /// The lines, one for each row of numbers.
    pub lines: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its unbroken parts of two days and more, as the points of an SVG polyline.
    pub parts: Vec<String>,
    /// Its days: x, y, the number of the day and the day's number.
    pub dots: Vec<(u64, u64, usize, u64)>,
}

/// Returns the chart of rows of numbers, one for each day; none if there is not a single number.
pub fn chart(rows: &[Vec<Option<u64>>]) -> Option<Chart> {
    let most = rows.iter().flatten().flatten().max()?;
    let days = rows.iter().map(Vec::len).max().unwrap_or(0);
    let step = step(*most);
    let count = most.div_ceil(step).max(1);
    let top = step.saturating_mul(count);
    let x = |day: usize| {
        let (left, right, ..) = PLOT;
        let last = u64::try_from(days.saturating_sub(1)).unwrap_or(1).max(1);
        let day = u64::try_from(day).unwrap_or(0);
        if days < 2 {
            (left + right) / 2
        } else {
            left + scaled(day, last, right.saturating_sub(left))
        }
    };
    let y = |number: u64| {
        let (.., above, below) = PLOT;
        below.saturating_sub(scaled(number, top, below.saturating_sub(above)))
    };
    let lines = rows.iter().map(|row| line(row, &x, &y)).collect();
    let apart = days.div_ceil(MOST_DATES).max(1);
    // Counted from the last day, which is the one that is looked for.
    let mut dates: Vec<(u64, usize)> = (0..days).rev().step_by(apart).map(|day| (x(day), day)).collect();
    dates.reverse();
    Some(Chart {
        steps: (0..=count)
            .map(|at| step.saturating_mul(at))
            .map(|number| (y(number), number))
            .collect(),
        dates,
        lines,
    })
}

fn line(row: &[Option<u64>], x: &dyn Fn(usize) -> u64, y: &dyn Fn(u64) -> u64) -> Line {
    let mut line = Line::default();
    let mut part: Vec<String> = Vec::new();
    let end = |part: &mut Vec<String>, parts: &mut Vec<String>| {
        if part.len() > 1 {
            parts.push(part.join(" "));
        }
        part.clear();
    };
    for (day, number) in row.iter().enumerate() {
        match number {
            Some(number) => {
                let (x, y) = (x(day), y(*number));
                part.push(format!("{x},{y}"));
                line.dots.push((x, y, day, *number));
            }
            None => end(&mut part, &mut line.parts),
        }
    }
    end(&mut part, &mut line.parts);
    line
}

/// Returns `part` of `whole` as a length on a way of `length`, rounded.
pub fn scaled(part: u64, whole: u64, length: u64) -> u64 {
    let whole = u128::from(whole.max(1));
    let found = (u128::from(part) * u128::from(length) + whole / 2) / whole;
    u64::try_from(found).unwrap_or(length)
}

/// Returns the step of an axis that reaches `most`: 1, 2 or 5, times a power of ten.
fn step(most: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for times in [1, 2, 5] {
            let step = unit.saturating_mul(times);
            if most <= step.saturating_mul(MOST_STEPS) {
                return step;
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return most.div_ceil(MOST_STEPS).max(1),
        }
    }
}
