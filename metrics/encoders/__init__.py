"""The models behind the metrics: one module a kind, one table (``catalogue``) that names them."""
