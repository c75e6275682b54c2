// Every `.sd` file of a folder is coloured to its end, with nothing that the grammar does not know. Files of
// `golden/mistakes` and `golden/syntax` hold what no grammar takes and are left out.

const fs = require("fs");
const path = require("path");
const oniguruma = require("vscode-oniguruma");
const { INITIAL, Registry, parseRawGrammar } = require("vscode-textmate");

const wasm = fs.readFileSync(path.join(path.dirname(require.resolve("vscode-oniguruma")), "onig.wasm"));
const onigLib = oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength)).then(() => ({
  createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
  createOnigString: (text) => new oniguruma.OnigString(text),
}));
const file = path.join(__dirname, "..", "syntaxes", "sd.tmLanguage.json");
const registry = new Registry({
  onigLib,
  loadGrammar: async () => parseRawGrammar(fs.readFileSync(file, "utf8"), file),
});

function programs(folder) {
  const skipped = ["node_modules", "target", "mistakes", "syntax"];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const whole = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      return entry.name.startsWith(".") || skipped.includes(entry.name) ? [] : programs(whole);
    }
    return entry.name.endsWith(".sd") && entry.name !== "broken.sd" ? [whole] : [];
  });
}

(async () => {
  const grammar = await registry.loadGrammar("source.sd");
  let wrong = 0;
  const all = programs(process.argv[2]);
  for (const program of all) {
    let state = INITIAL;
    fs.readFileSync(program, "utf8").split("\n").forEach((line, i) => {
      const result = grammar.tokenizeLine(line, state);
      state = result.ruleStack;
      for (const token of result.tokens.filter((t) => t.scopes.some((s) => s.startsWith("invalid")))) {
        console.error(`${program}:${i + 1}: ${line.slice(token.startIndex, token.endIndex)}`);
        wrong += 1;
      }
    });
  }
  console.log(`${all.length - (wrong > 0 ? 1 : 0)} passed, ${wrong} failed`);
  process.exit(wrong > 0 || all.length === 0 ? 1 : 0);
})();
