//! One page that has it all (`--html`): the table, the ladders, the plots, and
//! the command that made them. It loads nothing.
//!
//! Each figure on it stands in a `data` element that names its place in
//! `--json` (`data-figure`, a JSON pointer), so that a test can hold the two
//! against each other, and a script can read either.

mod charts;
mod ladder;
mod plot;
pub mod series;

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::plot::Failed;
use self::series::{Series, series};
use super::comparison::Comparison;
use super::ladder::clock;
use super::packets::Packet;
use super::stats::{Column, Figure, Value};
use super::table::{LINES, grouped, is_bad, shown, trip};

const STYLE: &str = include_str!("page/style.css");

/// What the page says and plots beyond the figures; `--json` has it as `page`.
#[derive(Debug, serde::Serialize)]
pub struct Page {
    /// What was sent, and over what.
    pub heading: String,
    /// What the figures show.
    pub sentences: Vec<String>,
    /// The command that gives it again.
    pub command: String,
    /// What is plotted.
    #[serde(flatten)]
    pub series: Series,
}

impl Page {
    /// Of this comparison.
    pub fn new(heading: String, sentences: Vec<String>, comparison: &Comparison) -> Page {
        let seed = comparison.link.as_ref().map(|link| link.seed);
        let command = command(std::env::args().skip(1), seed);
        Page { heading, sentences, command, series: series(comparison) }
    }
}

/// The command line, as a shell of this system reads it; with the seed, where it was drawn.
fn command(args: impl Iterator<Item = String>, seed: Option<u64>) -> String {
    let args: Vec<String> = args.collect();
    let is_seed = |arg: &String| arg == "--seed" || arg.starts_with("--seed=");
    let words = std::iter::once("netlab".to_owned()).chain(args.iter().map(|arg| quoted(arg)));
    let command = words.collect::<Vec<_>>().join(" ");
    match seed {
        Some(seed) if !args.iter().any(is_seed) => format!("{command} --seed {seed}"),
        _ => command,
    }
}

fn quoted(arg: &str) -> String {
    let is_of_a_path = |c: char| cfg!(windows) && "\\~".contains(c);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,%@+[]".contains(c) || is_of_a_path(c);
    if !arg.is_empty() && arg.chars().all(is_plain) {
        arg.to_owned()
    } else if cfg!(windows) {
        format!("\"{}\"", arg.replace('"', "\\\"")) // no other quotes hold for cmd and for programs
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// The whole page.
///
/// # Errors
/// What the plotting failed with.
pub fn page(comparison: &Comparison, page: &Page) -> Result<String, Failed> {
    let Page { heading, sentences, command, series } = page;
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "netlab " (env!("CARGO_PKG_VERSION")) };
                title { "TCP and UDP side by side" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "TCP and UDP side by side" }
                    p.over { (heading) }
                    ul.shows { @for sentence in sentences { li { (sentence) } } }
                    (figures(comparison))
                    (charts::times(series.times.as_ref(), comparison)?)
                    (charts::losses(&series.losses)?)
                    (charts::window(series.window.as_ref())?)
                    @if let Some(points) = &comparison.sweep { (charts::swept(points)?) }
                    (ladders(comparison))
                    h2 { "The command that made this page" }
                    pre { code { (command) } }
                    (meanings())
                }
            }
        }
    };
    Ok(whole.into_string())
}

/// A figure, and its place in `--json`.
fn figure(place: &str, value: u64, words: &str) -> Markup {
    html! { data value=(value) data-figure=(place) { (words) } }
}

fn figures(comparison: &Comparison) -> Markup {
    html! {
        h2 { "Figures" }
        div.scroll role="region" aria-label="Figures" tabindex="0" {
            table {
                caption { "The same messages by both protocols, and where each figure is from" }
                thead { tr {
                    th scope="col" { "Figure" }
                    th.tcp scope="col" { "TCP" } th scope="col" { "" }
                    th.udp scope="col" { "UDP" } th scope="col" { "" }
                } }
                tbody { @for (label, name) in LINES {
                    tr {
                        th.part[label.starts_with(' ')] scope="row" { (full(label)) }
                        (cell(label, name, "tcp", &comparison.tcp))
                        (cell(label, name, "udp", &comparison.udp))
                    }
                } }
            }
        }
    }
}

/// A line's label; where it is a part of what stands above, with that.
fn full(label: &str) -> String {
    let above =
        LINES.iter().take_while(|(other, _)| *other != label).filter(|(other, _)| !other.starts_with(' ')).last();
    match (label.strip_prefix(' '), above) {
        (Some(part), Some((whole, _))) => {
            let of = whole.split_once(',').or_else(|| whole.split_once(' ')).map_or(*whole, |(of, _)| of);
            format!("{of}, {}", part.trim())
        }
        _ => label.to_owned(),
    }
}

