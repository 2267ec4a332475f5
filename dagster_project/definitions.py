"""What `dagster dev` loads: the production graph. Everything is built in build.py; nothing is opened here."""

from dagster_project.build import build_definitions
from dagster_project.settings import Settings

defs = build_definitions(Settings.from_env())
