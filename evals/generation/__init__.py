"""Makes image sets: by asking the hosts, or by drawing what simulated systems answer."""
