"""Reads and checks eval definitions: which systems are asked which suites, how, and which rows the star table has."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationInfo, model_validator

from evals.facts.pricing import Size
from evals.facts.use_cases import UseCase, Weight
from evals.files.data_files import data_path
from evals.files.yaml_files import (
    DistinctEntries,
    Entries,
    FileModel,
    Names,
    Text,
    check_known,
    read_yaml,
    refused,
    suggestion,
)
from evals.imageset.columns import HexColour
from evals.suites.sampling import Limit, sampled
from evals.suites.suite import MOST_REPEATS, Suite, is_suite_file, read_suite, suite_names
from metrics.catalogue import METRICS
from metrics.catalogue import metric as spec_of
from metrics.encoders.catalogue import ENCODERS, Role

LARGEST_SEED = 2**31 - 1001
"""The largest seed of an eval: hosts take 31 bits, and a suite asks with up to a thousand seeds from there."""

Computed: TypeAlias = Literal["cost_per_image", "latency"]
"""What the requests alone give a row for."""

Combine: TypeAlias = Literal["arithmetic", "geometric"]
"""How the metrics of a row make one place on the scale: their weighted mean, or their weighted geometric mean."""

TIE = "tie"
"""What ``better`` says in the truth where neither system is better."""

DefectName: TypeAlias = Literal[
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
]
"""Everything that a simulated system can be told to do wrong."""


class DefinitionError(ValueError):
    """An eval definition was refused; the message is one sentence with file, line, field and what was meant."""


def check_system(name: str) -> str:
    """Return a name that is written as a system's, ``model@host``; refuse any other, for use in validators."""
    from evals.facts.models import read_facts
    from evals.facts.sources import FactsError

    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*@[a-z0-9][a-z0-9_-]*", name):
        return name
    try:  # it may be a marketing name
        remedy = f"write {read_facts().find(name).system}"
    except FactsError as error:
        remedy = str(error)
    raise refused(f"{name!r} is not a system; {remedy}")


def _check_metric(name: str, *steps: str | int) -> str:
    return check_known(name, [spec.id for spec in METRICS], "metric", *steps)


