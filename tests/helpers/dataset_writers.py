"""The published layouts, small, written without the package under test."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
SYNSETS = {
    "Airplane": "02691156", "Bag": "02773838", "Cap": "02954340", "Car": "02958343",
    "Chair": "03001627", "Earphone": "03261776", "Guitar": "03467517", "Knife": "03624134",
    "Lamp": "03636649", "Laptop": "03642806", "Motorbike": "03790512", "Mug": "03797390",
    "Pistol": "03948459", "Rocket": "04099429", "Skateboard": "04225987", "Table": "04379243",
}  # fmt: skip
MODELNET = ("airplane", "bathtub", "night_stand")


def clouds(count: int, points: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, points, 3)).astype(np.float32)


def h5(path: Path, **arrays: NDArray[Any]) -> Path:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=4)
    return path


def lines(path: Path, *entries: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(entries) + "\n")
    return path


def modelnet_h5(folder: Path, classes: tuple[str, ...] = MODELNET) -> Path:
    """`modelnet40_ply_hdf5_2048`: two training files and one test file, two shapes of every class in each."""
    lines(folder / "shape_names.txt", *classes)
    prefix = "data/modelnet40_ply_hdf5_2048"
    lines(folder / "train_files.txt", f"{prefix}/ply_data_train0.h5", f"{prefix}/ply_data_train1.h5")
    lines(folder / "test_files.txt", f"{prefix}/ply_data_test0.h5")
    labels = np.arange(2 * len(classes), dtype=np.uint8)[:, None] % len(classes)
    for number, stem in enumerate(("train0", "train1", "test0")):
        data = clouds(len(labels), seed=number)
        h5(folder / f"ply_data_{stem}.h5", data=data, label=labels, normal=-data)
    names = [f"airplane/airplane_{row:04d}.ply" for row in range(len(labels))]
    (folder / "ply_data_train_0_id2file.json").write_text(json.dumps(names))
    return folder


def modelnet_text(folder: Path, ten: bool = False) -> Path:
    """`modelnet40_normal_resampled`: x,y,z,nx,ny,nz lines and three lists."""
    prefix = "modelnet10" if ten else "modelnet40"
    lines(folder / f"{prefix}_shape_names.txt", *MODELNET)
    for split, rows in (("train", (1, 2)), ("test", (3,))):
        names = [f"{shape}_{row:04d}" for shape in MODELNET for row in rows]
        lines(folder / f"{prefix}_{split}.txt", *names)
        for number, name in enumerate(names):
            cloud = clouds(1, seed=number)[0]
            table = np.concatenate([cloud, cloud / np.linalg.norm(cloud, axis=1, keepdims=True)], axis=1)
            rows_text = (",".join(f"{value:.6f}" for value in row) for row in table)
            lines(folder / name.rsplit("_", 1)[0] / f"{name}.txt", *rows_text)
    return folder


def modelnet_dat(folder: Path, protocol: int = 4) -> Path:
    """The pickles of Point-BERT beside the lists: [clouds of six columns, labels of shape (1,)]."""
    lines(folder / "modelnet40_shape_names.txt", *MODELNET)
    for split, count in (("train", 2), ("test", 1)):
        names = [f"{shape}_{row:04d}" for shape in MODELNET for row in range(count)]
        lines(folder / f"modelnet40_{split}.txt", *names)
        shapes = [np.tile(cloud, (1, 2)) for cloud in clouds(len(names))]
        labels = [np.array([row // count]).astype(np.int32) for row in range(len(names))]
        path = folder / f"modelnet40_{split}_8192pts_fps.dat"
        path.write_bytes(pickle.dumps([shapes, labels], protocol=protocol))
    return folder


def scanobjectnn(folder: Path) -> Path:
    """`h5_files` with all three variants, told apart by their seed."""
    labels = np.arange(15, dtype=np.int32)
    for seed, (place, ending) in enumerate(
        (
            ("main_split", "objectdataset.h5"),
            ("main_split_nobg", "objectdataset.h5"),
            ("main_split", "objectdataset_augmentedrot_scale75.h5"),
        )
    ):
        for prefix in ("training", "test"):
            mask = np.zeros((15, 16), np.int32)
            h5(folder / place / f"{prefix}_{ending}", data=clouds(15, seed=seed), label=labels, mask=mask)
    return folder


def shapenetpart_h5(folder: Path) -> Path:
    """`hdf5_data`: a shape of every class in each split."""
    lines(folder / "all_object_categories.txt", *(f"{name}\t{synset}" for name, synset in SYNSETS.items()))
    labels = np.arange(16, dtype=np.uint8)[:, None]
    first_parts = np.array([0, 4, 6, 8, 12, 16, 19, 22, 24, 28, 30, 36, 38, 41, 44, 47], np.uint8)
    for split in ("train", "val", "test"):
        lines(folder / f"{split}_hdf5_file_list.txt", f"ply_data_{split}0.h5")
        parts = np.repeat(first_parts[:, None], 16, axis=1)
        h5(folder / f"ply_data_{split}0.h5", data=clouds(16), label=labels, pid=parts)
    return folder


def shapenetpart_text(folder: Path) -> Path:
    """`shapenetcore_partanno_segmentation_benchmark_v0_normal`: a cap and a mug in each split."""
    lines(folder / "synsetoffset2category.txt", *(f"{name}\t{synset}" for name, synset in SYNSETS.items()))
    (folder / "train_test_split").mkdir()
    for number, split in enumerate(("train", "val", "test")):
        items = []
        for shape, part in (("Cap", 7), ("Mug", 36)):
            cloud = clouds(1, seed=number)[0]
            rows = (" ".join(f"{value:.6f}" for value in (*row, *row)) + f" {part}.000000" for row in cloud)
            lines(folder / SYNSETS[shape] / f"object{number}.txt", *rows)
            items.append(f"shape_data/{SYNSETS[shape]}/object{number}")
        (folder / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(items))
    return folder


def fewshot_fold(path: Path, way: int = 2, shot: int = 3, queries: int = 2, protocol: int = 4) -> Path:
    """A fold of Point-BERT's splits: (cloud of six columns, number of the way, class of ModelNet40)."""

    def items(per_class: int, seed: int) -> list[Any]:
        shapes = [np.tile(cloud, (1, 2)) for cloud in clouds(way * per_class, seed=seed)]
        return [(shape, row // per_class, np.int32(7 + row // per_class)) for row, shape in enumerate(shapes)]

    path.parent.mkdir(parents=True, exist_ok=True)
    content: Mapping[str, Any] = {"train": items(shot, 0), "test": items(queries, 1)}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def shapenet55(folder: Path) -> Path:
    """`ShapeNet55-34`: one npy per shape, and two lists."""
    (folder / "shapenet_pc").mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        names = [f"{synset}-{number}{row}abc.npy" for synset in ("02691156", "04379243") for row in range(2)]
        lines(folder / "ShapeNet-55" / f"{split}.txt", *names)
        for cloud, name in zip(clouds(len(names), seed=number), names, strict=True):
            np.save(folder / "shapenet_pc" / name, cloud)
    return folder


def fill(folder: Path, *names: str) -> Path:
    """Writes a cloud of its own to every file and returns the folder."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, clouds(1, seed=number)[0])
    return folder
