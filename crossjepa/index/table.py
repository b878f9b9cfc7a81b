"""The two LanceDB tables of an index: shapes, one row per file, and views, one row per file and pose.

n files, V views of each, E embedding width, D width of view embeddings
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.errors import SearchIndexError
from crossjepa.files import member_name

if TYPE_CHECKING:
    import lancedb
    import pyarrow as pa

FORMAT = 1
SHAPES, VIEWS = "shapes", "views"
# From so many vectors on, search is approximate; docs/search.md has the measurements.
APPROXIMATE_FROM = 50_000
# How long an older state of the tables stays, for those who still read it.
KEPT = timedelta(minutes=10)
# Lists of an approximate index that are searched.
PROBES = 40
_FACTS = b"crossjepa"
# Names in one filter: LanceDB parses it as a text.
_NAMES_AT_ONCE = 500


@dataclass(frozen=True)
class IndexFacts:
    """What all rows of an index have in common.

    Attributes:
        model: weights, as `from_pretrained` takes them.
        weights_sha256: digest of their encoder and predictor, and of the mean feature.
        up_axis: the axis that points up in the files; "" for that of the weights.
        teacher: image model whose embeddings of views are predicted; "" for an index without views.
        azimuths: degrees of the predicted views.
        elevations: degrees of each of them.
        format: version of the tables.
    """

    model: str
    weights_sha256: str
    up_axis: Axis | Literal[""] = ""
    teacher: str = ""
    azimuths: tuple[float, ...] = ()
    elevations: tuple[float, ...] = ()
    format: int = FORMAT


@dataclass(frozen=True, eq=False)
class ShapeRows:
    """Rows to add.

    Attributes:
        files: n files.
        digests: n SHA-256 of their content.
        points_n: (n,) their points or vertices.
        vectors_nE: (n, E) standardized features of unit length.
        views_nVD: (n, V, D) view embeddings, V as many as the index has.
    """

    files: Sequence[str]
    digests: Sequence[str]
    points_n: NDArray[np.int64]
    vectors_nE: NDArray[np.float32]
    views_nVD: NDArray[np.float32]


class IndexTables:
    """The tables of an index on disk.

    Args:
        folder: folder of the index.
        facts: what its rows have in common.
    """

    def __init__(self, folder: Path, facts: IndexFacts, shapes: lancedb.Table, views: lancedb.Table) -> None:
        self.folder, self.facts, self.shapes, self.views = folder, facts, shapes, views

    @classmethod
    def create(cls, folder: Path, facts: IndexFacts, width: int, view_width: int) -> IndexTables:
        """Makes an empty index of features of E and view embeddings of D numbers."""
        database = _connect(folder)  # says what to install
        import pyarrow as pa

        texts = [pa.field(name, pa.string()) for name in ("file", "folder", "suffix")]
        metadata = {_FACTS: json.dumps(asdict(facts)).encode()}
        shapes = [pa.field("digest", pa.string()), pa.field("points", pa.int64())]
        views = [pa.field("azimuth", pa.float32()), pa.field("elevation", pa.float32())]
        made = [
            database.create_table(
                name, schema=pa.schema([*texts, *fields, _vector_field(numbers)], metadata=metadata)
            )
            for name, fields, numbers in ((VIEWS, views, max(view_width, 1)), (SHAPES, shapes, width))
        ]
        return cls(folder, facts, made[1], made[0])

    @classmethod
    def open(cls, folder: Path) -> IndexTables:
        """Opens an index.

        Raises:
            SearchIndexError: there is none in the folder, or it is damaged or of a newer version.
        """
        if not is_index(folder):
            raise SearchIndexError(folder, f"no index; make one by `crossjepa index FOLDER -o {folder}`")
        try:
            database = _connect(folder)
            shapes, views = (database.open_table(name) for name in (SHAPES, VIEWS))
            values = json.loads(shapes.schema.metadata[_FACTS])
            if values["format"] != FORMAT:
                raise SearchIndexError(
                    folder, f"index format {values['format']}, not {FORMAT}: upgrade crossjepa"
                )
            lists = {name: tuple(values[name]) for name in ("azimuths", "elevations")}
            return cls(folder, IndexFacts(**{**values, **lists}), shapes, views)
        except (KeyError, TypeError, OSError, RuntimeError) as error:
            raise SearchIndexError(folder, f"a damaged index ({error}); make it again") from error

    def __len__(self) -> int:
        return int(self.shapes.count_rows())

    def digests(self) -> dict[str, str]:
        """Returns the digest of every file in the index."""
        found = self.shapes.search().select(["file", "digest"]).limit(max(len(self), 1)).to_arrow()
        return dict(zip(found["file"].to_pylist(), found["digest"].to_pylist(), strict=True))

    def add(self, rows: ShapeRows) -> None:
        """Adds files, in place of older rows of the same ones.

        A file counts as indexed once its row of `shapes`, which is written last, is there: what a killed run
        left is replaced when the file is added again.
        """
        import pyarrow as pa

        self.remove(rows.files)
        texts = _texts(rows.files)
        if len(self.facts.azimuths):
            count, views, width = rows.views_nVD.shape
            repeated = {name: np.repeat(np.array(column, object), views) for name, column in texts.items()}
            poses = {"azimuth": self.facts.azimuths, "elevation": self.facts.elevations}
            tiled = {name: np.tile(np.array(column, np.float32), count) for name, column in poses.items()}
            vectors = _vectors(rows.views_nVD.reshape(count * views, width))
            self.views.add(pa.table({**repeated, **tiled, "vector": vectors}, schema=self.views.schema))
        columns: dict[str, Any] = {**texts, "digest": list(rows.digests), "points": rows.points_n}
        columns["vector"] = _vectors(rows.vectors_nE)
        self.shapes.add(pa.table(columns, schema=self.shapes.schema))

    def remove(self, files: Iterable[str]) -> None:
        """Removes files; those that are not in the index do not matter."""
        names = [member_name(name) for name in files]
        for start in range(0, len(names), _NAMES_AT_ONCE):
            listed = ", ".join(_quoted(name) for name in names[start : start + _NAMES_AT_ONCE])
            for table in (self.shapes, self.views):
                table.delete(f"file IN ({listed})")

    def optimize(self) -> None:
        """Joins small files, drops what was removed, and brings the approximate index up to date."""
        for table in (self.shapes, self.views):
            count = table.count_rows()
            table.optimize(cleanup_older_than=KEPT)
            if count >= APPROXIMATE_FROM and not table.list_indices():
                make_approximate(table, count)

    def nearest(
        self,
        table: lancedb.Table,
        query_X: NDArray[np.floating],
        count: int,
        where: str = "",
        exact: bool = False,
    ) -> list[dict[str, Any]]:
        """Returns the rows whose vectors have the largest cosine with the query, best first.

        Args:
            table: `shapes` or `views`.
            query_X: (E,) or (D,).
            count: rows at most.
            where: SQL condition on columns that the rows must fulfil.
            exact: compare with every row even if the table has an approximate index.

        Returns:
            The columns of each row without its vector, and its cosine as "similarity".

        Raises:
            SearchIndexError: the condition is no valid one.
        """
        request: Any = table.search(np.asarray(query_X, np.float32), vector_column_name="vector")
        request = request.distance_type("cosine").limit(count)
        if table.list_indices():
            request = request.bypass_vector_index() if exact else request.nprobes(PROBES).refine_factor(4)
        if where:
            request = request.where(where, prefilter=True)
        names = [name for name in table.schema.names if name != "vector"]
        try:
            found = request.select([*names, "_distance"]).to_list()
        except (ValueError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0] if where else str(error)
            raise SearchIndexError(self.folder, f"{where!r} cannot be asked for ({reason})") from error
        return [{"similarity": 1 - float(row.pop("_distance")), **row} for row in found]

    def vectors(self) -> tuple[list[str], NDArray[np.float32]]:
        """Returns the names of all files, and their (n, E) vectors."""
        found = self.shapes.search().select(["file", "vector"]).limit(max(len(self), 1)).to_arrow()
        found = found.sort_by("file").combine_chunks()
        width = found["vector"].type.list_size
        flat = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return found["file"].to_pylist(), flat.reshape(-1, width).astype(np.float32)


def is_index(folder: Path) -> bool:
    """Returns whether a folder holds an index."""
    return (folder / f"{SHAPES}.lance").is_dir()


def make_approximate(table: lancedb.Table, count: int) -> None:
    """Makes the approximate index of a table: lists of near vectors, 8 bits per number."""
    from lancedb.index import IvfSq

    partitions = max(1, round(math.sqrt(count) / 3))
    config = IvfSq(distance_type="cosine", num_partitions=partitions, sample_rate=32, max_iterations=10)
    table.create_index("vector", config=config)


def _connect(folder: Path) -> lancedb.DBConnection:
    try:
        import lancedb
    except ImportError as error:
        raise ImportError("an index needs LanceDB: pip install 'crossjepa[search]'") from error
    return lancedb.connect(os.fspath(folder))


def _vector_field(numbers: int) -> pa.Field:
    import pyarrow as pa

    return pa.field("vector", pa.list_(pa.float16(), numbers))


def _vectors(rows_nX: NDArray[np.floating]) -> pa.Array:
    import pyarrow as pa

    flat = np.ascontiguousarray(rows_nX, np.float16).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), rows_nX.shape[1])


def _texts(files: Sequence[str]) -> Mapping[str, list[str]]:
    """Returns the columns that can be read off the names of files."""
    paths = [Path(name) for name in files]
    return {
        "file": [member_name(name) for name in files],
        "folder": [member_name(path.parent.name) for path in paths],
        "suffix": [member_name(path.suffix.lower()) for path in paths],
    }


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
