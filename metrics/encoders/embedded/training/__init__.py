"""How the heads of the embedded encoder were made: research code that is not shipped; run by ``make encoder``."""
