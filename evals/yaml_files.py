"""Reads a YAML file into sections whose fields know their line, so that a refusal is one sentence that says where."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml

Scalar = TypeVar("Scalar", str, int, float)
Value = TypeVar("Value")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C is ten times as fast; it comes with PyYAML's wheels."""

_DEEPEST = 50

_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", float: "a number"}


def meant(given: str, known: Iterable[str]) -> str:
    """Return the clause that helps with an unknown name: the nearest known one, or all of them.

    Examples
    --------
    >>> meant("promt", ["id", "prompt"])
    "did you mean 'prompt'?"
    >>> meant("zzz", ["id", "prompt"])
    'known are id, prompt'
    """
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names) or 'none'}"


@dataclass(frozen=True)
class Section:
    """One mapping of a YAML file: its values by key, the line of each, and the error that refuses it.

    ``where`` names the section in sentences, such as ``item 'bakery'``; ``error`` is the exception that is raised.
    """

    path: Path
    where: str
    line: int
    nodes: Mapping[str, yaml.Node]
    lines: Mapping[str, int]
    error: type[ValueError]

    def refuse(self, key: str | None, problem: str, entry: str | None = None) -> ValueError:
        """Return the error for one field (or for the section, when ``key`` is None): file, line, field, problem.

        With an ``entry`` of a list, the line is that entry's.
        """
        line = self.lines.get(key, self.line) if key is not None else self.line
        if key is not None and entry is not None:
            line = self.line_of(key, entry)
        field = f"field {key!r}" if key is not None else ""
        place = ", ".join(part for part in (self.path.name, f"line {line}", self.where, field) if part)
        return self.error(f"{place}: {problem}")

    def line_of(self, key: str, entry: str) -> int:
        """Return the line in which a text stands that is the value of a field or in its list."""
        node = self.nodes[key]
        entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
        lines = (child.start_mark.line + 1 for child in entries if str(child.value).strip() == entry)
        return next(lines, self.lines[key])

    def named(self, where: str) -> Section:
        """Return the same section under another name."""
        return Section(self.path, where, self.line, self.nodes, self.lines, self.error)

    def only(self, *known: str) -> Section:
        """Return the section if it has no other keys than these.

        Raises
        ------
        ValueError
            The section's error, which names the key that was probably meant.
        """
        for key in self.nodes:
            if key not in known:
                raise self.refuse(key, f"there is no such field; {meant(key, known)}")
        return self

    def has(self, key: str) -> bool:
        """Return whether the field is given and not null."""
        return key in self.nodes and not _is_null(self.nodes[key])

    def is_mapping(self, key: str) -> bool:
        """Return whether the field is given and holds fields of its own."""
        return isinstance(self.nodes.get(key), yaml.MappingNode)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a field that is a text of at least one character."""
        value = self._scalar(key, str, default).strip()
        if not value and default is None:
            raise self.refuse(key, "the text is empty")
        return value

    def integer(self, key: str, default: int | None = None, least: int = 0) -> int:
        """Return a field that is a whole number of at least ``least``."""
        value = self._scalar(key, int, default)
        if value < least:
            raise self.refuse(key, f"{value} is too small; it is at least {least}")
        return value

    def number(self, key: str, least: float = 0.0) -> float:
        """Return a field that is a finite number of at least ``least``."""
        value = self._scalar(key, float, None)
        if not math.isfinite(value):
            raise self.refuse(key, f"{value} is not a finite number")
        if value < least:
            raise self.refuse(key, f"{value:g} is too small; it is at least {least:g}")
        return value

    def day(self, key: str) -> date:
        """Return a field that is a day, written 2026-11-22."""
        if not self.has(key):
            raise self.refuse(key, "it is missing")
        try:
            return date.fromisoformat(self.plain(key))
        except ValueError:
            raise self.refuse(key, f"{self.plain(key)!r} is not a day; write it as 2026-11-22") from None

    def flag(self, key: str) -> bool:
        """Return a field that is true or false; no field is false."""
        if not self.has(key):
            return False
        value = _value(self.nodes[key])
        if not isinstance(value, bool):
            raise self.refuse(key, f"{value!r} is neither true nor false")
        return value

    def plain(self, key: str) -> str:
        """Return a field's text as it is written in the file, whether YAML takes it for a text or a number."""
        node = self.nodes[key]
        if not isinstance(node, yaml.ScalarNode):
            raise self.refuse(key, "it is a single text")
        return str(node.value)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a field that is a list of texts; a single text is a list of one."""
        if not self.has(key):
            return self._default(key, default)
        node = self.nodes[key]
        values = [_value(child) for child in node.value] if isinstance(node, yaml.SequenceNode) else [_value(node)]
        wrong = next((value for value in values if not isinstance(value, str) or not value.strip()), None)
        if wrong is not None or not values:
            raise self.refuse(key, f"{wrong!r} is not a text; put it in quotes" if values else "the list is empty")
        return tuple(str(value).strip() for value in values)

    def names(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a field that is a list of texts, none of them twice."""
        values = self.texts(key, default)
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise self.refuse(key, f"{twice!r} is listed twice")
        return values

    def numbers(self, key: str) -> dict[str, float]:
        """Return a field that maps names to numbers."""
        inner = self.section(key)
        return {name: inner._scalar(name, float, None) for name in inner.nodes}

    def section(self, key: str) -> Section:
        """Return a field that is itself a mapping."""
        if not self.has(key):
            raise self.refuse(key, "it is missing")
        return self._section_of(self.nodes[key], key, key)

    def sections(self, key: str) -> list[Section]:
        """Return a field that is a list of mappings; no field is an empty list."""
        if not self.has(key):
            return []
        node = self.nodes[key]
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(key, "it is a list; begin each entry with '- '")
        return [self._section_of(child, key, f"entry {number} of {key}") for number, child in enumerate(node.value, 1)]

    def _section_of(self, node: yaml.Node, key: str, where: str) -> Section:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(key, f"line {node.start_mark.line + 1} holds no fields; write them as 'name: value'")
        return _section(self.path, node, f"{self.where}, {where}" if self.where else where, self.error)

    def _default(self, key: str, default: Value | None) -> Value:
        if default is None:
            raise self.refuse(key, "it is missing")
        return default

    def _scalar(self, key: str, kind: type[Scalar], default: Scalar | None) -> Scalar:
        if not self.has(key):
            return self._default(key, default)
        found = _value(self.nodes[key])
        if kind is float and type(found) is int:
            found = float(found)
        if not isinstance(found, kind) or isinstance(found, bool):
            hint = "; put it in quotes" if kind is str and not isinstance(found, (list, dict)) else ""
            raise self.refuse(key, f"{found!r} is not {_KINDS[kind]}{hint}")
        return found


