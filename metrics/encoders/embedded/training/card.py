"""Puts the measured numbers into the model card, between its markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CARD = Path(__file__).parents[1] / "README.md"
_BEGIN, _END = "<!-- numbers: begin -->", "<!-- numbers: end -->"


def write_card(results: Mapping[str, Any], card: Path = CARD) -> str:
    """Replace the card's tables by those of ``metrics.json`` and return them."""
    tables = tables_of(results)
    before, _, rest = card.read_text("utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    card.write_text(f"{before}{_BEGIN}\n{tables}\n{_END}{after}", "utf-8")
    return tables


def tables_of(results: Mapping[str, Any]) -> str:
    """Return the tables of the model card: sets that were not trained on, and what each part brings."""
    counts = ", ".join(f"{count} {what}" for what, count in results["trained_on"].items())
    columns = {
        "auc": "AUC, similarity",
        "margin_auc": "AUC, margin",
        "objects_sentence": "object swapped, in its sentence",
        "objects_prompt": "object swapped, in the prompt",
        "colours_sentence": "colour swapped, in its sentence",
        "colours_prompt": "colour swapped, in the prompt",
    }
    rows = [
        [f"{name} ({measured['auc']['n']})", *(_cell(measured.get(key)) for key in columns)]
        for name, measured in results["sets"].items()
    ]
    steps = {"auc": "AUC, similarity", "margin_auc": "AUC, margin", "objects": "objects", "colours": "colours"}
    step_rows = [[row["what"], *(f"{row[key]:.3f}" for key in steps)] for row in results["cross_validation"]]
    return "\n".join(
        [
            f"Trained on: {counts}. Never trained on, 95% bootstrap interval over items:",
            "",
            *_table(["set (pictures)", *columns.values()], rows),
            "",
            "What each part brings, cross-validated over the training templates (swaps within the sentence):",
            "",
            *_table(["heads fitted on", *steps.values()], step_rows),
        ]
    )


def _cell(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "too few"
    low, high = estimate["interval"]
    return f"{estimate['value']:.2f} [{low:.2f}, {high:.2f}]"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
