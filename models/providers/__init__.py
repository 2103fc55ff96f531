"""How each provider is spoken to: what its models accept, and the translation to and from its wire."""
