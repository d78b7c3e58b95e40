"""The images, built for real: `make test-images`."""
