"""Tier 2: summaries for language models: flat, rounded, small, and the same bytes for the same input."""
