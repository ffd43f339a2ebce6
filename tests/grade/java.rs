//! Java from a source file: compiled once, and nobody can see it by what the
//! program does.

use serde_json::Value;

use super::{ECHO, folder, grade_in, has, object};

/// Says what it is told of itself, and answers once: some checks fail.
const SERVER: &str = r#"
import java.net.ServerSocket;
import java.net.Socket;

class Reception {
    public static void main(String[] args) throws Exception {
        System.out.println("started as " + System.getProperty("sun.java.command"));
        ServerSocket server = new ServerSocket(Integer.parseInt(args[0]));
        while (true) {
            Socket client = server.accept();
            byte[] buffer = new byte[1000];
            int count = client.getInputStream().read(buffer);
            client.getOutputStream().write(buffer, 0, count);
            client.close();
        }
    }
}
"#;

/// How the compiler is called at each start.
const LAUNCHER: &str = "jdk.compiler/";

fn graded(files: &[(&str, &str)], server: &str) -> Value {
    let dir = folder(files);
    object(&grade_in(dir.path(), &["tcp-echo", "--server", server, "--json"]).ended(1))
}

/// What stands on the server's terminals, a text for each check.
fn terminals(graded: &Value) -> Vec<String> {
    let checks = graded["checks"].as_array().unwrap().iter();
    let shown = |check: &Value| {
        let entries = check["transcript"].as_array().unwrap().iter();
        entries.filter(|entry| entry["to"] == "terminal").map(|entry| entry["text"].as_str().unwrap()).collect()
    };
    checks.map(shown).collect()
}

#[test]
fn java_from_a_source_file_is_compiled_once_and_shows_no_line_that_is_not_its_own() {
    if !has("java") {
        return;
    }
    let graded = graded(&[("Server.java", SERVER)], "java Server.java {port}");
    let terminals = terminals(&graded);
    assert!(terminals.len() > 6, "{graded:#}");
    for text in &terminals {
        assert!(text.starts_with("started as Reception 2"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("started as ") || is_of_an_exception(line)), "{text}");
    }
    let text = graded.to_string();
    assert!(text.contains("started: java Server.java 2") && !text.contains("-cp"), "as it was written: {text}");
}

/// A client's reset ends this server, in the JVM's words.
fn is_of_an_exception(line: &str) -> bool {
    line.starts_with("Exception in thread \"main\" java.") || line.starts_with("\tat ")
}

#[test]
fn what_the_compiler_has_a_word_to_say_about_is_started_as_it_was_written() {
    if !has("java") {
        return;
    }
    let raw = SERVER.replace("byte[] buffer", "new java.util.ArrayList().add(client);\n            byte[] buffer");
    let graded = graded(&[("Server.java", &raw)], "java Server.java {port}");
    for text in terminals(&graded) {
        assert!(text.contains("unchecked") && text.contains(&format!("started as {LAUNCHER}")), "{text}");
    }
}

#[test]
fn options_of_its_own_are_not_touched() {
    if !has("java") {
        return;
    }
    let graded = graded(&[("Server.java", SERVER)], "java -Xmx64m Server.java {port}");
    assert!(terminals(&graded).iter().all(|text| text.contains(LAUNCHER)), "{graded:#}");
}

#[test]
fn what_is_only_called_java_is_started_as_it_was_written() {
    if !has("python3") {
        return;
    }
    // A program of its own: it knows neither options nor the compiler's file.
    let java = "#!/bin/sh\n[ $# = 2 ] || { echo 'unknown option'; exit 1; }\nexec python3 \"$1\" \"$2\"\n";
    let dir = folder(&[("java", java), ("Server.java", ECHO)]);
    let mut command = std::process::Command::new("chmod");
    command.args(["+x", "java"]).current_dir(dir.path());
    assert!(command.status().unwrap().success());
    let run = grade_in(dir.path(), &["tcp-echo", "--server", "./java Server.java {port}", "--json"]).ended(0);
    let graded = object(&run);
    assert_eq!(graded["score"], graded["max_score"], "{graded:#}");
}
