"""Posts alerts to a webhook as JSON. What the rate limit holds back, or a fault stops, stays undelivered for the next call."""

import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = ("emergency", "critical", "warning", "info")
HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Alert:
    """One alert to deliver; `fired_at` must bear a time zone."""

    alert_id: str
    rule_id: str
    level: str
    fired_at: dt.datetime
    message: str


@dataclass(frozen=True)
class Delivery:
    """What one call did: ids delivered, how many the rate limit held back, how many were too old, and what went wrong."""

    delivered: tuple[str, ...]
    held_back: int
    too_old: int
    fault: str | None = None


def deliver(
    alerts: Sequence[Alert],
    url: str,
    *,
    now: dt.datetime,
    delivered_at: Sequence[dt.datetime] = (),
    per_hour: int = 20,
    max_age: dt.timedelta = dt.timedelta(hours=24),
    timeout_s: float = 5.0,
) -> Delivery:
    """Post `alerts`, the gravest and then the oldest first, to `url`; at most `per_hour` within any hour.

    `delivered_at` are the times of earlier deliveries. Alerts older than `max_age` tell nobody anything and are left out.
    The first fault ends the call: a receiver that is down is not asked once per alert. The fault never names the whole
    address, for a webhook's path is its password. Raises ValueError when `url` is no http(s) address.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("The address of the webhook is no http:// or https:// address: set ALERT_WEBHOOK_URL anew.")
    young = [alert for alert in alerts if now - alert.fired_at <= max_age]
    young.sort(key=lambda alert: (LEVELS.index(alert.level), alert.fired_at, alert.alert_id))
    allowed = max(per_hour - sum(now - at < HOUR for at in delivered_at), 0)
    sent: list[str] = []
    fault = None
    for alert in young[:allowed]:
        fault = _post(alert, url, parts.hostname, timeout_s)
        if fault:
            break
        sent.append(alert.alert_id)
    return Delivery(tuple(sent), max(len(young) - allowed, 0), len(alerts) - len(young), fault)


def _post(alert: Alert, url: str, host: str, timeout_s: float) -> str | None:
    """Post one alert. Returns what went wrong, in one sentence, or None."""
    body = {
        "text": f"[{alert.level}] {alert.message}",  # the key that chat webhooks show
        "alert_id": alert.alert_id,
        "rule_id": alert.rule_id,
        "level": alert.level,
        "fired_at": alert.fired_at.isoformat(),
        "message": alert.message,
    }
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "User-Agent": "bandit-warehouse"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return None
    except urllib.error.HTTPError as error:
        return f"The webhook at {host} answered {error.code}; the alerts left are delivered with the next run."
    except OSError as error:
        reason = getattr(error, "reason", error)
        return f"The webhook at {host} cannot be reached ({reason}); the alerts left are delivered with the next run."
