"""Second implementations of the ports, which keep the ports' rules."""
