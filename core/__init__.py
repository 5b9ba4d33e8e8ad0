"""Everything that loads, trains, measures, explains and stores; knows no Streamlit."""
