"""The renderer: settings, things, faces, lettering and edits, drawn without any model."""
