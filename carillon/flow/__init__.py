"""A broadcast's way: the steps, and `create` and `consume`, which tie them."""
