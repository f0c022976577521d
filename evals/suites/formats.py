"""Reads the formats in which public benchmarks publish their prompts, and writes them as a suite of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evals.files.yaml_files import suggestion
from evals.imageset.columns import GENEVAL_RELATIONS, Relation, SceneObject, geneval_relation
from evals.imageset.tables import (
    Entry,
    read_json_lines,
    read_json_list,
    read_table,
    slug,
    text_files,
    text_of,
)
from evals.suites.suite import PromptItem, Suite, SuiteError, is_suite_file, read_suite
from evals.suites.writing import write_suite
from metrics.encoders.scripts import scripts_of

Fields: TypeAlias = dict[str, Any]
"""The fields of a prompt item."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one benchmark publishes its prompts, where, under which licence, and what its reader leaves out."""

    title: str
    published_at: str
    licence: str
    limits: str
    read: Callable[[Path], Iterator[tuple[Entry, Fields]]]


def import_suite(format_name: str, path: Path, out: Path) -> Suite:
    """Read a published file (or folder of files) and write it as the suite ``out``, whose name is the file's.

    Raises TableError (SuiteError is one) if there is no such format, ``out`` is taken or no YAML file, or the path is
    not of that format; the message names the line.
    """
    if format_name not in FORMATS:
        raise SuiteError(f"there is no format {format_name!r}; {suggestion(format_name, FORMATS)}")
    if not is_suite_file(out):
        raise SuiteError(f"{out} is no name for a suite; let it end in .yaml")
    if out.exists():
        raise SuiteError(f"{out} exists already; choose another name or remove it")
    suite = read_format(format_name, path, out.stem)
    write_suite(suite, out)
    return read_suite(out)


def read_format(format_name: str, path: Path, name: str) -> Suite:
    """Read a published file, or folder of files, as a suite of that name."""
    published = FORMATS[format_name]
    items: dict[str, PromptItem] = {}
    for entry, fields in published.read(path):
        item = PromptItem(suite=name, **{key: value for key, value in fields.items() if value})
        if item.id in items:
            raise entry.refuse(f"the prompt {item.id!r} was given before; remove one of them")
        items[item.id] = item
    if not items:
        raise SuiteError(f"{path.name}: it holds no prompts")
    return Suite(
        name=name,
        version=1,
        purpose=f"The {len(items)} prompts of {path.name}, in the format of {published.title}.",
        made=(
            f"Imported from {path.name}, not written for TwinLens. {published.title} is published at "
            f"{published.published_at} ({published.licence}); the terms of the file that was read apply."
        ),
        limits=published.limits,
        items=tuple(items.values()),
    )


def _partiprompts(path: Path) -> Iterator[tuple[Entry, Fields]]:
    for line, entry in read_table(path, ("prompt", "category", "challenge"), delimiter="\t"):
        yield entry, _item(entry, entry.text("category"), line, "prompt", "category", "challenge")


def _drawbench(path: Path) -> Iterator[tuple[Entry, Fields]]:
    for line, entry in read_table(path, ("prompts", "category")):
        yield entry, _item(entry, entry.text("category"), line, "prompts", "category")


def _geneval(path: Path) -> Iterator[tuple[Entry, Fields]]:
    for number, entry in enumerate(read_json_lines(path)):
        included = _geneval_list(entry, "include")
        objects = tuple(
            SceneObject(
                name=thing.text("class"),
                count=_count(thing),
                colour=thing.text("color") if "color" in thing.values else None,
            )
            for thing in included
        )
        yield (
            entry,
            {
                # GenEval numbers its folders of pictures from 00000, so that the two can be laid side by side.
                "id": f"{slug(entry.text('tag'))}-{number:05d}",
                "prompt": entry.text("prompt"),
                "tags": entry.tags("tag"),
                "objects": objects,
                "absent": _geneval_absent(_geneval_list(entry, "exclude"), objects),
                "relations": tuple(
                    _geneval_relation(thing, objects, n)
                    for n, thing in enumerate(included)
                    if "position" in thing.values
                ),
            },
        )


def _geneval_list(entry: Entry, field: str) -> list[Entry]:
    things = entry.values.get(field, [])
    if not isinstance(things, list) or not all(isinstance(thing, dict) for thing in things):
        raise entry.refuse(f"{field!r} is no list of objects with class and count")
    return [Entry(f"{entry.where}, {field}", thing) for thing in things]


def _geneval_relation(thing: Entry, objects: Sequence[SceneObject], n: int) -> Relation:
    relation = geneval_relation([each.name for each in objects], n, thing.values["position"])
    if relation is None:
        raise thing.refuse(
            f"the position {thing.values['position']!r} is none of {', '.join(GENEVAL_RELATIONS)} with the number of "
            "another included object"
        )
    return Relation.model_validate(relation)


def _geneval_absent(excluded: Iterable[Entry], objects: Sequence[SceneObject]) -> tuple[str, ...]:
    """Return what must not be there at all; "one more than asked for" is excluded by our exact counts."""
    counts = {thing.name: thing.count for thing in objects}
    absent = []
    for thing in excluded:
        name, fewest = thing.text("class"), _count(thing)
        if fewest != counts.get(name, 0) + 1:
            raise thing.refuse(f"{fewest} or more of {name!r} cannot be excluded here, only one more than is asked for")
        if name not in counts:
            absent.append(name)
    return tuple(dict.fromkeys(absent))


