"""What all backends share: the server, what a worker computes, who gets which samples, and the average."""
