"""The Django application: a table, a store on it, and views."""
