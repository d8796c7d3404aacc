"""Event lists as of NICER: 10^5 events in 1,024 s, about 1 MB, red noise and a QPO, for benchmarks of whole surveys."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy import fft

EXPOSURE, RATE, DT = 1024.0, 97.65625, 1 / 256
"""Length, s, events a second, and the step of the simulated rate, s."""
RED, SLOPE = 0.02, 1.2
"""Power density of the red noise at 1 Hz, (rms/mean)^2 / Hz, and its slope."""
VARIANCE, FREQUENCY, FWHM = 0.01, 6.0, 0.6
"""(rms/mean)^2, frequency and width of the QPO, Hz."""


def density(frequency):
    """Return the power density without noise, (rms/mean)^2 / Hz."""
    half = FWHM / 2
    peak = VARIANCE * half / np.pi / (half**2 + (frequency - FREQUENCY) ** 2)
    return RED * frequency**-SLOPE + peak


def event_times(seed, exposure=EXPOSURE, rate=RATE):
    """Draw times in s from zero, in order (Timmer & Koenig 1995, A&A 300, 707; then Poisson)."""
    rng, n = np.random.default_rng([14, seed]), round(exposure / DT)
    frequency = fft.rfftfreq(2 * n, DT)
    scale = np.sqrt(density(np.maximum(frequency, frequency[1])) * 2 * n / DT / 4)
    drawn = rng.standard_normal((2, len(frequency))) * scale
    drawn[:, 0] = 0.0
    deviation = fft.irfft(drawn[0] + 1j * drawn[1], 2 * n)[:n]
    relative = np.maximum(1 + deviation - deviation.mean(), 0.0)
    counts = rng.poisson(relative * rate * DT)
    times = (np.repeat(np.arange(n), counts) + rng.random(counts.sum())) * DT
    return np.sort(times)


def write(path, seed, exposure=EXPOSURE, rate=RATE):
    """Write one event list; a file of the same seed is the same."""
    start = 2e8 + 1e4 * seed
    times = event_times(seed, exposure, rate)
    channel = np.random.default_rng([15, seed]).integers(30, 1000, len(times))
    about = fits.Header()
    about.update(
        TELESCOP="NICER", INSTRUME="XTI", OBJECT=f"SIM {seed:06d}", OBS_ID=f"{seed:010d}",
        RA_OBJ=(seed * 137.508) % 360, DEC_OBJ=-60 + (seed * 0.7548) % 120, TIMESYS="TDB",
        TIMEREF="SOLARSYSTEM", TIMEUNIT="s", MJDREFI=56658, MJDREFF=7.775925925925926e-4,
        TIMEZERO=0.0, TSTART=start, TSTOP=start + exposure, EXPOSURE=exposure, TIMEDEL=4e-8,
    )  # fmt: skip
    events = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "1D", unit="s", array=start + times),
            fits.Column("PI", "1I", array=channel),
        ],
        header=about,
        name="EVENTS",
    )
    good = fits.BinTableHDU.from_columns(
        [
            fits.Column("START", "1D", unit="s", array=np.array([start])),
            fits.Column("STOP", "1D", unit="s", array=np.array([start + exposure])),
        ],
        header=about,
        name="GTI",
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), events, good]).writeto(path, checksum=True)


def write_archive(folder, n, exposure=EXPOSURE, rate=RATE):
    """Write `n` event lists into a folder, a folder for each hundred, and return their paths."""
    paths = [folder / f"{k // 100:05d}" / f"ni{k:010d}_cl_bary.evt" for k in range(n)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(write, paths, range(n), [exposure] * n, [rate] * n, chunksize=16))
    return paths
