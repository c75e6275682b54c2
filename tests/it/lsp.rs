//! The language server, driven by a client over its protocol: a session that edits a PyramidNet, a broken file, a planted
//! panic, and edits at random that never end it.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use lsp_server::{Connection, Message, Notification, Request, RequestId, Response};
use sdc::diag;
use sdc::driver::{self, Input, Session};
use sdc::source::SourceId;
use serde_json::{Value, json};

use crate::fuzz::Choices;

const URI: &str = "file:///nowhere/pyramid.sd";

const PROGRAM: &str = "use std.pyramidnet.{pyramidnet, pyramid_shortcut}
use std.regularizers.{shakedrop, linear_decay}

/// Two convolutions.
block pair(width: int, stride: int = 1) {
    residual {
        branch   { bn; conv3x3(width, stride: stride); bn; relu; conv3x3(width); bn }
        shortcut { pyramid_shortcut(width, stride: stride) }
    }
    const layers = 2
}

model Pyramid(alpha: real = 48) {
    input image[3, 32, 32]
    net pyramidnet(depth: 20, alpha: alpha, classes: 10, block: pair)
    place shakedrop(p: linear_decay(l, L)) on residuals
}

train Pyramid {
    data cifar10
    optimizer sgd { lr: 0.1, momentum: 0.9 }
    epochs 300
    batch 128
}
";

/// A client with its server on another thread.
struct Client {
    connection: Connection,
    server: Option<JoinHandle<Result<(), String>>>,
    next: i32,
    version: i32,
    text: String,
    told: BTreeMap<String, Value>,
    /// How often the server has told what is wrong with the text.
    checks: i32,
}

impl Client {
    /// Opens a text; the server panics when it is asked for `plant`.
    fn open(text: &str, plant: Option<&'static str>) -> Self {
        Client::open_in(json!({ "capabilities": {} }), text, plant)
    }

    /// The same of an editor that says so much of itself.
    fn open_in(editor: Value, text: &str, plant: Option<&'static str>) -> Self {
        let (connection, other) = Connection::memory();
        let server = std::thread::spawn(move || {
            let mut before = |method: &str| assert_ne!(Some(method), plant, "planted");
            sdc::lsp::serve_on(&other, &mut before).map_err(|failure| failure.to_string())
        });
        let mut client = Client {
            connection,
            server: Some(server),
            next: 0,
            version: 0,
            text: text.to_owned(),
            told: BTreeMap::new(),
            checks: 0,
        };
        let answer = client.ask("initialize", editor);
        assert!(answer["capabilities"]["hoverProvider"].as_bool().expect("it is told"), "{answer}");
        client.tell("initialized", json!({}));
        let document = json!({ "uri": URI, "languageId": "sd", "version": 0, "text": text });
        client.tell("textDocument/didOpen", json!({ "textDocument": document }));
        client
    }

    fn tell(&mut self, method: &str, params: Value) {
        let note = Notification { method: method.to_owned(), params };
        self.connection.sender.send(Message::Notification(note)).expect("the server listens");
    }

