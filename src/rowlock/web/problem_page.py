"""The page that the `type` of every problem refers to: the meaning of each code, from the table in `problems`."""

from html import escape
from http import HTTPStatus
from itertools import groupby

from rowlock.web.problems import MEDIA_TYPE, PROBLEM_TYPES, ProblemType

_STYLE = """
:root { color-scheme: light dark; --line: #d5dae1; --soft: #5b6472; --mark: #fff3c4; --chip: #eef1f5; }
@media (prefers-color-scheme: dark) { :root { --line: #3a414c; --soft: #a3adba; --mark: #4a3f12; --chip: #262c35; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { margin: 0 0 .5rem; }
h2 { margin: 2.5rem 0 .25rem; font-size: 1rem; font-weight: 600; color: var(--soft); }
p { margin: .25rem 0; }
code, pre { font: .9em/1.5 ui-monospace, monospace; }
pre { background: var(--chip); padding: .75rem 1rem; border-radius: .5rem; overflow-x: auto; }
section { border-top: 1px solid var(--line); padding: .75rem .5rem; scroll-margin-top: 1rem; }
section:target { background: var(--mark); }
h3 { margin: 0; font-size: 1rem; display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline; }
h3 a { color: inherit; text-decoration: none; font: 600 .95em ui-monospace, monospace; }
h3 a:hover { text-decoration: underline; }
h3 span { font-weight: 400; color: var(--soft); }
"""

_EXAMPLE = """{
  "type": "/problems#SEATS_UNAVAILABLE",
  "title": "Seats unavailable",
  "status": 409,
  "detail": "Seats 4 and 6 were taken by another customer. Choose other seats.",
  "code": "SEATS_UNAVAILABLE",
  "success": false,
  "request_id": "1f0c5d7e9a3b-00000042",
  "unavailable_seat_ids": [4, 6]
}"""


def problem_page() -> str:
    """The page as HTML. The id of each section is a code, so that a problem's `type` is its address."""
    kinds = sorted(PROBLEM_TYPES.values(), key=lambda kind: kind.status)
    groups = "".join(
        f"<h2>{status} {HTTPStatus(status).phrase}</h2>{''.join(map(_section, group))}"
        for status, group in groupby(kinds, key=lambda kind: kind.status)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Problems · Rowlock</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head><body><main><h1>Problems</h1>'
        f"<p>Every refusal is sent as <code>{MEDIA_TYPE}</code> with one of these codes. Decide by <code>code</code>, "
        "show <code>detail</code> to people, and quote <code>request_id</code> when you ask for help.</p>"
        f"<pre>{escape(_EXAMPLE)}</pre>{groups}</main></body></html>"
    )


def _section(kind: ProblemType) -> str:
    again = next((value.decode() for name, value in kind.headers if name == b"retry-after"), None)
    hint = "" if again is None else f" The <code>Retry-After</code> header says when, in seconds ({again})."
    return (
        f'<section id="{kind.code}"><h3><a href="#{kind.code}">{kind.code}</a><span>{escape(kind.title)}</span></h3>'
        f"<p>{escape(kind.detail)}{hint}</p></section>"
    )
