"""Formats that are not read, with what converts them, and what a file really is if its suffix is wrong."""

from __future__ import annotations

from pathlib import Path

from crossjepa.io.content import format_suffix

_GLTF = "bpy.ops.export_scene.gltf(filepath='{stem}.glb')"
_TO_PLY = ".export('{stem}.ply')"
# Suffixes, and what converts such a file; {name} and {stem} are those of the file.
_CONVERTED_BY = {
    ".fbx .dae .3ds .x3d .lwo .x .ase .ac .b3d .ms3d .dxf .md2 .md3 .md5mesh .irr .q3o .smd .nff .cob .wrl": (
        "`assimp export {name} {stem}.obj`, or Blender (File > Export > glTF)"
    ),
    ".usd .usda .usdc .usdz": (
        f"`blender -b --python-expr \"import bpy; bpy.ops.wm.usd_import(filepath='{{name}}'); {_GLTF}\"`"
    ),
    ".blend": f'`blender -b {{name}} --python-expr "import bpy; {_GLTF}"`',
    ".abc .c4d .max .ma .mb .ztl": "Blender or the program it is from (export glTF or OBJ)",
    ".e57 .bpf .sbet .slpk": "`pdal translate {name} {stem}.ply`",
    ".step .stp .iges .igs .brep": "`gmsh {name} -2 -o {stem}.stl`, or FreeCAD (File > Export > STL)",
    ".sldprt .sldasm .catpart .prt .ipt .jt .x_t .sat .3dm .skp .dwg .ifc .rvt .3dxml": (
        "the program it is from (export STL, OBJ or STEP)"
    ),
    ".3mf .amf .ctm": f"`python -c \"import trimesh; trimesh.load('{{name}}', force='mesh'){_TO_PLY}\"`",
    ".vtk .vtp .vtu .vts .vti .msh .inp .med .cgns .exo": (
        "`python -c \"import pyvista; pyvista.read('{name}').extract_surface().save('{stem}.ply')\"`"
    ),
    ".rcp .rcs .fls .zfs .lsproj .cl3 .fws .pod": "the program of the scanner (export E57, LAS or PLY)",
    ".drc": "`draco_decoder -i {name} -o {stem}.ply`",
    ".splat .ksplat .spz .sog": "`npx @playcanvas/splat-transform {name} {stem}.ply`",
    ".bag .mcap .db3": "`ros2 run pcl_ros bag_to_pcd {name} /TOPIC {stem}`",
}
# Suffixes of arrays, and what reads them.
_READ_BY = {
    ".h5 .hdf5 .he5": "h5py",
    ".mat": "scipy.io.loadmat",
    ".parquet .feather .arrow .orc": "pandas",
    ".xlsx .xls .ods": "pandas.read_excel",
    ".pt .pth": "torch.load(..., weights_only=True)",
    ".pkl .pickle": "pickle, if you trust it,",
    ".safetensors": "safetensors",
    ".bin .raw .dat": "numpy.fromfile(..., numpy.float32).reshape(-1, COLUMNS)",
}
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".lz4")
# Beginnings that no 3D format has.
_BEGINNINGS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; run `git lfs pull`",
    b"<!doctype html": "is a web page, not the file itself; download it again",
    b"<html": "is a web page, not the file itself; download it again",
    b"<?xml": "is XML",
    b"%pdf": "is a PDF document",
    b"\x89png": "is a picture",
    b"\xff\xd8\xff": "is a picture",
    b"pk\x03\x04": "is a zip archive; unpack it first",
    b"\x1f\x8b": "is a gzip file; add .gz to its name",
}
_EXPECTED = {".npz": b"pk\x03\x04", ".gz": b"\x1f\x8b"}


def _of_suffix(table: dict[str, str], suffix: str) -> str:
    return next((how for suffixes, how in table.items() if suffix in suffixes.split()), "")


def how_to_convert(path: Path) -> str:
    """Returns what is not read and what to do about it, "" if the format is unknown."""
    if path.suffix.lower() in _ARCHIVES:
        return f"{path.suffix} is not read: unpack it first"
    suffix = format_suffix(path)
    how, reader = _of_suffix(_CONVERTED_BY, suffix), _of_suffix(_READ_BY, suffix)
    if how:
        how = how.replace("{name}", path.name).replace("{stem}", path.stem)
        return f"{suffix} is not read: convert it, for example by {how}"
    if reader:
        return f"{suffix} is not read: read it with {reader} and give the (N, 3) array of its coordinates"
    return ""


def what_it_is(path: Path) -> str:
    """Returns what a file is if it begins as no 3D file does, else ""."""
    with path.open("rb") as file:
        begin = file.read(64).lstrip().lower()
    found = next((mark for mark in _BEGINNINGS if begin.startswith(mark)), None)
    return "" if found is None or found == _EXPECTED.get(path.suffix.lower()) else _BEGINNINGS[found]