    fn answer(&mut self, method: &str, params: Value) -> Response {
        self.next += 1;
        let id = RequestId::from(self.next);
        let request = Request { id: id.clone(), method: method.to_owned(), params };
        self.connection.sender.send(Message::Request(request)).expect("the server listens");
        loop {
            match self.connection.receiver.recv().expect("the server answers") {
                Message::Response(response) if response.id == id => return response,
                Message::Notification(note) => {
                    let uri = note.params["uri"].as_str().expect("an address").to_owned();
                    self.checks += i32::from(uri == URI);
                    self.told.insert(uri, note.params["diagnostics"].clone());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let response = serde_json::to_value(self.answer(method, params)).expect("it is JSON");
        assert!(response.get("error").is_none(), "{method}: {response}");
        response["result"].clone()
    }

    /// Asks for what is refused; why, as the user reads it.
    fn refused(&mut self, method: &str, params: Value) -> String {
        let response = serde_json::to_value(self.answer(method, params)).expect("it is JSON");
        assert_eq!(response["error"]["code"], -32803, "{response}");
        response["error"]["message"].as_str().expect("a message").to_owned()
    }

    /// Opens a file of a folder as the disk has it, or with another text.
    fn open_file(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "sd", "version": 0, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Asks about the place where `mark` begins in the text, `behind` bytes further on.
    fn at(&mut self, method: &str, mark: &str, behind: usize, more: Value) -> Value {
        let at = self.text.find(mark).unwrap_or_else(|| panic!("no `{mark}`")) + behind;
        let mut params = json!({ "textDocument": { "uri": URI }, "position": position(&self.text, at) });
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        self.ask(method, params)
    }

    fn of(&mut self, method: &str) -> Value {
        self.ask(method, json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 4, "insertSpaces": true } }))
    }

    /// Replaces bytes of the text, as an editor does.
    fn edit(&mut self, range: std::ops::Range<usize>, with: &str) {
        let change = json!({ "text": with, "range":
            { "start": position(&self.text, range.start), "end": position(&self.text, range.end) } });
        self.text.replace_range(range, with);
        self.version += 1;
        let document = json!({ "uri": URI, "version": self.version });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    fn replace(&mut self, old: &str, new: &str) {
        let at = self.text.find(old).unwrap_or_else(|| panic!("no `{old}`"));
        self.edit(at..at + old.len(), new);
    }

    /// What is wrong, when all that was sent is taken in.
    fn diagnostics(&mut self) -> Vec<Value> {
        self.of("textDocument/foldingRange");
        self.told[URI].as_array().expect("a list").clone()
    }

    fn close(mut self) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        let server = self.server.take().expect("closed once");
        server.join().expect("the server does not panic").expect("the session ends well");
    }
}

fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |i| i + 1);
    json!({ "line": before.matches('\n').count(), "character": before[line..].encode_utf16().count() })
}

fn markdown(hover: &Value) -> &str {
    hover["contents"]["value"].as_str().unwrap_or_else(|| panic!("no hover: {hover}"))
}

fn labels(items: &Value) -> Vec<&str> {
    items.as_array().expect("a list").iter().filter_map(|i| i["label"].as_str()).collect()
}

