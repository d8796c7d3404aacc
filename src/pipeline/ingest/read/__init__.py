"""One file into a row of INGEST."""
