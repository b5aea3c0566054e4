"""A simulated exchange: latency, faults, snapshots, and matching with a queue; for simulation and replay."""