#[test]
fn a_session_with_a_pyramidnet() {
    let mut client = Client::open(PROGRAM, None);
    assert_eq!(client.diagnostics(), Vec::<Value>::new());

    // Hover: documentation, what is built, and a rule's numbers.
    let hover = client.at("textDocument/hover", "pair(width", 1, json!({}));
    let text = markdown(&hover);
    assert!(
        text.contains("Two convolutions.") && text.contains("3 x 32 x 32") || text.contains("16 x 32 x 32"),
        "{text}"
    );
    assert!(text.contains("parameters") && text.contains("multiply-adds"), "{text}");
    let hover = client.at("textDocument/hover", "residual {", 1, json!({}));
    let text = markdown(&hover);
    assert!(
        text.contains("l = 1 of L = 9") && text.contains("p_l = 0.9444") && text.contains("E[forward] = 0.9444"),
        "{text}"
    );
    assert!(text.contains("l = 9 of L = 9") && text.contains("p_l = 0.5,"), "{text}");
    let hover = client.at("textDocument/hover", "conv3x3(width, s", 0, json!({}));
    assert!(markdown(&hover).contains("a layer") && markdown(&hover).contains("32 x 32"), "{hover}");
    let hover = client.at("textDocument/hover", "shakedrop(p", 0, json!({}));
    assert!(markdown(&hover).contains("E[forward]"), "{hover}");
    let hover = client.at("textDocument/hover", "momentum", 0, json!({}));
    assert!(markdown(&hover).contains("an option of"), "{hover}");

    for (name, behind) in [("Pyramid(alpha", 1), ("pyramidnet(depth", 3)] {
        let hover = client.at("textDocument/hover", name, behind, json!({}));
        let text = markdown(&hover);
        assert!(text.contains("model `Pyramid`: 3 x 32 x 32 → 10 x 1 x 1, "), "{text}");
        assert!(text.contains(" multiply-adds, 9 residuals"), "{text}");
    }

    // Names: in this file, and in the library.
    let place = client.at("textDocument/definition", "block: pair", 8, json!({}));
    assert_eq!(place["range"]["start"], position(PROGRAM, PROGRAM.find("pair(width").expect("there")));
    let place = client.at("textDocument/definition", "linear_decay(l", 0, json!({}));
    let uri = place["uri"].as_str().expect("an address");
    assert!(uri.ends_with("std/regularizers.sd"), "{place}");
    // A file that every editor can open, the same each time, and not to be written.
    let file = std::path::Path::new(uri.strip_prefix("file://").expect("a file"));
    assert_eq!(std::fs::read_to_string(file).expect("readable"), include_str!("../../stdlib/regularizers.sd"));
    assert!(std::fs::metadata(file).expect("it is there").permissions().readonly());
    let again = client.at("textDocument/definition", "shakedrop(p", 0, json!({}));
    assert_eq!(again["uri"], place["uri"]);
    let all =
        client.at("textDocument/references", "width: int", 0, json!({ "context": { "includeDeclaration": true } }));
    assert_eq!(all.as_array().expect("a list").len(), 4);
    let edit = client.at("textDocument/rename", "width: int", 0, json!({ "newName": "channels_out" }));
    assert_eq!(edit["changes"][URI].as_array().expect("edits").len(), 4);
    let place = |mark| json!({ "textDocument": { "uri": URI }, "position": position(PROGRAM, PROGRAM.find(mark).expect("there")) });
    let renamed = |mark, new| {
        let mut params = place(mark);
        params["newName"] = json!(new);
        params
    };
    for (new, why) in [
        ("stride", "`stride` stands in pyramid.sd already"),
        ("9x", "`9x` is no name: a letter or `_`, then letters, digits and `_`"),
        ("if", "`if` is a word of the language"),
        ("a b", "`a b` is no name: a letter or `_`, then letters, digits and `_`"),
    ] {
        assert_eq!(client.refused("textDocument/rename", renamed("width: int", new)), why);
    }
    let library = "`shakedrop` belongs to the standard library, which cannot be changed";
    assert_eq!(client.refused("textDocument/rename", renamed("shakedrop(p", "shook")), library);
    assert_eq!(client.refused("textDocument/prepareRename", place("shakedrop(p")), library);
    let language = "`conv3x3` belongs to the language";
    assert_eq!(client.refused("textDocument/prepareRename", place("conv3x3(width, s")), language);
    let asked = client.ask("textDocument/prepareRename", place("width: int"));
    assert_eq!(asked["placeholder"], "width");

    // Typing: what may stand where.
    let items = client.at("textDocument/completion", "momentum", 0, json!({}));
    assert!(labels(&items).contains(&"nesterov") && labels(&items).contains(&"weight_decay"), "{:?}", labels(&items));
    let items = client.at("textDocument/completion", "stride: stride); bn; relu", 0, json!({}));
    assert!(labels(&items).contains(&"groups: ") && labels(&items).contains(&"width"), "{:?}", labels(&items));
    let help = client.at("textDocument/signatureHelp", "stride: stride); bn; relu", 8, json!({}));
    assert!(help["signatures"][0]["label"].as_str().expect("a label").starts_with("conv3x3("), "{help}");
    let all = json!({ "range": { "start": position(PROGRAM, 0), "end": position(PROGRAM, PROGRAM.len()) } });
    let hints = client.at("textDocument/inlayHint", "use", 0, all);
    assert!(labels(&hints).iter().any(|l| l.starts_with("p_l = 0.9444 … 0.5")), "{hints}");
    assert!(labels(&hints).iter().any(|l| l.starts_with("→ ") && l.contains("×32×32 … ")), "{hints}");
    let symbols = client.of("textDocument/documentSymbol");
    let names: Vec<_> =
        symbols.as_array().expect("a list").iter().map(|s| s["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["pair", "Pyramid", "train Pyramid"]);
    assert!(client.of("textDocument/foldingRange").as_array().expect("a list").len() >= 4);
    let tokens = client.of("textDocument/semanticTokens/full");
    assert!(tokens["data"].as_array().expect("a list").len() > 5 * 30, "{tokens}");

    // A slip: told at once, with its mend.
    client.replace("conv3x3(width); bn", "cnov3x3(width); bn");
    let told = client.diagnostics();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["code"], "SD0201");
    let actions = client.ask(
        "textDocument/codeAction",
        json!({ "textDocument": { "uri": URI }, "range": told[0]["range"], "context": { "diagnostics": [] } }),
    );
    assert_eq!(actions[0]["title"], "Replace `cnov3x3` with `conv3x3`");
    assert_eq!(actions[0]["edit"]["changes"][URI][0]["newText"], "conv3x3");
    client.replace("cnov3x3", "conv3x3");
    assert_eq!(client.diagnostics(), Vec::<Value>::new());

    // Layout.
    client.replace("    const layers", "  const   layers");
    let edits = client.of("textDocument/formatting");
    assert_eq!(edits[0]["newText"].as_str(), Some(PROGRAM));
    client.close();
}

#[test]
fn a_broken_file_keeps_all_of_it_for_its_whole_items() {
    let mut client = Client::open(PROGRAM, None);
    client.replace("    place shakedrop(p:", "    place shakedrop((p:");
    let told = client.diagnostics();
    assert!(!told.is_empty());
    let hover = client.at("textDocument/hover", "pair(width", 1, json!({}));
    assert!(markdown(&hover).contains("Two convolutions."));
    let place = client.at("textDocument/definition", "pyramid_shortcut(width", 0, json!({}));
    assert!(place["uri"].as_str().expect("an address").ends_with("std/pyramidnet.sd"), "{place}");
    assert!(labels(&client.at("textDocument/completion", "momentum", 0, json!({}))).contains(&"nesterov"));
    assert!(client.of("textDocument/documentSymbol")[0]["name"] == "pair");
    client.close();
}

#[test]
fn assertions_are_checked_completed_and_explained_while_typing() {
    let mut client = Client::open(PROGRAM, None);
    client.replace("on residuals\n}", "on residuals\n    assert residuals == 9\n}");
    assert_eq!(client.diagnostics(), Vec::<Value>::new());
    client.replace("residuals == 9", "residuals == 10");
    let told = client.diagnostics();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["code"], "SD0308");
    client.replace("residuals == 10", "multiply_adds < 1e9");
    assert_eq!(client.diagnostics(), Vec::<Value>::new());
    let hover = client.at("textDocument/hover", "multiply_adds", 3, json!({}));
    assert!(markdown(&hover).contains("for one image"), "{hover}");
    let items = client.at("textDocument/completion", "multiply_adds", 5, json!({}));
    assert!(labels(&items).contains(&"parameters"), "{items}");
    let elsewhere = client.at("textDocument/completion", "place shakedrop", 6, json!({}));
    assert!(!labels(&elsewhere).contains(&"parameters"), "{elsewhere}");
    client.close();
}

