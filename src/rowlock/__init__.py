"""Rowlock sells reserved seats and cannot sell one twice."""
