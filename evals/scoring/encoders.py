"""Which encoders a scoring run uses: the ones asked for, else the best that this machine has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics.encoders.catalogue import Encoder, EncoderUnavailable, Role, default_names, library_of, load_encoder
from metrics.features import FEATURES
from metrics.specification import MetricSpec


@dataclass(frozen=True)
class Encoders:
    """The loaded encoders of each role, best first, and a note on each role that has none.

    ``passed_over`` are those that an eval would rather have had, with their role and why they could not be loaded.
    """

    loaded: Mapping[Role, Sequence[Encoder]]
    missing: Mapping[Role, tuple[str, str]] = field(default_factory=dict)
    passed_over: Sequence[tuple[Role, str, str]] = ()

    def of(self, role: Role) -> Encoder | None:
        """Return the first encoder of a role, None if there is none."""
        encoders = self.loaded.get(role)
        return encoders[0] if encoders else None

    def reading(self, text: str) -> Encoder | None:
        """Return the first text engine that reads every script and character of ``text``, None if none does."""
        from metrics.encoders.scripts import readable
        from metrics.text.normalisation import normalise

        engines: Sequence[Any] = self.loaded.get("text", ())
        characters = set(normalise(text)) - {" "}
        return next(
            (
                engine
                for engine in engines
                if readable(text, engine.scripts) and characters.issubset(engine.characters or characters)
            ),
            None,
        )

    def records(self) -> list[dict[str, Any]]:
        """Return one record a role for the provenance: name, licence, weights hash, revision, or why it is missing."""
        facts = ("name", "licence", "weights_sha256", "version")
        used = [
            {"role": role}
            | {fact: getattr(encoder, fact) for fact in facts}
            | {"revision": getattr(encoder, "revision", None)}
            | {"status": "used", "note": getattr(encoder, "note", None)}
            for role, encoders in self.loaded.items()
            for encoder in encoders
        ]
        absent = [
            {"role": role, **dict.fromkeys((*facts, "revision")), "name": name, "status": status, "note": note}
            for status, notes in (
                ("passed over", self.passed_over),
                ("unavailable", [(role, *note) for role, note in self.missing.items()]),
            )
            for role, name, note in notes
        ]
        return used + absent


def roles_of(specs: Iterable[MetricSpec]) -> list[Role]:
    """Return the roles whose encoders the metrics need, each once."""
    return list(dict.fromkeys(FEATURES[feature].role for spec in specs for feature in spec.features))


def choose_encoders(
    roles: Sequence[Role],
    asked_for: Sequence[str] = (),
    device: str = "auto",
    preferred: Mapping[str, Sequence[str]] | None = None,
) -> Encoders:
    """Load an encoder for every role.

    An encoder that was asked for must load. Of those that an eval prefers for a role the first that can be loaded is
    taken, and one of them must be. A default that cannot be loaded is noted, and what needs it is left unscored. For
    text, every engine asked for is loaded; by default Tesseract is added where it is installed, for the scripts that
    the first engine cannot read.

    Raises
    ------
    EncoderUnavailable
        If an encoder that was asked for cannot be loaded or has nothing to do, two are asked for in one role other
        than text, or none of the preferred ones of a role can be loaded.
    """
    requested: dict[Role, list[str]] = {}
    for name in asked_for:
        requested.setdefault(library_of(name).role, []).append(name)
    for role in requested.keys() - set(roles):
        raise EncoderUnavailable(f"no metric that is asked for uses {requested[role][0]}; it measures {role}")
    loaded: dict[Role, list[Encoder]] = {}
    missing: dict[Role, tuple[str, str]] = {}
    passed_over: list[tuple[Role, str, str]] = []
    for role in roles:
        names, alternatives = requested.get(role, ()), (preferred or {}).get(role, ())
        if len(names) > 1 and role != "text":
            raise EncoderUnavailable(f"one encoder for {role} at a time: choose between {' and '.join(names)}")
        if names:
            loaded[role] = [load_encoder(name, device) for name in names]
            continue
        encoder, failures = _first_at_hand(alternatives or default_names(role), device)
        if encoder is not None:
            loaded[role] = [encoder]
            passed_over += [(role, *failure) for failure in failures] if alternatives else []
        elif alternatives:
            raise EncoderUnavailable("; ".join(f"{name}: {why}" for name, why in failures))
        elif failures:
            missing[role] = failures[-1]
        if role == "text" and not alternatives:
            # An option: without it the scripts that only it reads are reported as unsupported.
            with contextlib.suppress(EncoderUnavailable):
                loaded.setdefault("text", []).append(load_encoder("tesseract:installed"))
    return Encoders(loaded, missing, tuple(passed_over))


def _first_at_hand(names: Iterable[str], device: str) -> tuple[Encoder | None, list[tuple[str, str]]]:
    """Return the first of the encoders that can be loaded, and name and reason of those before it."""
    failures: list[tuple[str, str]] = []
    for name in names:
        try:
            return load_encoder(name, device), failures
        except EncoderUnavailable as error:
            failures.append((name, str(error)))
    return None, failures
