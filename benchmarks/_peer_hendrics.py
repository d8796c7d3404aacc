"""HENDRICS' way from event lists to two fits: CPU seconds of each command, as JSON.

    python _peer_hendrics.py < {"files", "segment_size", "dt", "rebin", "starts"}

The functions behind its commands run in one process, so the start of a command is not counted. It runs in any
environment that has HENDRICS. The fits start at the true values.
"""

import contextlib
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from hendrics import fspec, modeling, read_events, rebin

# HENmodel takes no fixed parameters, which the pivot of Astropy's power law would be.
MODEL = """from astropy.modeling import Fittable1DModel, Parameter
from astropy.modeling.models import Const1D, Lorentz1D

class Red(Fittable1DModel):
    amplitude, alpha = Parameter(default=1.0), Parameter(default=1.0)

    @staticmethod
    def evaluate(x, amplitude, alpha):
        return amplitude * x**-alpha

model = {expression}
"""


def write_models(folder, starts):
    """Write the two models as modules that HENmodel imports, and return the names of their files."""
    (amplitude, slope, level), (height, place, width, *_) = starts
    null = f"Red({amplitude}, {slope}) + Const1D({level})"
    peak = f"Lorentz1D({height}, {place}, {width}) + {null}"
    paths = []
    for name, expression in (("power_law", null), ("lorentzian", peak)):
        paths.append(f"{name}.py")
        (folder / paths[-1]).write_text(MODEL.format(expression=expression))
    return paths


def newest(folder, known):
    """Return the data file that a command has just written."""
    (found,) = (path for path in folder.glob("*.p") if path not in known)
    known.add(found)
    return str(found)


def main():
    """Print the seconds of each command."""
    warnings.simplefilter("ignore")
    told, steps = json.load(sys.stdin), Counter()
    start_up = time.process_time()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        sys.path.insert(0, name)
        null, peak = write_models(folder, told["starts"])
        for path in told["files"]:
            link = folder / Path(path).name
            link.symlink_to(path)
            known = set(folder.glob("*.p"))
            how = [
                "-b",
                str(told["dt"]),
                "-f",
                str(told["segment_size"]),
                "-k",
                "PDS",
                "--no-auxil",
            ]
            factor = ["-r", str(1 + told["rebin"])]
            current = str(link)
            for step, function, options in (
                ("HENreadevents", read_events.main, []),
                ("HENfspec", fspec.main, [*how, "--norm", "leahy"]),
                ("HENrebin", rebin.main, factor),
            ):
                start = time.process_time()
                function([current, *options])
                steps[step] += time.process_time() - start
                current = newest(folder, known)
            for step, model in (("power law", null), ("power law + Lorentzian", peak)):
                start = time.process_time()
                modeling.main_model([current, "-m", model])
                steps[step] += time.process_time() - start
    print(json.dumps({"start_up": start_up, "steps": dict(steps)}))


if __name__ == "__main__":
    main()
