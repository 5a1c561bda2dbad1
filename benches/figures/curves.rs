//! How the figures grow, as plots in `docs/performance/` and tables.

mod deaths;
mod fanout;
mod host;
mod keys;
pub mod leases;
mod services;

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::report::number;

pub const NAMES: &str = "host, services, keys, leases, fanout, deaths";

/// Those named, or all.
pub fn draw(names: &[String]) {
    for name in NAMES.split(", ") {
        if names.is_empty() || names.iter().any(|asked| asked == name) {
            eprintln!("curves: {name}");
            match name {
                "host" => host::draw(),
                "services" => services::draw(),
                "keys" => keys::draw(),
                "leases" => leases::draw(),
                "fanout" => fanout::draw(),
                _ => deaths::draw(),
            }
        }
    }
}

/// A line of a plot: its name and its points.
type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// Prints the lines as a table, `x` first.
fn table(x: &str, lines: &[Line<'_>]) {
    let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| {x} | {} |\n", names.join(" | "));
    text += &format!("|{}\n", " --- |".repeat(lines.len() + 1));
    let (_, points) = &lines[0];
    for (position, (x, _)) in points.iter().enumerate() {
        let cells = lines.iter().map(|(_, points)| match points.get(position) {
            Some((_, y)) => number(*y),
            None => String::new(),
        });
        text += &format!("| {x} | {} |\n", cells.collect::<Vec<_>>().join(" | "));
    }
    println!("{text}");
}

/// Both axes by powers of ten.
fn plot(name: &str, title: &str, x: &str, y: &str, lines: &[Line<'_>]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/performance/{name}.svg"));
    let root = SVGBackend::new(&path, (720, 400)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            bounds(all().map(|(x, _)| *x)).log_scale(),
            bounds(all().map(|(_, y)| *y)).log_scale(),
        )
        .unwrap();
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .light_line_style(WHITE)
        .draw()
        .unwrap();
    for (position, (name, points)) in lines.iter().enumerate() {
        let color = Palette99::pick(position).to_rgba();
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)
            .unwrap()
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .unwrap();
    root.present().unwrap();
}

fn bounds(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let low = values.clone().fold(f64::MAX, f64::min);
    let high = values.fold(f64::MIN_POSITIVE, f64::max);
    low / 1.2..high * 1.5
}
