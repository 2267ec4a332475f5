"""Write (or with --check compare) the dbt property files and docs/streams.md that follow from the stream dictionary."""

import argparse
import sys

from dbt_project.describe.models import PROJECT, sources_file, staging_files
from dbt_project.describe.page import page
from raw_loaders.dictionary import load_dictionary


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all is written (or up to date), 1 when --check finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m dbt_project.describe", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name the files that are out of date")
    options = parser.parse_args(arguments)
    dictionary = load_dictionary()
    texts = sources_file(dictionary) | staging_files(dictionary) | page(dictionary)
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        name = path.relative_to(PROJECT.parent)
        if options.check:
            print(f"{name} does not follow the stream dictionary: run `python -m dbt_project.describe`.", file=sys.stderr)
        else:
            path.write_text(texts[path])
            print(f"wrote {name}", file=sys.stderr)
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
