"""The built-in commands, one to a file; each is a thin face of a function that programs can call too."""
