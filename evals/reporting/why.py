"""Why a row of the star table names a winner: the prompts that decided it, with their pictures inside the page."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evals.rating.stars.cells import in_stars
from evals.rating.stars.document import Stars
from evals.rating.stars.table import TableRow
from evals.reporting import formatting
from evals.reporting.annotations import Annotations
from evals.reporting.copies import Copies, Copy
from evals.reporting.exhibits import Column, Exhibit, Key, Picture, Score
from evals.reporting.groups import row_verdict
from evals.reporting.system_labels import system_labels
from evals.reporting.thumbnails import THREADS, data_address, webp
from metrics.catalogue import metric

PICTURES_PER_SYSTEM = 4
"""Pictures of a prompt that stand here for each system; the gallery has all of them."""

EMBEDDED_BYTES = 3_000_000
"""What all pictures in the page weigh together at most; where they would weigh more, all are reduced."""

SIDES = (480, 400, 320, 240, 160, 120)
"""Pixels of an embedded picture's longer side: the first that keeps within the limit is taken."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture in the page: its ``data:`` address, the larger copy beside the page, its size; or why it is absent."""

    src: str = ""
    address: str = ""
    width: int = 0
    height: int = 0
    absent: str = ""


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A sample as the page shows it: ``alt`` describes it, ``caption`` tells it apart from the others."""

    image: Embedded
    alt: str
    caption: str
    annotations: Annotations
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class ShownSystem:
    """What a system made of a prompt: its stars on this prompt alone, its pictures, and how many are not shown."""

    place: int
    label: str
    stars: str
    pictures: tuple[ShownPicture, ...]
    more: int
    outcomes: tuple[str, ...]
    difference: Embedded | None
    difference_label: str
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class WhyPrompt:
    """A prompt that decided a row, or (``against``) the one that speaks most against its verdict."""

    anchor: str
    prompt: str
    texts: tuple[str, ...]
    against: bool
    sources: tuple[Embedded, ...]
    systems: tuple[ShownSystem, ...]


@dataclass(frozen=True, slots=True)
class WhyRow:
    """A row with a winner, and the prompts that show why; those of ``folded`` stand behind a click."""

    id: str
    anchor: str
    title: str
    verdict: str
    measures: tuple[str, ...]
    open: tuple[WhyPrompt, ...]
    folded: tuple[WhyPrompt, ...]
    n_prompts: int


def slug(text: str) -> str:
    """Return a text as part of an address: where not all of it may stand there, a hash keeps it apart from others.

    Examples
    --------
    >>> slug("cup-one"), slug("a b")
    ('cup-one', 'a-b-c8687a08')
    """
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", text)
    return plain if plain == text else f"{plain[:40]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


def anchor_of(row_id: str, prompt: str = "") -> str:
    """Return the address in the page of a row's evidence, or of one prompt of it.

    Examples
    --------
    >>> anchor_of("text", "bakery")
    'why-text-bakery'
    """
    return "-".join(["why", *map(slug, filter(None, (row_id, prompt)))])


def deciding_exhibits(stars: Stars, exhibits: Mapping[Key, Exhibit]) -> list[Exhibit]:
    """Return the exhibits that `why` shows."""
    keys = [(row["suite"] or "", one["prompt"]) for row in _decided(stars) for one in row["deciding"]]
    return [exhibits[key] for key in dict.fromkeys(keys) if key in exhibits]


def why(stars: Stars, exhibits: Mapping[Key, Exhibit], systems: Sequence[str], copies: Copies) -> tuple[WhyRow, ...]:
    """Return the evidence of every row that names a winner and was measured on pictures."""
    images = _embedded(deciding_exhibits(stars, exhibits), copies)
    labels = system_labels(systems)
    rows = []
    for row in _decided(stars):
        prompts = [
            _prompt(row, one["prompt"], one["against"], exhibits[key], labels, images)
            for one in row["deciding"]
            if (key := (row["suite"] or "", one["prompt"])) in exhibits
        ]
        if prompts:
            shown = [*prompts[:1], *(one for one in prompts[1:] if one.against)]
            folded = [one for one in prompts[1:] if not one.against]
            rows.append(
                WhyRow(
                    id=row["id"],
                    anchor=anchor_of(row["id"]),
                    title=row["title"],
                    verdict=row_verdict(row, labels, stars["n_compared"]).says,
                    measures=tuple(_measure(part["metric"]) for part in row["components"]),
                    open=tuple(shown),
                    folded=tuple(folded),
                    n_prompts=len(row["places"]),
                )
            )
    return tuple(rows)


def _decided(stars: Stars) -> list[TableRow]:
    return [row for row in stars["rows"] if any(pair["better_system"] for pair in row["differences"])]


def _prompt(
    row: TableRow, prompt: str, against: bool, one: Exhibit, labels: Mapping[str, str], images: Mapping[str, Embedded]
) -> WhyPrompt:
    places = row["places"][prompt]
    stars = {name: _stars(places.get(name), row["chance"] or 0.0) for name in labels}
    return WhyPrompt(
        anchor=anchor_of(row["id"], prompt),
        prompt=prompt,
        texts=one.prompts,
        against=against,
        sources=tuple(images[name] for name in one.sources),
        systems=tuple(
            _system(place, column, labels[column.system], stars[column.system], images)
            for place, column in enumerate(one.columns)
        ),
    )


def _measure(metric_id: str) -> str:
    """Return a metric in words, with its unit and which way is better."""
    spec = metric(metric_id)
    return f"{spec.title} in {formatting.unit_label(spec.unit)}, {formatting.direction(spec.better)}"


def _stars(place: float | None, chance: float) -> str:
    stars = None if place is None else in_stars(place, chance)
    return "not known" if stars is None else f"{stars:.1f} stars"


def _system(place: int, column: Column, label: str, stars: str, images: Mapping[str, Embedded]) -> ShownSystem:
    shown = column.pictures[:PICTURES_PER_SYSTEM]
    return ShownSystem(
        place=place,
        label=label,
        stars=stars,
        pictures=tuple(_picture(picture, label, images[picture.sample_id]) for picture in shown),
        more=len(column.pictures) - len(shown),
        outcomes=column.outcomes,
        difference=images.get(_map_key(column)) if column.pair else None,
        difference_label=column.pair.label if column.pair else "",
        scores=tuple(score for score in column.scores if score.of_row),
    )


def _picture(picture: Picture, system: str, image: Embedded) -> ShownPicture:
    alt = f"Picture by {system}" + (f", {picture.label}" if picture.label else "")
    annotations = picture.annotations.without_marks() if image.absent else picture.annotations
    scores = tuple(score for score in picture.scores if score.of_row)
    return ShownPicture(image, alt, picture.label, annotations, scores)


def _map_key(column: Column) -> str:
    return "" if column.pair is None else " against ".join(filter(None, (column.pair.source, *column.pair.samples)))


def _embedded(exhibits: Sequence[Exhibit], copies: Copies) -> dict[str, Embedded]:
    """Return all pictures that stand in the page, by sample, source or pair, as large as the limit allows."""
    wanted: dict[str, Copy | str] = {}
    for one in exhibits:
        wanted |= {name: copies.picture(name) for name in one.sources}
        for column in one.columns:
            shown = column.pictures[:PICTURES_PER_SYSTEM]
            wanted |= {picture.sample_id: copies.picture(picture.sample_id) for picture in shown}
            if column.pair and (difference := copies.difference(column.pair)):
                wanted[_map_key(column)] = difference
    found = {copy.name: copy for copy in wanted.values() if isinstance(copy, Copy)}
    contents = _within_limit(found.values(), copies)
    return {
        name: Embedded(absent=copy)
        if isinstance(copy, str)
        else Embedded(data_address(contents[copy.name]), copy.address, copy.width, copy.height)
        for name, copy in wanted.items()
    }


def _reduced(copies: Copies, side: int, copy: Copy) -> bytes:
    return webp(copies.pixels(copy, side), quality=70)


def _within_limit(found: Iterable[Copy], copies: Copies) -> dict[str, bytes]:
    every, contents, excess, last = list(found), dict[str, bytes](), 1.0, SIDES[0]
    for side in SIDES:
        # What is reduced to half its side weighs a third or more: sides that cannot do are not tried.
        if excess * (side / last) ** 1.5 > 1 and side != SIDES[-1] and contents:
            continue
        reduced = functools.partial(_reduced, copies, side)
        with ThreadPoolExecutor(THREADS) as pool:
            contents = {copy.name: content for copy, content in zip(every, pool.map(reduced, every), strict=True)}
        excess, last = sum(map(len, contents.values())) * 4 / 3 / EMBEDDED_BYTES, side
        if excess <= 1:
            break
    return contents
