"""Releases: what a bot says of itself in its repro records, and what a registry must know about a history of them."""

import hashlib
from dataclasses import dataclass

from raw_loaders.simulate.clock import ist

TRAIN_START, TRAIN_END = "2025-07-01T00:00:00+05:30", "2025-09-30T23:59:59+05:30"
_TRAIN_START_US, _TRAIN_END_US = 1_751_308_200_000_000, 1_759_256_999_000_000
# the bot never writes the name of its model; the warehouse has it from the bot's configuration
CONFIGURED_MODEL = "manifest_2025-10-18"


@dataclass(frozen=True)
class Release:
    """Code and model a process runs. The defaults are the bot's own, both hashes placeholders; an empty sha is a drawn one."""

    git_sha: str = ""
    feature_version: str = "v3.2.1"
    hyperparams_hash: str = "99914b93"
    data_hash: str = "708974dd"
    has_placeholder_hyperparameters: bool = True
    has_placeholder_data: bool = True

    def model_id(self) -> str:
        """SHA-256 of what identifies the model; the code is no part of it."""
        lines = (
            "system=metastacker", f"model={CONFIGURED_MODEL}", f"features={self.feature_version}",
            f"hyperparameters={self.hyperparams_hash}", f"data={self.data_hash}", f"data_from={_TRAIN_START_US}",
            f"data_until={_TRAIN_END_US}",
        )  # fmt: skip
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Rollout:
    """A release takes over on the day of an episode. `changes`: (field of the record, before, after); `parts` as the lineage says
    them, empty when the release ran before and is no new version."""

    episode: int
    release: Release
    changes: tuple[tuple[str, str, str], ...] = ()
    parts: tuple[str, ...] = ()


def registry(bot: str, rollouts: tuple[Rollout, ...], seen_us: dict[int, list[int]]) -> dict[str, object]:
    """Models, versions and changes as the manifest holds them; `seen_us` are the times of each rollout's records."""
    times: dict[Release, list[int]] = {}
    for number, rollout in enumerate(rollouts):
        times.setdefault(rollout.release, []).extend(seen_us[number])
    models: dict[str, list[Release]] = {}
    for release in times:
        models.setdefault(release.model_id(), []).append(release)
    versions = [rollout for rollout in rollouts if rollout.parts or rollout is rollouts[0]]
    return {
        "models": [
            {
                "model_id": model_id, "features": releases[0].feature_version,
                "hyperparameters_hash": releases[0].hyperparams_hash, "data_hash": releases[0].data_hash,
                "is_hyperparameters_placeholder": releases[0].has_placeholder_hyperparameters,
                "is_data_placeholder": releases[0].has_placeholder_data, "git_shas": sorted(one.git_sha for one in releases),
                "used_by": [bot], "first_seen_at": ist(min(min(times[one]) for one in releases)),
                "last_seen_at": ist(max(max(times[one]) for one in releases)),
                "record_count": sum(len(times[one]) for one in releases),
            }
            for model_id, releases in models.items()
        ],
        "versions": [
            {
                "subject": bot, "version_no": number, "git_sha": one.release.git_sha, "model_id": one.release.model_id(),
                "changed_parts": list(one.parts), "first_seen_at": ist(min(times[one.release])),
                "last_seen_at": ist(max(times[one.release])), "record_count": len(times[one.release]),
            }
            for number, one in enumerate(versions, start=1)
        ],
        "changes": [
            {"subject": bot, "parameter": name, "old_text": old, "new_text": new, "effective_at": ist(min(seen_us[number]))}
            for number, rollout in enumerate(rollouts)
            for name, old, new in rollout.changes
        ],
    }  # fmt: skip
