"""Data loading, training, evaluation, explanations and storage; nothing in here imports Streamlit."""
