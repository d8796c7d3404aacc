"""Stingray's way from event lists to two fits: CPU seconds of each step, as JSON.

    python _peer_stingray.py < {"files", "segment_size", "dt", "rebin", "range", "starts", "simulations"}

It runs in any environment that has Stingray; numba makes its histograms faster. The fits start at the true values.
"""

import json
import sys
import time
import warnings
from collections import Counter

import numpy as np
from astropy.modeling.models import Const1D, Lorentz1D, PowerLaw1D
from stingray import AveragedPowerspectrum, EventList
from stingray.modeling import PSDLogLikelihood, PSDParEst


class Clock:
    """Adds up processor time by step."""

    def __init__(self):
        self.steps, self.last = Counter(), time.process_time()

    def add(self, step):
        now = time.process_time()
        self.steps[step] += now - self.last
        self.last = now


def models(spectrum):
    """Return power law + constant, and the same with a Lorentzian."""
    null = PowerLaw1D() + Const1D()
    null.x_0_0.fixed = True
    peak = Lorentz1D() + (PowerLaw1D() + Const1D())
    peak.x_0_1.fixed = True
    likelihood = [
        PSDLogLikelihood(spectrum.freq, spectrum.power, model, m=spectrum.m)
        for model in (null, peak)
    ]
    return likelihood


def averaged(path, told, clock):
    """Return the averaged and rebinned power spectrum of a file."""
    events = EventList.read(path, "hea")
    clock.add("read")
    spectrum = AveragedPowerspectrum.from_events(
        events, dt=told["dt"], segment_size=told["segment_size"], norm="leahy", silent=True
    )
    clock.add("spectrum")
    spectrum = spectrum.rebin_log(told["rebin"])
    clock.add("rebin")
    return spectrum


def main():
    """Print the seconds of each step."""
    warnings.simplefilter("ignore")
    told, clock = json.load(sys.stdin), Clock()
    start_up = time.process_time()
    bins = 0
    for path in told["files"]:
        spectrum = averaged(path, told, clock)
        null, peak = models(spectrum)
        fit = PSDParEst(spectrum, fitmethod="L-BFGS-B", max_post=False)
        first, second = told["starts"]
        fit.fit(null, first)
        clock.add("power law")
        fit.fit(peak, second)
        clock.add("power law + Lorentzian")
        bins = len(spectrum.freq)
    seconds = dict(clock.steps)
    result = {"start_up": start_up, "steps": seconds, "bins": bins, "simulation": None}
    if told["simulations"]:
        sample = np.tile(told["starts"][0], (told["simulations"], 1))
        fit.calibrate_lrt(null, first, peak, second, sample=sample, nsim=len(sample), seed=1)
        clock.add("calibrate_lrt")
        result["simulation"] = clock.steps["calibrate_lrt"] / told["simulations"]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
