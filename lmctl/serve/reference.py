"""The reference of the server for people: the OpenAPI document as a page without scripts."""

from __future__ import annotations

import html
import json
from typing import Any

_START = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lmctl serve: reference</title>
<link rel="icon" href="page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page/style.css">
</head>
<body>
<header><h1>Reference</h1><p><a href="./">the page</a> · lmctl {version}</p></header>
<main class="reference">"""


def reference_page(found: dict[str, Any]) -> str:
    """The page of a document that `lmctl.serve.openapi.document` made."""
    info = found["info"]
    parts = [
        _START.format(version=html.escape(info["version"])),
        f"<p>{html.escape(info['description'])} For programs: <a href='openapi.json'>openapi.json</a>.</p>",
    ]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            parts += _operation(path, method, operation, found)
    return "\n".join([*parts, "</main></body></html>\n"])


def _operation(path: str, method: str, operation: dict[str, Any], found: dict[str, Any]) -> list[str]:
    anchor = operation["operationId"]
    parts = [
        f"<section aria-labelledby='{anchor}'>",
        f"<h2 id='{anchor}'><code>{method.upper()} {html.escape(path)}</code></h2>",
        f"<p>{html.escape(operation['summary'])}</p>",
    ]
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        example = _curl(path, json.dumps(content["example"], ensure_ascii=False), "security" in found)
        parts += [
            f"<p>{_code(operation['description'])}</p>",
            *_table(content["schema"], found, "Request"),
            f"<pre tabindex='0' role='region' aria-label='Example for {path}'>{example}</pre>",
        ]
    answer = operation["responses"]["200"]
    schema = answer["content"].get("application/json", {}).get("schema")
    stream = answer["content"].get("text/event-stream", {}).get("schema")
    parts.append(f"<p>{_code(answer['description'])}</p>")
    if schema:
        parts += _table(schema, found, "Answer")
    if stream:
        parts.append(f"<p>{_code(stream['description'])}</p>")
        parts += _table(stream["contentSchema"]["anyOf"][0], found, "Event")
    errors = [
        f"<li><code>{code}</code>: {html.escape(each['description'])}</li>"
        for code, each in operation["responses"].items()
        if code != "200"
    ]
    if errors:
        parts += ["<details><summary>Refusals</summary><ul>", *errors, "</ul></details>"]
    return [*parts, "</section>"]


def _curl(path: str, body: str, needs_token: bool) -> str:
    token = ('-H "Authorization: Bearer $(cat token)"',) if needs_token else ()
    lines = ("curl -H 'Content-Type: application/json'", *token, f"-d '{body}'", f"http://127.0.0.1:8000{path}")
    return html.escape(" \\\n    ".join(lines), quote=False)


def _table(schema: dict[str, Any], found: dict[str, Any], caption: str) -> list[str]:
    """A table of the keys of an object, and tables of the objects inside it."""
    name = schema["$ref"].rpartition("/")[2]
    described = found["components"]["schemas"][name]
    rows = [f"<div class='scrolls' tabindex='0' role='region' aria-label='{caption}: {name}'>"]
    rows += [f"<table><caption>{caption}: {name}</caption>", "<thead><tr><th scope='col'>key</th>"]
    rows += [
        "<th scope='col'>type</th><th scope='col'>default</th><th scope='col'>meaning</th></tr></thead><tbody>"
    ]
    inner = []
    for key, each in described["properties"].items():
        kind, objects = _kind(each)
        inner += [{"$ref": each} for each in objects]
        default = json.dumps(each["default"]) if "default" in each else ""
        meaning = _code(each.get("description", "") or _of_choices(each))
        rows.append(
            f"<tr><th scope='row'><code>{key}</code></th><td>{html.escape(kind)}</td>"
            f"<td><code>{html.escape(default)}</code></td><td>{meaning}</td></tr>"
        )
    rows.append("</tbody></table></div>")
    for each in inner:
        rows += _table(each, found, caption)
    return rows


def _of_choices(schema: dict[str, Any]) -> str:
    return next((each["description"] for each in schema.get("anyOf", []) if "description" in each), "")


def _kind(schema: dict[str, Any]) -> tuple[str, list[str]]:
    """The type of a key in words, with its bounds, and references to the objects in it."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2], [schema["$ref"]]
    if "anyOf" in schema:
        found = list(map(_kind, schema["anyOf"]))
        return " or ".join(kind for kind, _ in found), [each for _, objects in found for each in objects]
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"])), []
    if schema.get("type") == "array":
        kind, objects = _kind(schema.get("items", {}))
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {kind}{most}", objects
    bounds = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "maxLength": "at most {} long",
    }
    words = [text.format(schema[key]) for key, text in bounds.items() if key in schema]
    return " ".join([schema.get("type", "any"), *words]), []


def _code(text: str) -> str:
    """Escape a text, whose backquotes become code."""
    parts = html.escape(text).split("`")
    return "".join(part if number % 2 == 0 else f"<code>{part}</code>" for number, part in enumerate(parts))
