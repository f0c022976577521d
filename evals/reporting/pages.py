"""Renders the pages of a report, and lets them run no script but their own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from evals.reporting import formatting, tables


def rendered(template: str, page: Mapping[str, Any]) -> str:
    """Return a template of ``evals/reporting/templates`` with its values; in HTML none of them can become markup."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evals.reporting"),
        autoescape=template.endswith(".html.jinja"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def script(name: str) -> Markup:
        source, _, _ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
        return Markup(source)

    def script_policy(names: Sequence[str]) -> str:
        hashes = (base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode() for name in names)
        return " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"

    environment.globals |= {"script": script, "script_policy": script_policy}
    environment.filters["pluralize"] = formatting.pluralize
    environment.filters["suite_name"] = formatting.suite_name
    environment.filters["markdown"] = tables.markdown_text
    return environment.get_template(template).render(page)
