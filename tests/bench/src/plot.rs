//! Curves and bars, as SVG, from what the other commands have written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use plotters::coord::ranged1d::IntoSegmentedCoord;
use plotters::prelude::*;
use serde_json::Value;

use crate::{download, fanout};

#[derive(clap::Args)]
pub struct Args {
    /// What `compare --json` has written
    #[arg(long)]
    echo: Option<PathBuf>,
    /// What `fan-out --json` has written
    #[arg(long)]
    fan_out: Option<PathBuf>,
    /// What `download --json` has written
    #[arg(long)]
    download: Option<PathBuf>,
    /// Where the plots go
    #[arg(long)]
    dir: PathBuf,
}

const SIZE: (u32, u32) = (760, 420);

/// Room beside the curves for the names of the servers.
const NAMES_WIDTH: u32 = 130;

/// Told apart also by who sees fewer colours (Okabe and Ito); netlab's is the first.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(130, 130, 130),
];

/// One server's points: how many clients, and the medians of its turns.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    fs::create_dir_all(&args.dir)?;
    if let Some(path) = &args.echo {
        let curves = echo_curves(&read(path)?);
        draw_curves(&args.dir.join("echo.svg"), "TCP echo: server CPU per round trip, µs", "connections", &curves)?;
    }
    if let Some(path) = &args.fan_out {
        let rows: Vec<fanout::Row> = serde_json::from_value(read(path)?)?;
        for (burst, file, how) in
            [(1, "fan-out.svg", "one line at a time"), (100, "fan-out-bursts.svg", "bursts of 100 lines")]
        {
            let title = format!("Fan-out, {how}: server CPU per delivered line, µs");
            draw_curves(&args.dir.join(file), &title, "listeners", &fan_out_curves(&rows, burst))?;
        }
    }
    if let Some(path) = &args.download {
        let results: download::Results = serde_json::from_value(read(path)?)?;
        draw_bars(&args.dir.join("download.svg"), "Download of one file: MB/s", &results.rates())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// Of the first table of round trips.
fn echo_curves(results: &Value) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    let sections = results["sections"].as_array().into_iter().flatten();
    let round_trips =
        sections.filter(|section| section["title"].as_str().is_some_and(|title| title.contains("round trips")));
    for load in round_trips.take(1).flat_map(|section| section["loads"].as_array().into_iter().flatten()) {
        for server in load["servers"].as_array().into_iter().flatten() {
            let turns = server["turns"].as_array().into_iter().flatten();
            let median = median(turns.filter_map(|turn| turn["cpu_us"].as_f64()));
            if let (Some(name), Some(clients), Some(median)) =
                (server["server"].as_str(), load["clients"].as_f64(), median)
            {
                add(&mut curves, name, (clients, median));
            }
        }
    }
    curves
}

fn fan_out_curves(rows: &[fanout::Row], burst: usize) -> Vec<Curve> {
    let mut curves = Vec::new();
    for row in rows.iter().filter(|row| row.burst == burst) {
        if let Some(median) = median(row.turns.iter().map(|turn| turn.cpu_us)) {
            add(&mut curves, &row.server, (row.listeners as f64, median));
        }
    }
    curves
}

pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    crate::stats::Spread::of(values).map(|spread| spread.median)
}

fn add(curves: &mut Vec<Curve>, name: &str, point: (f64, f64)) {
    match curves.iter_mut().find(|curve| curve.name == name) {
        Some(curve) => curve.points.push(point),
        None => curves.push(Curve { name: name.to_owned(), points: vec![point] }),
    }
}

/// Clients to the right, each ten times the one before; cost upwards, from 0.
fn draw_curves(file: &Path, title: &str, clients: &str, curves: &[Curve]) -> Result<()> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let most_clients = points().map(|point| point.0).fold(10.0, f64::max);
    let most = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let fewest = points().map(|point| point.0).fold(most_clients, f64::min);
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    drawn(root.fill(&WHITE))?;
    let (left, right) = root.split_horizontally(SIZE.0 - NAMES_WIDTH);
    let mut chart = drawn(
        ChartBuilder::on(&left)
            .caption(title, ("sans-serif", 18))
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((fewest..most_clients).log_scale(), 0.0..most),
    )?;
    drawn(
        chart.configure_mesh().x_desc(clients).x_label_formatter(&|x| format!("{x:.0}")).light_line_style(WHITE).draw(),
    )?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let width = if curve.name == "netlab" { 3 } else { 1 };
        drawn(chart.draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(width))))?;
        drawn(
            chart.draw_series(
                curve.points.iter().map(|point| Circle::new(*point, 3 + width as i32 / 2, colour.filled())),
            ),
        )?;
    }
    name_curves(&right, curves)?;
    drawn(root.present())
}

