"""CrossJEPAClassifier: scikit-learn's manners on files and arrays."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crossjepa
from crossjepa import CrossJEPAClassifier, CrossJEPAEncoder, PointCloudError
from crossjepa.io import Mesh, read
from crossjepa.processor import Source
from crossjepa.sklearn import fit_linear_head
from crossjepa.train.finetune import FinetuneConfig
from tests.conftest import SAMPLES
from tests.helpers.finetune_data import NAMES, surface, write_folder

base = pytest.importorskip("sklearn.base")
exceptions = pytest.importorskip("sklearn.exceptions")
pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def start(tiny: CrossJEPAEncoder, tmp_path: Path) -> str:
    tiny.save_pretrained(tmp_path / "start")
    return str(tmp_path / "start")


def shapes(a_class: int, seed: int = 0) -> tuple[list[Source], list[str]]:
    """Arrays of many sizes."""
    sources = [surface(name, seed + number, 60 + number) for name in NAMES for number in range(a_class)]
    return list(sources), [name for name in NAMES for _ in range(a_class)]


QUICK = FinetuneConfig.of(
    frozen_epochs=15, frozen_copies=2, epochs=3, batch_size=4, hidden=16, head_learning_rate=1e-2,
    precision="float32",
)  # fmt: skip


@pytest.mark.parametrize("method", ["probe", "finetune"])
def test_fit_predict_score(start: str, method: str) -> None:
    train, labels = shapes(10)
    test, truth = shapes(5, seed=1000)
    classifier = CrossJEPAClassifier(method, start, config=QUICK).fit(train, labels)  # type: ignore[arg-type]
    assert classifier.classes_.tolist() == sorted(NAMES)
    assert classifier.score(test, truth) >= 0.6
    probabilities = classifier.predict_proba(test)
    assert probabilities.shape == (15, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    predicted = classifier.predict(test)
    assert (predicted == classifier.classes_[probabilities.argmax(axis=1)]).all()
    again = base.clone(classifier).fit(train, labels)
    np.testing.assert_array_equal(probabilities, again.predict_proba(test))


def test_files_arrays_and_meshes_are_the_same_to_it(start: str, tmp_path: Path) -> None:
    files = sorted(write_folder(tmp_path / "data", 4).rglob("*.*"))
    labels = [file.parent.name for file in files]
    of_files = CrossJEPAClassifier(model=start).fit(files, labels)
    arrays = [np.asarray(read(file).points_N3) for file in files]  # type: ignore[union-attr]
    of_arrays = CrossJEPAClassifier(model=start).fit(arrays, labels)
    np.testing.assert_array_equal(of_files.predict_proba(files), of_arrays.predict_proba(arrays))
    meshes = [read(SAMPLES / f"{name}.obj") for name in NAMES] * 2
    paths = [SAMPLES / f"{name}.obj" for name in NAMES] * 2
    for method in ("probe", "finetune"):
        config = FinetuneConfig.of(epochs=0, frozen_epochs=2, hidden=8, precision="float32")
        one, other = (
            CrossJEPAClassifier(method, start, config=config).fit(sources, list(NAMES) * 2)
            for sources in (meshes, paths)
        )
        np.testing.assert_array_equal(one.predict_proba(meshes), other.predict_proba(paths))


def test_a_fitted_classifier_is_a_model_to_save(start: str, tmp_path: Path) -> None:
    train, labels = shapes(4)
    classifier = CrossJEPAClassifier(model=start).fit(train, labels)
    classifier.encoder_.save_pretrained(tmp_path / "model")
    loaded = CrossJEPAEncoder.from_pretrained(tmp_path / "model")
    assert loaded.classes == tuple(sorted(NAMES))
    np.testing.assert_array_equal(loaded.predict_proba(train), classifier.predict_proba(train))
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(train), classifier.predict_proba(train))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_head_is_the_fitted_regression(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    labels = np.arange(60) % classes
    features = generator.normal(size=(60, 5)) * [1, 10, 0.1, 1, 1] + labels[:, None] + 7
    weight, bias = fit_linear_head(features, labels, seed=0)
    scores = features @ weight.T + bias
    ours = np.exp(scores - scores.max(axis=1, keepdims=True))
    ours /= ours.sum(axis=1, keepdims=True)
    theirs = [
        make_pipeline(StandardScaler(), LogisticRegression(C=cost, max_iter=1000)).fit(features, labels)
        for cost in (0.0001, 0.001, 0.01, 0.1, 1.0)
    ]
    gaps = [np.abs(ours - machine.predict_proba(features)).max() for machine in theirs]
    assert min(gaps) < 1e-4


def test_parameters_are_scikit_learns() -> None:
    classifier = CrossJEPAClassifier("finetune", batch_size=8, config=QUICK)
    parameters = classifier.get_params()
    assert parameters["method"] == "finetune"
    assert parameters["config"] == QUICK
    assert base.clone(classifier).get_params() == parameters
    assert classifier.set_params(method="probe", random_state=3).get_params()["random_state"] == 3
    assert base.is_classifier(classifier)


def test_cross_validation_works_on_lists(start: str) -> None:
    from sklearn.model_selection import GridSearchCV, cross_val_score

    train, labels = shapes(6)
    scores = cross_val_score(CrossJEPAClassifier(model=start), train, labels, cv=2)
    assert scores.shape == (2,)
    assert scores.mean() > 0.4
    search = GridSearchCV(CrossJEPAClassifier(model=start), {"random_state": [0, 1]}, cv=2).fit(train, labels)
    assert set(search.predict(train)) <= set(NAMES)


def test_labels_keep_their_type_and_single_examples_are_enough(start: str) -> None:
    clouds = [surface(name, 0) for name in NAMES]
    classifier = CrossJEPAClassifier(model=start).fit(clouds, [30, 10, 20])
    assert classifier.classes_.tolist() == [10, 20, 30]
    assert classifier.predict(clouds).dtype.kind == "i"
    assert classifier.predict(clouds).tolist() == [30, 10, 20]


def test_mistakes_are_named(start: str, tmp_path: Path) -> None:
    train, labels = shapes(2)
    classifier = CrossJEPAClassifier(model=start)
    with pytest.raises(exceptions.NotFittedError, match="not fitted yet"):
        classifier.predict(train)
    for single in ("chair.obj", Path("chair.obj"), train[0], Mesh(np.eye(3), np.array([[0, 1, 2]]))):
        with pytest.raises(ValueError, match=r"expected a list of clouds, not a single one \("):
            classifier.fit(single, labels)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"6 clouds, but labels of shape \(5,\)"):
        classifier.fit(train, labels[:5])
    with pytest.raises(ValueError, match="at least two classes"):
        classifier.fit(train[:2], labels[:2])
    with pytest.raises(ValueError, match="method must be 'probe' or 'finetune', not 'svm'"):
        CrossJEPAClassifier("svm", start).fit(train, labels)  # type: ignore[arg-type]
    (tmp_path / "bad.obj").write_text("v 1 2\n")
    for method in ("probe", "finetune"):
        with pytest.raises(PointCloudError, match=r"bad\.obj: "):
            CrossJEPAClassifier(method, start, config=QUICK).fit(
                [*train, tmp_path / "bad.obj"], [*labels, "horse"]
            )
        with pytest.raises(PointCloudError, match=r"nowhere\.obj: no such file"):
            CrossJEPAClassifier(method, start, config=QUICK).fit(
                [*train, tmp_path / "nowhere.obj"], [*labels, "horse"]
            )


def test_importing_crossjepa_stays_light() -> None:
    code = (
        "import sys, crossjepa; heavy = [n for n in ('sklearn', 'timm', 'trimesh', 'crossjepa.train') "
        "if n in sys.modules]; assert 'CrossJEPAClassifier' in dir(crossjepa); print(heavy); "
        "crossjepa.CrossJEPAClassifier; print('sklearn' in sys.modules, 'timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True False"]
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        crossjepa.NoSuchName  # noqa: B018
