"""How clients speak: one pure codec per dialect, request in, chunks, answers and errors out."""
