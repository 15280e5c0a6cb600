"""The demonstration behind `make run`, split by noun: the watchers that run in the lab's client, what is read out of their records, the acts."""
