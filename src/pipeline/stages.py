"""Every stage of the survey, declared once: its command, the tables it reads and writes, its options, its driver.

The command line (`pipeline.commands`), the inputs, outputs, parameters and commands of the rules
(`pipeline.workflow`) and what the catalogue and the report read all come from these declarations. A table more
in a stage is a `File` more here, its columns in `pipeline.columns`, and the driver that writes it.

The Snakefile imports this module in every job: it imports no library that computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from pipeline.catalog.formats import FORMATS, chosen
from pipeline.catalog.formats.base import Format, Output
from pipeline.columns.base import Table
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST as READINGS
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.samples import SAMPLES
from pipeline.columns.simulate import TRUTH
from pipeline.columns.spectra import SPECTRA
from pipeline.config.ingest import SCANNED_BY
from pipeline.declared import (
    RESULTS,
    Caption,
    File,
    Folder,
    Kept,
    Section,
    Stage,
    Value,
    of_surveys,
    remote,
)
from pipeline.fit.analyses import ANALYSES
from pipeline.segment.products import PRODUCTS
from pipeline.segment.products.base import Product

if TYPE_CHECKING:
    from pipeline.config.survey import Survey

_ARCHIVE = Value("archive", lambda survey: survey.archive, "place")
_COPIES = Value("copies", lambda s: s.remote.copies or f"{RESULTS}/copies", when=remote)
_CLUSTER = Section("cluster", "cluster", reasons=("memory_limit", "item_timeout"))

SIMULATE = Stage(
    "simulate",
    "Write the simulated archive and the table of what was injected.",
    "simulate.driver:run",
    writes=(
        File("output", lambda survey: survey.archive, is_folder=True),
        File("truth", lambda survey: survey.report.truth, TRUTH, is_option=False),
    ),
    arguments=(Section("options", "simulate"),),
)

LIST = Stage(
    "list",
    "List the files of an archive on a server.",
    "ingest.list_driver:run",
    writes=(File("output", "listing.parquet", LISTING),),
    arguments=(
        Value("archive", lambda survey: survey.archive, "place", is_reason=True),
        Section("options", "remote", reasons=()),
    ),
)

PLAN: Stage = Stage(
    "plan",
    "Find the files of an archive and spread its sources over shards.",
    "ingest.plan_driver:run",
    # `pipeline run` lists anew; a listing that did not change is left as it is.
    reads=(File("listing", "listing.parquet", LISTING, when=remote),),
    writes=(
        File("observations", "observations.parquet", OBSERVATIONS),
        File("plan", "plan", is_folder=True),
    ),
    arguments=(
        Value("archive", lambda survey: survey.archive, "place", is_reason=True),
        Value("shards", lambda survey: str(survey.shards), "number", is_reason=True),
        Kept("cache", ".scan.parquet"),
        _COPIES,
        Section("options", "ingest", keys=SCANNED_BY),
        Section("source", "source"),
        Section("cluster", "cluster", reasons=()),
        Section("remote", "remote", reasons=(), when=remote),
        Value("recipe", lambda survey: PLAN.recipe(survey), "text", when=of_surveys),
    ),
)

DOWNLOAD = Stage(
    "download",
    "Download the files of a shard from the server of the archive.",
    "ingest.download_driver:run",
    reads=(File("plan", "plan/{shard}.tsv"),),
    writes=(File("output", "download/{shard}.tsv"),),
    arguments=(
        Value("archive", lambda survey: survey.archive, "place", is_reason=True),
        Value("listing", lambda survey: LIST.written(LISTING).pattern(survey)),
        Value("copies", _COPIES.value),
        Section("options", "remote", reasons=()),
    ),
)


def _need_energies(survey: Survey) -> bool:
    """Return whether a product of a survey is made of the energies of events."""
    return any(one.needs_energies for one in PRODUCTS if one.name in survey.segment.products)


INGEST: Stage = Stage(
    "ingest",
    "Read the files of a shard.",
    "ingest.driver:run",
    reads=(
        File("plan", "plan/{shard}.tsv"),
        File("downloaded", "download/{shard}.tsv", when=remote),
    ),
    writes=(File("output", "ingest/{shard}.parquet", READINGS),),
    arguments=(
        _ARCHIVE,
        _COPIES,
        Section("options", "ingest"),
        _CLUSTER,
        Value("energies", lambda _: "1", "number", is_reason=True, when=_need_energies),
        Value("recipe", lambda survey: INGEST.recipe(survey), "text", when=of_surveys),
    ),
)


def _of_product(product: Product) -> File:
    """Return the file of a product other than power spectra, whose path the driver derives from that of these."""
    return File(
        product.name,
        f"segment/{{shard}}.{product.name}.parquet",
        product.table,
        is_option=False,
        when=lambda survey: product.name in survey.segment.products,
    )


SEGMENT: Stage = Stage(
    "segment",
    "Make the averaged power spectra and other products of a shard.",
    "segment.driver:run",
    reads=(File("input", "ingest/{shard}.parquet", READINGS),),
    writes=(
        File("output", "segment/{shard}.parquet", SPECTRA),
        *(_of_product(product) for product in PRODUCTS[1:]),
    ),
    arguments=(
        Section("options", "segment"),
        _CLUSTER,
        Value("recipe", lambda survey: SEGMENT.recipe(survey), "text", when=of_surveys),
    ),
)

FIT: Stage = Stage(
    "fit",
    "Fit the models to the power spectra of a shard.",
    "fit.driver:run",
    reads=(File("input", "segment/{shard}.parquet", SPECTRA),),
    writes=(
        File("models", "fit/{shard}.models.parquet", MODELS),
        File("parameters", "fit/{shard}.parameters.parquet", PARAMETERS),
        File("curves", "fit/{shard}.curves.parquet", CURVES),
        *(
            File(analysis.name, f"fit/{{shard}}.{analysis.name}.parquet", analysis.table)
            for analysis in ANALYSES
            if analysis.table is not None
        ),
    ),
    arguments=(
        Section("options", "fit"),
        Value("recipe", lambda survey: FIT.recipe(survey), "text", when=of_surveys),
    ),
)

_CAPTIONS = {"fits": "catalog.rst", "rejected": "rejected.rst"}


def catalogue_tables(survey: Survey) -> tuple[Table, ...]:
    """Return the tables of the catalogue of a survey: those that each catalogue has, then those of its products."""
    brought = (p.table for p in PRODUCTS[1:] if p.name in survey.segment.products)
    return (*CATALOGUE, *brought)


def _published() -> Iterator[File]:
    """Yield what each format of the catalogue writes."""
    for one in FORMATS.values():
        for output in one.outputs([*CATALOGUE, *(product.table for product in PRODUCTS[1:])]):
            caption = _CAPTIONS.get(output.name)
            yield File(
                output.name,
                f"catalog/{output.path}",
                output.table,
                is_folder=output.is_folder,
                is_option=False,
                when=partial(_is_published, one, output),
                caption=Caption(caption, "Catalogue") if caption else None,
            )


def _is_published(one: Format, output: Output, survey: Survey) -> bool:
    """Return whether a survey has an output of a format."""
    has_table = output.table is None or output.table in catalogue_tables(survey)
    return has_table and one in chosen(survey.catalog.formats)


CATALOG = Stage(
    "catalog",
    "Merge the shards into the catalogue.",
    "catalog.driver:run",
    reads=(
        File("observations", "observations.parquet", OBSERVATIONS),
        File("plan", "plan", is_folder=True),
        Folder("ingest", INGEST),
        Folder("segment", SEGMENT),
        Folder("fit", FIT, (MODELS, PARAMETERS, SAMPLES)),
    ),
    writes=(
        *_published(),
        File("samples", "catalog/samples.parquet", SAMPLES, is_option=False),
        File(
            "provenance",
            "catalog/provenance.json",
            is_option=False,
            caption=Caption("provenance.rst", "Catalogue"),
        ),
    ),
    arguments=(Section("options", "catalog"), Section("survey", "")),
    into="output",
)

REPORT = Stage(
    "report",
    "Write the report: its page and its data.",
    "report.driver:run",
    reads=(
        Folder("catalog", CATALOG, (SOURCES, MODELS, PARAMETERS, SAMPLES, OBSERVATIONS, REJECTED)),
        File("plan", "plan", is_folder=True),
        Folder("fit", FIT, (CURVES,)),
    ),
    writes=(
        File("output", "report/index.html", caption=Caption("report.rst", "Report")),
        File("data", "report/data", is_folder=True, is_option=False),
    ),
    arguments=(
        # no input of the rule: in the path of an input Snakemake takes braces for wildcards
        Value(
            "truth",
            lambda survey: survey.report.truth or "",
            is_reason=True,
            when=lambda survey: survey.report.truth is not None,
        ),
        Section("options", "report"),
    ),
)

STAGES = (SIMULATE, LIST, PLAN, DOWNLOAD, INGEST, SEGMENT, FIT, CATALOG, REPORT)
"""Every stage, in the order in which a survey runs them."""
