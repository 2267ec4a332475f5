"""Entry point of `python -m dagster_project`."""

import contextlib
import sys

from dagster_project.dbt_start import start_ahead
from dagster_project.settings import Settings, SettingsError

if __name__ == "__main__":
    if "run" in sys.argv[1:2]:
        # Dagster takes as long to import as dbt: let both begin now
        with contextlib.suppress(SettingsError):  # of which the command line will tell
            start_ahead(Settings.from_env().parsed_project)
    from dagster_project.cli import main

    sys.exit(main())
