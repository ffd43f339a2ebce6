//! The plots' sections: each plot with what it shows, and its figures as a
//! table, for who cannot see it and for who wants to know exactly.

use maud::{Markup, PreEscaped, html};

use super::figure;
use super::plot::{self, Axes, Drawn, Failed, Stroke};
use super::series::{Distribution, Losses, Window};
use crate::compare::comparison::Comparison;
use crate::compare::stats::{Column, Origin, Value};
use crate::compare::sweep::Point;
use crate::compare::table::{bits_per_second, grouped, is_bad, shown, time};

/// A plot with its caption, and its figures as a table.
fn plotted(plots: &[Markup], caption: &Markup, table: &Markup) -> Markup {
    html! {
        figure {
            div.scroll tabindex="0" role="group" aria-label="Plot" { @for plot in plots { (plot) } }
            figcaption { (caption) }
        }
        details { summary { "The figures of this plot" } div.scroll tabindex="0" role="group" aria-label="Table" { (table) } }
    }
}

const TCP_KEY: PreEscaped<&str> = PreEscaped(r#"<span class="key tcp" aria-hidden="true"></span>TCP"#);
const UDP_KEY: PreEscaped<&str> = PreEscaped(r#"<span class="key udp" aria-hidden="true"></span>UDP"#);

/// How long messages took.
pub fn times(distribution: Option<&Distribution>, comparison: &Comparison) -> Result<Markup, Failed> {
    let (heading, messages, took) = match comparison.workload.one_way {
        true => ("How long messages took", "messages", "way"),
        false => ("Round trips", "replies", "round trip"),
    };
    let Some(Distribution { edges_us, tcp, udp }) = distribution else {
        return Ok(html! { h2 { (heading) } p { "None came: so nothing was measured." } });
    };
    let height = top(tcp.iter().chain(udp));
    let edge = |x: f64| edges_us.get(x.round() as usize).map(|edge| axis_time(*edge as f64)).unwrap_or_default();
    let plot = |name, proto: &str, bars: &[u64], colour| {
        let y = format!("{proto} {messages}");
        let axes = Axes { width: bars.len() as f64, height, x: took, y: &y, x_label: &edge, y_label: &whole };
        let most = bars.iter().zip(edges_us.windows(2)).max_by_key(|(count, _)| **count);
        let most = most.map_or(String::new(), |(count, edges)| {
            format!("The tallest bar: {} {messages} of {} to {}.", grouped(*count), time(edges[0]), time(edges[1]))
        });
        plot::plot(name, &format!("How long {proto}'s {messages} took"), &most, &axes, &[Drawn::Bars(bars, colour)])
    };
    let plots = [plot("trips-tcp", "TCP", tcp, plot::TCP)?, plot("trips-udp", "UDP", udp, plot::UDP)?];
    let caption = html! {
        "How many " (messages) " took how long, from sending to the first one that came. " (TCP_KEY) " above, " (UDP_KEY)
        " below, on the same scales."
        @if comparison.tcp.figure("retransmits").is_some_and(|again| is_bad(&again)) {
            " What TCP had to send again stands far to the right, and so does what waited behind it."
        }
    };
    let row = |at: usize| {
        html! { tr {
            th scope="row" {
                (figure(&format!("/page/times/edges_us/{at}"), edges_us[at], &time(edges_us[at]))) " to "
                (figure(&format!("/page/times/edges_us/{}", at + 1), edges_us[at + 1], &time(edges_us[at + 1])))
            }
            td { (figure(&format!("/page/times/tcp/{at}"), tcp[at], &grouped(tcp[at]))) }
            td { (figure(&format!("/page/times/udp/{at}"), udp[at], &grouped(udp[at]))) }
        } }
    };
    let table = html! { table {
        caption { "How many " (messages) " took how long" }
        thead { tr { th scope="col" { (took) } th scope="col" { "TCP" } th scope="col" { "UDP" } } }
        tbody { @for at in (0..tcp.len()).filter(|at| tcp[*at] + udp[*at] > 0) { (row(at)) } }
    } };
    Ok(html! { h2 { (heading) } (plotted(&plots, &caption, &table)) })
}

/// When what was lost.
pub fn losses(Losses { origin, step_us, tcp, udp }: &Losses) -> Result<Markup, Failed> {
    let none = Vec::new();
    let by_tcp = tcp.as_ref().unwrap_or(&none);
    let steps = by_tcp.len().max(udp.len());
    let lost: u64 = by_tcp.iter().chain(udp).sum();
    let of = if *origin == Origin::Link { "packets" } else { "messages" };
    let unseen = html! { @if tcp.is_none() { p {
        "Over real ways nobody here sees TCP's packets, and its messages all come: only UDP's are plotted. "
        "With " code { "--link sim" } " both are seen."
    } } };
    if lost == 0 {
        return Ok(
            html! { h2 { "Losses against time" } p { "Nothing was lost: not one of the " (of) " that are seen here." } (unseen) },
        );
    }
    let clock = |x: f64| axis_time(x * *step_us as f64);
    let plot = |name, proto: &str, bars: &[u64], colour| {
        let y = format!("{proto} {of}");
        let axes = Axes {
            width: steps as f64,
            height: top(bars.iter()),
            x: "sent at",
            y: &y,
            x_label: &clock,
            y_label: &whole,
        };
        let told = format!(
            "{} of {proto}'s {of} were lost, in {} steps of {}.",
            grouped(bars.iter().sum()),
            bars.len(),
            time(*step_us)
        );
        plot::plot(name, &format!("When {proto} lost {of}"), &told, &axes, &[Drawn::Bars(bars, colour)])
    };
    let mut plots = Vec::new();
    if let Some(tcp) = tcp {
        plots.push(plot("losses-tcp", "TCP", tcp, plot::TCP)?);
    }
    plots.push(plot("losses-udp", "UDP", udp, plot::UDP)?);
    let step = figure("/page/losses/step_us", *step_us, &time(*step_us));
    let caption = html! {
        "What was lost in each " (step) ", by when it was sent (" (origin.name()) "). "
        @if tcp.is_some() { (TCP_KEY) " above, " (UDP_KEY) " below, packets of both ways, each on a scale of its own. TCP sends again what was lost, and so takes longer." }
        @else { (UDP_KEY) ", messages." }
    };
    let count = |proto: &str, steps: &[u64], at: usize| {
        html! { td {
            @if let Some(lost) = steps.get(at) { (figure(&format!("/page/losses/{proto}/{at}"), *lost, &grouped(*lost))) } @else { "–" }
        } }
    };
    let table = html! { table {
        caption { "What was lost, by when it was sent" }
        thead { tr { th scope="col" { "From" } th scope="col" { "TCP" } th scope="col" { "UDP" } } }
        tbody { @for at in 0..steps { tr {
            th scope="row" { (time(at as u64 * step_us)) } (count("tcp", by_tcp, at)) (count("udp", udp, at))
        } } }
    } };
    Ok(html! { h2 { "Losses against time" } (plotted(&plots, &caption, &table)) (unseen) })
}

/// How much TCP had under way.
pub fn window(window: Option<&Window>) -> Result<Markup, Failed> {
    let heading = html! { h2 { "TCP's window against time" } };
    let Some(Window { step_us, in_flight, cwnd }) = window else {
        return Ok(html! { (heading) p {
            "Nobody here tells how much TCP had under way: on this system the kernel does not, and there was no link to watch. "
            "With " code { "--link sim" } " it is seen."
        } });
    };
    let none = Vec::new();
    let (flight, allowed) = (in_flight.as_ref().unwrap_or(&none), cwnd.as_ref().unwrap_or(&none));
    let steps = flight.len().max(allowed.len());
    let clock = |x: f64| axis_time(x * *step_us as f64);
    let axes = Axes {
        width: steps as f64,
        height: top(flight.iter().chain(allowed)),
        x: "since the first packet",
        y: "bytes",
        x_label: &clock,
        y_label: &whole,
    };
    let most = |values: &[u64]| grouped(values.iter().copied().max().unwrap_or_default());
    let mut told = String::new();
    let mut drawn = Vec::new();
    if in_flight.is_some() {
        told += &format!("At most {} bytes were under way. ", most(flight));
        drawn.push(Drawn::Steps(flight, plot::TCP, Stroke::Solid));
    }
    if cwnd.is_some() {
        told += &format!("The congestion window was at most {} bytes.", most(allowed));
        drawn.push(Drawn::Steps(allowed, plot::BOUND, Stroke::Dashed));
    }
    let plots = [plot::plot("window", "How much TCP had under way", &told, &axes, &drawn)?];
    let caption = html! {
        @if in_flight.is_some() {
            span.key.tcp aria-hidden="true" {} "bytes of the client's under way, as the link saw them: sent, and no ACK of them arrived. "
        }
        @if cwnd.is_some() {
            span.key.dashed aria-hidden="true" {}
            "congestion window, as the kernel told it (TCP_INFO): it sends no more than that allows. A loss makes it smaller, and what "
            "the kernel takes for lost is under way no more to it, so that the line above can be the higher one for a while. "
        } @else { "Nobody here told the congestion window; what is under way stays below it." }
    };
    let cell = |name: &str, values: &[u64], at: usize| {
        html! { td {
            @if let Some(value) = values.get(at) { (figure(&format!("/page/window/{name}/{at}"), *value, &grouped(*value))) } @else { "–" }
        } }
    };
    let table = html! { table {
        caption { "In each " (figure("/page/window/step_us", *step_us, &time(*step_us))) ": bytes under way, and the congestion window, at most" }
        thead { tr { th scope="col" { "From" } th scope="col" { "Under way" } th scope="col" { "Window" } } }
        tbody { @for at in 0..steps { tr {
            th scope="row" { (time(at as u64 * step_us)) } (cell("in_flight", flight, at)) (cell("cwnd", allowed, at))
        } } }
    } };
    Ok(html! { (heading) (plotted(&plots, &caption, &table)) })
}

/// Throughput against loss.
pub fn swept(points: &[Point]) -> Result<Markup, Failed> {
    let percent = |point: &Point| f64::from(point.loss.millionths()) / 1e4;
    let line = |column: fn(&Point) -> &Column| -> Vec<(f64, f64)> {
        points.iter().map(|point| (percent(point), column(point).throughput.unwrap_or(0) as f64)).collect()
    };
    let (tcp, udp) = (line(|point| &point.tcp), line(|point| &point.udp));
    let most = tcp.iter().chain(&udp).map(|(_, rate)| *rate).fold(1.0, f64::max);
    let axes = Axes {
        width: points.iter().map(percent).fold(0.0, f64::max).max(0.1) * 1.02,
        height: most * 1.1,
        x: "packets lost",
        y: "throughput",
        x_label: &|x| format!("{}%", (x * 100.0).round() / 100.0),
        y_label: &|y| bits_per_second(y as u64),
    };
    let drawn = [Drawn::Points(&tcp, plot::TCP, Stroke::Solid), Drawn::Points(&udp, plot::UDP, Stroke::Dashed)];
    let told = points.iter().map(|Point { loss, tcp, udp }| {
        let rate = |column: &Column| column.throughput.map_or("nothing".into(), bits_per_second);
        format!("{loss} lost: TCP {}, UDP {}. ", rate(tcp), rate(udp))
    });
    let plots = [plot::plot("sweep", "Throughput against loss", &told.collect::<String>(), &axes, &drawn)?];
    let caption = html! {
        "Bits of messages that arrived, by the second, over links that lose more and more. " (TCP_KEY) ", circles; "
        span.key.dashed.udp aria-hidden="true" {} "UDP, triangles. TCP takes a loss for a sign that the way is full, and slows down."
    };
    Ok(html! { h2 { "Throughput against loss" } (plotted(&plots, &caption, &sweep_table(points))) })
}

fn sweep_table(points: &[Point]) -> Markup {
    let cell = |at: usize, proto: &str, name: &str, column: &Column| {
        html! { td {
            @match column.figure(name).and_then(|figure| figure.value) {
                Some(value @ (Value::Count(number) | Value::Micros(number) | Value::BitsPerSecond(number))) => {
                    (figure(&format!("/sweep/{at}/{proto}/{name}"), number, &shown("", value)))
                }
                _ => "–",
            }
        } }
    };
    html! { table {
        caption { "The same messages over links that lose more and more" }
        thead { tr {
            th scope="col" { "Loss" } th scope="col" { "TCP throughput" } th scope="col" { "retransmissions" }
            th scope="col" { "UDP throughput" } th scope="col" { "messages lost" }
        } }
        tbody { @for (at, Point { loss, tcp, udp }) in points.iter().enumerate() { tr {
            th scope="row" { (loss) }
            (cell(at, "tcp", "throughput_bps", tcp)) (cell(at, "tcp", "retransmits", tcp))
            (cell(at, "udp", "throughput_bps", udp)) (cell(at, "udp", "lost", udp))
        } } }
    } }
}

/// Where y ends: a little above the highest value.
fn top<'a>(values: impl Iterator<Item = &'a u64>) -> f64 {
    values.copied().max().unwrap_or(0).max(1) as f64 * 1.1
}

/// Counts on an axis: none between two whole numbers.
fn whole(y: f64) -> String {
    if y.fract() == 0.0 { grouped(y as u64) } else { String::new() }
}

/// A time on an axis, in microseconds, as short as it can be.
fn axis_time(us: f64) -> String {
    match us {
        0.0 => "0".into(),
        ..1e3 => format!("{us} us"),
        1e3..1e6 => format!("{} ms", us / 1e3),
        _ => format!("{} s", (us / 1e4).round() / 100.0),
    }
}
