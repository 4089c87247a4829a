"""Opening a file of cells; which kind it is says the ending of its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from cfm.datasets.reading.cell_file import CellFile
from cfm.errors import UserError

_READ = ".npz, .h5ad or .zarr"
_CONVERT = {
    ".h5ad.gz": "unpack it with gunzip",
    ".h5mu": "write one modality of it: mudata.read_h5mu(file).mod[name].write_h5ad(...)",
    ".loom": "anndata.read_loom(file).write_h5ad(...)",
    ".rds": "in R, SeuratDisk or zellkonverter write a Seurat or SingleCellExperiment object as .h5ad",
    ".h5seurat": "in R: SeuratDisk::Convert(file, dest = 'h5ad')",
    ".h5": "scanpy.read_10x_h5(file), coordinates and times added, .write_h5ad(...)",
    ".mtx": "scanpy.read_10x_mtx(folder), coordinates and times added, .write_h5ad(...)",
    ".npy": "np.savez(file, X=matrix, t=times)",
    ".csv": "t = pandas.read_csv(file); np.savez(file, X=t[coordinates].to_numpy(), t=t[time].to_numpy(str))",
}
_CONVERT |= dict.fromkeys((".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet", ".xlsx"), _CONVERT[".csv"])


def open_cells(path: Path) -> AbstractContextManager[CellFile]:
    """The file, to be used in a `with` statement; what it has of a wrong kind or damaged is said there too."""
    name = path.name.lower()
    if not path.exists():
        raise UserError(f"{path}: there is no such file")
    if name.endswith(".npz"):
        from cfm.datasets.reading.npz_cells import NpzFile

        return Opened(path, NpzFile)
    if name.endswith((".h5ad", ".zarr", ".zarr.zip")):
        from cfm.datasets.reading.anndata_cells import AnnDataFile

        return Opened(path, AnnDataFile)
    ending = next((known for known in sorted(_CONVERT, key=len, reverse=True) if name.endswith(known)), None)
    how = f"to convert it: {_CONVERT[ending]}" if ending else "others have to be converted first"
    raise UserError(f"{path}: a file that ends in {_READ} is expected; {how}")


class Opened(AbstractContextManager[Any]):
    """Opens a file at the beginning of a `with` statement, closes it at the end, says in one line what went wrong."""

    def __init__(self, path: Path, kind: Callable[[Path], Any]) -> None:
        self.path, self.kind = path, kind

    def __enter__(self) -> CellFile:
        try:
            self.file = self.kind(self.path)
        except Exception as error:
            raise unreadable(self.path, error) from error
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()
        if isinstance(error, Exception):
            raise unreadable(self.path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """What a reader says of a file, in one line; what is said already stays."""
    if isinstance(error, UserError):
        return error
    return UserError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})")
