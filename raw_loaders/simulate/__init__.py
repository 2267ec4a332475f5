"""A seeded simulator of the bot's log trees: what the real extract lacks, and every known defect at a known place."""
