//! Plots, as SVG that takes its colours from the page: so they follow it into
//! the dark, and onto paper.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// A plot's size, in CSS pixels before it is scaled.
const WIDTH: u32 = 720;
const HEIGHT: u32 = 250;

/// plotters writes letters a quarter smaller than it is told.
const LETTERS: u32 = 16;

/// Colours that plotters is given, and what the page has in their place.
const INK: RGBColor = RGBColor(0, 0, 1);
const FAINT: RGBColor = RGBColor(0, 0, 2);
/// TCP's.
pub const TCP: RGBColor = RGBColor(0, 0, 3);
/// UDP's.
pub const UDP: RGBColor = RGBColor(0, 0, 4);
/// What bounds something.
pub const BOUND: RGBColor = RGBColor(0, 0, 5);
const NAMES: [(RGBColor, &str); 5] =
    [(INK, "var(--ink)"), (FAINT, "var(--faint)"), (TCP, "var(--tcp)"), (UDP, "var(--udp)"), (BOUND, "var(--dim)")];

/// Bars that leave no gap would read as an area.
const GAP: f64 = 0.08;

/// Why there is no plot: as plotters has it.
pub type Failed = String;

/// Both axes.
pub struct Axes<'a> {
    /// Where x ends; it begins at 0.
    pub width: f64,
    /// Where y ends.
    pub height: f64,
    /// What x is.
    pub x: &'a str,
    /// What y is.
    pub y: &'a str,
    /// A place on x, in words.
    pub x_label: &'a dyn Fn(f64) -> String,
    /// A place on y.
    pub y_label: &'a dyn Fn(f64) -> String,
}

/// What is drawn between them.
pub enum Drawn<'a> {
    /// A bar for each value, from one whole number to the next.
    Bars(&'a [u64], RGBColor),
    /// A level for each value, from one whole number to the next.
    Steps(&'a [u64], RGBColor, Stroke),
    /// A line through points, each marked.
    Points(&'a [(f64, f64)], RGBColor, Stroke),
}

/// How a line is drawn: two can be told apart without their colours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Solid, marked by circles.
    Solid,
    /// Dashed, marked by triangles.
    Dashed,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A plot; `name` is unique on the page, `title` and `description` are read
/// aloud in its place.
pub fn plot(
    name: &str,
    title: &str,
    description: &str,
    axes: &Axes<'_>,
    drawn: &[Drawn<'_>],
) -> Result<Markup, Failed> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        draw(&area, axes, drawn)?;
        area.present().map_err(|error| error.to_string())?;
    }
    for (colour, named) in NAMES {
        svg = svg.replace(&format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2), named);
    }
    let body = svg.split_once('>').map_or("", |(_, body)| body).trim_end().trim_end_matches("</svg>");
    Ok(image(name, (WIDTH, HEIGHT), title, description, &PreEscaped(body.to_owned())))
}

/// An SVG that says what it shows.
pub fn image(name: &str, (width, height): (u32, u32), title: &str, description: &str, body: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (width) " " (height) } role="img" aria-labelledby={ (name) "-title " (name) "-desc" } {
            title id={ (name) "-title" } { (title) }
            desc id={ (name) "-desc" } { (description) }
            (body)
        }
    }
}

fn draw(area: &Area<'_>, axes: &Axes<'_>, drawn: &[Drawn<'_>]) -> Result<(), Failed> {
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_right(36)
        .x_label_area_size(42)
        .y_label_area_size(98)
        .build_cartesian_2d(0.0..axes.width, 0.0..axes.height)
        .map_err(|error| error.to_string())?;
    let letters = ("sans-serif", LETTERS).into_font().color(&INK);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .y_max_light_lines(0)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style(letters.clone())
        .axis_desc_style(letters)
        .x_labels(9)
        .y_labels(5)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_label_formatter(&|x| (axes.x_label)(*x))
        .y_label_formatter(&|y| (axes.y_label)(*y))
        .draw()
        .map_err(|error| error.to_string())?;
    drawn.iter().try_for_each(|drawn| add(&mut chart, drawn))
}

fn add(chart: &mut Chart<'_, '_>, drawn: &Drawn<'_>) -> Result<(), Failed> {
    match drawn {
        Drawn::Bars(values, colour) => {
            let bar = |(at, value): (usize, &u64)| {
                let corners = [(at as f64 + GAP, 0.0), ((at + 1) as f64 - GAP, *value as f64)];
                Rectangle::new(corners, colour.filled())
            };
            let bars = values.iter().enumerate().filter(|(_, value)| **value > 0).map(bar);
            chart.draw_series(bars).map(|_| ()).map_err(|error| error.to_string())
        }
        Drawn::Steps(values, colour, stroke) => {
            let ends = |(at, value): (usize, &u64)| [(at as f64, *value as f64), ((at + 1) as f64, *value as f64)];
            line(chart, values.iter().enumerate().flat_map(ends).collect(), *colour, *stroke)
        }
        Drawn::Points(points, colour, stroke) => {
            line(chart, points.to_vec(), *colour, *stroke)?;
            let marks = points.iter().copied();
            let marked = match stroke {
                Stroke::Solid => chart.draw_series(marks.map(|at| Circle::new(at, 4, colour.filled()))),
                Stroke::Dashed => chart.draw_series(marks.map(|at| TriangleMarker::new(at, 6, colour.filled()))),
            };
            marked.map(|_| ()).map_err(|error| error.to_string())
        }
    }
}

fn line(chart: &mut Chart<'_, '_>, points: Vec<(f64, f64)>, colour: RGBColor, stroke: Stroke) -> Result<(), Failed> {
    let style = colour.stroke_width(2);
    let added = match stroke {
        Stroke::Solid => chart.draw_series(LineSeries::new(points, style)).map(|_| ()),
        Stroke::Dashed => chart.draw_series(DashedLineSeries::new(points, 7, 4, style)).map(|_| ()),
    };
    added.map_err(|error| error.to_string())
}
