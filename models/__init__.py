"""What is true without Ray: vocabulary, decisions, and I/O that needs no cluster."""
