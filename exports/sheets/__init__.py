"""CSV and Parquet mirrors of the sheets the bot kept, and a cross-check with those sheets where somebody has them."""
