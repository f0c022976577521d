"""Reads a YAML file into a pydantic model; a refusal is one sentence with file, line, field and what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from evals.files.regular_files import read_regular

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")

_DEEPEST = 50
_LONGEST = 200


class FileModel(BaseModel):
    """Base of everything that is read from a file of ours: immutable, strictly typed, without unknown fields.

    The validation context (``info.context``) holds what ``read_yaml`` was given beside the file, its ``path``, and
    ``line_of``, which returns the line of a field or an entry: ``line_of("cups", 0, "size")``.
    Fields that ``from_context`` names are taken from there; they stand in no file.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)
    from_context: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, Mapping):
            return value
        context = {name: info.context[name] for name in cls.from_context} if info.context else {}
        names = {field.alias or name for name, field in cls.model_fields.items()} - context.keys()
        for key in value:
            if key not in names:
                raise refused(f"there is no such field; {suggestion(str(key), names)}", str(key))
        return {**value, **context}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _distinct(values: tuple[Item, ...]) -> tuple[Item, ...]:
    first: dict[Any, int] = {}
    for n, value in enumerate(values):
        name = getattr(value, "id", value)
        if first.setdefault(name, n) != n:
            raise refused(f"{name!r} is listed twice", n, first=(first[name],))
    return values


def _with_ids(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: {**entry, "id": key} if isinstance(entry, Mapping) else entry for key, entry in value.items()}


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A text of at least one character."""

Entries = Annotated[tuple[Item, ...], Field(strict=False, fail_fast=True)]
"""A list in the file, a tuple in the model."""

DistinctEntries = Annotated[Entries[Item], Field(min_length=1), AfterValidator(_distinct)]
"""A list of at least one entry, in which no entry, or no ``id`` of one, comes twice."""

Texts = Annotated[Entries[Text], BeforeValidator(_as_list), Field(min_length=1)]
"""A list of texts; a single text is a list of one."""

Names = Annotated[DistinctEntries[Item], BeforeValidator(_as_list)]
"""A list of texts (``Names[Text]``, or of a narrower kind), none of them twice; a single text is a list of one."""

ById = Annotated[dict[str, Item], BeforeValidator(_with_ids)]
"""Entries by name, each of which has its name for its ``id``."""

Day = Annotated[date, Field(strict=True)]
"""A day, written 2026-11-22."""


def refused(problem: str, *steps: str | int, first: tuple[str | int, ...] | None = None) -> PydanticCustomError:
    """Return the error of a validator: what is wrong, and the way to it: fields, and numbers of entries from 0.

    Where it repeats something, ``first`` is the way to that, whose line the sentence tells.
    """
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "steps": steps, "first": first})


def suggestion(given: str, known: Iterable[str]) -> str:
    """Return the clause that helps with an unknown name: the nearest known one in any case, or all of them.

    Examples
    --------
    >>> suggestion("promt", ["id", "prompt"])
    "did you mean 'prompt'?"
    >>> suggestion("4k", ["2K", "4K"])
    "did you mean '4K'?"
    >>> suggestion("zzz", ["id", "prompt"])
    'known are id, prompt'
    """
    names = sorted(known)
    by_plain_name = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(given.casefold(), by_plain_name, n=1)
    return f"did you mean {by_plain_name[close[0]]!r}?" if close else f"known are {', '.join(names) or 'none'}"


def check_known(name: str, known: Iterable[str], noun: str, *steps: str | int) -> str:
    """Return a name that is among the known ones; refuse any other, for use in validators."""
    names = list(known)
    if not isinstance(name, str):  # before pydantic has looked at it
        raise refused(_SENTENCES["string_type"].format(value=name), *steps)
    if name not in names:
        raise refused(f"there is no {noun} {name!r}; {suggestion(name, names)}", *steps)
    return name


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader (in C, ten times as fast), for which only ``true`` and ``false`` are booleans."""


# YAML 1.1 takes yes, no, on and off for booleans too; to people, and to YAML 1.2, they are texts.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:bool" or letter in "tTfF"]
    for letter, rules in _Loader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path, model: type[Model], error: type[ValueError], **context: Any) -> Model:
    """Read and validate a file.

    Raises ValueError, as ``error``, one sentence: the file is missing, not UTF-8 text, not YAML, nested too deeply, has
    a field twice, uses aliases, or does not fit the model.
    """
    node = _composed(path, error)
    data = _constructed(node, path, error)
    try:
        line_of = partial(_line_of, node)
        return model.model_validate(data, context={"path": path, "line_of": line_of, **context})
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        where, context = first["loc"], first["ctx"] if first["type"] == "refused" else {}
        line, place = _find(node, (*where, *context.get("steps", ())))
        again = f" (first in line {_line_of(node, *where, *context['first'])})" if context.get("first") else ""
        raise error(f"{', '.join((path.name, f'line {line}', *place))}: {sentence_of(first)}{again}") from None


