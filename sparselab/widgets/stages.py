"""The topologies of a run, epoch by epoch, from which its links can be watched as they go and come."""

MOST_BYTES = 64 * 2**20


class Stages(list):
    """[(epoch, topology of each layer)] of a run: every other one is dropped when they need more than MOST_BYTES."""

    def add(self, epoch, topologies):
        """Add the topologies after an epoch."""
        self.append((epoch, topologies))
        while len(self) > 2 and self.n_bytes > MOST_BYTES:
            del self[1:-1:2]

    @property
    def n_bytes(self):
        """Bytes of all topologies; one that stayed as it was is counted once."""
        known = {id(one): one for _, topologies in self for one in topologies}
        return sum(one.indices.nbytes + one.indptr.nbytes for one in known.values())
