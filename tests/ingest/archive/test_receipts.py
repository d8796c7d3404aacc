"""The result of a download is written down: nothing for a file that is here, the reason for another."""

from pipeline.ingest.archive import receipts
from pipeline.ingest.archive.file import FileVersion
from pipeline.ingest.archive.receipts import Receipt


def test_only_files_that_are_not_here_are_failures(tmp_path):
    here, gone = FileVersion("a/b.evt", "1"), FileVersion("tab\tname", "2")
    path = tmp_path / "download/shard-0000.tsv"
    receipts.write(path, [Receipt(here), Receipt(gone, 'the server answers "404"')])
    assert receipts.read_failures(path) == {gone: 'the server answers "404"'}
    assert path.read_text().count("\n") == 3
    receipts.write(path, [])
    assert receipts.read_failures(path) == {}
