"""The pages. The folder isn't called so: Streamlit would take its files for scripts."""
