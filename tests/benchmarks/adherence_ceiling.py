"""Which ceiling tells good pictures from flawed ones? Run as: python -m tests.benchmarks.adherence_ceiling DEMO_RUN"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from evals.definition import read_definition

FLAWS = ("swap_object", "drop_object")


def flawed_items() -> set[tuple[str, str, str]]:
    """Return system, suite and item of every picture that the script draws with another thing, or without one."""
    return {
        (system.name, defect.suite, item)
        for system in read_definition("demo").simulated
        for defect in system.defects
        if defect.does in FLAWS
        for item in defect.items
    }


def main() -> None:
    """Print for each suite and ceiling the stars of good and flawed pictures, d', and the share of good ones at 5."""
    scores = pd.read_parquet(Path(sys.argv[1]) / "scores.parquet")
    scores = scores[(scores["metric"] == "adherence.margin") & scores["value"].notna()].copy()
    details = scores["details"].map(json.loads)
    scores["beaten"] = [1 - (each["rank"] - 1) / (each["n_prompts"] - 1) for each in details]
    flaws = flawed_items()
    for suite in ("demo-scenes", "demo-imprecise", "demo-precise", "demo-cinematic"):
        rows = scores[scores["suite"] == suite]
        wrong, own = rows[rows["control"] == "shuffled_prompt"], rows[rows["control"].isna()]
        keys = zip(own["system"], own["suite"], own["prompt_id"], strict=True)
        is_flawed = np.array([key in flaws for key in keys])
        floor, spread = wrong.groupby("prompt_id")["value"].mean().mean(), wrong["value"].std(ddof=0)
        best = own.groupby("prompt_id")["value"].max().mean()
        for name, column, low, high in (
            ("floor + 4 deviations", "value", floor, floor + 4 * spread),
            ("mean of the prompts' best pictures", "value", floor, best),
            ("share of decoys beaten", "beaten", 0.5, 1.0),
        ):
            places = ((own[column] - low) / (high - low)).clip(0, 1).to_numpy()
            chance = ((wrong[column] - low) / (high - low)).clip(0, 1).mean()
            good, flawed = places[~is_flawed], places[is_flawed]
            stars = [1 + 4 * (part.mean() - chance) / (1 - chance) for part in (good, flawed)]
            d_prime = (good.mean() - flawed.mean()) / np.sqrt((good.var() + flawed.var()) / 2)
            print(f"| {suite} | {name} | {stars[0]:.2f} | {stars[1]:.2f} | {d_prime:.2f} | {(good >= 1).mean():.2f} |")


if __name__ == "__main__":
    main()
