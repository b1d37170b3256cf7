"""The two documents of the page, and its files. All that changes is drawn by app.js."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

STATIC: Final = {
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "report.css": "text/css; charset=utf-8",
}
_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<title>Lamplighter {gateway}</title><link rel="icon" href="data:,">'
    '<link rel="stylesheet" href="/static/style.css">'
)


@cache
def static(name: str) -> bytes:
    """The content of one of STATIC. Raises KeyError for any other."""
    if name not in STATIC:
        raise KeyError(name)
    return (files("gateway.web") / "static" / name).read_bytes()


def login(gateway: str, error: str = "") -> str:
    """Where the one-time code is typed."""
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return (
        f"{_HEAD.format(gateway=escape(gateway))}</head><body><main class=login>"
        f"<h1>Gateway {escape(gateway)}</h1>"
        '<form method="post" action="/login"><label for="code">One-time code</label>'
        '<input id="code" name="code" autocomplete="one-time-code" autocapitalize="characters" '
        'spellcheck="false" maxlength="20" required autofocus>'
        f'{said}<button class="primary">Log in</button></form>'
        "<p class=hint>The gateway prints it: sudo lamplighter-gateway web-code</p>"
        "</main></body></html>"
    )


def shell(gateway: str, csrf: str) -> str:
    """What app.js draws in."""
    return (
        f"{_HEAD.format(gateway=escape(gateway))}"
        f'<meta name="token" content="{escape(csrf)}">'
        '<script src="/static/app.js" type="module"></script></head><body>'
        f'<header><button id="back" class="quiet" hidden aria-label="Back">&#8592;</button>'
        f'<h1 id="title">{escape(gateway)}</h1><span id="live" class="live">...</span></header>'
        '<main id="main"></main><p id="toast" role="status" hidden></p>'
        "<noscript>This page needs JavaScript.</noscript></body></html>"
    )
