"""What a row of the catalogue is: a feature, and a metric with all that the engine needs to plan and measure it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from metrics.controls import CONTROLS, Control
from metrics.encoders.catalogue import Role
from metrics.measurement import SYSTEM_FAILURES, Measurements, Subject
from metrics.scale import Scale

Better = Literal["higher", "lower", "neither"]

SubjectKind = Literal[
    "sample",  # one image
    "pair",  # any two images of the set that have the feature
    "shots",  # two shots of one sequence
    "consecutive",  # a shot of a sequence and the shot before it
    "sequence",  # all shots of one sequence
    "repeats",  # two images of the same system, prompt and seed
]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: what is computed, by which encoder, from an image, a text, a pair of images, an edit (source,
    output and mask), or a question about an image (an image and a text).

    ``bytes_a_pixel`` is the memory that computing it takes for every pixel of the largest picture, beside the decoded
    pictures themselves; measured.
    """

    name: str
    of: Literal["image", "text", "pair", "edit", "question"]
    role: Role
    bytes_a_pixel: int = 6


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: a frozen row of the catalogue.

    ``columns`` are the image-set columns that it needs, ``features`` the features, ``references`` whether the
    features of the reference images are needed too, ``decoys`` whether the suite's other prompts are, ``function`` is
    ``module:function`` over a batch of subjects, ``controls`` the arrangements with a known answer, ``fulfilled_by``
    those that do all that it asks and are wrong in other ways, measured or not: they are worth nothing only together
    with another metric. ``on_request`` says that it is computed only when asked for by name. ``texts`` and
    ``question`` are ``module:function`` too: from a row to the texts that are embedded beside the prompt, and to what
    is asked about the image. A row that has a column of ``excludes`` is none of the metric's. ``unfit_encoders`` are
    libraries that were seen to fail its control.

    How it is rated: ``scale`` says what one star and five are (without one, a metric with a direction and two finite
    ends goes from the worse end to the better), ``no_scale`` why it has no stars all the same. ``primary`` is its place
    among the metrics that may speak for their dimension (1 before 2; 0: it never does). ``bias_metric`` is the metric
    that must be undecided, at 0.5, on the same material. ``system_failures`` are the reasons that are the system's own,
    and count as the floor. ``rate`` says that it counts what holds of what was asked, so that values of 0 and 1 alone
    have the interval of a rate. ``ranks_as`` is the metric that orders the same values in the same way, so that what
    its control says need not be said twice. ``derived`` is what is computed from it besides means: how two judges
    agree, the similarity shot by shot, the seed ratio.
    """

    id: str
    version: int
    title: str
    unit: str
    better: Better
    range: tuple[float | None, float | None]
    subject: SubjectKind
    features: tuple[str, ...]
    function: str
    source: str
    columns: tuple[str, ...] = ()
    references: bool = False
    decoys: bool = False
    controls: tuple[Control, ...] = ()
    fulfilled_by: tuple[Control, ...] = ()
    on_request: bool = False
    texts: str = ""
    question: str = ""
    excludes: tuple[str, ...] = ()
    unfit_encoders: tuple[str, ...] = ()
    scale: Scale | None = None
    no_scale: str = ""
    primary: int = 0
    bias_metric: str = ""
    system_failures: tuple[str, ...] = SYSTEM_FAILURES
    rate: bool = False
    ranks_as: str = ""
    derived: tuple[Literal["agreement", "shots", "seed_ratio"], ...] = ()

    @property
    def star_scale(self) -> Scale | None:
        """Its scale, declared or from the ends of its range; None where it has no direction, no ends or no stars.

        Examples
        --------
        >>> from metrics.catalogue import metric
        >>> metric("structure.counts").star_scale == Scale.declared(0, 1)
        True
        >>> metric("quality.noise").star_scale is None
        True
        """
        low, high = self.range
        if self.better == "neither" or self.no_scale:
            return None
        if self.scale is None and low is not None and high is not None:
            return Scale.declared(low, high) if self.better == "higher" else Scale.declared(high, low)
        return self.scale

    @property
    def known_wrong(self) -> tuple[Control, ...]:
        """Its controls of which nothing is worth a star: not those that do all that it asks, as a source keeps all.

        Examples
        --------
        >>> from metrics.catalogue import metric
        >>> metric("editing.preserved").known_wrong
        ('unrelated_picture',)
        >>> metric("editing.direction").known_wrong
        ('unedited_source', 'unrelated_picture', 'blank_picture', 'unrelated_fill', 'blank_fill')
        """
        return tuple(name for name in self.controls if CONTROLS[name].known_wrong and name not in self.fulfilled_by)

    @property
    def dimension(self) -> str:
        """The part of the id before the dot, such as ``identity``."""
        return self.id.split(".", 1)[0]

    def load(self) -> Callable[[list[Subject]], Measurements]:
        """Import and return the metric's function."""
        function: Callable[[list[Subject]], Measurements] = load_function(self.function)
        return function


def load_function(path: str) -> Callable[..., Any]:
    """Import and return the function of a path ``module:function``."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
