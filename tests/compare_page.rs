//! `netlab compare --html`: one page, whose figures are those of `--json`.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod support;

use std::fs;

use serde_json::Value;
use support::{Run, run};

const SIM: &str = "--link sim --loss 5% --duplicate 2% --jitter 4ms --count 200 --interval 2ms --seed 7";

/// A page, and the object of the same run.
fn page(args: &str) -> (String, Value) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let run = compare(&format!("--json --html {} {args}", path.display())).succeeded();
    (fs::read_to_string(path).unwrap(), serde_json::from_str(&run.stdout).unwrap())
}

fn compare(args: &str) -> Run {
    run(["compare"].into_iter().chain(args.split_whitespace()))
}

/// Each `<data value="…" data-figure="…">`: its place in the object, and its
/// value.
fn figures(page: &str) -> Vec<(&str, u64)> {
    page.split("<data value=\"")
        .skip(1)
        .map(|rest| {
            let (value, rest) = rest.split_once("\" data-figure=\"").unwrap();
            (rest.split_once('"').unwrap().0, value.parse().unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_figures_are_in(page: &str, object: &Value) {
    let figures = figures(page);
    for (place, value) in &figures {
        let told = object.pointer(place).unwrap_or_else(|| panic!("{place} is not in --json"));
        assert_eq!(told.as_u64(), Some(*value), "{place}");
    }
    assert!(figures.len() >= 30, "{} figures", figures.len());
}

/// Nothing but what is in `data` elements, plots, captions and the like may
/// hold a number of the run's: cells of tables are all either words or `data`.
#[track_caller]
fn assert_cells_are_figures(page: &str) {
    for cell in page.split("<td").skip(1) {
        let cell = cell.split_once('>').unwrap().1.split_once("</td>").unwrap().0;
        let is_packet = cell.contains("seq ") || cell.contains("ACK") || cell.contains("message ");
        let has_digit = cell.chars().any(|c| c.is_ascii_digit());
        assert!(!has_digit || cell.contains("<data ") || is_packet, "{cell}");
    }
}

#[test]
fn every_figure_on_the_page_is_in_json() {
    for args in [
        format!("{SIM} --sweep loss=0,1%,5%"),
        "--link sim --loss 10% --rate 1mbit --queue 10 --one-way --count 300 --size 500 --seed 3".into(),
        "--count 50".into(),
    ] {
        let (page, object) = page(&args);
        assert_figures_are_in(&page, &object);
        assert_cells_are_figures(&page);
        for name in ["heading", "command"] {
            let text = object["page"][name].as_str().unwrap();
            assert!(page.contains(&escaped(text)), "{name}: {text}");
        }
        for sentence in object["page"]["sentences"].as_array().unwrap() {
            assert!(page.contains(&escaped(sentence.as_str().unwrap())), "{sentence}");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn what_is_plotted_sums_up_to_the_columns() {
    let (_, object) = page(SIM);
    let sum = |place: &str| -> u64 {
        object.pointer(place).unwrap().as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).sum()
    };
    for proto in ["tcp", "udp"] {
        assert_eq!(sum(&format!("/page/times/{proto}")), object[proto]["received"].as_u64().unwrap(), "{proto}");
        let lost = |way: &str| object["log"][proto][way]["lost"].as_u64().unwrap();
        assert_eq!(sum(&format!("/page/losses/{proto}")), lost("forward") + lost("backward"), "{proto}");
    }
    assert!(sum("/page/window/in_flight") > 0 && object["page"]["window"]["cwnd"].is_null());
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let (page, _) = page(&format!("{SIM} --sweep loss=0,5%"));
    for part in ["http:", "https:", "<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "onload"] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn each_picture_and_table_says_what_it_is() {
    let (page, _) = page(&format!("{SIM} --sweep loss=0,5%"));
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{}", &page[..60]);
    let pictures: Vec<&str> = page.split("<svg ").skip(1).collect();
    assert!(pictures.len() >= 8, "two of times, two of losses, window, sweep, two ladders: {}", pictures.len());
    for picture in pictures {
        let (head, rest) = picture.split_once('>').unwrap();
        assert!(head.contains("role=\"img\""), "{head}");
        let named = head.split_once("aria-labelledby=\"").unwrap().1.split_once('"').unwrap().0;
        for id in named.split(' ') {
            assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(rest.starts_with("<title id=") && rest.contains("</title><desc id="), "{head}");
        assert!(!rest.split("</svg>").next().unwrap().contains("\"#0000"), "a colour that is not the page's");
    }
    let (tables, captions) = (page.matches("<table>").count(), page.matches("<caption>").count());
    assert!(tables >= 6 && tables == captions, "{tables} tables, {captions} captions");
    assert!(page.contains("scope=\"row\"") && page.contains("scope=\"col\""));
    for mode in ["prefers-color-scheme: dark", "@media print"] {
        assert!(page.contains(mode), "{mode}");
    }
}

#[test]
fn the_command_on_the_page_gives_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["first.html", "again.html"].map(|name| dir.path().join(name));
    compare(&format!("--loss 5% --count 50 --html {}", paths[0].display())).succeeded();
    let first = fs::read_to_string(&paths[0]).unwrap();
    let command = first.split_once("<pre><code>").unwrap().1.split_once("</code>").unwrap().0;
    let again = command.replace("first.html", "again.html");
    run(again.split(' ').skip(1)).succeeded();
    let again = fs::read_to_string(&paths[1]).unwrap();
    let bare = |page: &str| page.split_once("<pre><code>").unwrap().0.to_owned();
    assert_eq!(bare(&first), bare(&again), "{command}: the seed is in it");
}

#[test]
fn without_a_link_the_page_says_what_nobody_sees() {
    let (page, object) = page("--count 20");
    assert!(object.get("packets").is_none() && object["page"]["losses"]["tcp"].is_null());
    assert!(page.contains("nobody here sees them") && !page.contains("ladder-tcp"));
}

#[test]
fn a_page_that_cannot_be_written_is_told() {
    let run = compare("--link sim --count 5 --html /nowhere/page.html").ended(1);
    let message = "error: cannot write /nowhere/page.html: not found";
    assert_eq!(run.stderr.lines().next(), Some(message), "{run:#?}");
}

// Not on Windows: network namespaces and TUN devices are Linux.
#[cfg(target_os = "linux")]
#[test]
fn over_the_kernel_the_page_has_its_congestion_window() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let link = "--link kernel --loss 2% --one-way --size 1000 --count 500 --rate 20mbit --seed 7";
    let run = compare(&format!("--json --html {} {link}", path.display()));
    if run.code() == 2 {
        return support::skipped(run.stderr.lines().next().unwrap_or_default());
    }
    let object: Value = serde_json::from_str(&run.succeeded().stdout).unwrap();
    assert_figures_are_in(&fs::read_to_string(path).unwrap(), &object);
    let window = object["page"]["window"]["cwnd"].as_array().unwrap();
    assert!(window.iter().any(|bytes| bytes.as_u64() > Some(1448)), "{window:?}");
}