#[test]
fn an_edit_of_a_used_file_rechecks_the_files_that_use_it() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writable");
    let (base, between, top) = (
        "block wide(width: int) { conv3x3(width) }\n",
        "use \"base.sd\".{wide}\nblock twice(width: int) { wide(width); wide(width) }\n",
        "use \"between.sd\".{twice}\nmodel M { input image[3, 8, 8]; net { twice(4) } }\n",
    );
    write("base.sd", base);
    write("between.sd", between);
    write("top.sd", top);
    let mut client = Client::open(PROGRAM, None);
    let uri = |name: &str| format!("file://{}", folder.path().join(name).display());
    let mut versions = 0;
    let mut set = |client: &mut Client, name: &str, text: &str| {
        versions += 1;
        let uri = uri(name);
        match versions {
            1..=3 => {
                let document = json!({ "uri": uri, "languageId": "sd", "version": versions, "text": text });
                client.tell("textDocument/didOpen", json!({ "textDocument": document }));
            }
            _ => client.tell(
                "textDocument/didChange",
                json!({ "textDocument": { "uri": uri, "version": versions }, "contentChanges": [{ "text": text }] }),
            ),
        }
        // What is told of the files comes before the answer to a later request.
        client.of("textDocument/foldingRange");
    };
    set(&mut client, "top.sd", top);
    set(&mut client, "between.sd", between);
    set(&mut client, "base.sd", base);
    // A name is one in all of them, from wherever it is asked.
    for (name, line, character) in [("base.sd", 0, 7), ("between.sd", 0, 16), ("between.sd", 1, 27)] {
        let place = json!({
            "textDocument": { "uri": uri(name) }, "position": { "line": line, "character": character },
            "context": { "includeDeclaration": true }, "newName": "broad",
        });
        let all = client.ask("textDocument/references", place.clone());
        let count = |file: &str| all.as_array().expect("a list").iter().filter(|l| l["uri"] == uri(file)).count();
        assert_eq!([count("base.sd"), count("between.sd"), count("top.sd")], [1, 3, 0], "{name}: {all}");
        let edit = client.ask("textDocument/rename", place);
        let count = |file: &str| edit["changes"][uri(file)].as_array().expect("edits").len();
        assert_eq!([count("base.sd"), count("between.sd")], [1, 3], "{name}: {edit}");
    }
    let wrong = |client: &Client, name: &str| client.told[&uri(name)].as_array().expect("a list").len();
    assert_eq!([wrong(&client, "top.sd"), wrong(&client, "between.sd")], [0, 0]);
    // A name that two files above needs: neither of them was edited, both are told.
    set(&mut client, "base.sd", "block broad(width: int) { conv3x3(width) }\n");
    assert!(wrong(&client, "between.sd") > 0, "{:?}", client.told);
    set(&mut client, "base.sd", base);
    assert_eq!([wrong(&client, "top.sd"), wrong(&client, "between.sd")], [0, 0]);
    // Through two files: the model's own shapes disagree.
    set(&mut client, "base.sd", "block wide(width: int) { max_pool(width * 9) }\n");
    assert!(wrong(&client, "top.sd") > 0, "{:?}", client.told);
    // Closed, the file on the disk counts.
    client.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri("base.sd") } }));
    client.of("textDocument/foldingRange");
    assert_eq!([wrong(&client, "top.sd"), wrong(&client, "between.sd")], [0, 0]);
    client.close();
}

