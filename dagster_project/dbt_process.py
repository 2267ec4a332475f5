"""One dbt command in a process of its own: `python -m dagster_project.dbt_process <parsed project>`.

When it has read the project it waits for one line of JSON on stdin, with the command's `arguments`, its `folder` and what to add
to the `environment` (dbt_start.py).

dbt's own command line reads the whole project again whenever the path of the warehouse is another one, compares each of its
files at every start, and writes out each of some ten thousand messages before it drops those that nobody asked for. Here it is
handed the project as `make setup` parsed it, and each message that is not for debugging becomes one line of JSON on stdout
(`name`, `level`, `msg`).
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest


def main(parsed: str, orders: TextIO) -> int:
    """Run the command that comes in by `orders`; returns 0 when every node succeeded, or when no command came."""
    manifest = Manifest.from_msgpack(Path(parsed).read_bytes())
    manifest.build_flat_graph()
    # the project is hundreds of thousands of objects that all stay: looked through again and again they are a tenth of the time
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    order = orders.readline()
    if not order:
        return 0
    command = json.loads(order)
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    runner = dbtRunner(manifest=manifest, callbacks=[_tell])
    return 0 if runner.invoke([*command["arguments"], "--log-level", "none", "--log-level-file", "none"]).success else 1


def _tell(message: Any) -> None:
    info = message.info
    if info.level != "debug":
        # in one piece: several threads tell
        sys.stdout.write(json.dumps({"name": info.name, "level": info.level, "msg": info.msg}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin))
