"""A whole hourly tick over the bare work in it: the loader, and the SQL that the tick ran, by itself in DuckDB.

Hour after hour arrives; before each tick the two files of the warehouse are copied, and the same hour is taken into the copy by
the loader and by a script (bare_tick.py) that runs the tick's own SQL, part by part, on one connection. What the tick does
beside that is planning, tests, checks, Dagster's records and the publication.
"""

import argparse
import contextlib
import io
import json
import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.process import REPOSITORY, measure, python
from benchmarks.site import Site
from dagster_project.dbt_command import run_dbt
from dagster_project.settings import Settings

FILES = ("warehouse.duckdb", "warehouse.serve.duckdb")


def main() -> None:
    """Prepare a history, tick, do the same bare, print both and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        site = Site(Path(temporary), options.days)
        site.prepare()
        site.tick()  # warms the page cache, and leaves the SQL of a tick behind
        rounds = [_round(site, Path(temporary) / f"bare-{number}") for number in range(options.rounds)]
    print(f"\nwhole tick over the bare work, {options.days} days of history, median of {options.rounds} rounds")
    for name in rounds[0]:
        print(f"  {name:44s} {statistics.median(each[name] for each in rounds):6.2f} s")
    ratio = statistics.median(each["whole tick"] / (each["bare: loader"] + each["bare: the tick's SQL"]) for each in rounds)
    print(f"  ratio {ratio:.2f}")


def _round(site: Site, copy: Path) -> dict[str, float]:
    data = site.folder / "data"
    copy.mkdir()
    for file in FILES:
        shutil.copyfile(data / file, copy / file)
    whole = site.tick()
    target = data / "dbt_target"
    results = json.loads((target / "run_results.json").read_text())
    nodes = sum(result["execution_time"] for result in results["results"])
    loader = measure(
        python("-m", "raw_loaders", "load", "--landing", site.history.landing, "--warehouse", copy / "warehouse.duckdb")
    )
    _plan(site, copy)
    steps = copy / "steps.json"
    steps.write_text(json.dumps(_steps(target)))
    sql = measure(python(REPOSITORY / "benchmarks" / "bare_tick.py", copy / "warehouse.duckdb", steps))
    shutil.rmtree(copy)
    return {
        "whole tick": whole,
        "  of it dbt, after its start": results["elapsed_time"],
        "  of that models and tests, one after another": nodes,
        "bare: loader": loader.wall_s,
        "bare: the tick's SQL": sql.wall_s,
    }


def _plan(site: Site, copy: Path) -> None:
    """Let the copy know which parts of which tables its load touched: dbt does it before it builds, here, a single model."""
    settings = Settings(landing=site.history.landing, data=copy)
    with contextlib.redirect_stdout(io.StringIO()):
        run_dbt(settings, ["run", "--select", "int_runs"], lambda: None)


def _steps(target: Path) -> list[tuple[str, str, str]]:
    """(relation, SELECT, statement that writes it) of every table of the tick, in the order in which it built them."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    results = json.loads((target / "run_results.json").read_text())["results"]
    began = {each["unique_id"]: min((timing["started_at"] for timing in each["timing"]), default="") for each in results}
    built = [id_ for id_ in began if id_.startswith("model.") and nodes[id_]["config"]["materialized"] != "view"]
    compiled, run = (target / kind / "bandit_warehouse" for kind in ("compiled", "run"))
    return [
        (
            nodes[id_]["relation_name"],
            (compiled / nodes[id_]["original_file_path"]).read_text(),
            (run / nodes[id_]["original_file_path"]).read_text(),
        )
        for id_ in sorted(built, key=began.__getitem__)
    ]


if __name__ == "__main__":
    main()
