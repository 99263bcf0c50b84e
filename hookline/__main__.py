"""`python -m hookline`: the same command as `hookline`."""

from hookline.cli import main

if __name__ == "__main__":
    main()
