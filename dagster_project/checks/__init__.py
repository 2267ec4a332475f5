"""Reconciliation checks: nothing that landed may disappear on its way to staging."""
