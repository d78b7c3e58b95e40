"""The pages' common shell: one self-contained HTML file in the report's style, and templates with its filters.

Whatever ratchet shows a person uses it: the reports, comparisons of two versions, the queue of answers to review.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ratchet.report import cells, words
from ratchet.report.svg import icon

FILTERS = (
    "percent",
    "points",
    "signed",
    "thousands",
    "duration",
    "probability",
    "rate_range",
    "delta_range",
    "items",
)
"""Functions of `ratchet.report.words` that templates use as filters."""


def page(
    title: str,
    headline: str,
    main: Markup,
    *,
    kicker: Sequence[str] = (),
    standfirst: str = "",
    sections: Mapping[str, str] | None = None,
    footer: str = "",
    script: str = "",
    served: bool = False,
) -> str:
    """A whole HTML page in the report's style, light and dark, for a phone and for print; nothing in it is fetched.

        page("Versions 3 and 2", "Version 3 is better", fragment("compare.html.j2", table=rows), kicker=("mine", "compare"))

    `main` is the only markup: build it with `fragment`, `ratchet.report.svg.tag` or Markup.format, which escape. Every other
    text is escaped here, so it may come from a model. `kicker` is the path above the headline; `sections` are anchors and
    words of a row of links; `script` is the only script that runs (the policy names its hash: no inline handlers, set text as
    textContent). `served` is for a page that comes from our own server: its forms, requests and pictures may go to it.

    Use `<section id aria-labelledby>` with h2 inside `main`, tables with th scope, class "num" for right-aligned numbers,
    "range" for an interval under a number, "fine" for small print, "lead" for a section's first sentence, "note" for a notice,
    "wide" around a table that may scroll sideways, "state promoted|refused|pending|failed" for a state's word. Raises TypeError where
    `main` is plain text.
    """
    if not isinstance(main, Markup):
        raise TypeError(
            "main must be Markup, as ratchet.report.page.fragment returns it: a plain str may hold foreign text."
        )
    return render_template(
        "shell.html.j2",
        script=script,
        served=served,
        title=title,
        headline=headline,
        main=main,
        kicker=kicker,
        standfirst=standfirst,
        sections=sections or {},
        footer=footer,
    )


def fragment(template: str, **values: Any) -> Markup:
    """A template of this package as markup for `page`; every value is escaped.

    Templates have `words`, `cells` (forest plots and bars in table rows), `icon` (a state's mark) and the filters of FILTERS.
    """
    return Markup(environment().get_template(template).render(**values))


def render_template(template: str, *, script: str, served: bool = False, **values: Any) -> str:
    """A template that extends shell.html.j2, with the report's style, and `script` as the only one that may run."""
    return (
        environment()
        .get_template(template)
        .render(
            style=Markup(static("gallery.css") + static("report.css")),
            script=Markup(script),
            policy=_policy(script, served),
            **values,
        )
    )


def _policy(script: str, served: bool) -> Markup:
    """The page's Content-Security-Policy: whatever a model wrote, no other script runs and nothing is fetched."""
    own = " 'self'" if served else ""
    forms = own or " 'none'"
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = [
        "default-src 'none'",
        f"img-src data:{own}",
        "style-src 'unsafe-inline'",
        f"script-src 'sha256-{hashed}'" if script else "script-src 'none'",
        "base-uri 'none'",
        f"form-action{forms}",
        *([f"connect-src{own}"] if served else []),
    ]
    return Markup("; ".join(rules))


def static(name: str) -> str:
    """A file of the package's folder `static`."""
    return (files("ratchet.report") / "static" / name).read_text(encoding="utf-8")


def wrappable(text: str) -> Markup:
    """Text whose long names may break after an underscore, and nowhere else within a word."""
    return Markup("_<wbr>").join(escape(words.printable(part)) for part in text.split("_"))


def coded(text: str) -> Markup:
    """Text whose commands, which stand between backticks, are set as code."""
    parts = [escape(words.printable(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        # A backtick without its pair is only a backtick.
        parts[-2:] = [parts[-2] + "`" + parts[-1]]
    return Markup("").join(Markup("<code>{}</code>").format(p) if at % 2 else p for at, p in enumerate(parts))


def _shown(value: Any) -> Any:
    """What jinja does to every value before escaping it."""
    return words.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def environment() -> Environment:
    """The templates' environment; `ratchet.report.html` adds what only the reports need."""
    made = Environment(
        loader=PackageLoader("ratchet.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(words=words, cells=cells, icon=icon)
    made.filters.update({name: getattr(words, name) for name in FILTERS}, wrappable=wrappable, coded=coded)
    return made
