"""The saga: phases and their order, as pure decisions over ports."""
