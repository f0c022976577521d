"""What drawn pictures are made of: settings, things, faces, lettering and brand pieces, drawn without any model."""
