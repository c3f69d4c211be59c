"""Reads files from a tar archive without unpacking it to disk; 20 Newsgroups and California housing, which are such archives."""

import tarfile

import numpy as np

from .formats import BROKEN, refuse

MOST_BYTES = 64 * 2**20  # of a member
NEWSGROUPS = "20news-bydate-train", "20news-bydate-test"
HOUSES = "cal_housing.data"


def files_in(path):
    """Yield (name, open file) of the archive's regular files in their order (seeking back would decompress it again).

    Links and names that point elsewhere are not followed. Raises tarfile.TarError or an error of gzip for a damaged archive.
    """
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isfile() and member.size <= MOST_BYTES:
                yield member.name, archive.extractfile(member)


def read_newsgroups(path):
    """Read 20news-bydate.tar.gz: (X, y, X_test, y_test, names of the groups); X (documents, words) CSR of counts.

    Words, and their order, are those of scikit-learn's `CountVectorizer` on the training part, as in its
    `fetch_20newsgroups_vectorized`. The archive has the documents group by group: they are shuffled with a fixed seed.
    Raises ValueError if it is damaged or has other folders.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    groups = {part: {} for part in NEWSGROUPS}
    try:
        for name, file in files_in(path):
            part, group, number = [*name.removeprefix("./").split("/"), "", ""][:3]
            if part in groups and number:
                groups[part].setdefault(group, {})[number] = file.read().decode("latin-1")
    except (tarfile.TarError, OSError, *BROKEN) as error:
        refuse(path, f"the archive of 20 Newsgroups by date ({str(error)[:120]})")
    train, test = groups.values()
    names, rng, counts = sorted(train), np.random.default_rng(0), CountVectorizer(dtype=np.float32)
    if not names or sorted(test) != names:
        refuse(path, f"an archive with the same groups in {NEWSGROUPS[0]} and {NEWSGROUPS[1]}")
    found = []
    for part, convert in ((train, counts.fit_transform), (test, counts.transform)):
        texts = [(part[name][number], code) for code, name in enumerate(names) for number in sorted(part[name])]
        texts = [texts[i] for i in rng.permutation(len(texts))]
        found += [convert(text for text, _ in texts).tocsr(), np.array([code for _, code in texts])]
    return *found, np.array(names)


def read_houses(path):
    """Read cal_housing.tgz: X (blocks of houses, 8) and the median values (blocks,) in 100,000 $, float64.

    The features are those of scikit-learn's `fetch_california_housing`: MedInc, HouseAge, AveRooms, AveBedrms, Population,
    AveOccup, Latitude, Longitude, where averages are totals by household. Raises ValueError for any other content.
    """
    try:
        raw = next((file.read() for name, file in files_in(path) if name.rpartition("/")[2] == HOUSES), b"")
        table = np.array([line.split(",") for line in raw.decode("ascii").split()], dtype=np.float64)
    except (tarfile.TarError, OSError, ValueError, *BROKEN) as error:
        refuse(path, f"the archive of California housing ({str(error)[:120]})")
    if table.ndim != 2 or table.shape[1] != 9 or not np.isfinite(table).all() or (table[:, 6] <= 0).any():
        refuse(path, f"an archive with {HOUSES}, lines of 9 finite numbers of which the seventh, households, is > 0")
    longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
    averages = rooms / households, bedrooms / households, people, people / households
    return np.column_stack([income, age, *averages, latitude, longitude]), value / 100_000
