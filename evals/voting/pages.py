"""Renders the pages of the vote; they run no script and wear no style but their own."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any

import jinja2
from markupsafe import Markup


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("evals.voting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"style": Markup(_source("vote.css", made)), "script": Markup(_source("vote.js", made))}
    return made


def _source(name: str, environment: jinja2.Environment) -> str:
    return environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]


def rendered(template: str, **page: Any) -> str:
    """Return a page; nothing that it shows can become markup."""
    return _environment().get_template(template).render(page)


@functools.cache
def content_policy() -> str:
    """Return the header that forbids a page everything but its own style, script, pictures and forms."""
    environment = _environment()
    style, script = (
        base64.b64encode(hashlib.sha256(str(environment.globals[name]).encode()).digest()).decode()
        for name in ("style", "script")
    )
    return (
        f"default-src 'none'; img-src 'self' data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
