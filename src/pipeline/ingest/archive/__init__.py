"""The files of an archive: in a folder, on a server, or as local copies."""