def _count(thing: Entry) -> int:
    count = thing.values.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise thing.refuse(f"the count {count!r} is not a whole number from 1")
    return count


def _dpg_bench(path: Path) -> Iterator[tuple[Entry, Fields]]:
    if path.is_dir():
        for file in text_files(path):
            entry = Entry(file.name, {"text": text_of(file)})
            yield entry, {"id": file.stem, "prompt": entry.text("text")}
        return
    texts: dict[str, str] = {}
    for _, entry in read_table(path, ("item_id", "text")):
        # The published table has a row for each question about a picture, all with the picture's prompt.
        item_id, text = entry.text("item_id"), entry.text("text")
        if texts.setdefault(item_id, text) != text:
            raise entry.refuse(f"the prompt {item_id!r} was given before in other words; remove one of them")
    for item_id, text in texts.items():
        yield Entry(path.name, {}), {"id": item_id, "prompt": text}


def _t2i_compbench(path: Path) -> Iterator[tuple[Entry, Fields]]:
    files = text_files(path) if path.is_dir() else [path]
    # Beside each list to be asked lie the one to train on, and parts of both.
    for file in [file for file in files if file.stem.endswith("_val")] or files:
        category = re.sub(r"_(val|train)$", "", file.stem)
        for line, text in enumerate(text_of(file).splitlines(), 1):
            if text.strip():
                entry = Entry(f"{file.name}, line {line}", {"prompt": text, "category": category})
                yield entry, _item(entry, category, line, "prompt", "category")


def _longtext_bench(path: Path) -> Iterator[tuple[Entry, Fields]]:
    for entry in read_json_lines(path):
        texts = entry.values.get("text") or [None]
        parts = [Entry(entry.where, {"text": text}) for text in (texts if isinstance(texts, list) else [texts])]
        lines = [line.strip() for part in parts for line in part.text("text").splitlines()]
        expected = [line for line in lines if line]
        language = "zh-Hans" if "Han" in scripts_of(" ".join(expected)) else "en"
        fields = _item(entry, entry.text("category"), entry.name("prompt_id"), "prompt", "category", "length")
        yield entry, {**fields, "expected_text": expected, "language": language}


def _oneig_bench(path: Path) -> Iterator[tuple[Entry, Fields]]:
    if path.suffix == ".json":
        entries = read_json_list(path)
    else:
        entries = [entry for _, entry in read_table(path, ("category", "id"))]
    for entry in entries:
        prompt = next((key for key in ("prompt_en", "prompt_cn", "prompt_zh") if key in entry.values), "prompt_en")
        yield entry, _item(entry, entry.text("category"), entry.name("id"), prompt, "category", "type", "class")


_PROMPTS_ONLY = (
    "Nothing but the prompts comes along, so that agreement with them is judged by similarity or by a judge."
)

FORMATS: Mapping[str, Format] = {
    "partiprompts": Format(
        title="PartiPrompts",
        published_at="https://github.com/google-research/parti",
        licence="Apache-2.0",
        limits=f"{_PROMPTS_ONLY} Notes are left out; a prompt can be a single word.",
        read=_partiprompts,
    ),
    "drawbench": Format(
        title="DrawBench",
        published_at="https://imagen.research.google",
        licence="no licence stated",
        limits=f"{_PROMPTS_ONLY} Texts that a prompt quotes are not expected texts here; add them where they count.",
        read=_drawbench,
    ),
    "geneval": Format(
        title="GenEval",
        published_at="https://github.com/djghosh13/geneval",
        licence="MIT",
        limits=(
            "Short prompts of one template. Counts, colours and positions are checked by another detector and other "
            "rules than GenEval's own, so the scores are not those of its tables."
        ),
        read=_geneval,
    ),
    "dpg-bench": Format(
        title="DPG-Bench",
        published_at="https://github.com/TencentQQGYLab/ELLA",
        licence="Apache-2.0",
        limits=f"{_PROMPTS_ONLY} Its questions about each picture are left out; most prompts exceed CLIP's context.",
        read=_dpg_bench,
    ),
    "t2i-compbench": Format(
        title="T2I-CompBench",
        published_at="https://github.com/Karine-Huang/T2I-CompBench",
        licence="MIT",
        limits=f"{_PROMPTS_ONLY} Objects and attributes are named in the prompts only.",
        read=_t2i_compbench,
    ),
    "longtext-bench": Format(
        title="LongText-Bench",
        published_at="https://huggingface.co/datasets/X-Omni/LongText-Bench",
        licence="Apache-2.0",
        limits=(
            "Long texts in English or Chinese. They are read by another text reader than the benchmark's own, and "
            "order counts, so the scores are not those of its tables."
        ),
        read=_longtext_bench,
    ),
    "oneig-bench": Format(
        title="OneIG-Bench",
        published_at="https://huggingface.co/datasets/OneIG-Bench/OneIG-Bench",
        licence="CC-BY-NC-4.0, not for commercial use",
        limits=f"{_PROMPTS_ONLY} Its texts, answers and reference styles lie in other files and are left out.",
        read=_oneig_bench,
    ),
}
"""The formats that can be imported, by name."""


def _item(entry: Entry, category: str, number: int | str, prompt: str, *tags: str) -> Fields:
    """Return the fields of an item whose id is its category and its number; ``prompt`` and ``tags`` name columns."""
    item_id = f"{slug(category) or 'item'}-{number}"
    return {"id": item_id, "prompt": entry.text(prompt), "tags": entry.tags(*tags)}
