"""Small marts to publish, and the processes that read and hold them in tests."""

import subprocess
import sys
from pathlib import Path

import duckdb

from serving.places import serve_file

ROWS = 50_000
# opens a file as somebody else's program does, by DuckDB alone; argv: file, "true" or "false" for read_only
HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "true")
print("open", flush=True)
sys.stdin.readline()
print(connection.execute("select min(generation), max(generation), bit_xor(noise) from marts.fct_fills").fetchone(), flush=True)
"""
# goes on without the rights of root, which may write everywhere; this Python may lie where nobody else can look later
AS_NOBODY = """
import datetime, os, sys
from pathlib import Path
import duckdb
from serving import ServingError, contents, publish
from serving.reading import open_version, run
contents._code_version = lambda: None
duckdb.execute("select ?::timestamptz", [datetime.datetime.now(datetime.UTC)]).fetchall()
if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)
"""


def write_marts(warehouse: Path, generation: int, rows: int = ROWS, marts: tuple[str, ...] = ("fct_fills", "fct_orders")) -> None:
    """Marts of one generation, and a view: any version must hold all of the same one."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema if not exists staging")
        connection.execute("create or replace table staging.guards as select 'spread_guard' as guard")
        connection.execute("create or replace table staging.stg_signals as select 1 as line_no")
    with duckdb.connect(str(serve_file(warehouse))) as connection:
        connection.execute("create schema if not exists marts")
        columns = f"{generation} as generation, range as id, hash(range + {generation}) as noise"
        for name in marts:
            connection.execute(f"create or replace table marts.{name} as select {columns} from range({rows})")
        connection.execute("create or replace view marts.v_fills as select * from marts.fct_fills")


def files_of(published: Path) -> dict[str, bytes]:
    """Content of every file of a publication folder, by name; of two names of one file, the same."""
    return {str(file.relative_to(published)): file.read_bytes() for file in published.rglob("*") if file.is_file()}


def hold(file: Path, script: str = HOLDER, *, read_only: bool = True) -> subprocess.Popen[str]:
    """A process that has `file` open; it reports the generations and a hash of the fills, and ends, at a line of input."""
    command = [sys.executable, "-c", script, str(file), str(read_only).lower()]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "open\n"
    return holder


def let_go(holder: subprocess.Popen[str]) -> str:
    """What the process of `hold` reports at its end."""
    return holder.communicate("\n", timeout=60)[0].strip()


def python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def command_line(*arguments: str, data: Path, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    """`bandit-warehouse` with these arguments, `typed` on its standard input."""
    command = [sys.executable, "-m", "serving", "--data", str(data), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, input=typed, timeout=120)
