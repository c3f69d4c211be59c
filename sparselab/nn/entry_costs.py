"""What CSR samples cost in a first layer, by their own entries and as dense tiles of all features."""

# costs of a sample, where a link costs 1 in a dense tile: of a feature of the tile, of an entry, and of each of its links
FEATURE, ENTRY, LINK = 1, 200, 35


def density_limit(n_in, n_links):
    """The density of CSR samples below which they go through a first layer with so many links by their entries."""
    return (FEATURE * n_in + n_links) / (ENTRY * n_in + LINK * n_links)
