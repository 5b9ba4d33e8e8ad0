"""The user interface: a folder or file named after a page serves that page; the other files serve several pages."""
