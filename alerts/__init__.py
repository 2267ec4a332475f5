"""Delivers alerts to people: one webhook, at most so many an hour, the gravest first. Knows neither Dagster nor the warehouse."""

from alerts.deliver import Alert, Delivery, deliver

__all__ = ["Alert", "Delivery", "deliver"]
