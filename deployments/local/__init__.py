"""One machine's whole stack: embedded PostgreSQL and Valkey, the sandbox, Ray and the gateway."""
