"""Round trips of hand-worked tapes."""

from decimal import Decimal

from raw_loaders.simulate.broker import PX_UNITS, QTY_UNITS, Book, Fill
from raw_loaders.simulate.round_trips import as_manifest, exit_class


def _book(*trades: tuple[str, str, str, str | None]) -> Book:
    """Trades as (signed quantity, price, logged fee, logged exit reason)."""
    book = Book("5m", 0, "BTCUSDT")
    for number, (qty, px, fee, reason) in enumerate(trades):
        fill = Fill(int(Decimal(qty) * QTY_UNITS), int(Decimal(px) * PX_UNITS), False, reason, number, f"id{number}")
        fill.fee_usd_logged = float(fee)
        book.fills.append(fill)
    return book


def test_scale_in_and_out_is_one_round_trip() -> None:
    book = _book(("1", "100", "0.05", None), ("2", "106", "0.1", None), ("-1.5", "110", "0.08", None),
                 ("-1.5", "90", "0.07", "stop_loss_200bps"))  # fmt: skip
    (trip,) = as_manifest(book, "r", True)
    assert trip["status"] == "closed"
    assert (trip["entry_qty"], trip["exit_qty"]) == ("3", "3")
    assert (trip["entry_vwap_px"], trip["exit_vwap_px"]) == ("104", "100")
    assert (trip["gross_usd"], trip["fee_usd"], trip["net_usd"]) == ("-12", "0.3", "-12.3")
    assert trip["exit_reason"] == "STOP_LOSS"
    assert (trip["opened_by"]["event_id"], trip["closed_by"]["event_id"]) == ("id0", "id3")


def test_flip_shares_its_fee_by_quantity() -> None:
    book = _book(
        ("1", "100", "0.05", None),
        ("-4", "110", "0.22", "model_reversal_long_to_short"),
        ("3", "100", "0.15", "take_profit_909bps"),
    )
    long, short = as_manifest(book, "r", True)
    assert (long["side"], long["gross_usd"], long["fee_usd"], long["net_usd"]) == ("LONG", "10", "0.105", "9.895")
    assert (short["side"], short["gross_usd"], short["fee_usd"], short["net_usd"]) == ("SHORT", "30", "0.315", "29.685")
    assert (long["exit_reason"], short["exit_reason"]) == ("SIGNAL_FLIP", "TAKE_PROFIT")


def test_open_rest_realises_only_what_was_closed_first_in_first_out() -> None:
    tape = (("1", "100", "0", None), ("1", "120", "0", None), ("-1", "130", "0", None))
    (ended,) = as_manifest(_book(*tape), "r", True)
    (running,) = as_manifest(_book(*tape), "r", False)
    assert (ended["status"], ended["exit_reason"], ended["gross_usd"]) == ("run_end", "RUN_END", "30")
    assert (running["status"], running["exit_reason"], running["closed_by"]) == ("open", None, None)


def test_exit_reasons_of_the_bot_have_a_class() -> None:
    assert exit_class("max_duration_24_bars") == "TIME_EXIT"
    assert exit_class(None) is None
