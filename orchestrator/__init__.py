"""wardship: mandated versions of imaging software in hospitals, verified or put back."""
