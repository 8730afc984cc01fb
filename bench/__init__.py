"""Benchmarks: against a sink of their own, on loopback."""