fn cell(label: &str, name: &str, proto: &str, column: &Column) -> Markup {
    let Some(told @ Figure { value, origin, .. }) = column.figure(name) else { return html! {} };
    let plain = |number: u64, words: String| figure(&format!("/{proto}/{name}"), number, &words);
    html! {
        td.bad[is_bad(&told)] {
            @match value {
                None => "–",
                Some(value @ Value::Trips(trips)) => {
                    @let (which, trip) = trip(label, &trips);
                    (figure(&format!("/{proto}/{name}/{which}"), trip.unwrap_or_default(), &shown(label, value)))
                }
                Some(value @ (Value::Count(number) | Value::Micros(number) | Value::BitsPerSecond(number))) => {
                    (plain(number, shown(label, value)))
                }
            }
        }
        td.origin { (origin.name()) }
    }
}

fn ladders(comparison: &Comparison) -> Markup {
    let Some(packets) = &comparison.packets else {
        return html! { h2 { "Packets" } p {
            "Packets of real ways are the system's: nobody here sees them. With " code { "--link sim" } " each of them is drawn."
        } };
    };
    html! {
        h2 { "Packets" }
        p { "Each packet's way in time, downwards; a line for each moment at which one leaves or arrives. What stops at a cross was lost." }
        div.ladders {
            (ladder_of("TCP", "tcp", &packets.tcp))
            (ladder_of("UDP", "udp", &packets.udp))
        }
    }
}

fn ladder_of(title: &str, proto: &str, packets: &[Packet]) -> Markup {
    let (first, from, then) = ladder::shown(packets);
    let name = format!("ladder-{proto}");
    let all = grouped(packets.len() as u64);
    html! {
        figure {
            figcaption {
                b class=(proto) { (title) } ": "
                @if then.is_empty() && first.len() == packets.len() { "all " (all) " packets" }
                @else { "the first " (first.len()) " of " (all) " packets" }
                @if !then.is_empty() { ", and " (then.len()) " from packet " (grouped(from as u64 + 1)) " on, where the first loss is" }
            }
            div.scroll tabindex="0" role="group" aria-label={ (title) " packets" } {
                (ladder::ladder(&name, &format!("{title}'s packets in time"), first))
                @if !then.is_empty() {
                    p { "… " (grouped((from - first.len()) as u64)) " packets later …" }
                    (ladder::ladder(&format!("{name}-then"), &format!("{title}'s packets where the first is lost"), then))
                }
            }
        }
        details {
            summary { "These packets as a table" }
            div.scroll tabindex="0" role="group" aria-label={ (title) " packets as a table" } { table {
                caption { (title) "'s packets" }
                thead { tr {
                    th scope="col" { "Sent" } th scope="col" { "By" } th scope="col" { "Says" } th scope="col" { "Arrived" }
                } }
                tbody {
                    @for (at, packet) in first.iter().enumerate() { (packet_row(proto, at, packet)) }
                    @for (at, packet) in then.iter().enumerate() { (packet_row(proto, from + at, packet)) }
                }
            } }
        }
    }
}

fn packet_row(proto: &str, at: usize, packet: &Packet) -> Markup {
    let moment = |name: &str, time: Duration| {
        figure(&format!("/packets/{proto}/{at}/{name}"), time.as_micros() as u64, &clock(time))
    };
    html! { tr {
        td { (moment("sent_us", packet.sent)) }
        td.text { @match packet.direction { crate::link::Direction::Forward => "client", _ => "server" } }
        td.text { (ladder::says(packet)) @if packet.reordered { ", overtaken" } }
        td {
            @if let Some(loss) = packet.lost { span.bad { (loss.words()) } }
            @for (copy, at) in packet.arrived.iter().enumerate() {
                @if copy > 0 { ", " } (moment(&format!("arrived_us/{copy}"), *at))
            }
        }
    } }
}

fn meanings() -> Markup {
    html! {
        h2 { "Where figures are from, and what they mean" }
        dl {
            dt { "measured" } dd { "clocked or counted by the programs at both ends" }
            dt { "kernel" } dd { "asked of the operating system (TCP_INFO, SO_MEMINFO)" }
            dt { "link" } dd { "from the emulated link's log, which has the fate of every packet" }
            dt { "unavailable" } dd { "nobody here knows" }
            dt { "lost, duplicate, reordered" }
            dd { "messages that never came; comings after the first; first comings after a later message's" }
            dt { "late" } dd { "messages that came, but later than --timeout after they were sent" }
            dt { "throughput" } dd { "bits of the messages that came, from the first sending to the last coming" }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_can_be_given_again() {
        let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>().into_iter();
        let quoted = if cfg!(windows) { "\"it's a <page>\"" } else { r"'it'\''s a <page>'" };
        let with_a_page = format!("netlab compare --html {quoted}");
        let table: [(&[&str], Option<u64>, &str); 4] = [
            (&["compare", "--loss", "5%"], Some(7), "netlab compare --loss 5% --seed 7"),
            (&["compare", "--seed=3"], Some(3), "netlab compare --seed=3"),
            (&["compare"], None, "netlab compare"),
            (&["compare", "--html", "it's a <page>"], None, &with_a_page),
        ];
        for (given, seed, command) in table {
            assert_eq!(super::command(args(given), seed), command);
        }
    }
}