/// Files of a folder by their names, and the folder as an editor opens it.
fn folder_of(files: &[(&str, &str)]) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    let address = format!("file://{}", folder.path().display());
    (folder, move |name| if name.is_empty() { address.clone() } else { format!("{address}/{name}") })
}

/// How many places an answer of places or of edits has in a file.
fn places_in(answer: &Value, uri: &str) -> usize {
    match answer["changes"].as_object() {
        Some(changes) => changes.get(uri).map_or(0, |edits| edits.as_array().expect("edits").len()),
        None => answer.as_array().expect("a list").iter().filter(|l| l["uri"] == uri).count(),
    }
}

#[test]
fn a_name_is_one_in_every_file_of_the_folder_open_or_not() {
    let base = "block wide(width: int) { conv3x3(width) }\n";
    let files = [
        ("base.sd", base),
        ("between.sd", "use \"base.sd\".{wide}\nblock twice(width: int) { wide(width: width); wide(width) }\n"),
        ("top.sd", "use \"between.sd\".{twice}\nmodel M { input image[3, 8, 8]; net { twice(4) } }\n"),
        ("sub/own.sd", "block wide(width: int) { conv1x1(width) }\n"),
        ("sub/far.sd", "use \"own.sd\".{wide}\nblock far { wide(1) }\n"),
        ("over.sd", "use \"./sub/far.sd\".{far}\nuse \"sub/own.sd\".{wide}\nblock all { far; wide(width: 2) }\n"),
        // Half a text: its whole items count.
        ("broken.sd", "use \"base.sd\".{wide}\nblock well { wide(3) }\nblock ill { wide(\n"),
        ("other.txt", "use \"base.sd\".{wide}\n"),
        (".hidden/base.sd", base),
    ];
    let (folder, uri) = folder_of(&files);
    let ways = [
        json!({ "capabilities": {}, "workspaceFolders": [{ "uri": uri(""), "name": "it" }] }),
        json!({ "capabilities": {}, "rootUri": uri("") }),
        json!({ "capabilities": {}, "rootUri": uri("sub"), "workspaceFolders": null }),
    ];
    for (way, editor) in ways.into_iter().enumerate() {
        let mut client = Client::open_in(editor, PROGRAM, None);
        if way == 2 {
            let add = json!({ "added": [{ "uri": uri(""), "name": "it" }], "removed": [{ "uri": uri("sub"), "name": "sub" }] });
            client.tell("workspace/didChangeWorkspaceFolders", json!({ "event": add }));
        }
        client.open_file(&uri("base.sd"), base);
        let place = |name: &str, character: usize| {
            json!({ "textDocument": { "uri": uri(name) }, "position": { "line": 0, "character": character },
                "context": { "includeDeclaration": true }, "newName": "broad" })
        };
        // The block: every file that uses it, none that has one of the same name.
        let counted = |answer: &Value| files.map(|(name, _)| places_in(answer, &uri(name)));
        let block = [1, 3, 0, 0, 0, 0, 2, 0, 0];
        let parameter = [2, 1, 0, 0, 0, 0, 0, 0, 0];
        for (character, wanted) in [(7, block), (12, parameter)] {
            let all = client.ask("textDocument/references", place("base.sd", character));
            assert_eq!(counted(&all), wanted, "{all}");
            let edit = client.ask("textDocument/rename", place("base.sd", character));
            assert_eq!(counted(&edit), wanted, "{edit}");
        }
        // The open text wins over the file: it uses the block once.
        client.open_file(&uri("between.sd"), "use \"base.sd\".{wide}\nblock twice(width: int) { bn }\n");
        let all = client.ask("textDocument/references", place("base.sd", 7));
        assert_eq!(counted(&all), [1, 1, 0, 0, 0, 0, 2, 0, 0], "{all}");
        // A name that a closed file of those has already.
        let mut taken = place("base.sd", 7);
        taken["newName"] = json!("well");
        assert_eq!(client.refused("textDocument/rename", taken), "`well` stands in broken.sd already");
        // From a file that uses another, which is closed; a path may be written in several ways.
        client.open_file(&uri("over.sd"), files[5].1);
        let all = client.ask(
            "textDocument/references",
            json!({ "textDocument": { "uri": uri("over.sd") },
            "position": { "line": 2, "character": 18 }, "context": { "includeDeclaration": true } }),
        );
        assert_eq!(counted(&all), [0, 0, 0, 1, 2, 2, 0, 0, 0], "{all}");
        client.close();
    }
    // A folder that cannot be searched: a rename would be half of one.
    let mut deep = folder.path().to_owned();
    deep.extend(std::iter::repeat_n("deep", 40));
    std::fs::create_dir_all(&deep).expect("writable");
    let mut client = Client::open_in(json!({ "capabilities": {}, "rootUri": uri("") }), PROGRAM, None);
    client.open_file(&uri("base.sd"), base);
    let place = json!({ "textDocument": { "uri": uri("base.sd") }, "position": { "line": 0, "character": 7 },
        "context": { "includeDeclaration": true }, "newName": "broad" });
    assert!(client.refused("textDocument/rename", place.clone()).contains("folders deep"));
    assert_eq!(client.ask("textDocument/references", place).as_array().expect("a list").len(), 1);
    client.close();
}

