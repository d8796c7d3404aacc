"""The protocol of an analysis: its declaration, its subject and its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.columns.base import Column, Table
from pipeline.config.base import Options
from pipeline.fit.tables.seeds import Purpose, seed_words

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Float, Int, Shaped

    from pipeline.config.fit import FitOptions
    from pipeline.fit.engine.ahead import Foreseen
    from pipeline.fit.engine.engine import Engine
    from pipeline.fit.model.model import Model
    from pipeline.fit.search.batch import Batch, ModelFit


@dataclass(frozen=True)
class Subject:
    """The subject of an analysis: one model, and spectra of one bucket that it was fitted to.

    Attributes
    ----------
    options : FitOptions
        Section `fit` of the configuration.
    rows : sequence of mapping
        Rows of SPECTRA, one a lane.
    batch : Batch
        The spectra, with the engine of the model.
    result : ModelFit
        The fits.
    chosen : bool array, shape (lanes,)
        Lanes whose best model this is.
    engine_of : callable
        Makes an engine of single precision for a model, this one or a larger one. Simulations use it: an error of
        0.01 in a likelihood ratio does no harm.
    known : mapping of str to array, shape (lanes,)
        Columns of MODELS that the analyses before have found.
    """

    options: FitOptions
    rows: Sequence[Mapping[str, Any]]
    batch: Batch
    result: ModelFit
    chosen: Bool[np.ndarray, " lanes"]
    engine_of: Callable[[Model], Engine]
    known: Mapping[str, Shaped[np.ndarray, " lanes"]] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The model."""
        return self.result.model

    def of(self, name: str) -> Any:
        """Return the options of the analysis of this name."""
        return getattr(self.options, name)

    def parts(
        self, lanes: Int[np.ndarray, " some"]
    ) -> Iterator[tuple[Int[np.ndarray, " part"], Subject]]:
        """Yield the subject in lanes whose spectra have one padded length, without more padding, and these lanes."""
        import numpy as np

        from pipeline.fit.model.padding import padded_length

        bins = self.batch.spectra.power.shape[0]
        length = np.array([min(padded_length(n), bins) for n in self.batch.n_bins[lanes].tolist()])
        for one in np.unique(length).tolist():
            part = lanes[length == one]
            subject = self.take(part)
            yield part, replace(subject, batch=subject.batch.cut(one))

    def take(self, lanes: Int[np.ndarray, " some"]) -> Subject:
        """Return the subject in some of its lanes."""
        return replace(
            self,
            rows=[self.rows[lane] for lane in lanes],
            batch=self.batch.take(lanes),
            result=self.result.take(lanes),
            chosen=self.chosen[lanes],
            known={name: cells[lanes] for name, cells in self.known.items()},
        )

    def seeds(self, seed: int, purpose: Purpose) -> list[list[int]]:
        """Return a seed for each lane: see `pipeline.fit.tables.seeds.seed_words`."""
        return [seed_words(seed, purpose, row, self.model.name) for row in self.rows]


@dataclass(frozen=True)
class Findings:
    """The findings of an analysis in the lanes of its subject.

    Attributes
    ----------
    columns : mapping of str to sequence, length lanes
        Cells of columns of MODELS; a column of lists is a list of arrays.
    flags : int array, shape (lanes,), optional
        Flags to add to those of the fits.
    own : mapping of str to sequence, optional
        Columns of the analysis' own table.
    own_lane : int array, shape (rows,), optional
        Lane of each row of that table.
    """

    columns: Mapping[str, Sequence | np.ndarray] = field(default_factory=dict)
    flags: Int[np.ndarray, " lanes"] | None = None
    own: Mapping[str, Sequence | np.ndarray] | None = None
    own_lane: Int[np.ndarray, " rows"] | None = None


class Analysis:
    """One analysis. A subclass gives its declaration, and overrides `refine` or `run`.

    Attributes
    ----------
    name : str
        Key in section `fit` of the configuration, and of its own table among the outputs of the stage.
    options : type of Options, optional
        Its options; null in the configuration, and by default, it does not run. None: it has no section.
    description : str
        Of that key.
    columns : tuple of Column
        Columns of MODELS that it fills.
    table : Table, optional
        Its own table.
    simulates : bool
        Whether it fits so many simulated spectra that padding costs more than programs of one more length. It then gets
        spectra of one padded length at a time, and has no table.
    """

    name: ClassVar[str]
    options: ClassVar[type[Options] | None] = None
    description: ClassVar[str] = ""
    columns: ClassVar[tuple[Column, ...]] = ()
    table: ClassVar[Table | None] = None
    simulates: ClassVar[bool] = False

    def asked_for(self, options: FitOptions) -> bool:
        """Return whether the configuration asks for it."""
        return getattr(options, self.name) is not None

    def refine(self, subject: Subject) -> ModelFit:
        """Return the fits, with additions or improved; this comes before a model is chosen."""
        return subject.result

    def lanes(self, subject: Subject) -> Bool[np.ndarray, " lanes"]:
        """Return the lanes that it runs for; by default those in which the model is chosen."""
        return subject.chosen

    def foreseen(self, subject: Subject) -> Iterable[Foreseen]:
        """Return the programs that `run` is sure to need where the model is chosen; they are made ahead of it."""
        return ()

    def run(self, subject: Subject) -> Findings:
        """Analyse the fits of a model in the lanes that it runs for."""
        return Findings()

    def compare(
        self, columns: Mapping[str, Float[np.ndarray, "models lanes"]]
    ) -> Mapping[str, Float[np.ndarray, "models lanes"]]:
        """Return columns that follow from those of all models of a spectrum together.

        Parameters
        ----------
        columns : mapping of str to array, shape (models, lanes)
            The numbers that `run` has found.
        """
        return {}
