"""What leaves the warehouse: the archive of raw partitions, summaries, health buckets, the audit report, sheet mirrors."""
