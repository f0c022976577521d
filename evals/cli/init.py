"""The command ``twinlens init``: writes an eval to start from."""

from __future__ import annotations

from pathlib import Path

import click

from evals.cli.options import FilePath
from evals.cli.tables import say

TEMPLATE = """\
# An eval: which systems are asked which prompts, and which rows the star table has.
# Rehearse it without keys or cost:  twinlens run {file} --out runs/{name} --simulated
# What it would take:                twinlens estimate {file}
# Ask the real systems:              twinlens run {file} --out runs/{name} --budget 10
name: {quoted}

# model@host; "twinlens systems" lists them all, with prices and the key that each host wants.
systems: [flux-2-pro@bfl, gemini-3-pro-image@google]

# Names from "twinlens suites", or files of your own, relative to this one: ./mine.yaml
# ("twinlens suites import" writes such files from public benchmarks).
suites: [precise, scenes, typography]

# So many prompts of each suite are asked, drawn evenly over its kinds: a number, or a share (25%). Without it, all.
limit: 10

repeats: 1  # how often each prompt is asked; more tells chance from the system
seed: 1     # another seed draws and asks for other pictures
size: 1K    # 512, 1K, 2K or 4K

# The star table. A row is measured (metrics of a suite, with weights; "twinlens metrics" lists them), computed from
# the requests (cost_per_image, latency), or declared (a cited fact: lora, sla, deployment). Its own weight is its share
# in the total.
rows:
  - {{id: precise, title: Prompt adherence, suite: precise, metrics: {{adherence.margin: 1}}, weight: 2}}
  - {{id: scenes, title: Scene structure, suite: scenes, metrics: {{structure.objects: 1, structure.counts: 1}}}}
  - {{id: text, title: Text accuracy, suite: typography, metrics: {{text.similarity: 1}}}}
  - {{id: cost, title: Cost of a picture, computed: cost_per_image}}
  # Latency is fair only one request at a time, which takes longer: ask it of the smallest suite.
  - {{id: latency, title: Latency, suite: typography, computed: latency}}

# For whom: how much each row counts for a use case of yours. They stand before those that come with TwinLens, or in
# place of one with the same id, and are corrected for together with all that the page may name.
use_cases:
  - {{id: posters, title: Posters with text, weights: {{text: 3, precise: 2, cost: 1}}}}
"""


@click.command()
@click.option("--out", default=Path("eval.yaml"), show_default=True, type=FilePath(dir_okay=False), help="The file.")
def init(out: Path) -> None:
    """Write an eval to start from, with comments."""
    import yaml

    from evals.definition import DefinitionError
    from evals.files.atomic_files import write_atomically

    if out.suffix not in (".yaml", ".yml"):
        raise DefinitionError(f"{out} is no name for an eval; let it end in .yaml")
    if out.exists():
        raise DefinitionError(f"{out} exists already; choose another name or remove it")
    if not str(out).isprintable():
        raise DefinitionError(f"{str(out)!r} holds a control character; choose another name")
    quoted = yaml.safe_dump(out.stem, allow_unicode=True, width=1000).splitlines()[0]
    write_atomically(out, TEMPLATE.format(file=out, name=out.stem, quoted=quoted).encode())
    say(f"eval: {out}", f"rehearse: twinlens run {out} --out runs/{out.stem} --simulated")
