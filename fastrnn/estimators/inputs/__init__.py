"""Conversion of what users have to the arrays that nets take."""
