"""The embedded adherence encoder: frozen towers from packages, heads fitted here; weak, offline, not CLIP."""
