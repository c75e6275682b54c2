// Starts `sdc lsp` for every `.sd` file; all that an editor shows comes from there.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("sdc").get("path", "sdc");
  client = new LanguageClient("sdc", "sdc", { command, args: ["lsp"] }, { documentSelector: [{ language: "sd" }] });
  return client.start();
};

exports.deactivate = () => client?.stop();
