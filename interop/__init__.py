"""This application at VTNs that others wrote. Not part of the tests: it builds one of them."""
