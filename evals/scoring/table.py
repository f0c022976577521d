"""The score table: tidy, one measurement a row, written to scores.parquet whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evals.files.atomic_files import named_in_errors, open_staged
from evals.imageset.contract import SCORES
from metrics.encoders.catalogue import Encoder
from metrics.measurement import Measurement
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000


def schema(large_seeds: bool = False) -> pa.Schema:
    """Return the columns of the score table with their types; ``large_seeds`` are seeds from 2^63 on."""
    import pyarrow as pa

    text, whole = pa.string(), pa.int64()
    return pa.schema(
        [
            ("system", text),
            ("suite", text),
            ("prompt_id", text),
            ("subject", pa.list_(text)),
            ("seed", pa.uint64() if large_seeds else whole),
            ("repeat", whole),
            ("sequence_id", text),
            ("metric", text),
            ("metric_version", whole),
            ("encoder", text),
            ("weights_sha256", text),
            ("control", text),
            ("value", pa.float64()),
            ("reason", text),
            ("details", text),
        ]
    )


def table_row(
    spec: MetricSpec,
    encoder: Encoder | None,
    rows: Sequence[Mapping[str, Any]],
    control: str | None,
    measured: Measurement,
) -> dict[str, Any]:
    """Return the table row of one measurement.

    What differs within the subject (the seeds of a control pair, say) is null; prompt and sequence are the first
    sample's, since they name the unit that the measurement counts towards.
    """
    first = rows[0]

    def common(column: str) -> Any:
        return first.get(column) if all(row.get(column) == first.get(column) for row in rows) else None

    return {
        "system": common("system"),
        "suite": first["suite"],
        "prompt_id": first["prompt_id"],
        "subject": list(measured.sample_ids),
        "seed": common("seed"),
        "repeat": common("repeat"),
        "sequence_id": first.get("sequence_id"),
        "metric": spec.id,
        "metric_version": spec.version,
        "encoder": encoder.name if encoder else None,
        "weights_sha256": encoder.weights_sha256 if encoder else None,
        "control": control,
        "value": measured.value,
        "reason": measured.reason,
        "details": json.dumps(dict(measured.details), ensure_ascii=False) if measured.details else None,
    }


class ScoreTableWriter:
    """Writes rows to a temporary file that replaces scores.parquet when all of them are there."""

    def __init__(self, folder: Path, large_seeds: bool = False) -> None:
        """Open nothing yet; ``large_seeds`` as in `schema`."""
        self._schema = schema(large_seeds)
        self.target = folder / SCORES
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def __enter__(self) -> ScoreTableWriter:
        """Open the temporary file."""
        import pyarrow.parquet as pq

        self._staged, file = open_staged(self.target)
        os.close(file)
        self._writer = pq.ParquetWriter(self._staged, self._schema, compression="zstd")
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        with named_in_errors(self.target):
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the finished table in place, or take the unfinished one away."""
        try:
            if kind is None:
                self._write()
            self._writer.close()
            if kind is None:
                os.replace(self._staged, self.target)
        finally:
            self._staged.unlink(missing_ok=True)
