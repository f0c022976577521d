"""The eval of a run folder: frozen with its own suites when the run begins, and gone on with whatever changes since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from evals.definition import DefinitionError, EvalDefinition, definition_path, read_definition
from evals.facts.models import read_facts
from evals.files.atomic_files import write_atomically
from evals.files.regular_files import read_regular
from evals.files.yaml_files import suggestion
from evals.generation.clients import GenerationError
from evals.imageset.contract import EVAL, SUITES
from evals.imageset.tables import TableError
from evals.suites.suite import is_suite_file, read_suite
from evals.suites.writing import suite_sha256, write_suite


def definition_for(
    name_or_path: str | Path, out: Path | None, limit: int | str | None = None, host: str | None = None
) -> tuple[EvalDefinition, list[str]]:
    """Return an eval as a run folder froze it, or as it is where the run has not begun; nothing is written.

    ``limit`` is put in place of the eval's own; all models are asked through ``host`` if it is given. A run goes on
    with its suites as they were frozen: the second value has a sentence for each file that says something else by now,
    and for each system that the host does not serve.

    Raises
    ------
    GenerationError
        If the folder holds another run, or images that were not generated here, or the host serves none of the models.
    """
    definition = read_definition(name_or_path)
    sentences: list[str] = []
    if host is not None:
        systems, sentences = _served_by(host, definition)
        definition = definition.model_copy(update={"systems": systems})
    if limit is not None:
        definition = definition.model_copy(update={"limit": limit})
    if out is None:
        return definition, sentences
    frozen = out / EVAL
    if frozen.is_file():
        try:
            started = read_definition(frozen)
        except DefinitionError as error:
            raise GenerationError(f"{frozen} cannot be used ({error}); choose a new folder") from None
        if started != definition:
            raise GenerationError(f"{out} holds a run of another eval ({frozen.name} differs); choose a new folder")
        return started, [*sentences, *_changes(definition, started)]
    # What a crash left while it wrote the file does not make the folder another run's.
    if out.exists() and (not out.is_dir() or any(not entry.name.startswith(f".{EVAL}.") for entry in out.iterdir())):
        raise GenerationError(f"{out} is not empty and holds no run that was generated; choose a new folder")
    return definition, sentences


def freeze_definition(
    name_or_path: str | Path, out: Path, limit: int | str | None = None, host: str | None = None
) -> None:
    """Copy the eval definition into the run folder with the suites that do not come with TwinLens; once.

    Raises
    ------
    GenerationError
        As `definition_for` does.
    """
    definition, _ = definition_for(name_or_path, out, limit, host)
    if (out / EVAL).is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, path in definition.own_suites.items():
        (out / SUITES).mkdir(exist_ok=True)
        write_suite(read_suite(path).model_copy(update={"name": name}), out / SUITES / f"{name}.yaml")
    content = read_regular(definition_path(name_or_path))
    if definition.own_suites or limit is not None or host is not None:
        systems = definition.systems if host is not None else None
        content = _moved(content.decode("utf-8-sig"), limit, systems).encode()
    write_atomically(out / EVAL, content)


def _changes(definition: EvalDefinition, frozen: EvalDefinition) -> list[str]:
    sentences = []
    for name, path in definition.own_suites.items():
        kept = frozen.own_suites[name]
        try:
            same = suite_sha256(read_suite(path)) == suite_sha256(read_suite(kept))
        except TableError:
            same = False
        if not same:
            sentences.append(f"suite {name!r} has changed since the run began; it goes on with {kept}, as it was then")
    return sentences


def _served_by(host: str, definition: EvalDefinition) -> tuple[tuple[str, ...], list[str]]:
    """Return the models of an eval as systems of one host, and a sentence for each that it does not serve."""
    facts = read_facts()
    if host not in facts.hosts:
        raise GenerationError(f"there is no host {host!r}; {suggestion(host, facts.hosts)}")
    if definition.simulated:
        raise GenerationError(f"eval {definition.name!r} invents its systems, which no host serves; leave out --host")
    models = list(dict.fromkeys(system.partition("@")[0] for system in definition.systems))
    served = tuple(f"{model}@{host}" for model in models if f"{model}@{host}" in facts.offers)
    if not served:
        raise GenerationError(f"{host} serves none of {', '.join(models)}; see: twinlens systems")
    return served, [
        f"{model} is left out: it is not known on {host}" for model in models if f"{model}@{host}" not in served
    ]


def _moved(text: str, limit: int | str | None, systems: Sequence[str] | None) -> str:
    """Return the text of an eval, comments and all, that finds its own suites where they are frozen.

    ``limit`` and ``systems`` take the place of its own where they are given.
    """
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    fields = {key.value: value for key, value in root.value}
    changes: list[tuple[int, int, str]] = []
    entries = fields["suites"].value if isinstance(fields["suites"], yaml.SequenceNode) else [fields["suites"]]
    for entry in entries:
        if is_suite_file(name := entry.value.strip()):
            moved = json.dumps(f"{SUITES}/{Path(name).stem}.yaml", ensure_ascii=False)
            changes.append((entry.start_mark.index, entry.end_mark.index, moved))
    if systems is not None:
        node = fields["systems"]
        is_block = isinstance(node, yaml.SequenceNode) and not node.flow_style
        ended = "\n" + " " * root.value[0][0].start_mark.column if is_block else ""
        changes.append((node.start_mark.index, node.end_mark.index, f"[{', '.join(systems)}]{ended}"))
    if limit is not None and "limit" in fields:
        changes.append((fields["limit"].start_mark.index, fields["limit"].end_mark.index, str(limit)))
    elif limit is not None:
        first = root.value[0][0].start_mark
        between = ", " if root.flow_style else "\n" + " " * first.column
        changes.append((first.index, first.index, f"limit: {limit}{between}"))
    for start, end, replacement in sorted(changes, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text
