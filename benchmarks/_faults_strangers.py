"""What strangers do: another user of the node, names of files and objects, and 10,000 malformed files."""

import gzip
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _fault import Fault
from _survival import event_list, light_curve

from pipeline.simulate.mutate import mutate

NOBODY = 65534
BATCH = 500
"""Malformed files in an archive."""

ATTACK = """
import os, sys
os.setgid(65534); os.setuid(65534)
from distributed import Client
try:
    with Client(sys.argv[1], timeout=4) as client:
        print("ran as", client.submit(os.getuid).result(timeout=4))
except BaseException as error:
    print("refused", type(error).__name__)
"""
"""A program that another user runs."""


@dataclass
class SecondUser(Fault):
    """Another user of the node tries every open port and every socket of a survey that runs."""

    family = "second user"
    expected = "refused everywhere; the survey goes on, nothing lost"
    codes: tuple = (0,)
    skip = "only root can become another user" if os.geteuid() else ""
    told: list = field(default_factory=list)

    def inject(self, place):
        """Try while segments are made, when workers are there."""
        process = place.start()
        place.wait_for("logs/segment/*.log", process)
        place.kill(
            place.processes(), 19
        )  # SIGSTOP: a job that ended would take its workers with it
        ports, sockets = listening(place)
        place.kill(place.processes(), 18)
        for port in sorted(ports)[:6]:
            for scheme in ("tcp", "tls"):
                said = self._attack(f"{scheme}://127.0.0.1:{port}")
                self.told.append(f"port {port} by {scheme}: {said}")
        for path in sockets:
            self.told.append(f"socket: {self._connect(path)}")
        return place.end(process)

    def _attack(self, address):
        done = subprocess.run(
            [sys.executable, "-c", ATTACK, address],
            capture_output=True, text=True, cwd="/", timeout=120, check=False,
        )  # fmt: skip
        return (done.stdout.strip() or "refused").splitlines()[-1]

    def _connect(self, path):
        pid = os.fork()
        if not pid:
            try:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with socket.socket(socket.AF_UNIX) as one:
                    one.connect(path)
            except OSError:
                os._exit(0)
            os._exit(1)
        return "refused" if not os.waitpid(pid, 0)[1] else "connected"

    def more(self, place, seen):
        """Say what was reached."""
        reached = [text for text in self.told if "refused" not in text]
        seen.notes.append(f"{len(self.told)} attempts")
        seen.problems += reached[:2]
        if not self.told:
            seen.problems.append("nothing listened: the fault was not injected")


def listening(place):
    """Return the TCP ports and the paths of sockets on which processes of a survey listen."""
    inodes = set()
    for pid in place.processes():
        for file in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(file)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    ports, paths = set(), set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        if parts[3] == "0A" and parts[9] in inodes:
            ports.add(int(parts[1].rpartition(":")[2], 16))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        parts = line.split()
        if len(parts) > 7 and parts[6] in inodes and parts[7].startswith("/"):
            paths.add(parts[7])
    return ports, paths


@dataclass
class Planted(Fault):
    """A folder of compiled programs that another user made beforehand and can write to."""

    family = "second user"
    expected = "not used; exit 0, nothing lost"
    codes: tuple = (0,)
    skip = "only root can make a folder of another user" if os.geteuid() else ""

    def inject(self, place):
        """Run with it."""
        place.environment["PIPELINE_COMPILATION_CACHE"] = ""
        self.folder = place.temporary / f"pipeline-jax-{os.geteuid()}"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        os.chown(self.folder, NOBODY, NOBODY)
        return place.run()

    def more(self, place, seen):
        """See whether anything was put there."""
        used = [path for path in self.folder.rglob("*") if path.is_file()]
        if used:
            seen.problems.append(f"{len(used)} files in a folder of another user")


NAMES = (
    *(b"carriage\rret.fits", b"new\nline.fits", b"tab\tulator.fits", b"quo'te\".fits", b"-rf.fits"),
    *(b"{brace}.fits", b"{{shard}}.fits", b"%s%n.fits", b"$(touch pwned).fits", b"`touch pwned`.fits"),
    *(b"a;touch pwned;.fits", b"\xff\xfe\x80.fits", b"\xe2\x80\xa8line.fits", b"\x1b[31mred.fits"),
    *(b"\x01\x02\x7f.fits", b" lead.fits", b"trail .fits", b"part.fits", b"*?[a].fits", b"\\n.fits"),
    *(b"#hash,comma.fits", b"\xe2\x80\xaegnp.fits", b"x" * 240 + b".fits", b"NaN.fits", b"~.fits"),
)  # fmt: skip
"""Names of files that a file system allows."""


@dataclass
class Names(Fault):
    """Sound files under hostile names, in the archive and as its own name."""

    family = "names"
    expected = "exit 0; a source for each file (a row, where the name is no UTF-8); nothing lost, nothing executed"
    codes: tuple = (0,)
    adds = True

    def inject(self, place):
        """Add the files and run."""
        for number, name in enumerate(NAMES):
            folder = os.fsencode(place.archive / "names")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "wb") as file:
                file.write(light_curve(f"NAMED {number}", 200 + number, 1024))
        return place.run()

    def more(self, place, seen):
        """Count the sources, and look for what the names would have made."""
        found = sources(place)
        texts = [_is_text(name) for name in NAMES]
        lost = [
            name
            for number, (name, is_text) in enumerate(zip(NAMES, texts, strict=True))
            if is_text and f"NAMED {number}" not in found
        ]
        rejected = pq.read_table(place.results / "catalog" / "rejected.parquet", columns=["file"])
        refused = sum(file.startswith("names/") for file in rejected.column("file").to_pylist())
        if refused != texts.count(False):
            seen.problems.append(f"{refused} names are refused")
        if lost:
            seen.problems.append(f"no source of {lost}")
        made = [
            path
            for top in (place.folder, Path(__file__).parents[1])
            for path in top.glob("**/pwned*")
        ]
        if made:
            seen.problems.append(f"executed: {made[0]}")


