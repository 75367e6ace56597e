"""Recipes: programs that make what the package ships."""
