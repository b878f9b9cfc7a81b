"""The feature of a cloud with numpy and onnxruntime alone: neither torch nor crossjepa is needed here.

crossjepa export-onnx crossjepa-base -o model.onnx
python examples/onnx_without_torch.py model.onnx cloud.npy
"""

import json
import sys

import numpy as np
import onnxruntime


def main(model: str, cloud: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    processor = json.loads(session.get_modelmeta().custom_metadata_map["processor"])
    points_N3 = np.load(cloud) if cloud.endswith(".npy") else np.loadtxt(cloud, ndmin=2)
    points_N3 = np.unique(points_N3[:, :3].astype(np.float64), axis=0)  # sorted by x, y, z; no copies
    if len(points_N3) > processor["num_points"]:
        points_N3 = points_N3[farthest(points_N3, processor["num_points"])]
    if processor["normalize"] == "unit_sphere":
        points_N3 = points_N3 - points_N3.mean(axis=0)
        points_N3 = points_N3 / (np.linalg.norm(points_N3, axis=1).max() or 1.0)
    (feature_E,) = session.run(["features"], {"points": points_N3[None].astype(np.float32)})[0]
    print(" ".join(f"{value:.6f}" for value in feature_E))


def farthest(points_N3: np.ndarray, count: int) -> list[int]:
    """Returns the numbers of `count` points, each the farthest from those before it."""
    kept: list[int] = []
    nearest_N = np.full(len(points_N3), np.inf)
    distance_N = ((points_N3 - points_N3.mean(axis=0)) ** 2).sum(axis=1)
    while len(kept) < count:
        kept.append(int(np.argmax(nearest_N if kept else distance_N)))
        nearest_N = np.minimum(nearest_N, ((points_N3 - points_N3[kept[-1]]) ** 2).sum(axis=1))
    return kept


main(*sys.argv[1:])