#[test]
fn a_text_of_the_library_that_is_open_cannot_be_changed() {
    let mut client = Client::open(PROGRAM, None);
    let place = client.at("textDocument/definition", "linear_decay(l", 0, json!({}));
    let uri = place["uri"].as_str().expect("an address").to_owned();
    client.open_file(&uri, include_str!("../../stdlib/regularizers.sd"));
    let mut rename = json!({ "textDocument": { "uri": uri }, "position": place["range"]["start"], "newName": "sink" });
    let why = "`linear_decay` belongs to the standard library, which cannot be changed";
    assert_eq!(client.refused("textDocument/rename", rename.clone()), why);
    // Its places in the program are found from there too.
    rename["context"] = json!({ "includeDeclaration": true });
    assert_eq!(places_in(&client.ask("textDocument/references", rename), URI), 2);
    client.close();
}

#[test]
fn a_panic_costs_one_request() {
    let mut client = Client::open(PROGRAM, Some("textDocument/hover"));
    let params = json!({ "textDocument": { "uri": URI }, "position": { "line": 4, "character": 7 } });
    let response = serde_json::to_value(client.answer("textDocument/hover", params)).expect("it is JSON");
    assert_eq!(response["error"]["code"], -32603, "{response}");
    let response = serde_json::to_value(client.answer("textDocument/nothing", json!({}))).expect("it is JSON");
    assert_eq!(response["error"]["code"], -32601, "{response}");
    let response = serde_json::to_value(client.answer("textDocument/definition", json!(3))).expect("it is JSON");
    assert_eq!(response["error"]["code"], -32602, "{response}");
    assert_eq!(client.of("textDocument/documentSymbol").as_array().expect("a list").len(), 3);
    client.close();
}

