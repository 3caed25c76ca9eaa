"""How long after a keystroke an editor shows what is found, beside parsing the same text once.

    python benchmarks/latency.py --source site-packages/timm

A server process over the whole package; in the file nearest to 1,500 lines, one line is typed again and
again, each time when the answer to the last is there. The time is that from sending the text to the
diagnostics of its version, less the debounce. The baseline is `ast.parse` of the same text in this process,
just before. Exit code 0 when the median is at most 5 times the baseline.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import helpers
from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities

MOST_TIMES_BASELINE = 5.0
LINES = 1500
DEBOUNCE = 0.05


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="the folder of a package")
    parser.add_argument("--file", type=Path, help="the file (default: the one nearest to 1,500 lines)")
    parser.add_argument("--keystrokes", type=int, default=40)
    options = parser.parse_args()
    files = sorted(options.source.rglob("*.py"))
    file = options.file or min(files, key=lambda f: abs(_lines(f) - LINES))
    waited, parsed = asyncio.run(_typed(options.source.resolve(), file.resolve(), options.keystrokes))
    ratio = statistics.median(waited) / statistics.median(parsed)
    print(f"{len(files)} files; {file.name}, {_lines(file)} lines, {options.keystrokes} keystrokes")
    print(f"ast.parse    median {statistics.median(parsed) * 1000:6.1f} ms")
    print(
        f"diagnostics  median {statistics.median(waited) * 1000:6.1f} ms, slowest {max(waited) * 1000:.1f} ms"
    )
    verdict = "PASS" if ratio <= MOST_TIMES_BASELINE else "FAIL"
    print(f"ratio {ratio:.2f}, wanted at most {MOST_TIMES_BASELINE}: {verdict}")
    return 0 if ratio <= MOST_TIMES_BASELINE else 1


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n")


async def _typed(folder: Path, file: Path, keystrokes: int) -> tuple[list[float], list[float]]:
    """Seconds to the diagnostics, and to parse, of each text."""
    client = LanguageClient()
    arrived: dict[int | None, float] = {}
    news = asyncio.Event()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(_: LanguageClient, params: types.PublishDiagnosticsParams) -> None:
        if params.uri == file.as_uri():
            arrived[params.version] = time.perf_counter()
            news.set()

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(_: LanguageClient, params: types.RegistrationParams) -> None:
        pass

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(helpers.ROOT)
    await client.start_io(sys.executable, "-m", "qatlint", "server", env=environment)
    await client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities("visual-studio-code"),
            workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
            root_uri=folder.as_uri(),
            initialization_options={"settings": {"debounce": DEBOUNCE * 1000}},
        )
    )
    # One finding, so that there is something to publish each time.
    text = file.read_text() + (
        "\n\nclass Typed(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.typed = nn.Sigmoid()\n\n    def forward(self, x):\n"
        "        return self.typed(self.typed(x))\n"
    )
    item = types.TextDocumentItem(file.as_uri(), "python", 0, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    waited, parsed = [], []
    await _until(news, lambda: 0 in arrived)
    await asyncio.sleep(5)  # the rest of the package
    for version in range(1, keystrokes + 1):
        text += f"# {version}\n"
        begin = time.perf_counter()
        ast.parse(text)
        parsed.append(time.perf_counter() - begin)
        document = types.VersionedTextDocumentIdentifier(version, file.as_uri())
        change = types.TextDocumentContentChangeWholeDocument(text)
        sent = time.perf_counter()
        client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        await _until(news, lambda wanted=version: wanted in arrived)
        waited.append(arrived[version] - sent - DEBOUNCE)
    await client.shutdown_session()
    await client.stop()
    return waited, parsed


async def _until(news: asyncio.Event, holds: Any) -> None:
    while not holds():
        news.clear()
        await asyncio.wait_for(news.wait(), 60)


if __name__ == "__main__":
    sys.exit(main())
