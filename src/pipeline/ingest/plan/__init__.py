"""The files of an archive, their sources, and their shards."""
