"""Transfer protocols: how bytes of files at other places are asked for."""
