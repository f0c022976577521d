"""Opens files: those that users bring, YAML of ours and theirs, and the data that comes with the project."""