def _check_encoders(encoders: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for role, names in encoders.items():
        check_known(role, get_args(Role), "role of an encoder", role)
        libraries = [row.library for row in ENCODERS if row.role == role]
        for library in (name.partition(":")[0] for name in names):
            if library not in libraries:
                meant = suggestion(library, libraries)
                raise refused(f"no encoder library {library!r} measures {role}; {meant}", role)
    return encoders


def _as_list(names: Any) -> Any:
    # One encoder is a list of one: the first of a list that is at hand is taken.
    return [names] if isinstance(names, str) else names


def _check_article(name: str) -> str:
    return check_known(name, [path.stem for path in data_path("facts").glob("article-*.yaml")], "article")


def _check_declared(name: str) -> str:
    from evals.facts.capabilities import read_capabilities

    rated = [capability_id for capability_id, capability in read_capabilities().items() if capability.rubric]
    return check_known(name, rated, "capability with a rubric")


def _as_size(size: Any) -> Any:
    # An unquoted 512 is a number to YAML and the same wish to whoever wrote it.
    return str(size) if isinstance(size, int) else size


System = Annotated[Text, AfterValidator(check_system)]
EvalSize = Annotated[Size, BeforeValidator(_as_size)]


def _check_suite(name: str, info: ValidationInfo) -> str:
    if not is_suite_file(name):
        return check_known(name, suite_names(), "suite")
    path = _folder_of(info) / name
    if not path.is_file():
        raise refused(f"there is no file {path}; write the path of a suite relative to the eval's file")
    return name


def _folder_of(info: ValidationInfo) -> Path:
    folder: Path = info.context["path"].parent if info.context else Path()
    return folder


SuiteEntry = Annotated[Text, AfterValidator(_check_suite)]


class StarRow(FileModel):
    """One row of the star table: measured (``metrics`` with weights over a suite), computed or declared.

    ``weight`` is the row's share in the total; a declared row is in none. ``combine`` says how several metrics make the
    row: arithmetic, where one may make up for another, or geometric, where what fails in one is worth nothing (an edit
    that keeps all and follows nothing); the latter takes metrics of single pictures only. ``question`` is what people
    who vote on the row are asked, in place of the question that belongs to its metrics.
    """

    id: Text
    title: Text
    suite: str | None = None
    metrics: dict[str, Weight] = Field(default_factory=dict)
    combine: Combine = "arithmetic"
    computed: (
        Annotated[Computed, BeforeValidator(partial(check_known, known=get_args(Computed), noun="computed row"))] | None
    ) = None
    declared: Annotated[Text, AfterValidator(_check_declared)] | None = None
    size: EvalSize | None = None
    question: Text | None = None
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if [bool(self.metrics), self.computed is not None, self.declared is not None].count(True) != 1:
            raise refused("a row has exactly one of metrics, computed and declared")
        if self.metrics and self.suite is None:
            raise refused("it is missing", "suite")
        for metric in self.metrics:
            _check_metric(metric, "metrics", metric)
            if spec_of(metric).better == "neither":
                raise refused(f"{metric} has no better direction, so it has no stars", "metrics", metric)
            if self.combine == "geometric" and spec_of(metric).subject != "sample":
                raise refused(
                    f"{metric} is not of single pictures, so nothing combines geometrically with it", "combine"
                )
        if self.combine == "geometric" and len(self.metrics) < 2:
            raise refused("a geometric mean takes at least two metrics", "combine")
        return self


class Defect(FileModel):
    """One thing that a simulated system does wrong: in which suite, for which items, and how strongly.

    ``items`` is empty where the defect concerns every item; ``characters`` counts for ``misspell`` only.
    """

    does: Annotated[DefectName, BeforeValidator(partial(check_known, known=get_args(DefectName), noun="defect"))]
    suite: Text
    items: Names[Text] = ()
    characters: Annotated[int, Field(ge=1)] = 1


class SimulatedSystem(FileModel):
    """An invented system: its name, the colour that tints its pictures, its scripted defects.

    ``like`` is the real system whose wire format it speaks and whose prices it takes.
    """

    name: Text = Field(alias="system")
    tint: HexColour
    like: System
    defects: Entries[Defect] = ()


class Truth(FileModel):
    """What the measurement must find, because the defects were scripted so: the better system, or a tie."""

    dimension: Text
    metric: Annotated[Text, AfterValidator(_check_metric)]
    suite: Text
    better: Text
    why: Text


class EvalDefinition(FileModel):
    """An eval: systems, suites, how often and how large, encoders, rows; for a demo also script and truth.

    ``suites`` are names of those that come with TwinLens, or files of one's own (``./mine.yaml``, relative to the
    eval's file), whose name everywhere else is the file's, ``mine``. Of each, ``limit`` prompts are asked, or that
    share of them (``25%``); all without it. ``encoders`` are by role, each a name or a list of which the first that can
    be loaded is taken. ``use_cases`` stand before those that come with TwinLens, or in place of one with the same
    id.
    """

    name: Text
    systems: Names[System]
    suites: Names[SuiteEntry]
    limit: Limit | None = None
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    size: EvalSize = "1K"
    encoders: Annotated[
        dict[str, Annotated[Names[Text], BeforeValidator(_as_list)]], AfterValidator(_check_encoders)
    ] = Field(default_factory=dict)
    rows: DistinctEntries[StarRow] = ()
    use_cases: DistinctEntries[UseCase] = ()
    published: Annotated[Text, AfterValidator(_check_article)] | None = None
    simulated: Entries[SimulatedSystem] = ()
    truth: Entries[Truth] = ()
    _folder: Path = PrivateAttr(default=Path())
    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        self._folder = _folder_of(info)
        suites = self.suite_names
        for n, name in enumerate(suites):
            if (first := suites.index(name)) != n:
                raise refused(
                    f"a suite {name!r} is listed twice; rename the file", "suites", n, first=("suites", first)
                )
        for n, row in enumerate(self.rows):
            if row.suite is not None:
                check_known(row.suite, suites, "suite of the eval", "rows", n, "suite")
        for n, case in enumerate(self.use_cases):
            for row_id in case.weights:
                check_known(row_id, [row.id for row in self.rows], "row of the eval", "use_cases", n, "weights", row_id)
        for n, system in enumerate(self.simulated):
            check_known(system.name, self.systems, "system of the eval", "simulated", n, "system")
            for m, defect in enumerate(system.defects):
                steps = ("simulated", n, "defects", m)
                check_known(defect.suite, suites, "suite of the eval", *steps, "suite")
                ids = [item.id for item in read_suite(self.suite_path(defect.suite)).items] if defect.items else []
                for k, item_id in enumerate(defect.items):
                    check_known(item_id, ids, "item", *steps, "items", k)
        for n, truth in enumerate(self.truth):
            check_known(truth.suite, suites, "suite of the eval", "truth", n, "suite")
            check_known(truth.better, (*self.systems, TIE), "system of the eval", "truth", n, "better")
        if info.context:
            file, line_of = info.context["path"].name, info.context["line_of"]
            lines = {system: line_of("systems", n) for n, system in enumerate(self.systems)}
            lines |= {system.like: line_of("simulated", n, "like") for n, system in enumerate(self.simulated)}
            self._places.update({system: f"{file}, line {line}" for system, line in lines.items()})
        return self

    def __eq__(self, other: object) -> bool:
        """Return whether two evals are the same, wherever they and their suites say so."""
        return isinstance(other, EvalDefinition) and self._compared() == other._compared()

    def _compared(self) -> dict[str, Any]:
        return self.model_dump() | {"suites": self.suite_names}

    @property
    def suite_names(self) -> tuple[str, ...]:
        """Return the names of the suites."""
        return tuple(Path(entry).stem if is_suite_file(entry) else entry for entry in self.suites)

    @property
    def own_suites(self) -> dict[str, Path]:
        """Return the files of the suites that do not come with TwinLens, by name."""
        pairs = zip(self.suite_names, self.suites, strict=True)
        return {name: self._folder / entry for name, entry in pairs if is_suite_file(entry)}

    def suite_path(self, name: str) -> str | Path:
        """Return what `read_suite` finds a suite of the eval by: its file, or its name."""
        return self.own_suites.get(name, name)

    def suite(self, name: str) -> Suite:
        """Return what is asked of a suite: all of it, or the part that ``limit`` draws.

        Raises SuiteError if its file is refused.
        """
        suite = read_suite(self.suite_path(name))
        return sampled(suite, self.limit, self.seed) if self.limit is not None else suite

    def where_named(self, system: str) -> str:
        """Return where a real system is named, as file and line, for sentences about it."""
        return self._places.get(system, f"eval {self.name!r}")


def definition_names() -> list[str]:
    """Return the names of all eval definitions that come with TwinLens."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def definition_path(name_or_path: str | Path) -> Path:
    """Return the file of an eval definition, given by its name or as a file of one's own.

    Raises DefinitionError if there is no eval of that name.
    """
    name = str(name_or_path)
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    if name not in definition_names():
        raise DefinitionError(f"there is no eval {name!r}; {suggestion(name, definition_names())}")
    return _FOLDER / f"{name}.yaml"


def read_definition(name_or_path: str | Path) -> EvalDefinition:
    """Read and check one eval definition, by its name or from a file of one's own.

    Raises DefinitionError if there is no such eval, or something in it is missing, unknown, of the wrong kind or given
    twice.

    Examples
    --------
    >>> read_definition("demo").systems
    ('aurora-1@demo', 'borealis-2@demo')
    """
    return read_yaml(definition_path(name_or_path), EvalDefinition, DefinitionError)


_FOLDER = Path(__file__).resolve().parent / "definitions"
