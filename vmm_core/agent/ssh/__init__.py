"""The machine's SSH endpoint: a few commands for one key, as the TopCAT plugin calls them."""
