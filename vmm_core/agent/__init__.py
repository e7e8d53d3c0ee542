"""The program on each machine: dials out, enrols, waits, becomes one user's, reaps."""
