"""What may stand in the columns of an image set and of its requests; suites write the same values into their items."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from evals.files.yaml_files import FileModel, Text, check_known, refused, sentence_of
from evals.imageset.contract import Outcome

Position: TypeAlias = Literal["left", "centre", "right", "top", "bottom"]
"""Where in the picture an object can be asked for."""

RelationName: TypeAlias = Literal["left of", "right of", "above", "below", "in front of", "behind", "inside", "on"]
"""How one object can be asked for to stand to another, as the viewer sees it."""

EditName: TypeAlias = Literal["recolour", "remove", "replace", "add", "write", "background", "restyle"]
"""What an edit can do."""

WHOLE_PICTURE = "picture"
"""The target of an edit that concerns no single thing."""

OF_WHOLE_PICTURE = ("add", "background", "restyle")
"""The edits that concern no single thing."""

GENEVAL_RELATIONS = ("left of", "right of", "above", "below")

_LARGEST_COUNT = 1000
_LARGEST_NUMBER = 2**53

_POSITIONS = {"center": "centre", "middle": "centre", "upper": "top", "up": "top", "lower": "bottom", "down": "bottom"}
_RELATIONS = {
    **{f"{before}{side}{after}": f"{side} of" for side in ("left", "right")
       for before, after in (("to the ", " of"), ("on the ", " of"), ("", ""))},
    **{"over": "above", "on top of": "on", "on the top of": "on", "on the bottom of": "below", "in": "inside"},
    **dict.fromkeys(("under", "underneath", "beneath"), "below"),
}  # fmt: skip


def _spelt(value: Any, spellings: Mapping[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    plain = " ".join(value.replace("_", " ").lower().split())
    return spellings.get(plain, plain)


def _check_colour(text: str) -> str:
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(f"#{text}" if re.fullmatch(r"[0-9a-fA-F]+", text) else text)
    except ValueError:
        raise refused(f"{text!r} is not a colour such as '#0a3d62' or 'navy'") from None
    if max(red, green, blue) > 255:
        raise refused(f"{text!r} is not a colour such as '#0a3d62' or 'navy'")
    if alpha not in ([], [255]):
        raise refused(f"{text!r} lets through what lies behind it; write the colour that is seen, as '#rrggbb'")
    return f"#{red:02x}{green:02x}{blue:02x}"


HexColour = Annotated[Text, AfterValidator(_check_colour)]
"""A colour, ``#rrggbb`` in small letters once it is read; taken in every spelling of CSS, and without the ``#``."""


class _Value(FileModel):
    """A value with fields: ``spellings`` are names that others give them; null is a field that is not given."""

    spellings: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _respell(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields: dict[str, Any] = {}
        for key, content in value.items():
            name = cls.spellings.get(key, key)
            if content is None:
                continue
            if fields.setdefault(name, content) != content:
                raise refused(f"it is given twice; leave out {name!r} or its other spelling", name)
        return fields


def _check_count(count: Any) -> Any:
    if count == 0 and not isinstance(count, bool):
        raise refused("0 is too small; what must not be seen is named in 'absent'")
    return count


class SceneObject(_Value):
    """One thing that the picture must show: what, how many, in which colour, where, of which material."""

    spellings: ClassVar[Mapping[str, str]] = {"class": "name", "label": "name", "color": "colour"}

    name: Text
    count: Annotated[int, Field(ge=1, le=_LARGEST_COUNT), BeforeValidator(_check_count)] = 1
    colour: Text | None = None
    position: Annotated[Position, BeforeValidator(partial(_spelt, spellings=_POSITIONS))] | None = None
    material: Text | None = None


class Relation(_Value):
    """How one object stands to another, by their names."""

    spellings: ClassVar[Mapping[str, str]] = {"subject": "first", "predicate": "relation", "object": "second"}

    first: Text
    relation: Annotated[RelationName, BeforeValidator(partial(_spelt, spellings=_RELATIONS))]
    second: Text

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.first == self.second:
            raise refused(f"{self.second!r} cannot stand to itself; name another object", "second")
        return self


def geneval_relation(names: Sequence[str], n: int, position: Any) -> dict[str, str] | None:
    """Return what the position of the n-th of some objects says as GenEval writes it, None if it says nothing.

    Examples
    --------
    >>> geneval_relation(["lamp", "chair"], 1, ["right of", 0])
    {'first': 'chair', 'relation': 'right of', 'second': 'lamp'}
    """
    match position:
        case [str(relation), int(other)] if (
            relation in GENEVAL_RELATIONS
            and type(other) is int
            and 0 <= other < len(names)
            and names[other] != names[n]
        ):
            return {"first": names[n], "relation": relation, "second": names[other]}
    return None


class Edit(_Value):
    """What an edit does, to which thing (or to the ``picture``), and what that becomes."""

    does: Annotated[EditName, BeforeValidator(partial(check_known, known=get_args(EditName), noun="edit"))]
    target: Text
    to: Text | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.to is None) != (self.does == "remove"):
            raise refused("it is missing" if self.to is None else "what is removed becomes nothing; leave it out", "to")
        if self.does in OF_WHOLE_PICTURE and self.target != WHOLE_PICTURE:
            raise refused(f"{self.does!r} concerns the whole picture; write {WHOLE_PICTURE!r}", "target")
        return self


