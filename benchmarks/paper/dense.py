"""Dense nets and masked ones in PyTorch on the CPU, with the paper's settings: for tables 2 and 4. Needs the extra [bench].

A masked net has the same links as our net of the same seed at the start, as dense weights times a mask; they do not change.
"""

import time

import numpy as np

import sparselab as sl
from benchmarks.paper import data
from benchmarks.paper.runs import Run, described, scores


class TorchRun(Run):
    """A run of PyTorch; its method is "PyTorch, " and "dense" or "masked", and an activation, "ReLU" or "All-ReLU"."""

    @property
    def config(self):
        """The ExperimentConfig of our net with this activation."""
        _, _, activation = self.method.split(", ")
        return Run(self.table, self.dataset, activation, self.seed, self.epochs).config

    def measured(self, threads=None, loaded=None, folder=None):  # noqa: ARG002 (such runs always begin anew)
        """The row, measured now."""
        import torch

        whole = data.load(self.dataset) if loaded is None else loaded
        part, X, y = data.held_out(whole, self.held_out, self.seed)
        codes = {label: code for code, label in enumerate(part.classes.tolist())}
        threads = self.threads or threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.manual_seed(self.seed)
        model = sl.build(self.config, data=part).model
        net = TorchNet(model, self.config, masked=", masked," in self.method)
        epochs = []
        with sl.analysis.Meter() as meter:
            for _ in range(self.epochs):
                begin, cpu = time.perf_counter(), time.process_time()
                net.epoch(part.X_train, part.y_train)
                one = {"training": time.perf_counter() - begin, "evaluation": 0.0, "cpu": time.process_time() - cpu}
                one["test"] = net.accuracy(part.X_test, part.y_test)
                if X is not None:
                    one["validation"] = net.accuracy(X, np.array([codes[label] for label in y.tolist()]))
                epochs.append(one)
                meter.read()
        row = described(self, part, model, epochs) | scores(epochs) | meter.as_dict()
        links = model.n_links if net.masks[0] is not None else sum(layer.weight.numel() for layer in net.layers)
        return row | {"links": links, "threads": threads, "torch": torch.__version__, "data_sha256": data.digest(whole)}


class TorchNet:
    """A dense net, or one with the links of `model` as masks, which momentum SGD trains as a config says."""

    def __init__(self, model, config, *, masked):
        import torch

        self.config, self.dropout = config, torch.nn.Dropout(config.dropout)
        pairs = zip(model.sizes, model.sizes[1:], strict=False)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in pairs)
        self.masks = [None] * len(self.layers)
        for i, ours in enumerate(model.layers if masked else ()):
            places = ours.topology.rows, ours.topology.indices
            weight, mask = np.zeros((2, *ours.topology.shape), np.float32)
            weight[places], mask[places] = ours.w, 1
            self.masks[i], self.layers[i].weight.data = torch.from_numpy(mask), torch.from_numpy(weight)
            self.layers[i].bias.data.zero_()
        self.optimizer = torch.optim.SGD(self.layers.parameters(), lr=config.learning_rate, momentum=config.momentum)

    def outputs(self, Z):
        """The logits of a batch."""
        import torch.nn.functional as F

        for depth, (layer, mask) in enumerate(zip(self.layers, self.masks, strict=True), 1):
            Z = F.linear(Z, layer.weight if mask is None else layer.weight * mask, layer.bias)
            if depth < len(self.layers):
                slope = 0.0 if self.config.activation == "relu" else self.config.alpha * (-1) ** depth
                Z = self.dropout(F.leaky_relu(Z, slope))
        return Z

    def epoch(self, X, y):
        """Train once with every row."""
        import torch

        self.dropout.train()
        X, y = torch.from_numpy(X), torch.from_numpy(np.asarray(y, np.int64))
        for batch in torch.randperm(len(X)).split(self.config.batch_size):
            self.optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.outputs(X[batch]), y[batch]).backward()
            self.optimizer.step()

    def accuracy(self, X, codes):
        """Share of rows whose class is predicted."""
        import torch

        self.dropout.eval()
        with torch.inference_mode():
            found = [self.outputs(part).argmax(1) for part in torch.from_numpy(X).split(1000)]
        return float(np.mean(torch.cat(found).numpy() == codes))
