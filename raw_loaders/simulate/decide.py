"""The decision path after the model: guards, band gate, forced validation trade, exit rules, target position."""

from dataclasses import dataclass

from raw_loaders.simulate.broker import Book
from raw_loaders.simulate.model import Prediction
from raw_loaders.simulate.settings import BAND_BPS, MIN_POSITION_CHANGE, Bot, Trading


@dataclass(slots=True)
class Decision:
    """What came out of one bar. `token` is the guard named in the log; `is_causal` says it turned a trade into none.
    `target` is None when no order is to be sent."""

    direction: int
    alpha: float
    token: str | None
    is_causal: bool
    masked: str | None
    target: float | None
    exit_reason: str | None
    is_forced: bool


def decide(bot: Bot, trading: Trading, book: Book, prediction: Prediction, close: float, counter: int) -> Decision:
    """Run the decision path of one bar in the order the bot does."""
    direction, alpha = prediction.direction, prediction.alpha
    target = direction * min(1.0, alpha * (0.04 + 0.5 * prediction.size))
    token = masked = None
    is_causal = False
    if direction:
        token = prediction.guard
        if token is None and abs(target - book.fraction(close)) < MIN_POSITION_CHANGE:
            token = "delta_pi_min"
        is_causal = token is not None
    if abs(prediction.s_model) * 1e4 <= BAND_BPS:
        masked, token = token, "calibration_band_gate"
        is_causal = direction != 0 and masked is None
    if token is not None:
        direction, alpha = 0, 0.0
    if bot.is_forced and not book.has_forced and direction == 0:
        book.has_forced = True
        alpha = max(0.05, abs(prediction.s_model))
        return Decision(1, alpha, token, is_causal, masked, alpha * 0.5, None, True)
    if book.position:
        reason = _exit_reason(trading, book, close, counter)
        if reason is not None:
            return Decision(0, 0.0, token, is_causal, masked, 0.0, reason, False)
    if not direction:
        return Decision(0, 0.0, token, is_causal, masked, None, None, False)
    reason = None
    if book.position and (book.position > 0) != (direction > 0):
        reason = "model_reversal_long_to_short" if direction < 0 else "model_reversal_short_to_long"
    return Decision(direction, alpha, token, is_causal, masked, target, reason, False)


def _exit_reason(trading: Trading, book: Book, close: float, counter: int) -> str | None:
    """The rule that takes the position to zero, in the bot's words, or None."""
    moved = book.unrealised_bps(close)
    if moved < -trading.stop_loss_bps:
        return f"stop_loss_{abs(moved):.0f}bps"
    if moved > trading.take_profit_bps:
        return f"take_profit_{moved:.0f}bps"
    held = counter - book.entry_counter
    if held >= trading.max_duration_bars:
        return f"max_duration_{held}_bars"
    return None
