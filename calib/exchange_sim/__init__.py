"""The simulated exchange: latency, faults, matching with a queue; for simulation and replay."""
