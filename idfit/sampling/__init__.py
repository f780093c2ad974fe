"""Posterior densities of problems."""
