"""Landed log files in, raw tables out: reads damaged JSON-lines logs exactly once.

Knows no orchestrator and no transformation tool.
"""