@dataclass
class Words(Fault):
    """Texts of 10,000 characters, control characters and marks of other languages in the headers of sound files."""

    family = "names"
    expected = "exit 0; a source for each file; the catalogue grows by less than 1 MB; nothing lost"
    codes: tuple = (0,)
    adds = True

    def inject(self, place):
        """Add the files and run."""
        texts = {"OBJECT": "WORD " + "x" * 10000, "OBS_ID": "9" * 10000, "TELESCOP": "T" * 3000, "INSTRUME": "I" * 3000}  # fmt: skip
        (place.archive / "words").mkdir()
        for number, (key, text) in enumerate(texts.items()):
            (place.archive / "words" / f"{key}.fits").write_bytes(
                with_card(light_curve(f"WORD {number}", 300 + number, 1024), key, text)
            )
        for number, text in enumerate(("{x}", "<script>alert(1)</script>", "$(touch pwned)", "=cmd()")):  # fmt: skip
            (place.archive / "words" / f"{number}.fits").write_bytes(
                light_curve(f"WORD {text}", 310 + number, 1024)
            )
        return place.run()

    def more(self, place, seen):
        """Compare sizes."""
        size = (place.results / "catalog" / "catalog.fits").stat().st_size
        seen.notes.append(f"catalog.fits {size / 1e3:.0f} kB")
        found = [name for name in sources(place) if name.startswith("WORD")]
        if len(found) != 8:
            seen.problems.append(f"{len(found)} sources of 8 files")
        if size > 2e6:
            seen.problems.append(f"catalog.fits has {size} bytes")


def _is_text(name):
    """Return whether a name is UTF-8; a file with another name is a row that says so."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def with_card(data, key, text):
    """Return a FITS file with a text of any length in its tables."""
    import io

    from astropy.io import fits

    hdus = fits.open(io.BytesIO(data))
    for hdu in hdus:
        hdu.header[key] = text
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


@dataclass
class Braces(Fault):
    """Braces and quotes in the names of the archive, a model, the report."""

    family = "names"
    expected = "exit 0 (not with a sentence of Snakemake), or 2 and what to change"
    codes: tuple = (0, 2)
    compared = False

    def inject(self, place):
        """Run with them."""
        target = place.folder / "a {x} 'q' $(touch pwned) {{"
        place.archive.rename(target)
        place.changes = {
            "archive": str(target),
            "report": {"title": "T {x} {shard} %s"},
            "fit": {"models": {"a {x}": ["constant"], "b' {shard}": ["constant", "power_law"]}, "threads": 2},
        }  # fmt: skip
        return place.run()

    def more(self, place, seen):
        """Count the sources."""
        if len(sources(place)) < 12:
            seen.problems.append("sources are lost")


@dataclass
class Inputs(Fault):
    """Malformed files, with sound ones among them.

    Attributes
    ----------
    number : int
        Which batch.
    size : int
        Number of malformed files.
    """

    number: int = 0
    size: int = BATCH
    family = "hostile inputs"
    codes: tuple = (0,)
    adds = True

    def __post_init__(self):
        self.expected = "exit 0; each file has a row; the rows of sound files are right"

    def inject(self, place):
        """Write the files and run."""
        place.changes = {
            "catalog": {"max_failed_fraction": 1.0}
        }  # else there is no catalogue of such an archive
        rng = np.random.default_rng([19, self.number])
        kinds = [light_curve, event_list]
        folder = place.archive / "hostile"
        folder.mkdir()
        for k in range(self.size):
            name = f"H {self.number} {k}"
            make = kinds[int(rng.integers(2))]
            data = make(name, 10**6 + k, *((512,) if make is light_curve else (1000, 64.0)))
            data, _ = mutate(data, rng)
            if rng.random() < 0.1:
                data = gzip.compress(data, mtime=0)
                if rng.random() < 0.5:
                    data, _ = mutate(data, rng)
            (folder / f"{k:04d}.fits").write_bytes(data)
        return place.run()

    def more(self, place, seen):
        """Count rows of the malformed files."""
        named, statuses = set(), {}
        for table in ("observations", "rejected"):
            rows = pq.read_table(place.results / "catalog" / f"{table}.parquet", columns=["file", "status"]).to_pylist()  # fmt: skip
            named |= {row["file"] for row in rows if row["file"].startswith("hostile/")}
            for row in rows:
                if row["file"].startswith("hostile/"):
                    statuses[row["status"]] = statuses.get(row["status"], 0) + 1
        seen.notes.append(", ".join(f"{n} {status}" for status, n in sorted(statuses.items())))
        if len(named) != self.size:
            seen.problems.append(f"{self.size - len(named)} files have no row")
        if statuses.get("error"):
            seen.problems.append(f"{statuses['error']} unexpected errors")


def sources(place):
    """Return the objects of the catalogue."""
    path = place.results / "catalog" / "sources.parquet"
    return set(pq.read_table(path, columns=["object"]).column("object").to_pylist())


def inputs(number):
    """Return batches of malformed files."""
    return [
        Inputs(f"inputs-{k:02d}", number=k, size=min(BATCH, number - k * BATCH))
        for k in range(-(-number // BATCH))
    ]


def faults():
    """Return all but the malformed files."""
    return [
        SecondUser("second-user"),
        Planted("planted-cache"),
        Names("names-of-files"),
        Words("words-in-headers"),
        Braces("braces"),
    ]
