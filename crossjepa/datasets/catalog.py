"""What is known of every data set: where to get it, its layout, and how to tell that it is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from crossjepa.datasets.dataset import Dataset
from crossjepa.datasets.fewshot import load_fold
from crossjepa.datasets.folder import load_folder, load_table
from crossjepa.datasets.modelnet import load_modelnet, load_modelnet10
from crossjepa.datasets.npz import load_arrays
from crossjepa.datasets.scanobjectnn import load_scanobjectnn
from crossjepa.datasets.shapenet55 import load_shapenet55
from crossjepa.datasets.shapenetpart import load_shapenetpart

Loader = Callable[[Path, int, int], Dataset]


@dataclass(frozen=True)
class Source:
    """A known data set.

    Attributes:
        name: name for `load` and the command line.
        description: what it is, in one line.
        where: where to get it; nothing is ever downloaded.
        layout: the files that are expected.
        loader: reads it, given path, points and seed of the sampling of meshes.
        counts: samples of every split if it is complete.
        num_classes: classes if it is complete.
        md5: checksums of files by name, as third parties publish them.
        notes: traps.
    """

    name: str
    description: str
    where: str
    layout: str
    loader: Loader
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    num_classes: int | None = None
    md5: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""

    def instructions(self) -> str:
        """Returns where to get it, the files that are expected, and its checksums."""
        lines = [f"{self.name}: {self.description}", f"get it: {self.where}", "expected layout:"]
        lines += [f"  {line}" for line in self.layout.splitlines()]
        if self.notes:
            lines.append(f"note: {self.notes}")
        lines += [f"md5 {digest}  {file}" for file, digest in self.md5.items()]
        return "\n".join([*lines, "nothing is downloaded by crossjepa"])


_MODELNET_LAYOUT = """\
modelnet40_ply_hdf5_2048/  shape_names.txt train_files.txt test_files.txt ply_data_train0.h5 ...
or modelnet40_normal_resampled/  {name}_shape_names.txt {name}_train.txt {name}_test.txt
                                 airplane/airplane_0001.txt ... or {name}_train_8192pts_fps.dat ...
