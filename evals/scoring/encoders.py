"""Which encoders a scoring run uses: the ones asked for, else the best that this machine has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metrics.catalogue import FEATURES
from metrics.encoders.catalogue import Encoder, EncoderUnavailable, Role, default_names, library_of, load_encoder
from metrics.specification import MetricSpec


@dataclass(frozen=True)
class Encoders:
    """The loaded encoders of each role, best first, and a note on each role that has none."""

    loaded: Mapping[Role, Sequence[Encoder]]
    missing: Mapping[Role, tuple[str, str]] = field(default_factory=dict)

    def of(self, role: Role) -> Encoder | None:
        """Return the first encoder of a role, None if there is none."""
        encoders = self.loaded.get(role)
        return encoders[0] if encoders else None

    def reading(self, text: str) -> Encoder | None:
        """Return the first text engine that reads every script of ``text``, None if none does."""
        from metrics.encoders.scripts import readable

        engines: Sequence[Any] = self.loaded.get("text", ())
        return next((engine for engine in engines if readable(text, engine.scripts)), None)

    def records(self) -> list[dict[str, Any]]:
        """Return one record a role for the provenance: name, licence, weights hash, or why it is missing."""
        facts = ("name", "licence", "weights_sha256", "version")
        used = [
            {"role": role}
            | {fact: getattr(encoder, fact) for fact in facts}
            | {"status": "used", "note": getattr(encoder, "note", None)}
            for role, encoders in self.loaded.items()
            for encoder in encoders
        ]
        absent = [
            {"role": role, **dict.fromkeys(facts), "name": name, "status": "unavailable", "note": note}
            for role, (name, note) in self.missing.items()
        ]
        return used + absent


def roles_of(specs: Iterable[MetricSpec]) -> list[Role]:
    """Return the roles whose encoders the metrics need, each once."""
    return list(dict.fromkeys(FEATURES[feature].role for spec in specs for feature in spec.features))


def choose_encoders(roles: Sequence[Role], asked_for: Sequence[str] = (), device: str = "auto") -> Encoders:
    """Load an encoder for every role.

    An encoder that was asked for must load. A default that cannot is noted, and what needs it is left unscored. For
    text, every engine asked for is loaded; by default Tesseract is added where it is installed, for the scripts that
    the first engine cannot read.

    Raises
    ------
    EncoderUnavailable
        If an encoder that was asked for cannot be loaded or has nothing to do, or two are asked for in one role other
        than text.
    """
    requested: dict[Role, list[str]] = {}
    for name in asked_for:
        requested.setdefault(library_of(name).role, []).append(name)
    for role in requested.keys() - set(roles):
        raise EncoderUnavailable(f"no metric that is asked for uses {requested[role][0]}; it measures {role}")
    loaded: dict[Role, list[Encoder]] = {}
    missing: dict[Role, tuple[str, str]] = {}
    for role in roles:
        names = requested.get(role)
        if names and len(names) > 1 and role != "text":
            raise EncoderUnavailable(f"one encoder for {role} at a time: choose between {' and '.join(names)}")
        for name in names or default_names(role):
            try:
                loaded.setdefault(role, []).append(load_encoder(name, device))
            except EncoderUnavailable as error:
                if names:
                    raise
                missing[role] = (name, str(error))
            else:
                missing.pop(role, None)
                if role != "text":
                    break
        if role == "text" and not names:
            # An option: without it the scripts that only it reads are reported as unsupported.
            with contextlib.suppress(EncoderUnavailable):
                loaded.setdefault("text", []).append(load_encoder("tesseract:installed"))
    return Encoders(loaded, missing)
