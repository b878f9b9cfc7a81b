"""Rendering, teacher embeddings, pretraining and fine-tuning. Encoding never imports this package."""