def _composed(path: Path, error: type[ValueError]) -> yaml.MappingNode:
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise error(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, PermissionError):
        raise error(f"{path}: the file cannot be read as UTF-8 text") from None
    try:
        depth = 0
        # The C loader itself would follow them until its stack ends, and takes its time with what is nested deeply.
        for event in yaml.parse(text, _Loader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise error(f"{path.name}, line {line}: aliases (*name) are not used here; write it out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise error(f"{path.name}, line {line}: nested more than {_DEEPEST} levels deep; write it flat")
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise error(f"{path.name}, line {mark.line + 1 if mark else 1}: not YAML: {problem.problem}") from None
    except yaml.YAMLError:
        raise error(f"{path.name}: not YAML that can be read") from None
    if not isinstance(node, yaml.MappingNode):
        raise error(f"{path.name}, line 1: the file holds no fields; write them as 'name: value'")
    return node


def _constructed(node: yaml.Node, path: Path, error: type[ValueError]) -> Any:
    """Return plain Python values; a field without a value is a field that is not given."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        fields = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise error(f"{path.name}, line {line}: a field's name is a text")
            key = str(key_node.value)
            if key in lines:
                raise error(f"{path.name}, line {line}, field {key!r}: it was given before, in line {lines[key]}")
            lines[key] = line
            value = _constructed(value_node, path, error)
            if value is not None:
                fields[key] = value
        return fields
    if isinstance(node, yaml.SequenceNode):
        return [_constructed(child, path, error) for child in node.value]
    if node.tag == "tag:yaml.org,2002:str":  # most are, and a constructor takes its time
        return node.value
    try:
        return yaml.constructor.SafeConstructor().construct_object(node, deep=True)
    except ValueError:  # a day that no calendar has
        return node.value
    except (yaml.YAMLError, TypeError):
        raise error(
            f"{path.name}, line {node.start_mark.line + 1}: values of the type {node.tag} are not used here"
        ) from None


def _line_of(node: yaml.Node, *steps: str | int) -> int:
    return _find(node, steps)[0]


def _find(node: yaml.Node, steps: Sequence[str | int]) -> tuple[int, list[str]]:
    """Return the line that the way from a node leads to, and what lies on it: entries of lists, then the field."""
    line, field, entries = 1, "", []
    for n, step in enumerate(steps, start=1):
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
            if isinstance(node, yaml.MappingNode):
                entries.append(_entry_name(field, node, step))
                field = ""
        elif isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is not None:
                if field:
                    entries.append(field)
                line, node, field = pair[0].start_mark.line + 1, pair[1], str(step)
            elif n == len(steps) and isinstance(step, str):  # it is missing; others are tags of pydantic's unions
                entries, field = [*entries, *([field] if field else [])], step
    return line, [*entries, *([f"field {field!r}"] if field else [])]


def _entry_name(field: str, node: yaml.MappingNode, step: int) -> str:
    texts = {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}
    name = next((texts[key] for key in ("id", "model", "name", "host") if key in texts), None)
    return f"entry {step + 1} of {field}" if name is None else f"{_singular(field)} {name!r}"


def _singular(field: str) -> str:
    return field.removesuffix("s").replace("_", " ")


_NO_FIELDS = "it holds no fields; write them as 'name: value'"
_SENTENCES = {
    "refused": "{problem}",
    "missing": "it is missing",
    "string_type": "{value!r} is not text; put it in quotes",
    "string_too_short": "the text is empty",
    "int_type": "{value!r} is not a whole number",
    "int_from_float": "{value!r} is not a whole number",
    "float_type": "{value!r} is not a number",
    "finite_number": "{value!r} is not a finite number",
    "bool_type": "{value!r} is not true or false",
    "date_type": "{value!r} is not a day; write it as 2026-11-22",
    "greater_than_equal": "{value} is too small; it is at least {ge:g}",
    "greater_than": "{value} is too small; it is above {gt:g}",
    "less_than_equal": "{value} is too large; it is at most {le:g}",
    "less_than": "{value} is too large; it is below {lt:g}",
    "tuple_type": "it is a list; begin each entry with '- '",
    "too_short": "it has {actual_length} entries; write {min_length}",
    "too_long": "it has {actual_length} entries; write {max_length}",
    "union_tag_not_found": "it does not say of which kind it is",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), _NO_FIELDS),
}


def sentence_of(problem: ErrorDetails, wording: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return what an error of pydantic means, in the words that all files of ours are refused in.

    ``wording`` has other words for some kinds of errors, where a file is not YAML.
    """
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind in ("literal_error", "union_tag_invalid") and isinstance(value, (str, dict)):
        known = re.findall(r"'([^']+)'", context.get("expected") or context["expected_tags"])
        field = next((step for step in reversed(problem["loc"]) if isinstance(step, str)), "")
        if field == "[key]":
            return f"there is no such field; {suggestion(str(value), known)}"
        name, noun = (value, _singular(field)) if kind == "literal_error" else (context["tag"], "kind")
        return f"there is no {noun} {name!r}; {suggestion(str(name), known)}"
    if kind == "literal_error":
        kind = "string_type"
    if kind == "too_short" and not context["actual_length"]:
        return "the list is empty"
    sentence = {**_SENTENCES, **wording}.get(
        kind, problem["msg"].removeprefix("Value error, ").replace("{", "{{").replace("}", "}}")
    )
    return sentence.format(value=_shortened(value), **context)


def _shortened(value: Any) -> Any:
    return f"{value[:_LONGEST]}..." if isinstance(value, str) and len(value) > _LONGEST else value
