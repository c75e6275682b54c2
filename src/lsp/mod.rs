//! `sdc lsp`: the language server. Messages in, answers out; one file a group of requests, and nothing analysed here: the
//! check is [`driver`](crate::driver)'s, the documentation [`docs`](crate::docs)', the layout [`syntax`](crate::syntax)'s.
//!
//! | file | what it answers |
//! | --- | --- |
//! | `document` | open texts, edits, coordinates |
//! | `names` | what each name means |
//! | `hover`, `hints` | documentation, shapes, counts, `l` and p_l |
//! | `complete` | completion, signature help |
//! | `edits` | diagnostics, fixes, definition, references, rename, layout |
//! | `symbols` | outline, folding, colours |
//!
//! A request that panics is answered with an error and costs nothing else. Absence: the disk, but for files that a `use`
//! names and those that show the library.

mod complete;
mod document;
mod edits;
mod hints;
mod hover;
mod names;
mod symbols;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use gen_lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionParams, CodeActionProvider, CompletionOptions, CompletionParams,
    CompletionResponse, Definition, DefinitionParams, DefinitionProvider, DefinitionResponse,
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, DocumentFormattingParams,
    DocumentFormattingProvider, DocumentSymbolParams, DocumentSymbolProvider, DocumentSymbolResponse,
    FoldingRangeParams, FoldingRangeProvider, Full, HoverParams, HoverProvider, InlayHintParams, InlayHintProvider,
    PublishDiagnosticsParams, ReferenceParams, ReferencesProvider, RenameParams, RenameProvider, SemanticTokensOptions,
    SemanticTokensParams, SemanticTokensProvider, ServerCapabilities, SignatureHelpOptions, SignatureHelpParams,
    TextDocumentPositionParams, TextDocumentSync, TextDocumentSyncKind, Uri,
};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};

use self::document::Document;
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
    let capabilities = serde_json::to_value(capabilities()).map_err(|e| broken(&e.to_string()))?;
    connection.initialize(capabilities).map_err(|e| broken(&e.to_string()))?;
    let mut server = Server { documents: BTreeMap::new() };
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

fn capabilities() -> ServerCapabilities {
    let marks = |marks: &[&str]| Some(marks.iter().map(|m| (*m).to_owned()).collect());
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSync::Kind(TextDocumentSyncKind::Incremental)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: marks(&[".", "(", "{"]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProvider::Bool(true)),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: marks(&["(", ","]),
            ..SignatureHelpOptions::default()
        }),
        definition_provider: Some(DefinitionProvider::Bool(true)),
        references_provider: Some(ReferencesProvider::Bool(true)),
        document_symbol_provider: Some(DocumentSymbolProvider::Bool(true)),
        code_action_provider: Some(CodeActionProvider::CodeActionOptions(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QuickFix]),
            ..CodeActionOptions::default()
        })),
        document_formatting_provider: Some(DocumentFormattingProvider::Bool(true)),
        rename_provider: Some(RenameProvider::Bool(true)),
        folding_range_provider: Some(FoldingRangeProvider::Bool(true)),
        semantic_tokens_provider: Some(SemanticTokensProvider::SemanticTokensOptions(SemanticTokensOptions {
            legend: symbols::legend(),
            full: Some(Full::Bool(true)),
            ..SemanticTokensOptions::default()
        })),
        inlay_hint_provider: Some(InlayHintProvider::Bool(true)),
        ..ServerCapabilities::default()
    }
}

/// The open texts, by address.
struct Server {
    documents: BTreeMap<String, Document>,
}

impl Server {
    fn request(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let answered = match method.as_str() {
            "textDocument/hover" => self.at(params, |p: HoverParams| {
                (p.text_document_position_params, |d: &Document, _: &Uri, at: usize| hover::hover(d, at))
            }),
            "textDocument/completion" => self.at(params, |p: CompletionParams| {
                (p.text_document_position_params, |d: &Document, _: &Uri, at: usize| {
                    Some(CompletionResponse::CompletionItemList(complete::complete(d, at)))
                })
            }),
            "textDocument/signatureHelp" => self.at(params, |p: SignatureHelpParams| {
                (p.text_document_position_params, |d: &Document, _: &Uri, at: usize| complete::signature(d, at))
            }),
            "textDocument/definition" => self.at(params, |p: DefinitionParams| {
                (p.text_document_position_params, |d: &Document, uri: &Uri, at: usize| {
                    edits::define(d, uri, at).map(|l| DefinitionResponse::Definition(Definition::Location(l)))
                })
            }),
            "textDocument/references" => self.at(params, |p: ReferenceParams| {
                (p.text_document_position_params, |d: &Document, uri: &Uri, at: usize| {
                    Some(edits::references(&self.documents, d, uri, at))
                })
            }),
            "textDocument/rename" => self.at(params, |p: RenameParams| {
                let new = p.new_name;
                (p.text_document_position_params, move |d: &Document, uri: &Uri, at: usize| {
                    edits::rename(&self.documents, d, uri, at, &new)
                })
            }),
            "textDocument/documentSymbol" => from_value(params).map(|p: DocumentSymbolParams| {
                self.of(&p.text_document.uri, |d| DocumentSymbolResponse::DocumentSymbolList(symbols::symbols(d)))
            }),
            "textDocument/foldingRange" => {
                from_value(params).map(|p: FoldingRangeParams| self.of(&p.text_document.uri, symbols::folds))
            }
            "textDocument/semanticTokens/full" => {
                from_value(params).map(|p: SemanticTokensParams| self.of(&p.text_document.uri, symbols::tokens))
            }
            "textDocument/inlayHint" => {
                from_value(params).map(|p: InlayHintParams| self.of(&p.text_document.uri, |d| hints::hints(d, p.range)))
            }
            "textDocument/codeAction" => from_value(params).map(|p: CodeActionParams| {
                self.of(&p.text_document.uri, |d| edits::actions(d, &p.text_document.uri, p.range))
            }),
            "textDocument/formatting" => {
                from_value(params).map(|p: DocumentFormattingParams| self.of(&p.text_document.uri, edits::layout))
            }
            other => {
                let told = format!("`{other}` is not served");
                return Response::new_err(id, ErrorCode::MethodNotFound as i32, told);
            }
        };
        match answered {
            Ok(value) => Response::new_ok(id, value),
            Err(why) => Response::new_err(id, ErrorCode::InvalidParams as i32, why.to_string()),
        }
    }

    /// An answer about a place in a text; nothing where the text is not open.
    fn at<P, A, F>(
        &self,
        params: Value,
        answer: impl FnOnce(P) -> (TextDocumentPositionParams, F),
    ) -> Result<Value, serde_json::Error>
    where
        P: DeserializeOwned,
        A: Serialize,
        F: FnOnce(&Document, &Uri, usize) -> Option<A>,
    {
        let (place, answer) = answer(from_value(params)?);
        let uri = place.text_document.uri;
        Ok(self.of(&uri, |d| answer(d, &uri, d.offset(place.position))))
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
        let texts: BTreeMap<PathBuf, String> =
            self.documents.values().filter_map(|d| d.path.clone().map(|path| (path, d.text.clone()))).collect();
        let document = Document::new(&uri, version, text, &texts);
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
