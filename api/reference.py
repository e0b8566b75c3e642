"""The pages that people read: all operations with their examples, and all error codes. Made from the documents."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import every_error
from carillon.protocol.web import CONSOLE, DASHBOARD

if TYPE_CHECKING:
    from collections.abc import Iterable

STYLE_PATH: Final = "/docs/style.css"
STYLE: Final = """\
:root { --paper: #f6f3ee; --card: #fffdfa; --ink: #25222b; --soft: #6a6472; --line: #e4ded4; --brand: #3b3355; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1, h2 { font-family: "Iowan Old Style", Palatino, Georgia, "DejaVu Serif", serif; line-height: 1.3; }
h1 { font-size: 26px; margin: 0 0 6px; } h2 { font-size: 21px; margin: 36px 0 2px; }
h3 { font-size: 13px; color: var(--soft); margin: 18px 0 6px; }
p { margin: 0 0 10px; } a { color: var(--brand); }
header { background: var(--card); border-bottom: 1px solid var(--line); padding: 22px 28px; }
header nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 10px; }
main { max-width: 980px; margin: 0 auto; padding: 0 28px 64px; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0 0 10px; padding: 12px 14px; overflow-x: auto; background: #f5f2ec; border-radius: 9px; }
details, dl > div { background: var(--card); border: 1px solid var(--line); border-radius: 14px; margin: 10px 0;
  padding: 12px 16px; }
summary { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; cursor: pointer; }
summary span { margin-left: auto; color: var(--soft); }
details[open] summary { margin-bottom: 12px; }
b.method { min-width: 64px; padding: 1px 8px; border-radius: 7px; text-align: center; font-size: 12px;
  color: #2a62a8; background: #e9f0f9; }
b.POST, b.PUT { color: #b25e00; background: #fbf0e0; } b.DELETE { color: #b3261e; background: #fbeae8; }
table { width: 100%; border-collapse: collapse; }
td, th { padding: 6px 12px 6px 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
th { border: 0; font-size: 12.5px; font-weight: 550; color: var(--soft); }
dt { font-weight: 600; } dd { margin: 4px 0 0; } dt i { color: var(--soft); font-weight: 400; }
div:target { border-color: var(--brand); }
:focus-visible { outline: 2px solid var(--brand); outline-offset: 2px; border-radius: 6px; }
@media (max-width: 640px) { header, main { padding-left: 16px; padding-right: 16px; } summary span { margin-left: 0; } }
"""


def operations_page(document: dict[str, Any]) -> str:
    """All operations of an OpenAPI document, grouped by their tags."""
    groups: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_operation(document, method.upper(), path, operation))
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    sections = "".join(
        f'<section id="{escape(name)}"><h2>{escape(name.capitalize())}</h2><p>{_prose(about[name])}</p>'
        f"{''.join(operations)}</section>"
        for name, operations in groups.items()
    )
    links = [(f"#{name}", name.capitalize()) for name in groups]
    links += [("/openapi.json", "openapi.json"), ("/errors", "Errors"), (CONSOLE, "Console"), (DASHBOARD, "Forecast")]
    return _page("HTTP API", document["info"]["description"], links, sections)


def errors_page() -> str:
    """All error codes; the address of each is where a problem document's `type` points."""
    entries = "".join(
        f'<div id="{error.code}"><dt><code>{error.code}</code> <i>HTTP {error.status}'
        f"{', temporary' if error.temporary else ''}</i></dt><dd>{_prose(error.__doc__ or '')}</dd></div>"
        for error in every_error()
    )
    intro = "Codes are stable. A temporary error may be gone when the same request is sent again."
    return _page(
        "Errors", intro, [("/docs", "HTTP API"), (CONSOLE, "Console"), (DASHBOARD, "Forecast")], f"<dl>{entries}</dl>"
    )


def _page(title: str, intro: str, links: Iterable[tuple[str, str]], content: str) -> str:
    nav = "".join(f'<a href="{escape(place)}">{escape(name)}</a>' for place, name in links)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Carillon: {escape(title)}</title><link rel="stylesheet" href="{STYLE_PATH}"></head><body>'
        f"<header><h1>{escape(title)}</h1><p>{_prose(intro)}</p><nav>{nav}</nav></header>"
        f"<main>{content}</main></body></html>"
    )


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(" ".join(text.split())))


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    token = "" if operation.get("security") else " It needs no token."
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class="method {method}">{method}</b>'
        f"<code>{escape(path)}</code><span>{escape(operation['summary'])}</span></summary>"
        f"<p>{_prose(operation['description'])}{token}</p>{_parameters(operation.get('parameters', []))}"
        f"{_request(document, method, path, operation)}{_answers(document, operation['responses'])}</details>"
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td>"
        f"<td>{one['in']}{', required' if one.get('required') else ''}</td><td>{escape(_takes(one['schema']))}</td>"
        f"<td>{_prose(one.get('description', ''))}</td></tr>"
        for one in parameters
    )
    head = "<tr><th>name</th><th>where</th><th>takes</th><th>what it is</th></tr>"
    return f"<h3>Parameters</h3><table>{head}{rows}</table>"


def _takes(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(_takes(one) for one in schema["anyOf"] if one.get("type") != "null")
    words = " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "text"))
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    default = [f"default {schema['default']}"] if schema.get("default") is not None else []
    return ", ".join([words, *bounds, *default])


def _request(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    contents = operation.get("requestBody", {}).get("content", {})
    blocks = "".join(
        f"<pre>{escape(f'{method} {path}')}\nContent-Type: {escape(kind)}\n\n{_shown(example)}</pre>"
        for kind, media in contents.items()
        for example in _examples(document, media)
    )
    return f"<h3>Request</h3>{blocks}" if blocks else ""


def _answers(document: dict[str, Any], responses: dict[str, Any]) -> str:
    good = {status: answer for status, answer in responses.items() if status.startswith("2")}
    blocks = "".join(
        f"<p><code>{status}</code> {_prose(answer['description'])}</p>"
        + "".join(
            f"<pre>{_shown(example)}</pre>"
            for media in answer.get("content", {}).values()
            for example in _examples(document, media)[:1]
        )
        for status, answer in sorted(good.items())
    )
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{', '.join(map(_code, _codes(answer)))}</td></tr>"
        for status, answer in sorted(responses.items())
        if status not in good
    )
    return f"<h3>Answers</h3>{blocks}<h3>Errors</h3><table>{rows}</table>"


def _codes(answer: dict[str, Any]) -> list[str]:
    return [code for media in answer.get("content", {}).values() for code in media.get("examples", {})]


def _code(code: str) -> str:
    return f'<a href="/errors#{escape(code)}"><code>{escape(code)}</code></a>'


def _examples(document: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    if "example" in media:
        return [media["example"]]
    if "examples" in media:
        return [one["value"] for one in media["examples"].values()]
    schema = media.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    found: list[Any] = (document["components"]["schemas"][name] if name else schema).get("examples", [])
    return found


def _shown(example: Any) -> str:
    return escape(example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2))
