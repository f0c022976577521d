"""Makes an eval of systems and prompts alone: the rows that the prompts' columns allow, and a file like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from evals.definition import DefinitionError, check_system
from evals.facts.models import read_facts
from evals.facts.pricing import SIZES
from evals.facts.sources import FactsError
from evals.files.atomic_files import write_atomically
from evals.files.yaml_files import suggestion
from evals.imageset.contract import EVAL
from evals.suites.own_prompts import read_own_prompts
from evals.suites.suite import PromptItem, Suite, read_suite, suite_names
from evals.suites.writing import write_suite

SEED = 1
"""With which prompts are asked that nobody gave a seed for: the same each time, so that the same command goes on."""

_COMMENT = """\
# An eval like any other: change a copy of it, and ask with "twinlens run COPY.yaml --out OTHER_RUN".
# Without the row latency, requests go out side by side and not one by one.
"""

_ROWS: tuple[tuple[str, str, dict[str, float], Callable[[PromptItem], bool]], ...] = (
    ("adherence", "Prompt adherence", {"adherence.margin": 1}, lambda item: item.edit is None),
    ("text", "Text accuracy", {"text.similarity": 1}, lambda item: bool(item.expected_text)),
    ("identity", "Identity consistency", {"identity.self": 1}, lambda item: item.sequence_id is not None),
    (
        "identity-reference",
        "Identity to a reference picture",
        {"identity.reference": 1},
        lambda item: bool(item.reference_images) and item.edit is None,
    ),
    ("structure", "Scene structure", {"structure.all": 1}, lambda item: bool(item.objects) and item.edit is None),
    ("editing", "Precision editing", {"editing.direction": 1, "editing.preserved": 1}, lambda item: bool(item.edit)),
    ("palette", "Declared colours", {"brand.palette": 1}, lambda item: bool(item.palette)),
)
"""Id, title and metrics of each row that prompts can have, and which of them it needs one of."""


def write_new_eval(folder: Path, systems: Sequence[str], prompts: str, size: str = "1K") -> tuple[Path, list[str]]:
    """Write an eval and its suite into a folder; return its file, and sentences about what the prompts' file has.

    ``prompts`` is a file (see `read_own_prompts`) or the name of a suite that comes with TwinLens. The eval has a row
    for each thing that some prompt gives the data for, cost and latency.

    Raises
    ------
    DefinitionError
        If a system or the size is not known.
    evals.imageset.tables.TableError
        If the prompts are refused.
    """
    if size not in SIZES:
        raise DefinitionError(f"--size: there is no size {size!r}; {suggestion(size, SIZES)}")
    facts = read_facts()
    for system in systems:
        try:
            facts.find(check_system(system))
        except (FactsError, ValueError) as error:
            raise DefinitionError(f"--systems: {error}") from None
    if (twice := next((system for n, system in enumerate(systems) if system in systems[:n]), None)) is not None:
        raise DefinitionError(f"--systems: {twice!r} is listed twice")
    notes: list[str] = []
    if prompts in suite_names():
        suite, entry = read_suite(prompts), prompts
    else:
        suite, unused = read_own_prompts(Path(prompts))
        entry = f"./{suite.name}.yaml"
        write_suite(suite, folder / entry)
        if unused:
            notes.append(f"{Path(prompts).name}: no prompt has a use for the column {', '.join(unused)}")
    definition: dict[str, Any] = {
        "name": suite.name,
        "systems": list(systems),
        "suites": [entry],
        "seed": SEED,
        "size": size,
        "rows": _rows_of(suite),
    }
    path = folder / EVAL
    text = yaml.safe_dump(definition, allow_unicode=True, default_flow_style=None, sort_keys=False, width=100)
    write_atomically(path, (_COMMENT + text).encode())
    return path, notes


def _rows_of(suite: Suite) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"id": row_id, "title": title, "suite": suite.name, "metrics": metrics}
        | ({"combine": "geometric"} if len(metrics) > 1 else {})
        for row_id, title, metrics, gives in _ROWS
        if any(map(gives, suite.items))
    ]
    if suite.seeds > 1 or (suite.repeats or 1) > 1:
        metrics = {"reproducibility.ssim": 1}
        rows.append({"id": "repeats", "title": "Seed reproducibility", "suite": suite.name, "metrics": metrics})
    return [
        *rows,
        {"id": "cost", "title": "Cost of a picture", "computed": "cost_per_image"},
        {"id": "latency", "title": "Latency", "computed": "latency"},
    ]
