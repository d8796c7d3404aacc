"""Errors: covariance, profiles, importance sampling and chains."""
