"""Delivery of alerts to a webhook on the loopback interface: what arrives, how fast, and what a fault costs."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from alerts import Alert, deliver
from dagster_project.assets.alert_delivery import deliver_new
from dagster_project.checks.alerts import check_level

NOW = dt.datetime(2025, 11, 24, 12, tzinfo=dt.UTC)
KEY = dg.AssetKey(["marts", "fct_alert_events"])


class Receiver(HTTPServer):
    """Keeps what it is sent; answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict] = []
        self.status = 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/secret-token"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.received.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def alert(number: int, level: str = "warning", minutes: float = 10) -> Alert:
    return Alert(f"id{number:03d}", "rule", level, NOW - dt.timedelta(minutes=minutes), f"message {number}")


def test_alerts_arrive_the_gravest_first(receiver: Receiver) -> None:
    done = deliver(
        [alert(1, "info"), alert(2, "emergency"), alert(3, "critical", 20), alert(4, "critical", 30)], receiver.url, now=NOW
    )
    assert [body["alert_id"] for body in receiver.received] == ["id002", "id004", "id003", "id001"] == list(done.delivered)
    assert receiver.received[0]["text"] == "[emergency] message 2"
    assert dt.datetime.fromisoformat(receiver.received[0]["fired_at"]) == NOW - dt.timedelta(minutes=10)
    assert (done.held_back, done.too_old, done.fault) == (0, 0, None)


def test_no_more_than_the_rate_in_any_hour(receiver: Receiver) -> None:
    earlier = [NOW - dt.timedelta(minutes=59), NOW - dt.timedelta(minutes=61)]
    done = deliver([alert(number) for number in range(9)], receiver.url, now=NOW, delivered_at=earlier, per_hour=4)
    assert len(receiver.received) == len(done.delivered) == 3
    assert done.held_back == 6


def test_old_alerts_tell_nobody_anything(receiver: Receiver) -> None:
    done = deliver([alert(1, minutes=24 * 60 + 1), alert(2, minutes=24 * 60)], receiver.url, now=NOW)
    assert (done.delivered, done.too_old) == (("id002",), 1)


def test_a_fault_ends_the_call_and_does_not_give_away_the_address(receiver: Receiver) -> None:
    receiver.status = 500
    done = deliver([alert(1), alert(2)], receiver.url, now=NOW)
    assert (done.delivered, len(receiver.received)) == ((), 1)
    assert "answered 500" in done.fault
    assert "secret-token" not in done.fault
    down = deliver([alert(1)], "http://127.0.0.1:1/hooks/secret-token", now=NOW)
    assert "cannot be reached" in down.fault
    assert "secret-token" not in down.fault


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example/x", "ftp://host/x", "http://"])
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="ALERT_WEBHOOK_URL"):
        deliver([alert(1)], url, now=NOW)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with one figure and three alerts."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{tmp_path / 'w.serve.duckdb'}' as serve")
        connection.execute("create schema serve.marts; create schema intermediate")
        connection.execute("create table intermediate.int_alert_samples as select date '2025-11-24' as date_ist, 1.0 as value")
        connection.execute(
            """
            create table serve.marts.fct_alert_events as
            select 'a' || n as alert_id, 'rule' as rule_id, level, '5m' as dimension_value, date '2025-11-24' as date_ist,
                timestamptz '2025-11-24 11:00:00+00' + to_minutes(n) as fired_at, 'message ' || n as message,
                case when n = 3 then 'rate_limited_rule' else 'sent' end as outcome
            from (values (1, 'warning'), (2, 'critical'), (3, 'emergency')) as alerts (n, level)
            """
        )
        yield connection


def test_each_alert_is_delivered_once(con: duckdb.DuckDBPyConnection, receiver: Receiver) -> None:
    assert deliver_new(con, receiver.url, NOW, 20) == {"delivered": 2, "held_back": 0}
    assert deliver_new(con, receiver.url, NOW, 20) == {"delivered": 0, "held_back": 0}
    assert [body["alert_id"] for body in receiver.received] == ["a2", "a1"]


def test_what_failed_is_delivered_later(con: duckdb.DuckDBPyConnection, receiver: Receiver) -> None:
    receiver.status = 503
    assert "answered 503" in str(deliver_new(con, receiver.url, NOW, 20)["fault"])
    receiver.status = 200
    receiver.received.clear()
    assert deliver_new(con, receiver.url, NOW + dt.timedelta(hours=1), 20)["delivered"] == 2
    assert deliver_new(con, "nonsense", NOW, 20)["delivered"] == 0


def test_breaches_are_checks_that_fail_or_warn(con: duckdb.DuckDBPyConnection) -> None:
    critical = check_level(con, "no_critical_alert", KEY, is_warning=False)
    assert (critical.passed, critical.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert critical.metadata["failing_rows"].value == 1  # what was rate-limited went to nobody
    warning = check_level(con, "no_warning_alert", KEY, is_warning=True)
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    con.execute("delete from serve.marts.fct_alert_events")
    assert check_level(con, "no_critical_alert", KEY, is_warning=False).passed
    con.execute("delete from intermediate.int_alert_samples")
    nothing = check_level(con, "no_critical_alert", KEY, is_warning=False)
    assert nothing.metadata["skipped"].value == "no figure that a rule looks at has a value"
