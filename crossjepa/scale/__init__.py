"""Collections too large for memory or for one machine: features in Parquet shards."""