def read_section(path: Path, error: type[ValueError]) -> Section:
    """Read a YAML file whose top level is a mapping.

    Raises
    ------
    ValueError
        As ``error``: the file is missing, not UTF-8 text, not YAML, not a mapping, has a field twice, or uses aliases.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise error(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, PermissionError):
        raise error(f"{path}: the file cannot be read as UTF-8 text") from None
    try:
        events = list(yaml.parse(text, _LOADER))
        aliases = [event.start_mark for event in events if isinstance(event, yaml.AliasEvent)]
        node = None if aliases or _depth(events) > _DEEPEST else yaml.compose(text, _LOADER)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise error(f"{path.name}, line {mark.line + 1 if mark else 1}: not YAML: {problem.problem}") from None
    except yaml.YAMLError:
        raise error(f"{path.name}: not YAML that can be read") from None
    if aliases:
        line = aliases[0].line + 1 if aliases[0] else 1
        raise error(f"{path.name}, line {line}: aliases (*name) are not used here; write it out")
    if _depth(events) > _DEEPEST:
        raise error(f"{path.name}: not YAML that can be read: it is nested more than {_DEEPEST} levels deep")
    if not isinstance(node, yaml.MappingNode):
        raise error(f"{path.name}, line 1: the file holds no fields; write them as 'name: value'")
    return _section(path, node, "", error)


def _depth(events: Iterable[yaml.Event]) -> int:
    """Return how deep lists and mappings are nested; the C loader itself would follow them until its stack ends."""
    depth = deepest = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        deepest = max(deepest, depth)
    return deepest


def _section(path: Path, node: yaml.MappingNode, where: str, error: type[ValueError]) -> Section:
    nodes: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in nodes:
            place = ", ".join(part for part in (path.name, f"line {line}", where, f"field {key!r}") if part)
            raise error(f"{place}: it was given before, in line {lines[key]}")
        nodes[key], lines[key] = value_node, line
    return Section(path, where, node.start_mark.line + 1, nodes, lines, error)


def _value(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError):
        return f"<{node.tag}>"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
