//! The page's plots, as SVG (the crate plotters).
//!
//! Colours are left to the page's style sheet, which knows whether the reader
//! has it light or dark: plotters is given placeholders, and they are replaced.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// Width and height in the SVG's own units; the page scales it.
const SIZE: (u32, u32) = (720, 300);

const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);

/// Each placeholder, and what the page has instead.
const COLOURS: [(&str, &str); 4] =
    [("#010101", "var(--ink)"), ("#020202", "var(--grid)"), ("#030303", "var(--tcp)"), ("#040404", "var(--udp)")];

/// One line of a plot.
pub struct Series {
    /// Whose it is.
    pub of: Protocol,
    /// In the plot's units.
    pub points: Vec<(f64, f64)>,
}

/// Whose line it is.
#[derive(Clone, Copy)]
pub enum Protocol {
    /// TCP's.
    Tcp,
    /// UDP's.
    Udp,
}

impl Protocol {
    fn placeholder(self) -> RGBColor {
        match self {
            Protocol::Tcp => RGBColor(3, 3, 3),
            Protocol::Udp => RGBColor(4, 4, 4),
        }
    }
}

/// What a plot shows.
pub struct Plot<'a> {
    /// For who cannot see it.
    pub label: &'a str,
    /// Along the lower side.
    pub x: &'a str,
    /// Along the left side.
    pub y: &'a str,
    /// Whether each step to the right is a factor.
    pub log_x: bool,
    /// Whether points are marked.
    pub marked: bool,
    /// The lines.
    pub series: Vec<Series>,
}

impl Plot<'_> {
    /// The plot as an SVG element; nothing where there is nothing to show.
    pub fn svg(&self) -> Option<String> {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let (left, right) = bounds(all().map(|point| point.0))?;
        let (_, top) = bounds(all().map(|point| point.1))?;
        let height = 0.0..(top * 1.05).max(1e-6);
        let mut svg = String::new();
        let drawn = if self.log_x {
            self.draw(&mut svg, (left * 0.8..right * 1.25).log_scale(), height)
        } else {
            self.draw(&mut svg, left.min(0.0)..right.max(left + 1e-6), height)
        };
        drawn.ok()?; // only a file could fail, and this is memory
        Some(self.coloured(&svg))
    }

    fn draw<X>(&self, into: &mut String, x: X, y: Range<f64>) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
    {
        let root = SVGBackend::with_string(into, SIZE).into_drawing_area();
        let mut chart =
            ChartBuilder::on(&root).margin(10).x_label_area_size(42).y_label_area_size(64).build_cartesian_2d(x, y)?;
        let font = ("sans-serif", 14).into_font().color(&INK);
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(font.clone())
            .axis_desc_style(font)
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        for Series { of, points } in &self.series {
            let colour = of.placeholder();
            let style = colour.stroke_width(2);
            // Told apart by more than their colours.
            match of {
                Protocol::Tcp => chart.draw_series(LineSeries::new(points.iter().copied(), style))?,
                Protocol::Udp => chart.draw_series(DashedLineSeries::new(points.iter().copied(), 7, 4, style))?,
            };
            if self.marked {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
            }
        }
        root.present()?;
        drop(chart);
        Ok(())
    }

    fn coloured(&self, svg: &str) -> String {
        let mut svg = svg.replace(&format!("<svg width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1), "<svg");
        for (placeholder, colour) in COLOURS {
            svg = svg.replace(placeholder, colour);
        }
        svg.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{}\"", super::escaped(self.label)), 1)
    }
}

/// `20`, `0.5`: no more digits than there are.
fn number(value: f64) -> String {
    let rounded = (value * 1e3).round() / 1e3;
    format!("{rounded}")
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| {
        let (low, high): (f64, f64) = bounds.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// How many of 100 took at most so long: a line that rises at each.
pub fn distribution(mut times: Vec<f64>) -> Vec<(f64, f64)> {
    times.sort_by(f64::total_cmp);
    let share = |at: usize| at as f64 * 100.0 / times.len() as f64;
    times.iter().enumerate().flat_map(|(at, time)| [(*time, share(at)), (*time, share(at + 1))]).collect()
}

/// A line that rises by one at each of these moments, up to `end`.
pub fn staircase(moments: &[f64], end: f64) -> Vec<(f64, f64)> {
    let steps = moments.iter().enumerate().flat_map(|(at, moment)| [(*moment, at as f64), (*moment, at as f64 + 1.0)]);
    [(0.0, 0.0)].into_iter().chain(steps).chain([(end, moments.len() as f64)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_leaves_its_colours_to_the_page() {
        let series = vec![Series { of: Protocol::Tcp, points: vec![(1.0, 2.0), (2.0, 3.0)] }];
        let plot = Plot { label: "a \"plot\"", x: "x", y: "y", log_x: false, marked: true, series };
        let svg = plot.svg().unwrap();
        assert!(svg.starts_with("<svg role=\"img\" aria-label=\"a &quot;plot&quot;\""), "{}", &svg[..200]);
        assert!(svg.contains("var(--tcp)") && svg.contains("var(--ink)") && !svg.contains("#0"), "{svg}");
    }

    #[test]
    fn nothing_to_show_is_no_plot() {
        let plot = Plot { label: "", x: "", y: "", log_x: true, marked: false, series: vec![] };
        assert_eq!(plot.svg(), None);
    }

    #[test]
    fn a_distribution_rises_to_100() {
        assert_eq!(distribution(vec![2.0, 1.0]), [(1.0, 0.0), (1.0, 50.0), (2.0, 50.0), (2.0, 100.0)]);
    }
}
