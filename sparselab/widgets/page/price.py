"""What a run would cost, in one line, before anything runs."""

from ... import memory, summary
from ..subject import SMALL


def price_of(config, subject):
    """Links, bytes beside the dense net's, for the settings in the form."""
    if not (config.dataset in (*subject.loaded, *SMALL) or subject.given is not None):
        return f"press Start: {config.dataset} is loaded then"
    data = subject.data_of(config.dataset)
    sizes = (data.n_features, *config.hidden, data.n_outputs)
    need = memory.estimate_memory(sizes, epsilon=config.epsilon, batch_size=config.batch_size, n_samples=data.n_train)
    return f"{summary.size(need.total)} of memory, dense: {summary.size(memory.dense_bytes(sizes))}"
