"""What the end-to-end tests, the benchmarks and `make run` share: a lab of network namespaces, real servers, clients that keep count."""
