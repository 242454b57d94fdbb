"""The conformance kit. Imports no pytest."""
