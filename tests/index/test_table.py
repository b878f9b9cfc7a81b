"""The tables of an index, in LanceDB itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import SearchIndexError
from crossjepa.index import table
from crossjepa.index.table import IndexFacts, IndexTables, ShapeRows, is_index

pytest.importorskip("lancedb", reason="the extra `search` is not installed")

FACTS = IndexFacts("model", "12ab", "z", "teacher", (0.0, 90.0), (20.0, 20.0))


def rows(names: list[str], seed: int = 0) -> ShapeRows:
    rng = np.random.default_rng(seed)
    vectors_nE, views_nVD = rng.normal(size=(len(names), 8)), rng.normal(size=(len(names), 2, 5))
    vectors_nE /= np.linalg.norm(vectors_nE, axis=1, keepdims=True)
    digests = [f"digest of {name}" for name in names]
    return ShapeRows(
        names, digests, np.arange(len(names)), vectors_nE.astype(np.float32), views_nVD.astype(np.float32)
    )


@pytest.fixture
def tables(tmp_path: Path) -> IndexTables:
    return IndexTables.create(tmp_path / "index", FACTS, 8, 5)


def test_facts_and_rows_are_there_when_it_is_opened_again(tables: IndexTables) -> None:
    tables.add(rows(["/a/chair.obj", "/a/it's.ply", "/b/Tür.PLY"]))
    opened = IndexTables.open(tables.folder)
    assert opened.facts == FACTS
    assert len(opened) == 3
    assert opened.views.count_rows() == 6
    assert opened.digests()["/a/it's.ply"] == "digest of /a/it's.ply"


def test_the_nearest_come_first_with_their_cosines(tables: IndexTables) -> None:
    added = rows([f"/a/{number}.obj" for number in range(40)])
    tables.add(added)
    query_E = added.vectors_nE[7] + 0.3 * added.vectors_nE[1]
    query_E /= np.linalg.norm(query_E)
    cosine_n = added.vectors_nE @ query_E
    found = tables.nearest(tables.shapes, query_E, 5)
    assert [row["file"] for row in found] == [f"/a/{row}.obj" for row in np.argsort(-cosine_n)[:5]]
    assert [row["similarity"] for row in found] == pytest.approx(np.sort(cosine_n)[::-1][:5], abs=2e-3)


def test_views_know_their_poses(tables: IndexTables) -> None:
    added = rows(["/a/1.obj", "/a/2.obj"])
    tables.add(added)
    (best,) = tables.nearest(tables.views, added.views_nVD[1, 1], 1)
    assert (best["file"], best["azimuth"], best["elevation"]) == ("/a/2.obj", 90.0, 20.0)


def test_adding_a_file_again_replaces_it(tables: IndexTables) -> None:
    tables.add(rows(["/a/1.obj", "/a/2.obj"]))
    again = rows(["/a/2.obj"], seed=1)
    tables.add(again)
    assert (len(tables), tables.views.count_rows()) == (2, 4)
    found = tables.nearest(tables.shapes, again.vectors_nE[0], 1)[0]
    assert (found["file"], round(found["similarity"], 2)) == ("/a/2.obj", 1.0)


def test_removed_files_are_gone_from_both_tables(tables: IndexTables) -> None:
    tables.add(rows(["/a/it's.obj", "/a/2.obj"]))
    tables.remove(["/a/it's.obj", "/a/unknown.obj"])
    assert list(tables.digests()) == ["/a/2.obj"]
    assert tables.views.count_rows() == 2


def test_conditions_on_columns(tables: IndexTables) -> None:
    tables.add(rows(["/x/chairs/1.obj", "/x/chairs/2.PLY", "/x/tables/3.obj"]))
    query_E = np.ones(8)

    def names(where: str) -> set[str]:
        return {Path(row["file"]).name for row in tables.nearest(tables.shapes, query_E, 9, where)}

    assert names("folder = 'chairs'") == {"1.obj", "2.PLY"}
    assert names("suffix = '.ply' OR points > 1") == {"2.PLY", "3.obj"}
    with pytest.raises(SearchIndexError, match="'color = 3' cannot be asked for"):
        names("color = 3")


def test_vectors_come_in_the_order_of_the_names(tables: IndexTables) -> None:
    added = rows(["/b", "/a", "/c"])
    tables.add(added)
    names, vectors_nE = tables.vectors()
    assert names == ["/a", "/b", "/c"]
    np.testing.assert_allclose(vectors_nE, added.vectors_nE[[1, 0, 2]], atol=1e-3)


def test_large_tables_are_searched_approximately_or_exactly(
    tables: IndexTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "APPROXIMATE_FROM", 300)
    added = rows([f"/a/{number}.obj" for number in range(400)])
    tables.add(added)
    tables.optimize()
    assert all(len(list(each.list_indices())) == 1 for each in (tables.shapes, tables.views))
    query_E = added.vectors_nE[123]
    for exact in (False, True):
        found = tables.nearest(tables.shapes, query_E, 3, exact=exact)
        assert found[0]["file"] == "/a/123.obj"
    more = rows(["/a/new.obj"], seed=5)
    tables.add(more)
    tables.optimize()
    assert tables.nearest(tables.shapes, more.vectors_nE[0], 1)[0]["file"] == "/a/new.obj"


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    assert not is_index(tmp_path)
    with pytest.raises(SearchIndexError, match="no index; make one by `crossjepa index FOLDER -o"):
        IndexTables.open(tmp_path)


def test_a_damaged_index_is_refused(tables: IndexTables) -> None:
    tables.add(rows(["/a/1.obj"]))
    for path in (tables.folder / "shapes.lance" / "_versions").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(SearchIndexError, match="damaged index"):
        IndexTables.open(tables.folder)
