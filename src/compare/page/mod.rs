//! `--html`: one page with everything in it, and nothing from elsewhere: the
//! table, both ladders, the plots, and the command that made it. Every figure
//! on it is in `--json` as well.

mod plots;
mod way;

use std::fmt::Write;
use std::time::Duration;

use self::plots::{Plot, Protocol, Series, distribution, staircase};
use super::comparison::Comparison;
use super::packets::Packet;
use super::sweep::Point;
use super::table::{self, LINES};
use super::words;
use super::workload::Workload;
use crate::report::RoundTrips;

/// The page's style: light and dark, on a screen and on paper.
const STYLE: &str = include_str!("style.css");

/// The whole page. `command` is what was typed, `over` what it went over.
pub fn page(command: &str, over: &str, workload: &Workload, comparison: &Comparison) -> String {
    let heading = words::heading(workload, over).replace('\n', " ");
    let sentences = words::all(workload, comparison);
    let mut body = format!("<h1>TCP and UDP side by side</h1>\n<p>{}.</p>\n", escaped(&heading));
    let _ = writeln!(body, "<p>Made by <code>{}</code></p>\n{}", escaped(command), html_table(comparison));
    body += "<section aria-labelledby=\"shows\"><h2 id=\"shows\">What the numbers show</h2>\n";
    sentences.iter().for_each(|sentence| body += &format!("<p>{}</p>\n", escaped(sentence)));
    body += "</section>\n";
    body += &figures(workload, comparison);
    body += &ladders(comparison);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>TCP and UDP side by side</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn html_table(comparison: &Comparison) -> String {
    let mut text = String::from(
        "<table>\n<caption>Each figure and where it is from</caption>\n<thead><tr><td></td>\
         <th scope=\"col\" colspan=\"2\">TCP</th><th scope=\"col\" colspan=\"2\">UDP</th></tr></thead>\n<tbody>\n",
    );
    for (label, name) in LINES {
        let indent = if label.starts_with(' ') { " class=\"sub\"" } else { "" };
        let _ = write!(text, "<tr><th scope=\"row\"{indent}>{}</th>", label.trim());
        for column in [&comparison.tcp, &comparison.udp] {
            let Some(figure) = column.figure(name) else { continue };
            let value = figure.value.map_or("–".into(), |value| table::shown(label, value));
            let bad = if table::is_bad(&figure) { " class=\"bad\"" } else { "" };
            let _ = write!(text, "<td{bad}>{value}</td><td class=\"origin\">{}</td>", figure.origin.name());
        }
        text += "</tr>\n";
    }
    text + "</tbody>\n</table>\n"
}

/// A plot with its heading, and below it what it shows in words.
fn figure(heading: &str, plot: &Plot<'_>, legend: bool, caption: &str) -> String {
    let Some(svg) = plot.svg() else { return String::new() };
    let legend = if legend { LEGEND } else { "" };
    format!("<figure>\n<h2>{heading}</h2>\n{legend}{svg}\n<figcaption>{caption}</figcaption>\n</figure>\n")
}

/// Which line is whose, told by shape and word, not by colour alone.
const LEGEND: &str =
    "<p class=\"legend\" aria-hidden=\"true\"><span class=\"tcp\">TCP</span> <span class=\"udp\">UDP</span></p>\n";

fn figures(workload: &Workload, comparison: &Comparison) -> String {
    let mut text = times(workload, comparison);
    if comparison.logs.is_some() {
        text += &losses(comparison);
        text += &in_flight(comparison);
    }
    text + &comparison.sweep.as_deref().map(swept).unwrap_or_default()
}

fn series(of: Protocol, points: Vec<(f64, f64)>) -> Series {
    Series { of, points }
}

fn times(workload: &Workload, comparison: &Comparison) -> String {
    let Some(lines) = &comparison.series else { return String::new() };
    // On a scale of factors nothing may take no time at all.
    let milliseconds = |times: &[u64]| distribution(times.iter().map(|us| (*us).max(1) as f64 / 1e3).collect());
    let times = &lines.message_times_us;
    let heading = if workload.one_way { "How long a message took" } else { "Round trips" };
    let plot = Plot {
        label: "how many of all messages took at most so long",
        x: "milliseconds, each step a factor",
        y: "% of messages",
        log_x: true,
        marked: false,
        series: vec![series(Protocol::Tcp, milliseconds(&times.tcp)), series(Protocol::Udp, milliseconds(&times.udp))],
    };
    let told = |name: &str, times: &[u64]| {
        let RoundTrips { min, p50, max, .. } =
            RoundTrips::of(times.iter().copied().map(Duration::from_micros).collect());
        match (min, p50, max) {
            (Some(min), Some(median), Some(max)) => {
                format!("{name}: {} to {}, half within {}.", table::time(min), table::time(max), table::time(median))
            }
            _ => format!("{name}: none came."),
        }
    };
    let caption = format!(
        "How many of the messages that came took at most so long. {} {}",
        told("TCP", &times.tcp),
        told("UDP", &times.udp)
    );
    figure(heading, &plot, true, &caption)
}

fn losses(comparison: &Comparison) -> String {
    let Some(lines) = &comparison.series else { return String::new() };
    let lost = &lines.lost_at_us;
    let seconds = |times: &[u64]| times.iter().map(|us| *us as f64 / 1e6).collect::<Vec<f64>>();
    let (tcp, udp) = (seconds(&lost.tcp), seconds(&lost.udp));
    let end = |packets: &[Packet]| packets.last().map_or(0.0, |packet| packet.sent.as_secs_f64());
    let ends = comparison.packets.as_ref().map_or((0.0, 0.0), |packets| (end(&packets.tcp), end(&packets.udp)));
    let plot = Plot {
        label: "packets lost so far",
        x: "seconds",
        y: "packets lost so far",
        log_x: false,
        marked: false,
        series: vec![series(Protocol::Tcp, staircase(&tcp, ends.0)), series(Protocol::Udp, staircase(&udp, ends.1))],
    };
    let caption = format!(
        "Packets that the link lost, both directions together: {} of TCP's, {} of UDP's.",
        tcp.len(),
        udp.len()
    );
    figure("Losses in time", &plot, true, &caption)
}

fn in_flight(comparison: &Comparison) -> String {
    let Some(lines) = &comparison.series else { return String::new() };
    let mut points = Vec::new();
    for (us, bytes) in &lines.tcp_in_flight {
        let (at, bytes) = (*us as f64 / 1e6, *bytes as f64 / 1024.0);
        points.extend(points.last().map(|(_, before): &(f64, f64)| (at, *before)));
        points.push((at, bytes));
    }
    let most = lines.tcp_in_flight.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
    let plot = Plot {
        label: "bytes that TCP's client has in flight",
        x: "seconds",
        y: "KiB in flight",
        log_x: false,
        marked: false,
        series: vec![series(Protocol::Tcp, points)],
    };
    let caption = format!(
        "Bytes that TCP's client has sent and not yet seen acknowledged: never more than its congestion window \
         (cwnd) and its receiver's window allow. At most {} bytes.",
        table::grouped(most)
    );
    figure("TCP's window at work", &plot, false, &caption)
}

fn swept(points: &[Point]) -> String {
    let line = |throughput: fn(&Point) -> Option<u64>| {
        points
            .iter()
            .filter_map(|point| Some((f64::from(point.loss.millionths()) / 1e4, throughput(point)? as f64 / 1e6)))
            .collect()
    };
    let plot = Plot {
        label: "throughput against loss",
        x: "% of packets lost",
        y: "Mbit/s",
        log_x: false,
        marked: true,
        series: vec![
            series(Protocol::Tcp, line(|point| point.tcp.throughput)),
            series(Protocol::Udp, line(|point| point.udp.throughput)),
        ],
    };
    let rate = |throughput: Option<u64>| throughput.map_or("nothing".into(), table::bits_per_second);
    let told = points
        .iter()
        .map(|point| format!("{}: TCP {}, UDP {}", point.loss, rate(point.tcp.throughput), rate(point.udp.throughput)));
    let caption = format!("What each carried at which share of losses. {}.", told.collect::<Vec<_>>().join("; "));
    figure("Throughput against loss", &plot, true, &caption)
}

fn ladders(comparison: &Comparison) -> String {
    let Some(packets) = &comparison.packets else { return String::new() };
    let one = |name: &str, packets: &[Packet]| {
        let rest = match packets.len().saturating_sub(way::MOST) {
            0 => String::new(),
            rest => format!(
                "<p>{} more follow; <code>--ladder</code> draws them all.</p>\n",
                words::plural(rest as u64, "packet")
            ),
        };
        format!("<section><h3>{name}</h3>\n{}\n{rest}</section>\n", way::svg(name, packets))
    };
    format!(
        "<section class=\"wide\"><h2>Each packet's way</h2>\n<p>Time runs downwards, not to scale. \
         <span class=\"lost\">✗ lost</span>, <span class=\"again\">sent again or overtaken</span>, \
         <span class=\"copy\">a copy</span>.</p>\n<div class=\"pair\">\n{}{}</div></section>\n",
        one("TCP", &packets.tcp),
        one("UDP", &packets.udp)
    )
}
