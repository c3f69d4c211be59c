"""The files of published datasets, with addresses and checksums, and where they are looked for.

Every file is searched in the user's folder data/<name>/, then in the folder of the operating system's package, then among earlier
downloads (data/downloads/<name>/), and at last it is downloaded.
"""

from dataclasses import dataclass
from pathlib import Path

from .download import RemoteFile, fetch, problem
from .folders import data_folder
from .formats import refuse

ZALANDO = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",  # PyTorch's
    "http://yann.lecun.com/exdb/mnist/",
)
MULAN = "https://raw.githubusercontent.com/tsoumakas/mulan/43f6389095ad71984264db4387a8074b22bc7d4a/data/multi-label/"
UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/"


@dataclass(frozen=True)
class Source:
    """A published dataset: its files, the folder where an operating system's package puts them, and names of OpenML's table."""

    name: str
    files: tuple[RemoteFile, ...]
    system: Path | None = None
    tables: tuple[str, ...] = ()


def _idx(bases, name, sha256):
    return RemoteFile(f"{name}-ubyte.gz", tuple(f"{base}{name}-ubyte.gz" for base in bases), (sha256,), True)


def _madelon(path, *sha256):
    return RemoteFile(path.rpartition("/")[2], (f"{UCI}madelon/{path}",), sha256)


MNIST = Source(
    "mnist",
    (
        _idx(MNIST_MIRRORS, "train-images-idx3", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        _idx(MNIST_MIRRORS, "train-labels-idx1", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _idx(MNIST_MIRRORS, "t10k-images-idx3", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _idx(MNIST_MIRRORS, "t10k-labels-idx1", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
    tables=("mnist_784.arff", "mnist_784.csv"),
)

FASHION_MNIST = Source(
    "fashion_mnist",
    (
        _idx(ZALANDO, "train-images-idx3", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        _idx(ZALANDO, "train-labels-idx1", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        _idx(ZALANDO, "t10k-images-idx3", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        _idx(ZALANDO, "t10k-labels-idx1", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
    Path("/usr/share/datasets/fashion-mnist"),  # Debian's dataset-fashion-mnist
)

# The validation labels are published with and without a newline at the end.
MADELON = Source(
    "madelon",
    (
        _madelon("MADELON/madelon_train.data", "0b6e37711efdc7ab74250c51e7d6966bffd9f8f2b0e9971e882c3a7a380c2314"),
        _madelon("MADELON/madelon_train.labels", "10bffcc3b017467cb810d326b931951adcbde2b4870faf981da2991993b48689"),
        _madelon("MADELON/madelon_valid.data", "cb9a46475147de1a58d9f15ef4c318e5b85de344e0f9ab92626fa446aa815dc9"),
        _madelon(
            "madelon_valid.labels",
            "fbac32fa87fac41ab731994a1c824e7b25396069bff6df242c01fe240fcb34dc",
            "1aa311db914031ce44fc1dcf00fe4a0c31becb6c5c4e809db7fec13eead58fcc",
        ),
    ),
)

HIGGS = Source(
    "higgs",
    (
        RemoteFile(
            "HIGGS.csv.gz",
            (f"{UCI}00280/HIGGS.csv.gz", "http://mlphysics.ics.uci.edu/data/higgs/HIGGS.csv.gz"),
            ("ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",),
        ),
    ),
)

CIFAR10 = Source(
    "cifar10",
    (
        RemoteFile(
            "cifar-10-python.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            ("6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",),
        ),
    ),
)

# No checksum is published; the CRC of gzip and the shape of the table are checked.
LEUKEMIA = Source(
    "leukemia",
    (
        RemoteFile(
            "GSE13159_series_matrix.txt.gz",
            ("https://ftp.ncbi.nlm.nih.gov/geo/series/GSE13nnn/GSE13159/matrix/GSE13159_series_matrix.txt.gz",),
        ),
    ),
)


def _mulan(name):
    """A multi-label set in Mulan's repository at one commit. No checksum is published; that of the entries is checked."""
    files = (f"{name}{end}" for end in ("-train.arff", "-test.arff", ".xml"))
    return Source(name, tuple(RemoteFile(file, (f"{MULAN}{name}/{file}",)) for file in files))


BIBTEX, DELICIOUS = _mulan("bibtex"), _mulan("delicious")

# Addresses of figshare, and checksums, as in scikit-learn, which keeps copies there.
NEWSGROUPS = Source(
    "newsgroups20",
    (
        RemoteFile(
            "20news-bydate.tar.gz",
            ("http://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz", "https://ndownloader.figshare.com/files/5975967"),
            ("8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",),
        ),
    ),
)

CALIFORNIA = Source(
    "california",
    (
        RemoteFile(
            "cal_housing.tgz",
            (
                "https://www.dcc.fc.up.pt/~ltorgo/Regression/cal_housing.tgz",
                "https://ndownloader.figshare.com/files/5976036",
            ),
            ("aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681",),
        ),
    ),
)


def obtain(source, *, progress=True, **timeouts):
    """Return the paths of the source's files, in order, and their origin: "local", "system" or "official".

    Files of mixed origin count as "local" if one of them is, else as "official". Raises ValueError for a damaged file of the
    user, DownloadError if a file cannot be downloaded.
    """
    found = [_find(source, remote, progress, timeouts) for remote in source.files]
    origins = {origin for _, origin in found}
    return [path for path, _ in found], next(o for o in ("local", "official", "system") if o in origins)


def own_table(source):
    """Return OpenML's table in the user's folder, where the published files are not there; else None."""
    own = data_folder() / source.name
    if any(_present(own, remote) for remote in source.files):
        return None
    return next((path for name in source.tables for path in (own / f"{name}.gz", own / name) if path.is_file()), None)


def _find(source, remote, progress, timeouts):
    own = data_folder() / source.name
    if path := _present(own, remote):
        _check_own(path, remote)
        return path, "local"
    if source.system and (path := _present(source.system, remote)) and problem(path, remote) is None:
        return path, "system"
    downloads = data_folder() / "downloads" / source.name
    return fetch(remote, downloads, place=own / remote.name, progress=progress, **timeouts), "official"


def _present(folder, remote):
    """Return the file in `folder`, compressed or not, or None."""
    names = (remote.name, remote.name.removesuffix(".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _check_own(path, remote):
    """Reject a damaged file of the user, without deleting it. A decompressed one is checked if the checksum is of the content."""
    if path.name == remote.name or remote.of_content:
        if (reason := problem(path, remote)) is not None:
            refuse(path, f"the published {remote.name}: {reason}. Remove it to fetch a new one")
