"""Posteriors a second: power law + Lorentzian + constant, 250 bins, six parameters.

Importance sampling with the evidence, from fitted spectra to weighted draws; then chains, from fitted spectra to
1,600 draws, counted only where every parameter has a rank-normalised R-hat of at most 1.01 and bulk and tail
effective sizes of at least 400. Peers: NUTS of BlackJAX (all spectra and chains in one `vmap`, the mass matrix that of
the fit, a fixed step) and of NumPyro (a spectrum at a time, four vectorised chains, as its documentation has it).
BlackJAX comes with `pip install --group bench`; without it that line is left out. `cpu_seconds` is core time a spectrum: it does not
depend on who else uses the machine.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _common import report, simulate, timed

from pipeline.fit import Batch, Engine, Model, PowerSpectrum, Spectra, configure, fit_model
from pipeline.fit.uncertainty.diagnostics import diagnose
from pipeline.fit.uncertainty.hmc import CHAINS, sample_chains
from pipeline.fit.uncertainty.importance import GOOD_K, sample

SOURCES, DRAWS, N = 256, 1024, 50
GRID = np.linspace(0.1, 25.0, 250)
TRUTH = [2.0, 1.4, 6.0, 6.0, 1.0, 2.0]
TARGET = 100.0


WARM_UP, EACH, FEW, STEP = 100, 400, 8, 0.7
"""Draws of each chain of the peers, before and after those that count; spectra that they get; BlackJAX's step."""


def main():
    """Print the lines."""
    devices = configure()
    model = Model.from_components("qpo", ["power_law", "lorentzian", "constant"])
    spectra, _ = simulate(model, TRUTH, GRID, N, SOURCES, np.random.default_rng(1))
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    engine = Engine(PowerSpectrum(model), devices=devices)
    batch = Batch(engine, spectra, widths)
    result = fit_model(batch)
    seeds = [[1, k] for k in range(SOURCES)]
    run = partial(sample, batch, result, seeds, draws=DRAWS)
    seconds, found = timed(run, repeats=5)
    report(
        "posterior",
        f"{DRAWS} weighted draws and the evidence, 6 parameters, {GRID.size} bins, n = {N}",
        "sources/s",
        SOURCES / seconds,
        peer=TARGET,
        peer_name="the target",
        ess_worst=float(np.nanmin(found.ess)),
        ess_median=float(np.nanmedian(found.ess)),
        ess_above_400=float((found.ess >= 400).mean()),
        good_k=float((found.pareto_k < GOOD_K).mean()),
        evidence_error_median=float(np.nanmedian(found.log_evidence_error)),
        device=f"{len(devices)} x {devices[0].device_kind}",
    )
    _chains(batch, result, seeds)


def _chains(batch, result, seeds):
    """Print what chains give, ours and those of others on the first few spectra."""
    engine, spectra = batch.engine, batch.spectra
    run = partial(sample_chains, batch, result, seeds)
    seconds, cpu, found = _clock(run)
    few = spectra.take(np.arange(FEW)), result.take(np.arange(FEW))
    lines = {"BlackJAX NUTS": partial(_blackjax, engine, *few)}
    lines["NumPyro NUTS"] = partial(_numpyro, engine, *few)
    for name, peer in lines.items():
        try:
            peer_seconds, peer_cpu, u = _clock(peer)
        except ModuleNotFoundError as error:
            print(f"# {name} left out: {error}")
            continue
        known = diagnose(u)
        good = known.good.all(axis=0)
        report(
            "posterior",
            f"chains, 6 parameters, {GRID.size} bins, n = {N}, R-hat <= 1.01 and ESS >= 400",
            "sources/s",
            found.mixed.sum() / seconds,
            peer=float(good.sum() / peer_seconds),
            peer_name=name,
            mixed=float(found.mixed.mean()),
            cpu_seconds=cpu / SOURCES,
            ess_bulk_worst=float(np.nanmin(found.diagnosis.ess_bulk)),
            ess_tail_worst=float(np.nanmin(found.diagnosis.ess_tail)),
            accepted=float(np.nanmean(found.accepted)),
            peer_mixed=float(good.mean()),
            peer_cpu_seconds=peer_cpu / FEW,
            peer_ess_bulk_median=float(np.median(known.ess_bulk.min(axis=0))),
        )


def _clock(function):
    """Seconds, core seconds and result of the second call: the first one compiles."""
    function()
    start, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - start, time.process_time() - cpu, result


def _log_density(engine, power, place, z):
    """Logarithm of the posterior density of one spectrum at z, the scaled distance from its best fit."""
    u = place[0] + place[1] @ z
    frequency = jnp.asarray(GRID)[:, None]
    spectrum = Spectra(frequency, power[:, None], jnp.full_like(frequency, N))
    active = np.ones((len(engine.objective.model.slots), 1), bool)
    data = engine.objective.prepared(spectrum)
    return -0.5 * engine.objective.value(data, active, u[:, None])[0]


def _places(result):
    root = np.linalg.cholesky(np.moveaxis(result.covariance, -1, 0))
    return jnp.asarray(result.fit.u.T), jnp.asarray(root)


def _to_u(places, z):
    """From z, shape (sources, chains, draws, P), to u, shape (draws, chains, P, sources)."""
    u = places[0][:, None, None] + jnp.einsum("spq,scdq->scdp", places[1], z)
    return np.moveaxis(np.asarray(u), (0, 1, 2, 3), (3, 1, 0, 2))


@partial(jax.jit, static_argnums=0)
def _nuts_of_all(engine, power, places, keys):
    import blackjax

    def chain(power, place, key):
        density = partial(_log_density, engine, power, place)
        nuts = blackjax.nuts(density, step_size=STEP, inverse_mass_matrix=jnp.ones(6))
        first, rest = jax.random.split(key)
        state = nuts.init(jax.random.normal(first, (6,)))

        def step(state, key):
            state, _ = nuts.step(key, state)
            return state, state.position

        return jax.lax.scan(step, state, jax.random.split(rest, WARM_UP + EACH))[1][WARM_UP:]

    chains = jax.vmap(chain, in_axes=(None, None, 0))
    return jax.vmap(chains)(power, places, keys)


def _blackjax(engine, spectra, result):
    places = _places(result)
    keys = jax.random.split(jax.random.key(1), (FEW, CHAINS))
    power = jnp.asarray(spectra.power.T)
    return _to_u(places, jax.block_until_ready(_nuts_of_all(engine, power, places, keys)))


def _numpyro(engine, spectra, result):
    import numpyro
    from numpyro.distributions import ImproperUniform, constraints
    from numpyro.infer import MCMC, NUTS

    places, drawn = _places(result), []

    def model(power, place):
        z = numpyro.sample("z", ImproperUniform(constraints.real_vector, (), (6,)))
        numpyro.factor("density", _log_density(engine, power, place, z))

    chains = MCMC(
        NUTS(model),
        num_warmup=2 * WARM_UP,
        num_samples=EACH,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,
    )
    for k in range(FEW):
        told = jnp.asarray(spectra.power[:, k]), (places[0][k], places[1][k])
        chains.run(jax.random.key(k), *told)
        drawn.append(chains.get_samples(group_by_chain=True)["z"])
    return _to_u(places, jnp.stack(drawn))


if __name__ == "__main__":
    main()