or {meshes}_0001.off ... (also npy, npz or any readable file)
or one npz with points, labels, split, classes"""
_STANFORD = "https://shapenet.cs.stanford.edu/media"
_POINT_BERT = "the DATASET.md of https://github.com/Julie-tang00/Point-BERT"
_SCANS = "h5_files/  main_split/{training,test}_%s  main_split_nobg/{training,test}_objectdataset.h5"

# As in public loaders of both data sets; not compared with the files by the authors of this package.
_MODELNET_MD5 = {
    "ply_data_train0.h5": "3176385ffc31a7b6b5af22191fd920d1",
    "ply_data_train1.h5": "e3f613fb500559403b34925112754dc4",
    "ply_data_train2.h5": "0c56e233a090ff87c3049d4ce08e7d8b",
    "ply_data_train3.h5": "9d2af465adfa33a3285c369f3ca66c45",
    "ply_data_train4.h5": "dff38de489b2c41bfaeded86c2208984",
    "ply_data_test0.h5": "e9732e6d83b09e79e9a7617df058adee",
    "ply_data_test1.h5": "aba4b12a67c34391cc3c015a6f08ed4b",
}
_SHAPENETPART_MD5 = {
    "ply_data_train0.h5": "e7152ff588ae6c87eb1156823df05855",
    "ply_data_train1.h5": "b4894a082211418b61b5a707fedb4f56",
    "ply_data_train2.h5": "508eeeee96053b90388520c37df3a8b8",
    "ply_data_train3.h5": "88574c3d5c61d0f3156b9e02cd6cda03",
    "ply_data_train4.h5": "418cb01104740bf1353b792331cb5878",
    "ply_data_train5.h5": "26e65c8827b08f7c340cd03f902e27e8",
    "ply_data_val0.h5": "628b4b3cbc17765de2114d104e51b9c9",
    "ply_data_test0.h5": "fa3fb32b179128ede32c2c948ed83efc",
    "ply_data_test1.h5": "5eb63ae378831c665282c8f22b6c1249",
}


def _scans(name: str, variant: str, ending: str, train: int, test: int) -> Source:
    return Source(
        name=name,
        description=f"ScanObjectNN {variant}, 15 classes of scanned objects, 2,048 points",
        where="the form at https://hkust-vgd.github.io/scanobjectnn/ (h5_files.zip)",
        layout=_SCANS % ending,
        loader=lambda path, points, seed: load_scanobjectnn(name, path),
        counts={"train": (train,), "test": (test,)},
        num_classes=15,
        notes="three variants go by one name; files of OBJ-BG and OBJ-ONLY differ only by their folder",
    )


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="modelnet40",
            description="ModelNet40, 40 classes of CAD models, train and test",
            where=f"{_STANFORD}/modelnet40_ply_hdf5_2048.zip (md5 c9ab8e6dfb16f67afdab25e155c79e59), "
            f"{_STANFORD}/modelnet40_normal_resampled.zip, or the meshes at https://modelnet.cs.princeton.edu",
            layout=_MODELNET_LAYOUT.format(
                name="modelnet40", meshes="ModelNet40/  airplane/train/airplane"
            ),
            loader=partial(load_modelnet, "modelnet40"),
            counts={"train": (9843, 9840), "test": (2468,)},
            num_classes=40,
            md5=_MODELNET_MD5,
            notes="ply_hdf5_2048 lacks 3 of the 9,843 training objects; meshes are z up, point sets y up",
        ),
        Source(
            name="modelnet10",
            description="ModelNet10, 10 classes of CAD models, train and test",
            where="https://modelnet.cs.princeton.edu, or taken out of ModelNet40's ply_hdf5_2048",
            layout=_MODELNET_LAYOUT.format(name="modelnet10", meshes="ModelNet10/  chair/train/chair"),
            loader=load_modelnet10,
            counts={"train": (3991, 3990, 3989, 3988), "test": (908,)},
            num_classes=10,
            notes="out of ModelNet40 its objects are oriented as there, not as in ModelNet10's own release",
        ),
        _scans("scanobjectnn-obj-bg", "OBJ-BG", "objectdataset.h5", 2309, 581),
        _scans("scanobjectnn-obj-only", "OBJ-ONLY", "objectdataset.h5", 2309, 581),
        _scans("scanobjectnn-pb-t50-rs", "PB-T50-RS", "objectdataset_augmentedrot_scale75.h5", 11416, 2882),
        Source(
            name="shapenetpart",
            description="ShapeNetPart, 16 classes, 50 parts",
            where=f"{_STANFORD}/shapenet_part_seg_hdf5_data.zip or "
            f"{_STANFORD}/shapenetcore_partanno_segmentation_benchmark_v0_normal.zip",
            layout="hdf5_data/  all_object_categories.txt {train,val,test}_hdf5_file_list.txt *.h5\n"
            "or shapenetcore_partanno_segmentation_benchmark_v0_normal/  synsetoffset2category.txt\n"
            "   train_test_split/shuffled_{train,val,test}_file_list.json  02691156/<id>.txt ...",
            loader=lambda path, points, seed: load_shapenetpart(path),
            counts={"train": (12137,), "val": (1870,), "test": (2874,)},
            num_classes=16,
            md5=_SHAPENETPART_MD5,
        ),
        Source(
            name="modelnet40-fewshot",
            description="Point-BERT's few-shot splits of ModelNet40, 5/10-way 10/20-shot, 10 folds",
            where=f"the link in {_POINT_BERT}",
            layout="ModelNetFewshot/  5way_10shot/{0-9}.pkl  5way_20shot/  10way_10shot/  10way_20shot/",
            loader=lambda path, points, seed: load_fold(path),
            notes="a fold is a data set; `crossjepa eval fewshot` takes the folder of all",
        ),
        Source(
            name="shapenet55",
            description="ShapeNet55, 8,192 points per shape, train and test",
            where=f"the link in {_POINT_BERT}",
            layout="ShapeNet55-34/  shapenet_pc/02691156-<id>.npy ...  ShapeNet-55/{train,test}.txt",
            loader=lambda path, points, seed: load_shapenet55(path),
            counts={"train": (41952,), "test": (10518,)},
            num_classes=55,
        ),
        Source(
            name="clouds",
            description="any npz of clouds",
            where="your own files",
            layout="one npz: points (n, N, 3), labels (n,); also split, names, group, classes, normals,\n"
            "  part_labels (n, N), part_names",
            loader=lambda path, points, seed: load_arrays("clouds", path),
        ),
        Source(
            name="folder",
            description="any folder of class/file, class/split/file or split/class/file",
            where="your own files",
            layout="<class>/<file>, <class>/train/<file>, or train/<class>/<file>",
            loader=partial(load_folder, "folder"),
        ),
        Source(
            name="table",
            description="any CSV file of paths and labels",
            where="your own files",
            layout="a CSV with the columns path,label[,split][,group]; paths relative to its folder",
            loader=partial(load_table, "table"),
        ),
    )
}  # fmt: skip


def find_source(name: str) -> Source:
    """Returns what is known of a data set.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    if name not in SOURCES:
        raise ValueError(f"unknown data set {name!r}; known are {', '.join(SOURCES)}")
    return SOURCES[name]
