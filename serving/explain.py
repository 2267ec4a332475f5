"""`bandit-warehouse explain`: why the bot traded or did not, in sentences."""

import argparse
import textwrap
from typing import Any

import duckdb

from serving.errors import QueryError
from serving.places import published_folder
from serving.reading import open_version

_WIDTH = 110
_DECISION = "select explanation from marts.fct_decision_explanations where decision_id = ?"
_GUARDS = """
    select verdict, explanation, would_pass_if
    from marts.fct_gate_explanations
    where decision_id = ?
    order by verdict <> 'VETO', failed_no, guard_role = 'advisory', priority, guard
"""
_HEADINGS = {"VETO": "Failed, in order of priority", "PASS": "Passed", "UNKNOWN": "Not known"}


def explain(connection: duckdb.DuckDBPyConnection, decision_id: str) -> str:
    """The decision as text: what came of it and the one change, then every guard. Raises QueryError for an unknown decision."""
    decision = connection.execute(_DECISION, [decision_id]).fetchone()
    if decision is None:
        raise QueryError(
            f"There is no decision {decision_id!r} in the published version: take an id from marts.fct_decisions, "
            "in quotes because it holds the character |."
        )
    guards = connection.execute(_GUARDS, [decision_id]).fetchall()
    parts = [textwrap.fill(decision[0], _WIDTH)]
    for verdict, heading in _HEADINGS.items():
        listed = [row for row in guards if row[0] == verdict]
        if listed:
            parts.append("\n".join([f"{heading}:", *(_entry(number, row) for number, row in enumerate(listed, start=1))]))
    return "\n\n".join(parts)


def _entry(number: int, guard: tuple[str, str, str | None]) -> str:
    _, sentence, would_pass_if = guard
    text = f"{sentence} It would have passed if {would_pass_if}." if would_pass_if else sentence
    return textwrap.fill(text, _WIDTH, initial_indent=f"{number:>3}. ", subsequent_indent="     ")


def add_command(subparsers: Any) -> None:
    """Add `explain <decision_id>` to the command line; `subparsers` is what `add_subparsers` returned."""
    parser = subparsers.add_parser("explain", help="why a decision came out as it did, guard by guard")
    parser.add_argument("decision_id", help="decision of marts.fct_decisions, in quotes")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    with open_version(published_folder(options.data)) as connection:
        print(explain(connection, options.decision_id))
