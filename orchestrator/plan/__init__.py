"""What we intend: the difference between mandate and survey, frozen under a digest."""
