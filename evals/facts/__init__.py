"""What is known of the systems: models and prices, capabilities, the article and its claims, all cited."""
