"""`bandit-warehouse docs`: dbt's documentation with lineage, generated and served on this machine only."""

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from serving.errors import ServingError
from serving.places import REPOSITORY, published_folder, serve_file, warehouse_file
from serving.versions import CURRENT, literal

_PAGE = "index.html"


def generate(data: Path, folder: Path, project: Path = REPOSITORY / "dbt_project") -> Path:
    """Write the documentation as one page into `folder` and return its path. Raises ServingError with what dbt said.

    dbt reads the columns from empty copies of the tables, so neither the writer nor the readers are in its way. Of tables
    that a writer has open at the moment it knows only what the project declares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bandit-docs-") as scratch:
        skeleton = Path(scratch) / "warehouse.duckdb"
        copy_structure(warehouse_file(data), skeleton)
        copy_structure(published_folder(data) / CURRENT, serve_file(skeleton))
        target = Path(scratch) / "target"
        commands = [["docs", "generate", "--static", "--no-compile"]]
        if (parsed := project / "target" / "manifest.json").is_file():
            target.mkdir()
            shutil.copy(parsed, target)
        else:
            commands.insert(0, ["parse"])
        for command in commands:
            _dbt([*command, "--profiles-dir", ".", "--target-path", str(target)], project, skeleton)
        page = target / "static_index.html"
        (folder / _PAGE).write_bytes(page.read_bytes())
    return folder / _PAGE


def _dbt(arguments: Sequence[str], project: Path, warehouse: Path) -> None:
    program = Path(sys.executable).parent / "dbt"
    environment = os.environ | {
        "WAREHOUSE_PATH": str(warehouse),
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    try:
        done = subprocess.run(
            [str(program), *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ServingError(f"The program {program} could not be started ({error.strerror}): run `make setup`.") from error
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split()[-80:])
        raise ServingError(f"dbt could not generate the documentation: {said}")


def copy_structure(source: Path, target: Path) -> bool:
    """Create in `target` every table and view of `source`, without rows. Returns False when `source` cannot be read now."""
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(target)} as target")
        if not source.is_file():
            return False
        try:
            connection.execute(f"attach {literal(source)} as serve (read_only)")
        except duckdb.IOException:
            return False
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'serve'"
        ).fetchall()
        connection.execute("begin")
        for schema, table in tables:
            connection.execute(f'create schema if not exists target."{schema}"')
            connection.execute(f'create table target."{schema}"."{table}" as from serve."{schema}"."{table}" limit 0')
        connection.execute("commit")
    return True


def add_command(subparsers: Any) -> None:
    """Add `docs` to the command line; `subparsers` is what `add_subparsers` returned."""
    parser = subparsers.add_parser("docs", help="dbt's documentation with lineage, in the browser")
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1 (default: 8080)")
    parser.add_argument("--generate-only", action="store_true", help="write the page and end")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    page = generate(options.data, options.data / "docs")
    print(f"written: {page}", flush=True)
    if not options.generate_only:
        _serve(page.parent, options.port)


def _serve(folder: Path, port: int) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise ServingError(f"Port {port} is taken ({error.strerror}): name another one with --port.") from error
    with server:
        print(f"http://127.0.0.1:{server.server_port} (end with Ctrl-C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
