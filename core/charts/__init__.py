"""Charts and pictures of arrays: pure, for pages, reports and the command line; altair is imported here alone."""
