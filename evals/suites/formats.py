"""Reads the formats in which public benchmarks publish their prompts, and writes them as a suite of one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evals.suites.benchmarks import (
    PublishedEntry,
    read_json_lines,
    read_json_list,
    read_table,
    slug,
    text_files,
    text_of,
)
from evals.suites.suite import PromptItem, Relation, SceneObject, Suite, SuiteError, read_suite
from evals.yaml_files import meant
from metrics.encoders.scripts import scripts_of

_GENEVAL_RELATIONS = ("left of", "right of", "above", "below")


@dataclass(frozen=True, slots=True)
class Format:
    """How one benchmark publishes its prompts, where, under which licence, and what its reader leaves out."""

    title: str
    source: str
    licence: str
    limits: str
    read: Callable[[Path], Iterator[tuple[PublishedEntry, PromptItem]]]


def import_suite(format_name: str, source: Path, out: Path) -> Suite:
    """Read a published file (or folder of files) and write it as the suite ``out``, whose name is the file's.

    Raises
    ------
    SuiteError
        If there is no such format, ``out`` is taken or no YAML file, or the source is not of that format; the message
        names the line.
    """
    if format_name not in FORMATS:
        raise SuiteError(f"there is no format {format_name!r}; {meant(format_name, FORMATS)}")
    if out.suffix not in (".yaml", ".yml"):
        raise SuiteError(f"{out} is no name for a suite; let it end in .yaml")
    if out.exists():
        raise SuiteError(f"{out} exists already; choose another name or remove it")
    suite = read_format(format_name, source, out.stem)
    out.write_text(yaml.safe_dump(_plain(suite), **_READABLE), encoding="utf-8")
    return read_suite(out)


def read_format(format_name: str, source: Path, name: str) -> Suite:
    """Read a published file, or folder of files, as a suite of that name."""
    published = FORMATS[format_name]
    items: dict[str, PromptItem] = {}
    for entry, item in published.read(source):
        if item.id in items:
            raise entry.refuse(f"the prompt {item.id!r} was given before; remove one of them")
        items[item.id] = replace(item, suite=name)
    if not items:
        raise SuiteError(f"{source.name}: it holds no prompts")
    return Suite(
        name=name,
        version=1,
        purpose=f"The {len(items)} prompts of {source.name}, in the format of {published.title}.",
        made=(
            f"Imported from {source.name}, not written for TwinLens. {published.title} is published at "
            f"{published.source} ({published.licence}); the terms of the file that was read apply."
        ),
        limits=published.limits,
        items=tuple(items.values()),
    )


def _partiprompts(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    for line, entry in read_table(path, ("prompt", "category", "challenge"), delimiter="\t"):
        yield entry, _item(entry, entry.text("category"), line, "prompt", entry.tags("category", "challenge"))


def _drawbench(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    for line, entry in read_table(path, ("prompts", "category")):
        yield entry, _item(entry, entry.text("category"), line, "prompts", entry.tags("category"))


def _geneval(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    for number, entry in enumerate(read_json_lines(path)):
        wanted = _geneval_list(entry, "include")
        objects = tuple(
            SceneObject(thing.text("class"), _count(thing), thing.text("color") if "color" in thing.values else None)
            for thing in wanted
        )
        relations = tuple(
            _geneval_relation(thing, objects, objects[index].name)
            for index, thing in enumerate(wanted)
            if "position" in thing.values
        )
        # GenEval numbers its folders of pictures from 00000, so that the two can be laid side by side.
        item_id = f"{slug(entry.text('tag'))}-{number:05d}"
        yield (
            entry,
            PromptItem(
                "",
                item_id,
                entry.text("prompt"),
                tags=entry.tags("tag"),
                objects=objects,
                absent=_geneval_absent(_geneval_list(entry, "exclude"), objects),
                relations=relations,
            ),
        )


def _geneval_list(entry: PublishedEntry, field: str) -> list[PublishedEntry]:
    given = entry.values.get(field, [])
    if not isinstance(given, list) or not all(isinstance(thing, dict) for thing in given):
        raise entry.refuse(f"{field!r} is no list of objects with class and count")
    return [PublishedEntry(f"{entry.where}, {field}", thing) for thing in given]


def _geneval_relation(thing: PublishedEntry, objects: Sequence[SceneObject], name: str) -> Relation:
    match thing.values["position"]:
        case [str(relation), int(index)] if relation in _GENEVAL_RELATIONS and 0 <= index < len(objects):
            if objects[index].name != name:
                return Relation(name, relation, objects[index].name)
    raise thing.refuse(
        f"the position {thing.values['position']!r} is none of {', '.join(_GENEVAL_RELATIONS)} with the number of "
        "another included object"
    )


def _geneval_absent(excluded: Iterable[PublishedEntry], objects: Sequence[SceneObject]) -> tuple[str, ...]:
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


def _count(thing: PublishedEntry) -> int:
    count = thing.values.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise thing.refuse(f"the count {count!r} is not a whole number from 1")
    return count


def _dpg_bench(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    if path.is_dir():
        for file in text_files(path):
            entry = PublishedEntry(file.name, {"text": text_of(file)})
            yield entry, PromptItem("", file.stem, entry.text("text"))
        return
    texts: dict[str, str] = {}
    for _, entry in read_table(path, ("item_id", "text")):
        # The published table has a row for each question about a picture, all with the picture's prompt.
        item_id, text = entry.text("item_id"), entry.text("text")
        if texts.setdefault(item_id, text) != text:
            raise entry.refuse(f"the prompt {item_id!r} was given before in other words; remove one of them")
    for item_id, text in texts.items():
        yield PublishedEntry(path.name, {}), PromptItem("", item_id, text)


def _t2i_compbench(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    files = text_files(path) if path.is_dir() else [path]
    # Beside each list to be asked lie the one to train on, and parts of both.
    for file in [file for file in files if file.stem.endswith("_val")] or files:
        category = re.sub(r"_(val|train)$", "", file.stem)
        for line, text in enumerate(text_of(file).splitlines(), 1):
            if text.strip():
                entry = PublishedEntry(f"{file.name}, line {line}", {"prompt": text, "category": category})
                yield entry, _item(entry, category, line, "prompt", entry.tags("category"))


def _longtext_bench(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    for entry in read_json_lines(path):
        given = entry.values.get("text")
        texts = given if isinstance(given, list) and given else [given]
        lines = [
            line for text in texts for line in PublishedEntry(entry.where, {"text": text}).text("text").splitlines()
        ]
        expected = tuple(line.strip() for line in lines if line.strip())
        language = "zh-Hans" if "Han" in scripts_of(" ".join(expected)) else "en"
        item_id = f"{slug(entry.text('category'))}-{entry.name('prompt_id')}"
        tags = entry.tags("category", "length")
        yield entry, PromptItem("", item_id, entry.text("prompt"), expected, language, tags=tags)


def _oneig_bench(path: Path) -> Iterator[tuple[PublishedEntry, PromptItem]]:
    if path.suffix == ".json":
        entries = read_json_list(path)
    else:
        entries = [entry for _, entry in read_table(path, ("category", "id"))]
    for entry in entries:
        prompt = next((key for key in ("prompt_en", "prompt_cn", "prompt_zh") if key in entry.values), "prompt_en")
        item_id = f"{slug(entry.text('category'))}-{entry.name('id')}"
        tags = entry.tags("category", "type", "class")
        yield entry, PromptItem("", item_id, entry.text(prompt), tags=tags)


_PROMPTS_ONLY = (
    "Nothing but the prompts comes along, so that agreement with them is judged by similarity or by a judge."
)

FORMATS: Mapping[str, Format] = {
    "partiprompts": Format(
        title="PartiPrompts",
        source="https://github.com/google-research/parti",
        licence="Apache-2.0",
        limits=f"{_PROMPTS_ONLY} Notes are left out; a prompt can be a single word.",
        read=_partiprompts,
    ),
    "drawbench": Format(
        title="DrawBench",
        source="https://imagen.research.google",
        licence="no licence stated",
        limits=f"{_PROMPTS_ONLY} Texts that a prompt quotes are not expected texts here; add them where they count.",
        read=_drawbench,
    ),
    "geneval": Format(
        title="GenEval",
        source="https://github.com/djghosh13/geneval",
        licence="MIT",
        limits=(
            "Short prompts of one template. Counts, colours and positions are checked by another detector and other "
            "rules than GenEval's own, so the scores are not those of its tables."
        ),
        read=_geneval,
    ),
    "dpg-bench": Format(
        title="DPG-Bench",
        source="https://github.com/TencentQQGYLab/ELLA",
        licence="Apache-2.0",
        limits=f"{_PROMPTS_ONLY} Its questions about each picture are left out; most prompts exceed CLIP's context.",
        read=_dpg_bench,
    ),
    "t2i-compbench": Format(
        title="T2I-CompBench",
        source="https://github.com/Karine-Huang/T2I-CompBench",
        licence="MIT",
        limits=f"{_PROMPTS_ONLY} Objects and attributes are named in the prompts only.",
        read=_t2i_compbench,
    ),
    "longtext-bench": Format(
        title="LongText-Bench",
        source="https://huggingface.co/datasets/X-Omni/LongText-Bench",
        licence="Apache-2.0",
        limits=(
            "Long texts in English or Chinese. They are read by another text reader than the benchmark's own, and "
            "order counts, so the scores are not those of its tables."
        ),
        read=_longtext_bench,
    ),
    "oneig-bench": Format(
        title="OneIG-Bench",
        source="https://huggingface.co/datasets/OneIG-Bench/OneIG-Bench",
        licence="CC-BY-NC-4.0, not for commercial use",
        limits=f"{_PROMPTS_ONLY} Its texts, answers and reference styles lie in other files and are left out.",
        read=_oneig_bench,
    ),
}
"""The formats that can be imported, by name."""


def _item(entry: PublishedEntry, category: str, line: int, prompt: str, tags: tuple[str, ...]) -> PromptItem:
    """Return the item of a file that numbers nothing; its id is the category and the line."""
    return PromptItem("", f"{slug(category) or 'item'}-{line}", entry.text(prompt), tags=tags)


_READABLE: Mapping[str, Any] = {
    "allow_unicode": True,
    "default_flow_style": None,
    "sort_keys": False,
    "width": 100,
}


def _plain(suite: Suite) -> dict[str, Any]:
    head = {key: getattr(suite, key) for key in ("name", "version", "purpose", "made", "limits")}
    return {**head, "items": [_plain_item(item) for item in suite.items]}


def _plain_item(item: PromptItem) -> dict[str, Any]:
    fields = {
        "id": item.id,
        "prompt": item.prompt,
        "tags": list(item.tags),
        "expected_text": list(item.expected_text),
        "language": item.language,
        "objects": [_plain_object(thing) for thing in item.objects],
        "absent": list(item.absent),
        "relations": [
            {"first": each.first, "relation": each.relation, "second": each.second} for each in item.relations
        ],
    }
    return {key: value for key, value in fields.items() if value}


def _plain_object(thing: SceneObject) -> dict[str, Any]:
    fields = {"name": thing.name, "count": thing.count if thing.count > 1 else None, "colour": thing.colour}
    return {key: value for key, value in fields.items() if value}
