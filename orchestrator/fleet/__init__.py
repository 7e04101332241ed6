"""What is declared: facilities and their hosts, the catalog of releases, the mandate."""
