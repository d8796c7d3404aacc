"""A small archive, and a survey of it that has run once."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits

ROOT = Path(__file__).parents[2]
SOURCES = ("NOISE A", "NOISE B", "RED A", "RED B", "RED C")
CATALOGUE = ("sources", "epochs", "models", "parameters", "observations", "rejected")


def light_curve(name: str, seed: int, slope: float = 1.5) -> fits.HDUList:
    """Return an OGIP light curve of 2048 bins of 1 s: counts at 200 ct/s, red noise if `RED`."""
    rng = np.random.default_rng(seed)
    n, dt, mean = 2048, 1.0, 200.0
    rate = np.full(n, mean)
    if name.startswith("RED"):
        frequency = np.fft.rfftfreq(8 * n, dt)[1:]
        draws = rng.normal(size=(2, 4 * n))
        noise = np.fft.irfft([0, *(frequency ** (-slope / 2) * (draws[0] + 1j * draws[1]))])[:n]
        rate *= 1 + 0.15 * (noise - noise.mean()) / noise.std()
    counts = rng.poisson(np.clip(rate, 0, None) * dt)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", "s", array=np.arange(n) * dt + dt / 2),
            fits.Column("RATE", "E", "count/s", array=counts / dt),
            fits.Column("ERROR", "E", "count/s", array=np.sqrt(counts) / dt),
        ],
        name="RATE",
    )
    table.header.update(
        {
            "TELESCOP": "XMM",
            "INSTRUME": "EPN",
            "OBJECT": name,
            "OBS_ID": name.replace(" ", ""),
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "LIGHTCURVE",
            "TIMEDEL": dt,
            "TIMEPIXR": 0.5,
            "MJDREF": 50814.0,
            "TIMESYS": "TT",
            "TIMEZERO": 0.0,
        }
    )
    return fits.HDUList([fits.PrimaryHDU(), table])


@dataclass
class Run:
    """What one call of the pipeline did: its exit code, its output, the jobs that ran."""

    code: int
    output: str
    jobs: list[str] = field(init=False)

    def __post_init__(self):
        finished = re.findall(r"^\d+ of \d+  (.+)$", self.output, re.MULTILINE)
        self.jobs = sorted(job for job in finished if job != "all")


@dataclass
class Workplace:
    """A folder with an archive, a configuration and a survey's results."""

    folder: Path

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def results(self) -> Path:
        return self.folder / "survey" / "results"

    def command(self, command: str, *options: str) -> list[str]:
        survey = ["--directory", str(self.folder / "survey"), "--cores", "2"]
        return [sys.executable, "-m", "pipeline", command, *survey, *options]

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which this source tree is the pipeline, whatever is installed."""
        return {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    def configure(self, **changes) -> Path:
        """Write the configuration, with some sections replaced."""
        survey = {
            "archive": str(self.archive),
            "shards": 2,
            "source": {"group_by": "object"},
            "segment": {"segment_size": 128, "rebin": 0.05},
            "fit": {"models": {"noise": ["constant"], "red": ["constant", "power_law"]}},
        }
        file = self.folder / "survey.yaml"
        survey |= changes
        survey["fit"] = {"threads": 2, **survey["fit"]}  # two jobs would compile the same programs
        file.write_text(yaml.safe_dump(survey))
        return file

    def run(self, command: str = "run", *options: str, **changes) -> Run:
        """Run the pipeline to its end."""
        if command == "run":
            options = ("--config", str(self.configure(**changes)), *options)
        done = subprocess.run(
            self.command(command, *options),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def catalogue(self) -> dict[str, bytes]:
        """Return the published tables as they are on disk."""
        files = [self.results / "catalog" / f"{name}.parquet" for name in CATALOGUE]
        files += [self.results / "catalog" / f"catalog.{suffix}" for suffix in ("fits", "vot")]
        return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Workplace:
    """A workplace with an archive of five sources and a file that was cut short."""
    place = Workplace(tmp_path_factory.mktemp("workplace"))
    (place.archive / "xmm").mkdir(parents=True)
    for seed, name in enumerate(SOURCES):
        light_curve(name, seed).writeto(place.archive / "xmm" / f"{name.replace(' ', '')}.lc")
    whole = (place.archive / "xmm" / "REDA.lc").read_bytes()
    (place.archive / "xmm" / "cut.lc").write_bytes(
        whole[: len(whole) // 2].replace(b"RED A", b"RED B")
    )
    return place
