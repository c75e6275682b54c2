//! The language server's latency in a file of 1,000 lines, over its protocol: `cargo bench --bench lsp`.
//!
//! A letter is typed into a block and taken out again; what is timed is from the edit to its diagnostics, and from a
//! request to its answer. All of the file is used by its model, so every edit checks all of it.

use std::time::{Duration, Instant};

use lsp_server::{Connection, Message, Notification, Request, RequestId};
use serde_json::{Value, json};

const URI: &str = "file:///nowhere/large.sd";
const LINES: usize = 1000;
const SAMPLES: usize = 200;

/// What may be taken, in milliseconds.
const PROMISED: [(&str, f64); 2] = [("diagnostics", 50.0), ("hover", 20.0)];

/// A program of [`LINES`] lines: blocks with documentation, and a model that uses them all.
fn program() -> String {
    let block = |i: usize| {
        format!(
            "/// Block number {i}: two convolutions on the residual's branch.\n\
             block unit_{i}(width: int, stride: int = 1) {{\n    let inner = width + {i} % 3\n    residual {{\n        \
             branch {{\n            bn; relu; conv3x3(inner, stride: stride)\n            bn; relu; conv3x3(width); bn\n        \
             }}\n        shortcut {{ if stride > 1 {{ avg_pool(2) }} }}\n    }}\n}}\n\n"
        )
    };
    let lines_of = |text: &str| text.lines().count();
    let count = (LINES - 60) / lines_of(&block(0));
    let mut text: String = (0..count).map(block).collect();
    text.insert_str(0, "use std.regularizers.{shakedrop, linear_decay}\n\n");
    text += "model Large {\n    input image[3, 32, 32]\n    net {\n        conv3x3(16)\n";
    for i in 0..count {
        let stride = if i == 20 || i == 40 { ", stride: 2" } else { "" };
        text += &format!("        unit_{i}(16{stride});");
        text += if i % 4 == 3 { "\n" } else { "" };
    }
    text +=
        "\n        global_avg_pool; linear(10)\n    }\n    place shakedrop(p: linear_decay(l, L)) on residuals\n}\n";
    while lines_of(&text) < LINES {
        text += "// The end.\n";
    }
    text
}

struct Client {
    connection: Connection,
    next: i32,
}

impl Client {
    fn tell(&self, method: &str, params: Value) {
        let note = Notification { method: method.to_owned(), params };
        self.connection.sender.send(Message::Notification(note)).expect("the server listens");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let request = Request { id: RequestId::from(self.next), method: method.to_owned(), params };
        self.connection.sender.send(Message::Request(request)).expect("the server listens");
        loop {
            if let Message::Response(response) = self.connection.receiver.recv().expect("the server answers") {
                return serde_json::to_value(response).expect("it is JSON")["result"].clone();
            }
        }
    }

    /// Waits for diagnostics; how many there are.
    fn diagnostics(&self) -> usize {
        loop {
            if let Message::Notification(note) = self.connection.receiver.recv().expect("the server tells") {
                return note.params["diagnostics"].as_array().expect("a list").len();
            }
        }
    }
}

fn main() {
    let (connection, other) = Connection::memory();
    let server = std::thread::spawn(move || sdc::lsp::serve_on(&other, &mut |_| {}).expect("it serves"));
    let mut client = Client { connection, next: 0 };
    client.ask("initialize", json!({ "capabilities": {} }));
    client.tell("initialized", json!({}));
    let text = program();
    let document = json!({ "uri": URI, "languageId": "sd", "version": 0, "text": text });
    client.tell("textDocument/didOpen", json!({ "textDocument": document }));
    assert_eq!(client.diagnostics(), 0, "the program is well");
    let lines: Vec<&str> = text.lines().collect();
    let place = |mark: &str, behind: usize| {
        let line = lines.iter().position(|line| line.contains(mark)).expect("the mark is there");
        let character = lines[line].find(mark).expect("the mark is there") + behind;
        json!({ "line": line, "character": character })
    };
    // Behind the name `inner` of a block in the middle: a mistake, and the mend.
    let (before, after) = (place("let inner = width + 37 ", 9), place("let inner = width + 37 ", 10));
    let typed = [(json!({ "start": before, "end": before }), "x"), (json!({ "start": before, "end": after }), "")];
    let mut times: Vec<(&str, Vec<Duration>)> = vec![];
    let mut record = |what: &'static str, took: Duration| match times.iter_mut().find(|(name, _)| *name == what) {
        Some((_, all)) => all.push(took),
        None => times.push((what, vec![took])),
    };
    for version in 1..=SAMPLES {
        let (range, with) = &typed[(version - 1) % 2];
        let change = json!({ "text": with, "range": range });
        let start = Instant::now();
        let document = json!({ "uri": URI, "version": version });
        client.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
        let wrong = client.diagnostics();
        record("diagnostics", start.elapsed());
        assert_eq!(wrong > 0, version % 2 == 1, "a mistake, then none");
        let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": LINES, "character": 0 } });
        let at = |mark: &str| json!({ "textDocument": { "uri": URI }, "position": place(mark, 1) });
        let of = json!({ "textDocument": { "uri": URI }, "range": whole, "options": { "tabSize": 4, "insertSpaces": true } });
        for (what, method, params) in [
            ("hover", "textDocument/hover", at("unit_30(16")),
            ("completion", "textDocument/completion", at("unit_31(16")),
            ("definition", "textDocument/definition", at("unit_32(16")),
            ("inlay hints", "textDocument/inlayHint", of.clone()),
            ("colours", "textDocument/semanticTokens/full", of.clone()),
            ("layout", "textDocument/formatting", of.clone()),
        ] {
            let start = Instant::now();
            let answer = client.ask(method, params);
            record(what, start.elapsed());
            // A broken program keeps its documentation, and has no layout.
            assert!(what == "layout" || !answer.is_null(), "{what}: no answer");
        }
    }
    client.ask("shutdown", Value::Null);
    client.tell("exit", Value::Null);
    server.join().expect("it ends");
    println!("{LINES} lines, {SAMPLES} edits\n\n{:<14}{:>10}{:>10}{:>10}   promised", "", "median", "95 %", "slowest");
    for (what, all) in &mut times {
        all.sort();
        let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let promised = PROMISED.iter().find(|(name, _)| name == what);
        let promised = promised.map_or(String::new(), |(_, most)| format!("   < {most} ms"));
        println!("{what:<14}{:>7.2} ms{:>7.2} ms{:>7.2} ms{promised}", at(0.5), at(0.95), at(1.0));
    }
}
