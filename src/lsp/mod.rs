//! `sdc lsp`: the language server. Messages in, answers out; one file a group of requests, and nothing analysed here: the
//! check is [`driver`](crate::driver)'s, the documentation [`docs`](crate::docs)', the layout [`syntax`](crate::syntax)'s.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `capabilities` | what the server can do |
//! | `document` | open texts, edits, coordinates |
//! | `names` | what each name means |
//! | `hover`, `hints` | documentation, shapes, counts, `l` and p_l |
//! | `complete` | completion, signature help |
//! | `edits` | diagnostics, fixes, definition, layout |
//! | `places` | references, rename |
//! | `symbols` | outline, folding, colours |
//!
//! A request that panics is answered with an error and costs nothing else. Absence: the disk, but for files that a `use`
//! names, those of the open folders that hold a name, and those that show the library.

mod capabilities;
mod complete;
mod document;
mod edits;
mod hints;
mod hover;
mod names;
mod places;
mod symbols;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use gen_lsp_types::{
    CodeActionParams, CompletionParams, CompletionResponse, Definition, DefinitionParams, DefinitionResponse,
    DidChangeTextDocumentParams, DidChangeWorkspaceFoldersParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, DocumentSymbolParams, DocumentSymbolResponse,
    FoldingRangeParams, HoverParams, InlayHintParams, PrepareRenameParams, PublishDiagnosticsParams, ReferenceParams,
    RenameParams, SemanticTokensParams, SignatureHelpParams, TextDocumentPositionParams, Uri, WorkspaceFolder,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde::Serialize;
use serde_json::{Value, from_value, json};

use self::document::Document;
use self::places::Workspace;
use crate::diag::{Failure, codes};

/// Serves an editor on standard input and output until it says goodbye.
///
/// # Errors
/// Where the messages end or cannot be read.
pub fn serve() -> Result<(), Failure> {
    let (connection, threads) = Connection::stdio();
    serve_on(&connection, &mut |_| {})?;
    // The writing thread ends when the last sender is gone.
    drop(connection);
    threads.join().map_err(|e| broken(&e.to_string()))
}

/// Serves one client; `before` sees the name of each request before it is answered.
///
/// # Errors
/// Where the messages do not follow the protocol.
pub fn serve_on(connection: &Connection, before: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let capabilities = serde_json::to_value(capabilities::capabilities()).map_err(|e| broken(&e.to_string()))?;
    let told = connection.initialize(capabilities).map_err(|e| broken(&e.to_string()))?;
    let mut server = Server { documents: BTreeMap::new(), folders: folders(&told) };
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(|e| broken(&e.to_string()))? {
                    return Ok(());
                }
                let id = request.id.clone();
                let answer = catch_unwind(AssertUnwindSafe(|| {
                    before(&request.method);
                    server.request(request)
                }));
                let answer = answer.unwrap_or_else(|_| {
                    let told = "this request made the server panic, which is a mistake of sdc; the session goes on";
                    Response::new_err(id, ErrorCode::InternalError as i32, told.to_owned())
                });
                send(connection, Message::Response(answer));
            }
            Message::Notification(note) => {
                let published = catch_unwind(AssertUnwindSafe(|| server.notification(note)));
                for message in published.unwrap_or_default() {
                    send(connection, message);
                }
            }
            Message::Response(_) => {}
        }
    }
    Ok(())
}

fn broken(why: &str) -> Failure {
    let message = format!("the editor's messages break off: {why}");
    Failure::new(codes::CANNOT_READ, message, "`sdc lsp` is started by an editor and speaks the protocol LSP with it")
}

fn send(connection: &Connection, message: Message) {
    // A client that is gone has no use for an answer; the loop ends with its messages.
    let _ = connection.sender.send(message);
}

/// The folders that an editor opens; older ones tell one, as `rootUri`.
fn folders(told: &Value) -> Vec<PathBuf> {
    let several = told["workspaceFolders"].as_array().map(|all| all.iter().map(|f| &f["uri"]).collect());
    let addresses = several.unwrap_or_else(|| vec![&told["rootUri"]]);
    addresses.into_iter().filter_map(|uri| document::path_of(&Uri(uri.as_str()?.to_owned()))).collect()
}

