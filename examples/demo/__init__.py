"""The whole system on one machine: `make demo`, and the stack that the tests use."""
