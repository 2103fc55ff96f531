"""`python -m models.encoding` has the reference make agreement.toml anew."""

from models.encoding.agreement import renew

if __name__ == "__main__":
    renew()
