"""What the benchmark of claims is made of: services with a stock, a client, and a count."""
