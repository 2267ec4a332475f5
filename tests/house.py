"""A data folder and a landing with runs as processes of their own, on a copy of the dbt project; what must hold after each."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import dagster as dg
import duckdb

from raw_loaders.dictionary import load_dictionary
from raw_loaders.patience import patiently
from raw_tables import assert_reconciled
from serving.places import REPOSITORY
from staged import differences

# the command line with another dbt project than ours
DRIVER = """
import os, sys
from dataclasses import replace
from pathlib import Path
from dagster_project import cli
from dagster_project.settings import Settings
known = Settings.from_env
Settings.from_env = classmethod(lambda cls: replace(known(), dbt_project=Path(os.environ["DBT_PROJECT"])))
sys.exit(cli.main(sys.argv[1:]))
"""


def copied(project: Path, folder: Path) -> Path:
    """A copy of a dbt project in `folder`, without what dbt made of it."""
    copy = folder / "dbt_project"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("target", "logs"))
    return copy


class House:
    """A data folder and a landing, with the commands that work on them as processes of their own."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.data, self.landing, self.project = folder / "data", folder / "landing", project
        self.environment: dict[str, str] = {}
        self._said: dict[int, tuple[IO[str], IO[str]]] = {}

    @property
    def warehouse(self) -> Path:
        """The working file."""
        return self.data / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """What analysts open."""
        return self.data / "published" / "serve.duckdb"

    def start(self, *arguments: str, project: Path | None = None) -> subprocess.Popen:
        """Start `python -m dagster_project run`; what it says goes into files, which never fill up and hold it."""
        environment = (
            os.environ
            | self.environment
            | {
                "DATA": str(self.data),
                "LANDING": str(self.landing),
                "DBT_PROJECT": str(project or self.project),
            }
        )
        out, err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115 -- the process is done with them later
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, "run", *arguments], cwd=REPOSITORY, env=environment, stdout=out, stderr=err, text=True
        )
        self._said[process.pid] = out, err
        return process

    def ended(self, process: subprocess.Popen) -> subprocess.CompletedProcess:
        """Wait for a process; what became of it and what it said."""
        process.wait()
        said = []
        for file in self._said.pop(process.pid):
            file.seek(0)
            said.append(file.read())
            file.close()
        return subprocess.CompletedProcess(process.args, process.returncode, *said)

    def run(self, *arguments: str, project: Path | None = None) -> subprocess.CompletedProcess:
        """The same, waited for."""
        return self.ended(self.start(*arguments, project=project))

    def tick(self, project: Path | None = None) -> subprocess.CompletedProcess:
        """What the hourly schedule runs."""
        return self.run("--tick", project=project)

    def killed(self, after_s: float, *arguments: str) -> bool:
        """Start a run and kill -9 it after `after_s` seconds. True when it died of that; one done before must be fine."""
        process = self.start(*arguments)
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        done = self.ended(process)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode == -signal.SIGKILL

    def published_rows(self) -> dict[str, int]:
        """Rows of each published mart, as the version itself says and as they are; fails when the two differ."""
        with duckdb.connect(str(self.published), read_only=True) as con:
            said = dict(con.sql("from marts.published_tables").fetchall())
            held = {name: con.sql(f'select count(*) from marts."{name}"').fetchone()[0] for name in said}
        assert said == held
        return held

    def open_runs(self) -> list[str]:
        """Runs that Dagster still takes to be at work."""
        os.environ["DAGSTER_HOME"] = str(self.data / "dagster_home")
        with dg.DagsterInstance.get() as instance:
            statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
            return [run.run_id for run in instance.get_runs(filters=dg.RunsFilter(statuses=statuses))]


def assert_nothing_lost(house: House) -> None:
    """What must hold at every moment, also between two steps of a run: the ledger adds up, readers open a whole version."""
    # the dbt of a killed run dies a moment after it; to look writes nothing, the next run finds what the dead one left
    patiently(house.warehouse, 30, lambda: duckdb.connect(str(house.warehouse), read_only=True).close())
    assert_reconciled(house.warehouse)  # what a file brought lies in the raw tables, each line of it once
    with duckdb.connect(str(house.warehouse), read_only=True) as con:
        for stream in load_dictionary().streams:
            rows, keys = con.sql(f'select count(*), count(distinct (source_file, line_no)) from raw."{stream}"').fetchone()
            assert rows == keys, stream
    house.published_rows()


def assert_sound(house: House, fresh: House) -> None:
    """The next run works, and after it the tables equal a fresh build, the ledger adds up, what is published is whole."""
    done = house.run()
    assert done.returncode == 0, done.stderr
    assert differences(house.warehouse, fresh.warehouse) == {}
    assert_reconciled(house.warehouse)
    house.published_rows()
    assert house.open_runs() == []
