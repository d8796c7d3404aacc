"""Where files are: folders, servers, local copies."""
