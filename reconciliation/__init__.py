"""Rocketry jobs: clearing, renewals and sweeps."""