def check_absent(absent: Sequence[str], objects: Sequence[SceneObject]) -> None:
    """Refuse what must not be seen where it is among what must."""
    names = {" ".join(thing.name.lower().split()) for thing in objects}
    for n, name in enumerate(absent):
        if " ".join(name.lower().split()) in names:
            raise refused(f"{name!r} is among the objects, which must be seen", "absent", n)


def _check_filled(text: str) -> str:
    if not text.strip():
        raise refused("the text is empty; fill it in or take the row out")
    return text


def _blank_as_null(text: str) -> str | None:
    return text if text.strip() else None


def _check_seed(seed: int) -> int:
    if not -(2**63) <= seed < 2**64:
        raise refused(f"{seed} is beyond 64 bits; leave the seed out, or write it as a text in a column of your own")
    return seed


def _check_lines(value: Any) -> Any:
    lines = value if isinstance(value, list) else [value]
    if not all(isinstance(line, str) for line in lines):
        raise refused("it is neither a text nor a list of texts")
    return value


def _as_size(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int():
            return str(value)
        case [int(width), int(height)]:
            return f"{width}x{height}"
    return value


Filled = Annotated[str, AfterValidator(_check_filled)]
Name = Annotated[str, AfterValidator(_blank_as_null)]
"""A text; a blank one says as little as null."""

Number = Annotated[int, Field(ge=0, le=_LARGEST_NUMBER)]
Pixels = Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]
Amount = Annotated[float, Field(ge=0)]
Seconds = Annotated[float | None, Field(ge=0), AfterValidator(lambda seconds: seconds or None)]
"""How long an answer took; none comes in no time, so that 0 is not known instead of the best latency of all."""


class _Columns(BaseModel):
    """The columns of a row that TwinLens reads; others are kept as they are. Null is a column that is not given."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    system: Filled
    prompt: Name | None = None
    sample_id: Name | None = None
    suite: Name | None = None
    prompt_id: Name | None = None
    sequence_id: Name | None = None
    model_version: Name | None = None
    size: Annotated[Name, BeforeValidator(_as_size)] | None = None
    seed: Annotated[int, AfterValidator(_check_seed)] | None = None
    repeat: Number | None = None
    shot: Number | None = None
    width: Pixels | None = None
    height: Pixels | None = None
    latency_s: Seconds = None
    in_flight: Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)] | None = None
    cost_usd: Amount | None = None
    simulated: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        return {column: value for column, value in row.items() if value is not None}


class SampleColumns(_Columns):
    """A row of ``metadata.jsonl``.

    ``objects``, ``absent`` and ``relations`` say what must be seen, must not be seen, and how things stand to each
    other; GenEval's spelling of them (``class``, ``color``, ``"position": ["right of", 0]``) is taken. ``palette`` are
    colours that must be seen, ``expected_text`` what must be legible, ``text_is_complete`` that no other
    text may be, ``mask`` what an edit may change.
    """

    file_name: Filled
    prompt: Filled
    prompt_is_file_name: Annotated[bool | None, AfterValidator(lambda is_name: is_name or None)] = None
    language: Name | None = None
    mask: Name | None = None
    caption: str | None = None
    source_caption: str | None = None
    pixel_sha256: Name | None = None
    file_sha256: Name | None = None
    expected_text: Annotated[Any, AfterValidator(_check_lines)] = None
    text_is_complete: bool | None = None
    tags: list[str] | None = None
    palette: list[HexColour] | None = None
    objects: list[SceneObject] | None = None
    absent: list[Text] | None = None
    relations: list[Relation] | None = None
    edit: Edit | None = None
    reference_images: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _move_relations(cls, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Move relations that stand as positions of objects, as in GenEval, to where relations are."""
        objects, relations = row.get("objects"), row.get("relations") or []
        if not isinstance(objects, list) or not isinstance(relations, list):
            return row
        names = [_name_of(thing) for thing in objects]
        moved: list[Any] = []
        for n, thing in enumerate(objects):
            if isinstance(thing, Mapping) and isinstance(thing.get("position"), list):
                relation = geneval_relation(names, n, thing["position"])
                if relation is None:
                    known = f"{', '.join(GENEVAL_RELATIONS)} with the number of an object of another name"
                    raise refused(f"{thing['position']!r} is none of {known}, counted from 0", "objects", n, "position")
                moved.append(relation)
        if not moved:
            return row
        in_place = [_without_listed_position(thing) for thing in objects]
        return {**row, "objects": in_place, "relations": [*relations, *moved]}

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_absent(self.absent or (), self.objects or ())
        return self


