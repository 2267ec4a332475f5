"""What the model predicts and the bandit chooses. Bars are shared by all replicas; a replica may see one a little differently."""

import hashlib
from dataclasses import dataclass

from raw_loaders.simulate.dice import Dice, generator
from raw_loaders.simulate.market import Market
from raw_loaders.simulate.settings import BOTS, COLD_START, Bot, Settings, Trading

# Guards of the decision path that can fire; the first two are visible in the logged inputs as well.
GUARD_TOKENS = ("funding_guard", "adv_order_cap", "spread_guard", "throttle_guard", "adv_hour_cap", "min_sign_flip_gap")
_S_MIN = 0.12


@dataclass(slots=True)
class Prediction:
    """One model output with the arm the bandit would pick: `direction` after sign flips, 0 when no arm is eligible."""

    p_down: float
    p_neutral: float
    p_up: float
    s_model: float
    pros: float
    mood: float
    funding: float
    chosen: str | None
    raw_val: float
    direction: int
    alpha: float
    size: float
    guard: str | None
    ensemble_hash: str


class Model:
    """Predictions for every (asset, bot, bar, run)."""

    def __init__(self, settings: Settings, market: Market) -> None:
        self._seed = settings.seed
        self._draws = {
            (asset_no, bot_no): generator(settings.seed, "model", asset, bot.name)
            .random((market.bars(asset, bot.name).count, 8))
            .tolist()
            for asset_no, asset in enumerate(settings.assets)
            for bot_no, bot in enumerate(BOTS)
        }

    def predict(self, bot_no: int, asset_no: int, bar: int, run: int, counter: int, trading: Trading) -> Prediction:
        """The prediction of one run; the first bar of a run always gives the cold-start probabilities."""
        bot = BOTS[bot_no]
        shared = self._draws[asset_no, bot_no][bar]
        own = Dice(self._seed, run, bot_no, asset_no, bar, 0x30)
        pros = mood = funding = 0.0
        guard = None
        kind = "cold"
        if counter:
            kind = _kind(shared[0], trading)
            if kind != "quiet" and own.u() > 0.85:
                kind = "quiet"  # this replica missed what the others saw
            pros = (own.u() - 0.5) * 4e-5
            mood = (own.u() - 0.5) * 0.02
            funding = 1.25e-05 if shared[7] < 0.8 else 6.25e-06
        if kind == "cold":
            p_down, p_neutral, p_up = COLD_START
        elif kind == "quiet":
            wobble = 1.0 if own.u() < 0.6 else 0.9 + 0.2 * own.u()
            p_up, p_down = shared[1] * 0.45 * wobble, shared[2] * 0.45 * wobble
            p_neutral = 1.0 - p_up - p_down
        elif kind == "band" and shared[3] < 0.4:
            p_down, p_neutral, p_up = 0.0, 1.0, 0.0
        elif kind == "band":
            p_down = 0.2 + 0.2 * shared[1]
            p_up = p_down + (shared[2] - 0.5) * 0.0024
            p_neutral = 1.0 - p_up - p_down
            pros = (0.13 + 0.3 * shared[4]) * (1 if shared[5] < 0.5 else -1)
        else:
            p_up, p_neutral, p_down = _strong(bot, shared, own)
            if kind == "guard":
                guard = GUARD_TOKENS[int(shared[6] * len(GUARD_TOKENS))]
        s_model = p_up - p_down
        chosen, raw_val, direction, alpha = _choose(bot, p_up, p_down, s_model, pros, shared[3])
        if guard == "funding_guard":
            funding = direction * (0.101 + 0.05 * shared[7])
        return Prediction(
            p_down, p_neutral, p_up, s_model, pros, mood, funding, chosen, raw_val, direction, alpha,
            shared[4], guard, _hash(p_down, p_neutral, p_up),
        )  # fmt: skip


def _kind(draw: float, trading: Trading) -> str:
    for name, share in (("trade", trading.trade_share), ("guard", trading.guard_share), ("band", trading.band_share)):
        if draw < share:
            return name
        draw -= share
    return "quiet"


def _strong(bot: Bot, shared: list[float], own: Dice) -> tuple[float, float, float]:
    """Probabilities that make the model arms eligible."""
    wobble = 0.0 if own.u() < 0.6 else own.u() * 0.01
    big = bot.conf_min + 0.005 + shared[1] * (0.9 - bot.conf_min) + wobble
    small = (1.0 - big) * 0.75 * shared[2]
    p_up, p_down = (big, small) if shared[5] < 0.5 else (small, big)
    return p_up, 1.0 - p_up - p_down, p_down


def _choose(
    bot: Bot, p_up: float, p_down: float, s_model: float, pros: float, draw: float
) -> tuple[str | None, float, int, float]:
    """Arm, its value after the flip of the model's sign, direction and strength."""
    if max(p_up, p_down) >= bot.conf_min and abs(s_model) >= bot.alpha_min:
        arm = "model_meta" if draw < 0.6 else "model_bma"
        return arm, -s_model, (-1 if s_model > 0 else 1), max(p_up, p_down)
    if abs(pros) >= _S_MIN:
        return "pros", pros, (1 if pros > 0 else -1), abs(pros)
    return None, 0.0, 0, 0.0


def is_model_eligible(bot: Bot, prediction: Prediction) -> bool:
    """The rule of the two model arms: confident and decided enough."""
    return max(prediction.p_up, prediction.p_down) >= bot.conf_min and abs(prediction.s_model) >= bot.alpha_min


def is_pros_eligible(prediction: Prediction) -> bool:
    """The rule of the cohort arm."""
    return abs(prediction.pros) >= _S_MIN


def _hash(p_down: float, p_neutral: float, p_up: float) -> str:
    # the real hash covers fields that are not logged; like it, this one repeats whenever the prediction repeats
    return hashlib.sha256(f"{p_down}|{p_neutral}|{p_up}".encode()).hexdigest()[:8]
