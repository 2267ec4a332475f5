"""Tier 1: raw partitions as Parquet, first warm, then in the archive; verified, and restorable as landing files."""
