"""Reads and checks eval definitions: which systems are asked which suites, how, and which rows the star table has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from evals.data_files import data_path
from evals.facts.pricing import SIZES
from evals.suites.suite import read_suite, suite_names
from evals.yaml_files import Section, meant, read_section
from metrics.catalogue import METRICS
from metrics.catalogue import metric as spec_of
from metrics.encoders.catalogue import ENCODERS, Role

LARGEST_SEED = 2**31 - 1001
"""The largest seed of an eval: hosts take 31 bits, and a suite asks with up to a thousand seeds from there."""

COMPUTED = ("cost_per_image", "latency")
"""What the ledger alone gives a row for."""

TIE = "tie"
"""What ``better`` says in the truth where neither system is better."""

DEFECTS = (
    "misspell",
    "drop_object",
    "swap_object",
    "other_face",
    "add_noise",
    "recompose",
    "show_other_step",  # a later step of the same story
    "off_colours",  # a brand's colours, each turned to another hue
    "spill_over",  # an edit that also changes what had to stay
    "leave_unedited",  # an edit that is not done
    "copy_reference",  # the reference picture itself is the answer
    "refuse",  # the prompt is declined
    "withhold",  # the picture is made and filtered out
)
"""Everything that a simulated system can be told to do wrong."""

_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*@[a-z0-9][a-z0-9_-]*")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class DefinitionError(ValueError):
    """An eval definition was refused; the message is one sentence with file, line, field and what was meant."""


@dataclass(frozen=True, slots=True)
class StarRow:
    """One row of the star table: measured (``metrics`` with weights over a suite), computed or declared.

    ``weight`` is the row's share in the total; a declared row is in none.
    """

    id: str
    title: str
    suite: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    computed: str | None = None
    declared: str | None = None
    size: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that a simulated system does wrong: in which suite, for which items, and how strongly.

    ``items`` is empty where the defect concerns every item; ``characters`` counts for ``misspell`` only.
    """

    does: str
    suite: str
    items: tuple[str, ...] = ()
    characters: int = 1


@dataclass(frozen=True, slots=True)
class SimulatedSystem:
    """An invented system: its name, the colour that tints its pictures, its scripted defects.

    ``like`` is the real system whose wire format it speaks and whose prices it takes.
    """

    name: str
    tint: str
    like: str
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """What the measurement must find, because the defects were scripted so: the better system, or a tie."""

    dimension: str
    metric: str
    suite: str
    better: str
    why: str


