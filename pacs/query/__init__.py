"""A neutral query tree, dialects into it, and the matcher that gives it its meaning."""
