"""What a simulated tree is made of: the arguments, and the constants of the four bots."""

from dataclasses import dataclass
from datetime import date

BASE_NOTIONAL_USD = 25_000
START_EQUITY_USD = 10_000.0
FEE_BPS = 5.0
IMPACT_K = 0.5
BAND_BPS = 15.0
MIN_POSITION_CHANGE = 5e-4
MARKER = "_SYNTHETIC.json"

# The prediction of a model whose features are all still zero: the first bar of every run.
COLD_START = (0.060334593180847024, 0.8050407548728521, 0.1346246519463008)


@dataclass(frozen=True)
class Bot:
    """One strategy bot: bar length, eligibility thresholds, and when in a run it starts (seconds after the process)."""

    name: str
    interval_s: int
    conf_min: float
    alpha_min: float
    is_forced: bool
    has_overlay: bool
    health_every: int
    start_delay_s: int


BOTS = (
    Bot("5m", 300, 0.55, 0.02, True, False, 60, 3),
    Bot("1h", 3600, 0.60, 0.10, False, True, 60, 7),
    Bot("12h", 43200, 0.60, 0.10, False, True, 1, 11),
    Bot("24h", 86400, 0.55, 0.02, True, False, 1, 14),
)


@dataclass(frozen=True)
class Trading:
    """How often a bot finds something to do, as shares of bars, and when it gets out again."""

    trade_share: float
    guard_share: float
    band_share: float
    stop_loss_bps: float
    take_profit_bps: float
    max_duration_bars: int


REALISTIC = Trading(0.012, 0.008, 0.015, 200.0, 300.0, 288)
ACTIVE = Trading(0.30, 0.10, 0.04, 60.0, 90.0, 24)


@dataclass(frozen=True)
class Settings:
    """The arguments of a simulation; the same settings always give the same bytes."""

    seed: int = 7
    start: date = date(2025, 11, 21)
    days: int = 3
    assets: tuple[str, ...] = ("BTCUSDT",)
    runs: int = 3
    trading: str = "realistic"
    fills: int | None = None
    third_party_fills: int = 1000  # per asset and day
    late_share: float = 0.02  # share of executions whose record lands after later ones
    is_one_member: bool = False
    has_second_system: bool = False
    has_incidents: bool = False
    volatility: float = 1.0  # of the market, as a multiple of 0.12 % per five minutes
    trace_faults: float = 0.0  # share of bursts of which a record is left out, written twice or late

    def as_manifest(self) -> dict[str, object]:
        """The arguments as JSON-ready values, without anything that names a place on disk."""
        return {
            "seed": self.seed,
            "start": self.start.isoformat(),
            "days": self.days,
            "assets": list(self.assets),
            "runs": self.runs,
            "trading": self.trading,
            "fills": self.fills,
            "third_party_fills": self.third_party_fills,
            "late_share": self.late_share,
            "one_member": self.is_one_member,
            "second_system": self.has_second_system,
            "incidents": self.has_incidents,
            "volatility": self.volatility,
            "trace_faults": self.trace_faults,
        }