@dataclass(frozen=True, slots=True)
class EvalDefinition:
    """An eval: systems, suites, how often and how large, encoders by role, rows; for a demo also script and truth.

    ``places`` holds for each real system where it is named (file and line), for sentences about it; it makes no
    difference to what the eval is.
    """

    name: str
    systems: tuple[str, ...]
    suites: tuple[str, ...]
    repeats: int
    seed: int
    size: str
    encoders: Mapping[str, str]
    rows: tuple[StarRow, ...]
    published: str | None = None
    simulated: tuple[SimulatedSystem, ...] = ()
    truth: tuple[Truth, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


def definition_names() -> list[str]:
    """Return the names of all eval definitions that come with TwinLens."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def definition_path(name_or_path: str | Path) -> Path:
    """Return the file of an eval definition, given by its name or as a file of one's own.

    Raises
    ------
    DefinitionError
        If there is no eval of that name.
    """
    given = str(name_or_path)
    if Path(given).suffix in (".yaml", ".yml"):
        return Path(given)
    if given not in definition_names():
        raise DefinitionError(f"there is no eval {given!r}; {meant(given, definition_names())}")
    return _folder() / f"{given}.yaml"


def read_definition(name_or_path: str | Path) -> EvalDefinition:
    """Read and check one eval definition, by its name or from a file of one's own.

    Raises
    ------
    DefinitionError
        If there is no such eval, or something in it is missing, unknown, of the wrong kind or given twice.

    Examples
    --------
    >>> read_definition("demo").systems
    ('aurora-1@demo', 'borealis-2@demo')
    """
    path = definition_path(name_or_path)
    top = read_section(path, DefinitionError).only(
        "name", "systems", "suites", "repeats", "seed", "size", "encoders", "rows", "published", "simulated", "truth"
    )
    systems = _checked_names(top, "systems")
    for system in systems:
        if not _SYSTEM.fullmatch(system):
            raise top.refuse("systems", _why_no_system(system), system)
    suites = _checked_names(top, "suites", suite_names(), "suite")
    lines = {system: top.line_of("systems", system) for system in systems}
    simulated: list[SimulatedSystem] = []
    for section in top.sections("simulated"):
        simulated.append(_simulated(section, systems, suites))
        lines[simulated[-1].like] = section.lines["like"]
    return EvalDefinition(
        name=top.text("name"),
        systems=systems,
        suites=suites,
        repeats=top.integer("repeats", 1, least=1),
        seed=_seed(top),
        size=_size(top, "1K"),
        encoders=_encoders(top),
        rows=_rows(top, suites),
        published=_published(top) if top.has("published") else None,
        simulated=tuple(simulated),
        truth=tuple(_truth(section, systems, suites) for section in top.sections("truth")),
        places={system: f"{path.name}, line {line}" for system, line in lines.items()},
    )


def _folder() -> Path:
    return Path(__file__).resolve().parent / "definitions"


def _checked_names(section: Section, key: str, known: list[str] | None = None, noun: str = "") -> tuple[str, ...]:
    names = section.names(key)
    for name in names:
        if known is not None and name not in known:
            raise section.refuse(key, f"there is no {noun} {name!r}; {meant(name, known)}", name)
    return names


def _why_no_system(given: str) -> str:
    """Return what to write in place of a name that has not the form of a system, such as a marketing name."""
    from evals.facts.models import read_facts
    from evals.facts.sources import FactsError

    try:
        return f"{given!r} is not a system; write {read_facts().find(given).system}"
    except FactsError as error:
        return f"{given!r} is not a system; {error}"


def _published(top: Section) -> str:
    articles = tuple(path.stem for path in data_path("facts").glob("article-*.yaml"))
    return _one_of(top, "published", articles)


def _one_of(section: Section, key: str, known: tuple[str, ...]) -> str:
    value = section.text(key)
    if value not in known:
        raise section.refuse(key, f"there is no {value!r} here; {meant(value, known)}")
    return value


def _seed(top: Section) -> int:
    seed = top.integer("seed")
    if seed > LARGEST_SEED:
        raise top.refuse("seed", f"{seed} is too large; hosts take seeds up to {LARGEST_SEED}")
    return seed


def _size(section: Section, default: str) -> str:
    # An unquoted 512 is a number to YAML and the same wish to whoever wrote it.
    size = section.plain("size") if section.has("size") else default
    if size not in SIZES:
        raise section.refuse("size", f"there is no size {size!r}; {meant(size.upper(), SIZES)}")
    return size


def _encoders(top: Section) -> dict[str, str]:
    if not top.has("encoders"):
        return {}
    section = top.section("encoders").only(*get_args(Role))
    encoders = {role: section.text(role) for role in section.nodes}
    for role, name in encoders.items():
        fitting = [row.library for row in ENCODERS if row.role == role]
        library = name.partition(":")[0]
        if library not in fitting:
            raise section.refuse(role, f"no encoder library {library!r} measures {role}; {meant(library, fitting)}")
    return encoders


def _rows(top: Section, suites: tuple[str, ...]) -> tuple[StarRow, ...]:
    rows: list[StarRow] = []
    for section in top.sections("rows"):
        section.only("id", "title", "suite", "metrics", "computed", "declared", "size", "weight")
        row_id = section.text("id")
        if row_id in (row.id for row in rows):
            raise section.refuse("id", f"there are two rows {row_id!r}")
        section = section.named(f"row {row_id!r}")
        kinds = [kind for kind in ("metrics", "computed", "declared") if section.has(kind)]
        if len(kinds) != 1:
            raise section.refuse(None, "a row has exactly one of metrics, computed and declared")
        measured = kinds == ["metrics"]
        weight = section.number("weight") if section.has("weight") else 1.0
        if not weight:
            raise section.refuse("weight", "a row without weight is in no total; leave the row out")
        rows.append(
            StarRow(
                id=row_id,
                title=section.text("title"),
                suite=_one_of(section, "suite", suites) if measured or section.has("suite") else None,
                metrics=_weights(section) if measured else {},
                computed=_one_of(section, "computed", COMPUTED) if section.has("computed") else None,
                declared=_declared(section) if section.has("declared") else None,
                size=_size(section, "") if section.has("size") else None,
                weight=weight,
            )
        )
    return tuple(rows)


def _declared(section: Section) -> str:
    from evals.facts.capabilities import read_capabilities

    return _one_of(section, "declared", tuple(id_ for id_, row in read_capabilities().items() if row.rubric))


def _weights(row: Section) -> dict[str, float]:
    weights = row.numbers("metrics")
    for metric, weight in weights.items():
        _known_metric(row, "metrics", metric)
        if spec_of(metric).better == "neither":
            raise row.refuse("metrics", f"{metric} has no better direction, so it has no stars")
        if not 0 < weight < float("inf"):
            raise row.refuse("metrics", f"the weight of {metric} is {weight:g}; it is above 0")
    return weights


def _known_metric(section: Section, key: str, metric: str) -> str:
    ids = [spec.id for spec in METRICS]
    if metric not in ids:
        raise section.refuse(key, f"there is no metric {metric!r}; {meant(metric, ids)}")
    return metric


def _simulated(section: Section, systems: tuple[str, ...], suites: tuple[str, ...]) -> SimulatedSystem:
    section.only("system", "tint", "like", "defects")
    name = _one_of(section, "system", systems)
    section = section.named(f"simulated {name!r}")
    tint = section.text("tint")
    if not _COLOUR.fullmatch(tint):
        raise section.refuse("tint", f"{tint!r} is not a colour such as '#ffe8c8'")
    like = section.text("like")
    if not _SYSTEM.fullmatch(like):
        raise section.refuse("like", f"{like!r} is not a system; write model@host, as in flux-2-pro@bfl")
    return SimulatedSystem(name, tint, like, tuple(_defect(defect, suites) for defect in section.sections("defects")))


def _defect(section: Section, suites: tuple[str, ...]) -> Defect:
    section.only("does", "suite", "items", "characters")
    suite = _one_of(section, "suite", suites)
    item_ids = [item.id for item in read_suite(suite).items]
    return Defect(
        does=_one_of(section, "does", DEFECTS),
        suite=suite,
        items=_checked_names(section, "items", item_ids, "item") if section.has("items") else (),
        characters=section.integer("characters", 1, least=1),
    )


def _truth(section: Section, systems: tuple[str, ...], suites: tuple[str, ...]) -> Truth:
    section.only("dimension", "metric", "suite", "better", "why")
    return Truth(
        dimension=section.text("dimension"),
        metric=_known_metric(section, "metric", section.text("metric")),
        suite=_one_of(section, "suite", suites),
        better=_one_of(section, "better", (*systems, TIE)),
        why=section.text("why"),
    )
