"""The gates of the second system in the guard seed, against the format of its records and against the simulator."""

import csv
from pathlib import Path

import yaml

from raw_loaders.simulate.second_system import GATES, LIMITS, REGIMES_ALLOWED


def gates(repository: Path) -> list[dict[str, str]]:
    """Rows of the seed that belong to the second system."""
    with (repository / "dbt_project" / "seeds" / "decisions" / "guards.csv").open(newline="") as seed:
        return [row for row in csv.DictReader(seed) if row["source_system"] == "huracan"]


def test_each_gate_that_a_record_may_name_has_a_limit_in_each_mode(repository: Path) -> None:
    allowed = yaml.safe_load((repository / "raw_loaders" / "streams" / "gate_decision.yml").read_text())["strict"]["values"]
    in_force = sorted((row["guard"], row["bots"]) for row in gates(repository) if not row["valid_to"])
    assert in_force == sorted((gate, mode) for gate in allowed["gate"] for mode in allowed["mode"])


def test_the_simulator_decides_by_the_limits_in_force_and_in_their_order(repository: Path) -> None:
    in_force = [row for row in gates(repository) if not row["valid_to"]]
    for mode, limits in LIMITS.items():
        rows = {row["guard"]: row for row in in_force if row["bots"] == mode}
        numbers = {gate: float(row["limit_lo"] or row["limit_hi"]) for gate, row in rows.items() if row["comparator"] != "in"}
        assert numbers == limits
        assert tuple(rows["regime_gate"]["limit_text"].split()) == REGIMES_ALLOWED[mode]
        assert tuple(sorted(rows, key=lambda gate: int(rows[gate]["priority"]))) == GATES


def test_a_changed_gate_keeps_its_history_without_a_gap(repository: Path) -> None:
    rows = gates(repository)
    ended = {(row["guard"], row["bots"], row["valid_to"]) for row in rows if row["valid_to"]}
    begun = {(row["guard"], row["bots"], row["valid_from"]) for row in rows if row["valid_from"]}
    assert ended
    assert ended == begun