struct Server {
    /// The open texts, by address.
    documents: BTreeMap<String, Document>,
    /// The open folders.
    folders: Vec<PathBuf>,
}

/// Why a request has no answer.
enum Refusal {
    /// There is no such request.
    Unknown,
    /// Its parameters are not the protocol's.
    Unreadable(serde_json::Error),
    /// It cannot be done, for a reason that the user reads.
    Because(String),
}

impl From<serde_json::Error> for Refusal {
    fn from(why: serde_json::Error) -> Self {
        Refusal::Unreadable(why)
    }
}

impl Server {
    fn request(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        match self.answer(&method, params) {
            Ok(value) => Response::new_ok(id, value),
            Err(refusal) => {
                let (code, why) = match refusal {
                    Refusal::Unknown => (ErrorCode::MethodNotFound, format!("`{method}` is not served")),
                    Refusal::Unreadable(why) => (ErrorCode::InvalidParams, why.to_string()),
                    Refusal::Because(why) => (ErrorCode::RequestFailed, why),
                };
                Response::new_err(id, code as i32, why)
            }
        }
    }

    fn answer(&self, method: &str, params: Value) -> Result<Value, Refusal> {
        let workspace = Workspace { open: &self.documents, folders: &self.folders };
        Ok(match method {
            "textDocument/hover" => {
                let p: HoverParams = from_value(params)?;
                self.at(p.text_document_position_params, |d, _, at| hover::hover(d, at))
            }
            "textDocument/completion" => {
                let p: CompletionParams = from_value(params)?;
                let complete = |d: &Document, at| CompletionResponse::CompletionItemList(complete::complete(d, at));
                self.at(p.text_document_position_params, |d, _, at| complete(d, at))
            }
            "textDocument/signatureHelp" => {
                let p: SignatureHelpParams = from_value(params)?;
                self.at(p.text_document_position_params, |d, _, at| complete::signature(d, at))
            }
            "textDocument/definition" => {
                let p: DefinitionParams = from_value(params)?;
                let one = |place| DefinitionResponse::Definition(Definition::Location(place));
                self.at(p.text_document_position_params, |d, uri, at| edits::define(d, uri, at).map(one))
            }
            "textDocument/references" => {
                let p: ReferenceParams = from_value(params)?;
                self.at(p.text_document_position_params, |d, uri, at| workspace.references(d, uri, at))
            }
            "textDocument/prepareRename" => {
                let p: PrepareRenameParams = from_value(params)?;
                self.change(p.text_document_position_params, |d, _, at| workspace.prepare_rename(d, at))?
            }
            "textDocument/rename" => {
                let p: RenameParams = from_value(params)?;
                let rename = |d: &Document, uri: &Uri, at| workspace.rename(d, uri, at, &p.new_name);
                self.change(p.text_document_position_params, rename)?
            }
            "textDocument/documentSymbol" => {
                let p: DocumentSymbolParams = from_value(params)?;
                let list = |d: &Document| DocumentSymbolResponse::DocumentSymbolList(symbols::symbols(d));
                self.of(&p.text_document.uri, list)
            }
            "textDocument/foldingRange" => {
                let p: FoldingRangeParams = from_value(params)?;
                self.of(&p.text_document.uri, symbols::folds)
            }
            "textDocument/semanticTokens/full" => {
                let p: SemanticTokensParams = from_value(params)?;
                self.of(&p.text_document.uri, symbols::tokens)
            }
            "textDocument/inlayHint" => {
                let p: InlayHintParams = from_value(params)?;
                self.of(&p.text_document.uri, |d| hints::hints(d, p.range))
            }
            "textDocument/codeAction" => {
                let p: CodeActionParams = from_value(params)?;
                self.of(&p.text_document.uri, |d| edits::actions(d, &p.text_document.uri, p.range))
            }
            "textDocument/formatting" => {
                let p: DocumentFormattingParams = from_value(params)?;
                self.of(&p.text_document.uri, edits::layout)
            }
            _ => return Err(Refusal::Unknown),
        })
    }

    /// An answer about a place in a text; nothing where the text is not open.
    fn at<A: Serialize>(
        &self,
        place: TextDocumentPositionParams,
        answer: impl FnOnce(&Document, &Uri, usize) -> A,
    ) -> Value {
        let uri = place.text_document.uri;
        self.of(&uri, |d| answer(d, &uri, d.offset(place.position)))
    }

