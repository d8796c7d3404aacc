"""Programs are compiled once a machine: other processes load them without tracing."""

import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.components import POWER_LAW
from pipeline.components.base import Component
from pipeline.components.parameters import Parameter
from pipeline.fit import Code, Model
from pipeline.fit.engine import compilation, devices, identity
from pipeline.fit.engine.compilation import StoredFunction, kept_in
from pipeline.fit.engine.store import Store
from pipeline.fit.model.priors import Prior
from pipeline.fit.objectives.spectra import Spectra, rebinned

FIT = """
import collections, logging, sys
import numpy as np
counts = collections.Counter()
class Counting(logging.Handler):
    def emit(self, record):
        counts[record.args[0]] += 1
for module in ("compilation", "store"):
    log = logging.getLogger("pipeline.fit.engine." + module)
    log.setLevel(logging.DEBUG)
    log.addHandler(Counting())
from pipeline.fit import fit_spectra
grid = np.linspace(0.1, 5, 20)
result = fit_spectra("constant", np.full((2, 20), 3.0), grid, n=40)
assert np.allclose(result["constant.1.level"].value, 3)
print(counts["traced"], counts["compiled"], counts["loaded"])
"""


def _counts(folder, **environment):
    """Programs that a process traced, compiled and loaded while it fitted."""
    told = os.environ | {"PIPELINE_COMPILATION_CACHE": str(folder)} | environment
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=told, check=True, capture_output=True, text=True
    )
    return tuple(int(count) for count in done.stdout.split())


def test_a_second_process_traces_nothing_and_a_third_replaces_what_is_broken(tmp_path):
    traced, compiled, loaded = _counts(tmp_path)
    assert traced == compiled > 1
    assert loaded == 0
    assert _counts(tmp_path) == (0, 0, traced)
    (folder,) = tmp_path.glob("*/programs-*")
    assert folder.stat().st_mode & 0o077 == 0
    kept = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    assert len(kept) == traced  # and no locks, no temporary files
    kept[0].write_bytes(b"not a program")
    kept[1].write_bytes(kept[1].read_bytes()[:-1])
    assert _counts(tmp_path) == (2, 2, traced - 2)
    assert _counts(tmp_path) == (0, 0, traced)
    assert _counts(tmp_path, XLA_FLAGS="--xla_llvm_disable_expensive_passes=true")[1] == traced


@pytest.fixture
def spectra():
    """Spectra that are long enough for coarse bins."""
    grid = np.linspace(1, 2, 600)[:, None]
    return Spectra(grid, np.ones((600, 3)), np.ones((600, 1)))


def test_two_functions_that_do_the_same_share_a_program(tmp_path, spectra):
    def own(data):  # a user's: not known without tracing
        return rebinned(data)

    with kept_in(Store(tmp_path)):
        first = StoredFunction(own, 0)(spectra)
        second = StoredFunction(own, 0)(spectra)
    np.testing.assert_array_equal(first.power, second.power)
    (folder,) = tmp_path.iterdir()
    (only,) = folder.iterdir()
    assert not only.is_symlink()


def test_a_program_is_made_once_by_many_threads(tmp_path, spectra):
    from concurrent.futures import ThreadPoolExecutor

    traced = []

    def counting(data):
        traced.append(data)
        return rebinned(data)

    function = StoredFunction(counting, 0)
    with kept_in(Store(tmp_path)), ThreadPoolExecutor(4) as pool:
        list(pool.map(function, [spectra] * 4))
    assert len(traced) == 1


def test_a_fault_is_not_remembered(spectra):
    calls = []

    def failing(data):
        calls.append(data)
        if len(calls) == 1:
            raise MemoryError
        return data.power

    function = StoredFunction(failing, 0)
    with pytest.raises(MemoryError):
        function(spectra)
    assert function(spectra).shape == (600, 3)


def test_a_folder_of_others_is_not_used(tmp_path):
    folder = tmp_path / f"programs-{os.getuid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="open to other users"):
        Store(tmp_path)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="not a folder"):
        Store(tmp_path)


def test_programs_are_kept_elsewhere_where_others_can_change_them(tmp_path, monkeypatch, caplog):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))
    monkeypatch.setenv(devices.CACHE_VARIABLE, str(shared))
    for _ in range(2):
        store = devices._store(None)
        assert store is not None
        assert store.folder.is_relative_to(own)
    (record,) = caplog.records
    assert f"other users can write to {shared}" in record.getMessage()
    assert f"kept in {store.folder}" in record.getMessage()
    own.chmod(0o777)
    assert devices._store(shared) is None
    assert "they are not kept" in caplog.records[-1].getMessage()


def test_a_program_that_others_can_write_is_made_again(tmp_path, spectra, caplog):
    store = Store(tmp_path)
    with kept_in(store):
        StoredFunction(rebinned, 0)(spectra)
        files = [p for p in store.folder.iterdir() if p.is_file()]
        assert files
        for file in files:
            file.chmod(0o666)
        StoredFunction(rebinned, 0)(spectra)
    assert "is not of this user alone" in caplog.text
    assert all(p.stat().st_mode & 0o077 == 0 for p in store.folder.iterdir() if p.is_file())


def test_what_is_described_is_what_is_compared():
    one, same, other = (
        Model.from_components(name, [{"lorentzian": {"fwhm": options}}])
        for name, options in (
            ("a", {"bounds": [0.1, 2]}),
            ("b", {"start": 1.0}),
            ("a", {"scale": "linear"}),
        )
    )
    assert one == same != other
    assert identity.described(one) == identity.described(same) != identity.described(other)
    assert identity.described(Prior("normal", (0.0, 1.0))) != identity.described(
        Prior("normal", (0.0, 2.0))
    )
    assert identity.described((1, True)) != identity.described((1, 1))
    assert identity.described(Code.STALLED) != identity.described(Code.CONVERGED)
    assert identity.described(np.float32(1)) != identity.described(np.float64(1))


def test_a_formula_of_a_user_is_not_known_without_tracing():
    level = Component("own", (Parameter("level", "log", (0.1, 10.0), "", "Level."),), "", "")
    assert identity.described(POWER_LAW) != identity.described(level)
    formula = Component(
        "own", level.parameters, "", "", function=lambda f, level: jnp.full_like(f, level)
    )
    with pytest.raises(identity.Foreign):
        identity.described(formula)
    with pytest.raises(identity.Foreign):
        identity.of_function(lambda x: x)


def test_what_is_let_go_is_made_again(spectra):
    traced = []

    def counting(data):
        traced.append(data)
        return data.power

    function = StoredFunction(counting, 0)
    function(spectra), function(spectra)
    compilation.forget()
    function(spectra)
    assert len(traced) == 2
