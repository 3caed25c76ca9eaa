// Starts `qatlint server` and keeps its settings up to date; all else is the server's work.
"use strict";

const fs = require("fs");
const path = require("path");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** The settings the server knows: all but where it is. */
function settings() {
  const known = vscode.workspace.getConfiguration("qatlint");
  const keys = [
    "select", "ignore", "minSeverity", "configuration", "isolated", "inlayHints", "openFilesOnly", "debounce",
    "language",
  ];
  return Object.fromEntries(keys.map((key) => [key, known.get(key)]));
}

/** The program: what the setting says, else what the Python environment has, else what the PATH has. */
async function program() {
  const said = vscode.workspace.getConfiguration("qatlint").get("path");
  if (said) {
    return { command: said, args: ["server"] };
  }
  const python = vscode.extensions.getExtension("ms-python.python");
  if (python) {
    const api = python.isActive ? python.exports : await python.activate();
    const environments = api && api.environments;
    const active = environments && environments.getActiveEnvironmentPath();
    const resolved = active && (await environments.resolveEnvironment(active));
    const interpreter = resolved && resolved.executable.uri && resolved.executable.uri.fsPath;
    if (interpreter) {
      const name = process.platform === "win32" ? "qatlint.exe" : "qatlint";
      const beside = path.join(path.dirname(interpreter), name);
      if (fs.existsSync(beside)) {
        return { command: beside, args: ["server"] };
      }
    }
  }
  return { command: "qatlint", args: ["server"] };
}

async function start() {
  const server = await program();
  client = new LanguageClient("qatlint", "qatlint", server, {
    documentSelector: [
      { language: "python", scheme: "file" },
    ],
    initializationOptions: { settings: settings() },
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `qatlint: ${server.command} could not be started: ${error.message}. pip install 'qatlint[lsp]', or set qatlint.path.`
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running && running.isRunning()) {
    await running.stop();
  }
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("qatlint.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("qatlint.path")) {
        await stop();
        await start();
      } else if (event.affectsConfiguration("qatlint") && client && client.isRunning()) {
        await client.sendNotification("workspace/didChangeConfiguration", { settings: { qatlint: settings() } });
      }
    })
  );
  await start();
}

module.exports = { activate, deactivate: stop };
