"""What the bot writes: one external asset per stream, so that the lineage begins at the files."""

import dagster as dg

from dagster_project.assets.keys import landing_key
from raw_loaders.dictionary import Dictionary


def landing_assets(dictionary: Dictionary) -> list[dg.AssetSpec]:
    """One external asset per stream; nothing materialises them but the bot."""
    return [
        dg.AssetSpec(
            landing_key(stream.name),
            group_name="landing",
            description=f"Files of the stream {stream.name} as the bot wrote them. {stream.grain}.",
            metadata={"path_patterns": list(stream.paths), "envelope": stream.envelope, "clock": stream.clock},
            kinds={"file"},
        )
        for stream in dictionary.streams.values()
    ]
