"""Long proofs: an outage of an hour, and a day of operation, in simulated time."""
