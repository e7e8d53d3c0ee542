"""How long leases last, and what ends them early."""
