"""Streamlit pages over the landed calls."""
