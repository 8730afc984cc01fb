"""Benchmarks: against a sink of their own, on loopback. `make bench` runs them all."""
