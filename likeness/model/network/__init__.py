"""The transformer: its blocks, streams and the cache of the reference."""