/// What the server told last of the text is what `sdc check` says of it.
fn assert_told_as_checked(client: &mut Client) {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let path = folder.path().join("pyramid.sd");
    std::fs::write(&path, &client.text).expect("writable");
    let mut session = Session::default();
    driver::check(&mut session, &Input::File(path));
    let problems: Vec<_> = session.problems.sorted().into_iter().take(diag::MAX_SHOWN).collect();
    let told = client.diagnostics();
    assert_eq!(told.len(), problems.len(), "{told:?}, and not {problems:?}, of\n{}", client.text);
    for (told, problem) in told.iter().zip(problems) {
        let own = problem.labels.iter().map(|label| label.span).find(|span| span.source == SourceId(0));
        let place = position(&client.text, own.map_or(0, |span| span.range().start));
        let says = told["message"].as_str().is_some_and(|message| message.contains(&problem.message));
        let fits = told["code"] == problem.code.0 && told["range"]["start"] == place && says;
        assert!(fits, "{told}, and not {problem:?}, of\n{}", client.text);
    }
}

/// What is typed.
const PIECES: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "\n",
    " ",
    "relu",
    "residual { ",
    "branch { bn }",
    "ü€😀",
    "//",
    "\"",
    "width",
    ":",
    "..",
    "1",
    "train ",
];

#[test]
fn edits_at_random_never_end_a_session() {
    let edits = if std::env::var_os("SDC_SLOW").is_some() { 100_000 } else { 600 };
    let mut choices = Choices::of("lsp.edits");
    let mut client = Client::open(PROGRAM, None);
    let boundary = |text: &str, at: usize| text.floor_char_boundary(at.min(text.len()));
    for n in 0..edits {
        if client.text.len() > 3_000 || client.text.len() < 200 {
            let whole = client.text.len();
            client.edit(0..whole, PROGRAM);
        }
        let start = boundary(&client.text, choices.below(client.text.len()));
        let end = boundary(&client.text, start + if choices.once_in(2) { 0 } else { choices.below(6) });
        client.edit(start..end.max(start), choices.one(PIECES));
        let place = position(&client.text, boundary(&client.text, choices.below(client.text.len())));
        let methods = [
            "hover",
            "completion",
            "signatureHelp",
            "definition",
            "references",
            "rename",
            "prepareRename",
            "documentSymbol",
            "foldingRange",
            "semanticTokens/full",
            "inlayHint",
            "codeAction",
            "formatting",
        ];
        let method = format!("textDocument/{}", choices.one(&methods));
        let end = position(&client.text, client.text.len());
        let response = client.answer(&method, json!({
            "textDocument": { "uri": URI }, "position": place, "newName": "other", "context": { "includeDeclaration": true, "triggerKind": 1, "isRetrigger": false, "diagnostics": [] },
            "range": { "start": { "line": 0, "character": 0 }, "end": end }, "options": { "tabSize": 4, "insertSpaces": true },
        }));
        let response = serde_json::to_value(response).expect("it is JSON");
        // A rename may be refused.
        let well = response.get("error").is_none_or(|e| e["code"] == -32803 && method.ends_with("ename"));
        assert!(well, "edit {n}, {method}: {response}\n{}", client.text);
        // Of a check that panics nothing is told, and the session goes on.
        let unchecked = client.version + 1 - client.checks;
        assert_eq!(unchecked, 0, "texts that made the server panic, up to edit {n}:\n{}", client.text);
        if n % 20 == 0 || n + 1 == edits {
            assert_told_as_checked(&mut client);
        }
    }
    client.close();
}
