"""Studies: run directories, recipes, and the way from a model file to a stored result."""
