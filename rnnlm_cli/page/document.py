"""Put the template, the style, the scripts and the data of a page together in one HTML file.

The page has no part outside itself: the engine stands in a script element of type text/plain,
from which the interface starts a worker, and the data stand in one of type application/json. The
Content-Security-Policy forbids every request and every script except those of the page, which it
names by their SHA-256.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

# The scripts share one scope, so that a file can use what stands in any other. A constant must
# still stand before the statement that reads it, which is why the order is fixed.
ENGINE_SCRIPTS = (
    "arrays.js", "text.js", "bpe.js", "tokenizer.js", "products.js", "cells.js", "network.js",
    "reading.js", "sampler.js", "generation.js", "features.js", "units.js", "jobs.js",
    "helper.js", "worker.js",
)
STYLES = ("themes.css", "style.css")
INTERFACE_SCRIPTS = (
    "elements.js", "wording.js", "engine_client.js", "progress_line.js", "shades.js",
    "blocks.js", "shaded_text.js", "inspector.js", "png.js", "reading.js",
    "text_view.js", "scores_view.js",
    "generate_view.js", "candidates.js", "units_view.js", "unit_list.js", "curve.js",
    "unrolled.js", "model_view.js", "theme.js", "tabs.js", "app.js",
)


def make_page(contents: Mapping[str, Any]) -> str:
    """Return the HTML of a page.

    Args:
        contents: the data of a page of kind "model" or "scores"; values of JSON.
    """
    engine = ""
    if contents["kind"] == "model":
        engine = read_scripts(FOLDER / "engine", ENGINE_SCRIPTS)
    interface = (
        '(() => {\n"use strict";\n'
        f"{read_scripts(FOLDER / 'interface', INTERFACE_SCRIPTS)}}})();\n"
    )
    style = read_scripts(FOLDER, STYLES)
    parts = {
        "title": html.escape(str(contents["name"])),
        "kind": html.escape(str(contents["kind"])),
        "version": html.escape(str(contents["version"])),
        "policy": content_security_policy(style, interface, engine),
        "style": style,
        "contents": encode_contents(contents),
        "engine": engine,
        "interface": interface,
    }
    template = (FOLDER / "page.html").read_text("utf-8")
    # One pass, so that "{{style}}" in a text or in a script stays what it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def read_scripts(folder: Path, names: Iterable[str]) -> str:
    """Concatenate scripts (or style sheets) in the given order."""
    return "".join((folder / name).read_text("utf-8") for name in names)


def encode_contents(contents: Mapping[str, Any]) -> str:
    """Return JSON in ASCII that can stand inside a script element.

    A "<" is written as an escape, because "</script" would end the element and "<!--" would change
    how the rest of it is read.
    """
    return json.dumps(contents, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")


def content_security_policy(style: str, interface: str, engine: str) -> str:
    """Return the policy that allows the style and the scripts of the page, and no request.

    The worker is started from a blob. It inherits the policy and loads nothing itself.
    """
    directives = ["default-src 'none'", f"style-src {source_of(style)}"]
    directives.append(f"script-src {source_of(interface)}")
    if engine:
        directives.append("worker-src blob:")
    directives += ["img-src blob: data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(directives)


def source_of(text: str) -> str:
    """Return the hash source of an inline element, as the policy spells it."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