def _name_of(thing: Any) -> Any:
    return (
        next((thing[key] for key in ("name", "class", "label") if key in thing), "") if isinstance(thing, dict) else ""
    )


def _without_listed_position(thing: Any) -> Any:
    if not isinstance(thing, Mapping):
        return thing
    return {key: value for key, value in thing.items() if key != "position" or not isinstance(value, list)}


class RequestColumns(_Columns):
    """A row of ``requests.jsonl``."""

    outcome: Outcome
    reason: Name | None = None
    message: str | None = None
    file_name: Name | None = None
    attempts: Number | None = None
    may_have_cost_usd: Amount | None = None
    queue_s: Amount | None = None
    generation_s: Amount | None = None
    download_s: Amount | None = None
    sent_at: str | None = None
    ended_at: str | None = None


def misspelt(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns that nobody reads and that are nearly one that a row can have and these lack, with its name.

    Examples
    --------
    >>> misspelt(["prompt", "expected_tekst", "customer", "caption", "caption2"])
    {'expected_tekst': 'expected_text'}
    """
    given = set(columns)
    known = {*SampleColumns.model_fields, *RequestColumns.model_fields}
    lacking = set(SampleColumns.model_fields) - given
    near = {name: difflib.get_close_matches(name.casefold(), lacking, n=1, cutoff=_NEAR) for name in given - known}
    return {name: close[0] for name, close in sorted(near.items()) if close}


Columns = TypeVar("Columns", SampleColumns, RequestColumns)

_LONGEST = 300
_NEAR = 0.85
_IN_JSON = {
    "missing": "it is missing or null; fill it in",
    "string_type": "{value!r} is not a text",
    "list_type": "{value!r} is not a list",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "{value!r} is not an object with fields"),
}


def check_columns(row: Mapping[str, Any], columns: type[Columns]) -> dict[str, Any] | str:
    """Return a row with the values of its columns as TwinLens spells them, or in one sentence what is wrong with it."""
    try:
        checked = columns.model_validate(row)
    except ValidationError as problems:
        first: ErrorDetails = problems.errors(include_url=False)[0]
        steps: tuple[str | int, ...] = first["ctx"]["steps"] if first["type"] == "refused" else ()
        sentence = f"{_place((*first['loc'], *steps))}: {sentence_of(first, _IN_JSON)}"
        half = _LONGEST // 2
        return sentence if len(sentence) <= _LONGEST else f"{sentence[:half]} ... {sentence[-half:]}"
    return {**row, **checked.model_dump(include=checked.model_fields_set)}


def _place(steps: Sequence[str | int]) -> str:
    column, *inside = steps
    words = [f"entry {step + 1}" if isinstance(step, int) else f"field {step!r}" for step in inside]
    return ", ".join([f"column {column!r}", *words])
