"""Is it safe: checks give results, the verdict decides."""
