"""What each burst wrote and when, kept while it is written: the truth about the steps of a decision."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from raw_loaders.simulate.dice import Dice

BOTTLENECK_SHARE = 0.2
# the step that a record with a clock of its own ends; feature_log, calibration and order_intent have none
STEPS = {
    "ensemble_log": "model_scored",
    "overlay_status": "overlay",
    "calibration_log": "gates",
    "sizing_risk_log": "sizing",
    "pnl_equity_log": "equity",
    "execution_log": "execution",
    "signals": "signal_record",
    "health": "health_report",
    "repro": "repro_report",
    "market_ingest_log": "market_report",
    "kpi_scorecard": "kpi_report",
}
_COSTS = ("cost_attribution", "cost_breakdown")  # before and after an execution
_NAMES = (*STEPS.values(), *_COSTS)
_CODES = {name: code for code, name in enumerate(_NAMES)}
_CODE_OF = {stream: _CODES[step] for stream, step in STEPS.items()}
_EXECUTION, _ATTRIBUTION, _BREAKDOWN = (_CODES[name] for name in ("execution", *_COSTS))
_REPORTS = frozenset(_CODES[STEPS[stream]] for stream in ("health", "repro", "market_ingest_log", "kpi_scorecard"))
_CAN_FAIL = ("calibration_log", "sizing_risk_log", "signals")
_FAULTS = ("omitted", "doubled", "late")


@dataclass(slots=True)
class Fault:
    """What happens to one record of a burst: never written, written twice, or landing behind later ones."""

    kind: str
    stream: str
    late_us: int


def draw_fault(dice: Dice, share: float) -> Fault | None:
    """The fault of a burst, if it has one."""
    if not share or dice.u() >= share:
        return None
    kind = _FAULTS[int(dice.u() * len(_FAULTS))]
    # records that name their run are known again wherever they lie and however often; others are only ever left out
    streams = _CAN_FAIL if kind == "omitted" else _CAN_FAIL[:2]
    return Fault(kind, streams[int(dice.u() * len(streams))], dice.us(30_000_000, 7_200_000_000))


class StepLog:
    """Steps of all bursts in the order in which the bot wrote them: burst, step and emission (us since 1970 UTC)."""

    def __init__(self) -> None:
        self._bursts, self._codes, self._us = array("i"), array("b"), array("q")

    def add(self, burst: int, stream: str, us: int) -> None:
        """Note a record; one without a clock is no step."""
        if stream == "costs":
            is_after = self._codes and self._codes[-1] == _EXECUTION and self._bursts[-1] == burst
            code = _BREAKDOWN if is_after else _ATTRIBUTION
        else:
            code = _CODE_OF.get(stream)
            if code is None:
                return
        self._bursts.append(burst)
        self._codes.append(code)
        self._us.append(us)

    def traces(self) -> Iterator["Trace"]:
        """The trace of each burst that wrote anything."""
        start, count = 0, len(self._bursts)
        while start < count:
            stop = start
            while stop < count and self._bursts[stop] == self._bursts[start]:
                stop += 1
            yield Trace(self._bursts[start], self._codes[start:stop], self._us[start:stop])
            start = stop


class Trace:
    """One burst. Each step reaches from one record to the next; times and durations in us, shares of the whole decision."""

    def __init__(self, burst: int, codes: array, us: array) -> None:
        self.burst = burst
        self.steps = [_NAMES[code] for code in codes]
        self.us = list(us)
        self.is_report = [code in _REPORTS for code in codes]
        known = dict(zip(self.steps, self.us, strict=True))
        ends = known.get("model_scored"), known.get("signal_record")
        self.total_us = None if None in ends else ends[1] - ends[0]

    def durations(self) -> Iterator[tuple[int, str, str, int, int, float | None]]:
        """(number, step, step before, start, duration, share or None) of each step."""
        for number in range(1, len(self.steps)):
            took = self.us[number] - self.us[number - 1]
            share = None if self.total_us is None or self.is_report[number] else took / self.total_us
            yield number, self.steps[number], self.steps[number - 1], self.us[number - 1], took, share

    def columns(self) -> dict[str, object]:
        """One row per decision: whole, number of steps of the decision, slowest one and those that take too large a share."""
        steps = [step for step in self.durations() if not self.is_report[step[0]]]
        slowest = max(steps, key=lambda step: step[4])
        return {
            "burst": self.burst,
            "total_us": self.total_us,
            "step_count": len(steps),
            "slowest_step": slowest[1],
            "slowest_us": slowest[4],
            "bottleneck_steps": [step[1] for step in steps if step[5] is not None and step[5] > BOTTLENECK_SHARE],
        }

    def step_columns(self) -> Iterator[dict[str, object]]:
        """One row per step."""
        for number, step, before, start, took, share in self.durations():
            yield {
                "burst": self.burst, "step_no": number, "step": step, "after_step": before, "started_us": start,
                "duration_us": took, "duration_share": share,
            }  # fmt: skip
