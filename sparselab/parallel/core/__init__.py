"""Parameter server, worker, data shards and averaging: parallel training without processes or networks."""
