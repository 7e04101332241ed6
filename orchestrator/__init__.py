"""wardship: mandated versions of imaging software for a country's hospitals, verified or put back."""
