"""The networks, in the order in which data passes through them."""
