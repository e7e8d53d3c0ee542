"""HTTP: any web server that serves byte ranges, with JSON listings of its folders."""
