"""A fleet of OpenADR 3 virtual end nodes in one process."""
