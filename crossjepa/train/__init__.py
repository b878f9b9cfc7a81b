"""Pretraining: rendering, teacher-embedding caches, and training from them."""