/// In the order of the right ends of the curves, the highest first.
fn name_curves(area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, curves: &[Curve]) -> Result<()> {
    let mut order: Vec<_> = curves.iter().zip(COLOURS.iter().cycle()).collect();
    let end = |curve: &Curve| curve.points.last().map_or(0.0, |point| point.1);
    order.sort_by(|(one, _), (other, _)| end(other).total_cmp(&end(one)));
    for (place, (curve, colour)) in order.into_iter().enumerate() {
        let y = 50 + 22 * place as i32;
        drawn(area.draw(&Rectangle::new([(0, y), (14, y + 10)], colour.filled())))?;
        drawn(area.draw(&Text::new(curve.name.clone(), (20, y - 3), ("sans-serif", 16))))?;
    }
    Ok(())
}

fn draw_bars(file: &Path, title: &str, bars: &[(String, f64)]) -> Result<()> {
    let most = bars.iter().map(|bar| bar.1).fold(0.0, f64::max) * 1.1;
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    drawn(root.fill(&WHITE))?;
    let mut chart = drawn(
        ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 18))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(150)
            .build_cartesian_2d(0.0..most, (0..bars.len().saturating_sub(1)).into_segmented()),
    )?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => bars.get(*place).map_or(String::new(), |bar| bar.0.clone()),
        _ => String::new(),
    };
    drawn(
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_label_formatter(&name)
            .y_labels(bars.len())
            .light_line_style(WHITE)
            .draw(),
    )?;
    drawn(chart.draw_series(bars.iter().enumerate().map(|(place, (name, rate))| {
        let colour = if name.starts_with("netlab") { COLOURS[1] } else { COLOURS[7] };
        let end = if place + 1 == bars.len() { SegmentValue::Last } else { SegmentValue::Exact(place + 1) };
        let corners = [(0.0, SegmentValue::Exact(place)), (*rate, end)];
        let mut bar = Rectangle::new(corners, colour.filled());
        bar.set_margin(6, 6, 0, 0);
        bar
    })))?;
    drawn(root.present())
}

/// What plotters says of a failure, which borrows from the drawing.
fn drawn<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T> {
    result.map_err(|error| anyhow!("cannot draw: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn echo_curves_are_of_medians_and_of_the_first_table() {
        let load = |clients, cpu: &[f64]| {
            let turns: Vec<_> = cpu.iter().map(|cpu| json!({ "cpu_us": cpu })).collect();
            json!({ "clients": clients, "servers": [{ "server": "netlab", "turns": turns }, { "server": "x", "failed": "y" }] })
        };
        let section = |title, cpu| json!({ "title": title, "loads": [load(1, cpu), load(64, &[2.0])] });
        let sections =
            [section("TCP round trips, placed", &[3.0, 1.0, 9.0]), section("TCP round trips, together", &[7.0])];
        let curves = echo_curves(&json!({ "sections": sections }));
        assert_eq!(curves.len(), 1);
        assert_eq!((curves[0].name.as_str(), &curves[0].points), ("netlab", &vec![(1.0, 3.0), (64.0, 2.0)]));
    }

    #[test]
    fn plots_are_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let curves = [Curve { name: "netlab".into(), points: vec![(10.0, 1.0), (10_000.0, 1.2)] }];
        let file = dir.path().join("curves.svg");
        draw_curves(&file, "title", "listeners", &curves).unwrap();
        draw_bars(&dir.path().join("bars.svg"), "title", &[("netlab".into(), 5.0), ("nginx".into(), 4.0)]).unwrap();
        for name in ["curves.svg", "bars.svg"] {
            assert!(fs::read_to_string(dir.path().join(name)).unwrap().trim_end().ends_with("</svg>"));
        }
    }
}