    /// The same where the user asks for a change and reads why there is none.
    fn change<A: Serialize>(
        &self,
        place: TextDocumentPositionParams,
        answer: impl FnOnce(&Document, &Uri, usize) -> Result<A, String>,
    ) -> Result<Value, Refusal> {
        let uri = place.text_document.uri;
        let document = self.documents.get(&uri.0).ok_or_else(|| Refusal::Because("the file is not open".to_owned()))?;
        let answer = answer(document, &uri, document.offset(place.position)).map_err(Refusal::Because)?;
        Ok(serde_json::to_value(answer)?)
    }

    fn of<A: Serialize>(&self, uri: &Uri, answer: impl FnOnce(&Document) -> A) -> Value {
        let answer = self.documents.get(&uri.0).map(answer);
        // What cannot be written as JSON is nothing that an editor could read.
        serde_json::to_value(answer).unwrap_or(Value::Null)
    }

    fn notification(&mut self, note: Notification) -> Vec<Message> {
        let Notification { method, params } = note;
        match method.as_str() {
            "textDocument/didOpen" => {
                let Ok(p) = from_value::<DidOpenTextDocumentParams>(params) else { return Vec::new() };
                self.set(p.text_document.uri, p.text_document.version, p.text_document.text)
            }
            "textDocument/didChange" => {
                let Ok(p) = from_value::<DidChangeTextDocumentParams>(params) else { return Vec::new() };
                let uri = p.text_document.text_document_identifier.uri;
                let Some(document) = self.documents.get(&uri.0) else { return Vec::new() };
                let text =
                    p.content_changes.iter().fold(document.text.clone(), |t, change| document::edited(&t, change));
                self.set(uri, p.text_document.version, text)
            }
            "textDocument/didClose" => {
                let Ok(p) = from_value::<DidCloseTextDocumentParams>(params) else { return Vec::new() };
                let closed = self.documents.remove(&p.text_document.uri.0);
                let mut told = vec![published(p.text_document.uri, None, Vec::new())];
                // Those that use it see the file on the disk again.
                told.extend(closed.and_then(|d| d.path).map(|path| self.recheck_users(&path)).unwrap_or_default());
                told
            }
            "workspace/didChangeWorkspaceFolders" => {
                let Ok(p) = from_value::<DidChangeWorkspaceFoldersParams>(params) else { return Vec::new() };
                let path = |folder: &WorkspaceFolder| document::path_of(&folder.uri);
                let gone: Vec<_> = p.event.removed.iter().filter_map(path).collect();
                self.folders.retain(|folder| !gone.contains(folder));
                self.folders.extend(p.event.added.iter().filter_map(path));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Takes a text, and tells what is wrong with it and with the open texts that use it.
    fn set(&mut self, uri: Uri, version: i32, text: String) -> Vec<Message> {
        let mut told = vec![self.check(uri.clone(), version, text)];
        let path = self.documents.get(&uri.0).and_then(|d| d.path.clone());
        told.extend(path.map(|path| self.recheck_users(&path)).unwrap_or_default());
        told
    }

    /// Takes a text, and tells what is wrong with it.
    fn check(&mut self, uri: Uri, version: i32, text: String) -> Message {
        let document = Document::new(&uri, version, text, &places::texts(&self.documents));
        let told = edits::diagnostics(&document, &uri);
        self.documents.insert(uri.0.clone(), document);
        published(uri, Some(version), told)
    }

    /// Checks the open texts again that use a file, however far.
    fn recheck_users(&mut self, file: &Path) -> Vec<Message> {
        let users = self.documents.iter().filter(|(_, d)| d.path.as_deref() != Some(file) && d.uses(file));
        let users: Vec<_> = users.map(|(uri, d)| (Uri(uri.clone()), d.version, d.text.clone())).collect();
        users.into_iter().map(|(uri, version, text)| self.check(uri, version, text)).collect()
    }
}

fn published(uri: Uri, version: Option<i32>, diagnostics: Vec<gen_lsp_types::Diagnostic>) -> Message {
    let params = PublishDiagnosticsParams { uri, version, diagnostics };
    Message::Notification(Notification {
        method: "textDocument/publishDiagnostics".to_owned(),
        params: serde_json::to_value(params).unwrap_or(json!(null)),
    })
}
