"""`python -m app`: see `app.cli` for the commands."""

from app.cli import main

if __name__ == "__main__":
    main()
