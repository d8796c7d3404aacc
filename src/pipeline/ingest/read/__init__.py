"""Reading one file: its observations, as rows of INGEST."""
