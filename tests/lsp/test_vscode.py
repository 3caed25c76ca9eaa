"""The extension for VS Code: its archive, its settings, and that it starts a server that answers."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from qatlint.lsp import options
from tests.lsp.editing import ROOT

EXTENSION = ROOT / "editors" / "vscode"

HOST = """
// Stands in for VS Code and for its client library: starts what the extension names, and says hello to it.
const Module = require("module");
const { spawn } = require("child_process");
const [, , extension, program, settings] = process.argv;
const values = { path: program, ...JSON.parse(settings) };
const vscode = {
  workspace: { getConfiguration: () => ({ get: (key) => values[key] }), onDidChangeConfiguration: () => ({}) },
  commands: { registerCommand: () => ({}) },
  extensions: { getExtension: () => undefined },
  window: { showErrorMessage: (text) => { console.error(text); process.exit(3); } },
};
class LanguageClient {
  constructor(id, name, server, client) { Object.assign(this, { server, client }); }
  isRunning() { return true; }
  async start() {
    const child = spawn(this.server.command, this.server.args, { stdio: ["pipe", "pipe", "inherit"] });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize",
      params: { processId: null, rootUri: null, capabilities: {}, ...this.client } });
    child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\\r\\n\\r\\n${body}`);
    child.stdout.once("data", (data) => {
      console.log(data.toString().split("\\r\\n\\r\\n")[1]);
      child.kill();
      process.exit(0);
    });
  }
}
const load = Module._load;
Module._load = (name, ...rest) =>
  name === "vscode" ? vscode : name === "vscode-languageclient/node" ? { LanguageClient } : load(name, ...rest);
require(extension).activate({ subscriptions: [] });
"""


def about() -> dict[str, object]:
    """What package.json says the settings are."""
    manifest = json.loads((EXTENSION / "package.json").read_text())
    found = manifest["contributes"]["configuration"]["properties"]
    return {key.removeprefix("qatlint."): value["default"] for key, value in found.items()}


def test_the_settings_are_those_of_the_server() -> None:
    defaults = about()
    del defaults["path"]
    assert options.read(defaults) == (options.Options(), [])
    assert set(defaults) == set(options._READERS)
    text = (EXTENSION / "extension.js").read_text()
    assert all(f'"{key}"' in text for key in defaults)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_it_starts_a_server_that_answers(tmp_path: Path) -> None:
    program = tmp_path / "qatlint"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m qatlint "$@"\n')
    program.chmod(0o755)
    (tmp_path / "host.js").write_text(HOST)
    done = subprocess.run(
        ["node", "host.js", str(EXTENSION / "extension.js"), str(program), json.dumps({"debounce": 10})],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["result"]
    assert answer["serverInfo"]["name"] == "qatlint"
    assert answer["capabilities"]["hoverProvider"]


def packager() -> ModuleType:
    """The script that makes the archive."""
    spec = importlib.util.spec_from_file_location("package_vscode", EXTENSION / "package.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_archive_is_one_that_the_editor_installs(tmp_path: Path) -> None:
    folder = tmp_path / "extension"
    inner = folder / "node_modules" / "x"
    inner.mkdir(parents=True)
    (inner / "LICENSE").write_text("free\n")
    for name in packager().SOURCES:
        shutil.copy(EXTENSION / name, folder)
    packager().write(tmp_path / "q.vsix", folder)
    with zipfile.ZipFile(tmp_path / "q.vsix") as archive:
        names = set(archive.namelist())
        manifest = ElementTree.fromstring(archive.read("extension.vsixmanifest"))
        kinds = ElementTree.fromstring(archive.read("[Content_Types].xml"))
    assert {"extension/package.json", "extension/extension.js", "extension/node_modules/x/LICENSE"} <= names
    identity = manifest.find(".//{*}Identity")
    assert identity is not None
    assert (identity.get("Publisher"), identity.get("Id")) == ("qatlint", "qatlint")
    assert {kind.get("Extension") for kind in kinds} >= {".json", ".js", ".vsixmanifest"}
    assert "/extension/node_modules/x/LICENSE" in {kind.get("PartName") for kind in kinds}
    for asset in manifest.iter("{http://schemas.microsoft.com/developer/vsx-schema/2011}Asset"):
        assert asset.get("Path") in names
